"""Image files whose headers say what they are told to, right or wrong."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from COVIDMTLLib.imaging.volume import Geometry

NRRD_TYPES = {
    "int8": "int8",
    "uint8": "uint8",
    "int16": "short",
    "uint16": "ushort",
    "int32": "int",
    "uint32": "uint",
    "int64": "longlong",
    "uint64": "ulonglong",
    "float32": "float",
    "float64": "double",
}
META_TYPES = {
    "int8": "MET_CHAR",
    "uint8": "MET_UCHAR",
    "int16": "MET_SHORT",
    "uint16": "MET_USHORT",
    "int32": "MET_INT",
    "uint32": "MET_UINT",
    "int64": "MET_LONG_LONG",
    "uint64": "MET_ULONG_LONG",
    "float32": "MET_FLOAT",
    "float64": "MET_DOUBLE",
}
TYPES = tuple(NRRD_TYPES)


def write_nrrd(path: Path, array: np.ndarray, geometry: Geometry, packed: bool = True, **said: Any) -> Path:
    """Write NRRD; what is said of ``type``, ``sizes``, ``space_directions`` and so on replaces the truth, with None
    it is left out. ``data_file`` makes the header one without data."""
    vectors = (geometry.axes * geometry.spacing).T
    header = {
        "type": NRRD_TYPES[array.dtype.name],
        "dimension": 3,
        "space": "left-posterior-superior",
        "sizes": _words(geometry.size),
        "space directions": " ".join(f"({','.join(map(str, vector.tolist()))})" for vector in vectors),
        "kinds": "domain domain domain",
        "endian": "little",
        "encoding": "gzip" if packed else "raw",
        "space origin": f"({','.join(map(str, geometry.origin))})",
    }
    header |= {key.replace("_", " "): value for key, value in said.items()}
    lines = ["NRRD0004", *(f"{key}: {value}" for key, value in header.items() if value is not None)]
    data = gzip.compress(array.tobytes(), 1) if packed else array.tobytes()
    path.write_bytes("\n".join(lines).encode() + b"\n\n" + (b"" if "data_file" in said else data))
    return path


def write_meta(path: Path, array: np.ndarray, geometry: Geometry, packed: bool = True, **said: Any) -> Path:
    """Write MetaImage; as `write_nrrd`, with the names that MetaImage has for things."""
    data = zlib.compress(array.tobytes(), 1) if packed else array.tobytes()
    header = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": True,
        "BinaryDataByteOrderMSB": False,
        "CompressedData": packed,
        "CompressedDataSize": len(data) if packed else None,
        "TransformMatrix": _words(geometry.axes.T.ravel()),
        "Offset": _words(geometry.origin),
        "ElementSpacing": _words(geometry.spacing),
        "DimSize": _words(geometry.size),
        "ElementType": META_TYPES[array.dtype.name],
    }
    header |= said
    file = header.pop("ElementDataFile", "LOCAL")  # has to be the last
    lines = [f"{key} = {value}\n" for key, value in header.items() if value is not None]
    content = "".join([*lines, f"ElementDataFile = {file}\n"]).encode()
    path.write_bytes(content + (data if file == "LOCAL" else b""))
    return path


def write_nifti(
    path: Path, array: np.ndarray, geometry: Geometry, qform: np.ndarray | None = None, **said: Any
) -> Path:
    """Write NIfTI; what is said replaces fields of its header. A ``qform`` may differ from the sform."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = geometry.axes * geometry.spacing, geometry.origin
    affine = np.diag([-1, -1, 1, 1]) @ affine
    image = nibabel.Nifti1Image(array.T, None, dtype=array.dtype)
    image.header.set_sform(affine, 1)  # whatever it is; the image itself would refuse what is singular
    image.header["pixdim"][1:4] = geometry.spacing
    if qform is not None:
        image.header.set_qform(qform @ affine, 1)
    content = bytearray(image.to_bytes())
    header = np.frombuffer(content, image.header.template_dtype, 1)
    for key, value in said.items():
        header[key] = value
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    return path


def _words(values: Any) -> str:
    return " ".join(str(value) for value in np.asarray(values).tolist())
