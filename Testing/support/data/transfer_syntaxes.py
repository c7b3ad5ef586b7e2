"""DICOM files in the transfer syntaxes that scanners and archives write."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom import Dataset, uid
from pydicom.encaps import encapsulate, generate_frames

BY_GDCM = {uid.JPEGLosslessSV1: "JPEG", uid.JPEG2000Lossless: "JPEG2000"}
"""Which SimpleITK writes, by what it calls them."""

BY_PYDICOM = (uid.RLELossless, uid.JPEGLSLossless)

SYNTAXES = (
    *(uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian),
    *(uid.DeflatedExplicitVRLittleEndian, *BY_PYDICOM, *BY_GDCM),
)


def write_as(data: Dataset, path: Path, syntax: uid.UID) -> Path:
    """Write a data set with plain pixels of 16 bits, little endian, in a transfer syntax."""
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    if syntax in BY_PYDICOM:
        data.compress(syntax, generate_instance_uid=False)
    elif syntax in BY_GDCM:
        frames = np.frombuffer(data.PixelData, np.int16 if data.PixelRepresentation else np.uint16)
        frames = frames.reshape(-1, data.Rows, data.Columns)
        data.PixelData = encapsulate([_by_gdcm(frame, BY_GDCM[syntax]) for frame in frames])
        data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    elif syntax == uid.ExplicitVRBigEndian:
        data.PixelData = np.frombuffer(data.PixelData, np.uint16).byteswap().tobytes()
    data.file_meta.TransferSyntaxUID = syntax
    order = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    pydicom.dcmwrite(path, data, **order, enforce_file_format=True)
    return path


def _by_gdcm(frame: np.ndarray, compressor: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "frame.dcm")
        writer = sitk.ImageFileWriter()
        writer.SetFileName(str(path))
        writer.SetImageIO("GDCMImageIO")
        writer.UseCompressionOn()
        writer.SetCompressor(compressor)
        writer.Execute(sitk.GetImageFromArray(frame[None]))
        content = pydicom.dcmread(path)
    return next(generate_frames(content.PixelData, number_of_frames=1))
