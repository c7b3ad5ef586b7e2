"""Studies of DICOM files other than a plain series: many frames in a file, localizers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from conftest import write_dicom
from COVIDMTLLib.imaging.volume import Volume


def write_frames(volume: Volume, path: Path, frames=None, rescale=lambda z: (1.0, -1024.0), position=True) -> Path:
    """Write an enhanced CT: slices of a volume as frames of one file, in the given order."""
    import pydicom
    from pydicom import Dataset
    from pydicom.uid import EnhancedCTImageStorage

    series = write_dicom(volume, path.parent / "slices")
    data = pydicom.dcmread(min(series.iterdir()))
    for file in series.iterdir():
        file.unlink()
    series.rmdir()
    geometry = volume.geometry
    frames = list(range(geometry.size[2]) if frames is None else frames)
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "RescaleIntercept"):
        delattr(data, name)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    data.NumberOfFrames = len(frames)
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [geometry.spacing[1], geometry.spacing[0]]
    plane.ImageOrientationPatient = [*geometry.axes[:, 0], *geometry.axes[:, 1]]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], []
    pixels = []
    for z in frames:
        frame, place, values = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = geometry.point_at([0, 0, z]).tolist()
        values.RescaleSlope, values.RescaleIntercept = rescale(z)
        frame.PixelValueTransformationSequence = [values]
        if position:
            frame.PlanePositionSequence = [place]
        data.PerFrameFunctionalGroupsSequence.append(frame)
        pixels.append(np.rint((volume.array[z] - values.RescaleIntercept) / values.RescaleSlope).astype(np.uint16))
    data.PixelData = np.stack(pixels).tobytes()
    data.save_as(path)
    return path


def write_slices(volume: Volume, folder: Path, prefix: str, **changes) -> Path:
    """`write_dicom` into a folder that holds others already, under names of their own."""
    folder.mkdir(exist_ok=True)
    written = write_dicom(volume, folder.parent / f"{folder.name}-{prefix}", **changes)
    for file in written.iterdir():
        file.rename(folder / f"{prefix}{file.name}")
    written.rmdir()
    return folder


def write_localizer(volume: Volume, folder: Path, **changes) -> Path:
    """One coronal view of a volume."""
    view = volume.array.mean(axis=1).astype(volume.array.dtype)[None]
    flat = Volume(view, type(volume.geometry)(view.shape[::-1], volume.geometry.spacing))
    kind = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"], "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
    return write_slices(flat, folder, "scout", **(kind | changes))
