"""Odd and bad CTs in image files, and what to do with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from COVIDMTLLib.imaging.volume import Volume

from .damage import damage
from .image_files import write_meta, write_nifti, write_nrrd
from .stock import Stock
from .volumes import odd_geometry, odd_size, odd_type, odd_values, restored, retyped, turned

WRITERS = {".nrrd": write_nrrd, ".mha": write_meta, ".nii": write_nifti, ".nii.gz": write_nifti}

HUGE = (0, -1, 1, 41, 43, 700, 3000, 2**16, 2**31, 2**40, 10**30)
"""Sizes that a header may claim."""


def write_any(volume: Volume, folder: Path, rng: np.random.Generator, name: str = "ct") -> Path:
    """A volume as a file of any format."""
    suffix = str(rng.choice(list(WRITERS)))
    path = folder / f"{name}{suffix}"
    packed = {} if suffix.startswith(".nii") else {"packed": bool(rng.random() < 0.7)}
    return WRITERS[suffix](path, volume.array, volume.geometry, **packed)


def use(ct: Path, stock: Stock, out: Path, rng: np.random.Generator) -> list[str]:
    """A command line that reads a CT; nearly always a quick one."""
    command = rng.choice(["segment", "features", "assess"], p=[0.85, 0.1, 0.05])
    if command == "features":
        return ["features", str(ct), str(stock.lungs), "--out", str(out / "features.csv")]
    if command == "assess":
        return ["assess", str(ct), "--lungs", str(stock.lungs), "--model", str(stock.model), "--out", str(out)]
    suffix = rng.choice([".nrrd", ".nii.gz", ".mha"])
    words = ["segment", str(ct), "--out", str(out / f"lungs{suffix}"), "--method", "classical"]
    return words + (["--measures", str(out / "measures.json")] if rng.random() < 0.3 else [])


def values(stock, folder, out, rng):
    ct = stock.phantom.ct
    return use(write_any(ct.with_array(odd_values(ct.array, rng)), folder, rng), stock, out, rng)


def types(stock, folder, out, rng):
    return use(write_any(retyped(stock.phantom.ct, odd_type(rng)), folder, rng), stock, out, rng)


def geometry(stock, folder, out, rng):
    return use(write_any(odd_geometry(stock.phantom.ct, rng), folder, rng), stock, out, rng)


def places(stock, folder, out, rng):
    """Right answers: turned and stored in any order."""
    ct = restored(stock.phantom.ct, rng)
    ct = turned(ct, rng) if rng.random() < 0.5 else ct
    return use(write_any(ct, folder, rng), stock, out, rng)


def sizes(stock, folder, out, rng):
    return use(write_any(odd_size(stock.phantom.ct, rng), folder, rng), stock, out, rng)


def damaged(stock, folder, out, rng):
    return use(damage(write_any(stock.phantom.ct, folder, rng), rng), stock, out, rng)


def lying_nrrd(stock, folder, out, rng):
    size = list(stock.phantom.ct.geometry.size)
    size[rng.integers(3)] = int(rng.choice(HUGE[:8])) if rng.random() < 0.8 else HUGE[-1]
    lies = (
        {"sizes": " ".join(map(str, size))},
        {"type": rng.choice(["uchar", "double", "block", "float16", "nonsense", "complex"])},
        {"encoding": rng.choice(["raw", "gzip", "bzip2", "hex", "ascii", "zzz"])},
        {"endian": rng.choice(["big", "middle", ""])},
        {"dimension": int(rng.choice([0, 1, 2, 4, 16, 300, -1]))},
        {"space_directions": rng.choice(["none none none", "(1,0,0) (0,1,0)", "(nan,0,0) (0,1,0) (0,0,1)", "(((", ""])},
        {"space": rng.choice(["right-anterior-superior", "scanner-xyz", "4d", ""])},
        {"byte_skip": int(rng.choice([-1, 10, 10**9]))},
        {"line_skip": int(rng.choice([-1, 1, 10**9]))},
        {"kinds": rng.choice(["vector domain domain", "RGB-color domain domain", "x"])},
        {"space_origin": rng.choice(["(nan,nan,nan)", "(1,2)", "here", None])},
        {"spacings": "1 1 1"},
        {"content": "x" * int(rng.choice([1000, 10**6]))},
        {f"k{number}": "v" for number in range(2000)},
    )
    ct = stock.phantom.ct
    path = write_nrrd(
        folder / "ct.nrrd", ct.array, ct.geometry, bool(rng.random() < 0.5), **lies[rng.integers(len(lies))]
    )
    return use(path, stock, out, rng)


def lying_meta(stock, folder, out, rng):
    size = list(stock.phantom.ct.geometry.size)
    size[rng.integers(3)] = int(rng.choice(HUGE[:8]))
    lies = (
        {"DimSize": " ".join(map(str, size))},
        {"DimSize": "42 32"},
        {"NDims": int(rng.choice([-1, 0, 1, 2, 4, 10, 11, 300, 10**6, 10**12]))},
        {"ElementType": rng.choice(["MET_UCHAR", "MET_DOUBLE", "MET_OTHER", "MET_STRING", ""])},
        {"CompressedData": rng.choice(["True", "False"])},
        {"CompressedDataSize": int(rng.choice([0, 5, -5, 10**9]))},
        {"BinaryData": False},
        {"BinaryDataByteOrderMSB": True},
        {"ElementNumberOfChannels": int(rng.choice([0, 2, 3, 10**6, -1]))},
        {"HeaderSize": int(rng.choice([-1, 10, 10**9, -2]))},
        {"ElementSpacing": rng.choice(["0 1 1", "-3 3 3", "nan 1 1", "1", ""])},
        {"TransformMatrix": rng.choice(["1 0 0", "0 0 0 0 0 0 0 0 0", "a b c", "1 .5 0 0 1 0 0 0 1"])},
        {"AnatomicalOrientation": rng.choice(["RAI", "???", "x" * 5000])},
        {"Comment": "c" * int(rng.choice([300, 10**5]))},
        {"ObjectType": rng.choice(["Tube", "Scene", "Image" * 100])},
    )
    ct = stock.phantom.ct
    path = write_meta(
        folder / "ct.mha", ct.array, ct.geometry, bool(rng.random() < 0.5), **lies[rng.integers(len(lies))]
    )
    return use(path, stock, out, rng)


def lying_nifti(stock, folder, out, rng):
    ct = stock.phantom.ct
    dim = [3, *ct.geometry.size, 1, 1, 1, 1]
    dim[rng.integers(8)] = int(rng.choice([-1, 0, 2, 7, 43, 700, 32767]))
    turn = np.eye(4)
    turn[:3, :3] = rng.choice([np.diag([-1, 1, 1]), np.eye(3)[[1, 0, 2]], np.diag([1, 1, -1])])
    lies = (
        {"dim": dim},
        {"datatype": int(rng.choice([0, 1, 2, 16, 32, 64, 128, 1536, 1792, 2304, 9999, -1]))},
        {"bitpix": int(rng.choice([0, 1, 8, 64, -1]))},
        {"vox_offset": float(rng.choice([0, 10, 353, 1e9, -5, np.nan]))},
        {"scl_slope": float(rng.choice([0, 1e-3, np.nan, np.inf, -1, 1e30]))},
        {"scl_inter": float(rng.choice([1024, np.nan, np.inf, 1e30]))},
        {"pixdim": [int(rng.choice([-1, 0, 1])), *rng.choice([0, -3, 3, np.nan, np.inf, 0.003, 3000], 3), 1, 1, 1, 1]},
        {"xyzt_units": int(rng.choice([0, 1, 3, 255]))},
        {"sform_code": int(rng.choice([0, -1, 99])), "qform_code": int(rng.choice([0, 1, 99]))},
        {"quatern_b": float(rng.choice([2, np.nan, -1])), "sform_code": 0, "qform_code": 1},
        {"srow_x": [float(rng.choice([0, np.nan, 1e30])), 0, 0, 0]},
        {"srow_x": [3, 1.5, 0, 0]},
        {"magic": rng.choice([b"ni1", b"xxx", b"n+2"])},
        {"sizeof_hdr": int(rng.choice([0, 540, 1543569408]))},
        {"intent_code": 1007},
        {"qform": turn},
    )
    path = folder / rng.choice(["ct.nii", "ct.nii.gz"])
    return use(write_nifti(path, ct.array, ct.geometry, **lies[rng.integers(len(lies))]), stock, out, rng)
