"""What is given for a CT and is no file, no volume, or a header without its data."""

from __future__ import annotations

import gzip
import os

import nibabel
import numpy as np
import SimpleITK as sitk

from .cts import use
from .image_files import write_meta, write_nrrd


def detached(stock, folder, out, rng):
    """A header whose data are in another file, or nowhere."""
    ct = stock.phantom.ct
    (folder / "right.raw").write_bytes(ct.array.tobytes())
    (folder / "short.raw").write_bytes(ct.array.tobytes()[: int(rng.integers(0, 5000))])
    os.mkfifo(folder / "pipe.raw")
    os.symlink("loop.raw", folder / "loop.raw")
    files = ["right.raw", "short.raw", "missing.raw", "pipe.raw", "loop.raw", "/dev/zero", "/dev/stdin", "..", "ct.mhd"]
    files += ["LIST", "slice%03d.raw 1 9 1", "LIST 2", "%s%n", "/etc/hostname", "", " right.raw", "x" * 5000]
    file = str(rng.choice(files))
    if rng.random() < 0.5:
        path = write_nrrd(folder / "ct.nhdr", ct.array, ct.geometry, False, data_file=file)
    else:
        path = write_meta(folder / "ct.mhd", ct.array, ct.geometry, False, ElementDataFile=file)
    if file.startswith("LIST") and rng.random() < 0.5:
        path.write_bytes(path.read_bytes().rstrip(b"\n") + b"\nright.raw\npipe.raw\n")
    return use(path, stock, out, rng)


def no_files(stock, folder, out, rng):
    """What is there in place of a CT is no file, or one of something else."""
    path = folder / str(rng.choice(["ct.nrrd", "ct.nii.gz", "ct.nii", "ct.mha", "ct.mhd", "ct.dcm", "ct"]))
    kinds = (
        lambda: None,
        lambda: path.mkdir(),
        lambda: path.write_bytes(b""),
        lambda: path.write_text("not an image\n" * int(rng.integers(1, 1000))),
        lambda: os.mkfifo(path),
        lambda: os.symlink(path.name, path),
        lambda: os.symlink(rng.choice(["/dev/zero", "/dev/stdin", "/dev/null", "/proc/self/mem"]), path),
        lambda: path.write_bytes(stock.ct.read_bytes()),  # another format's name
        lambda: path.write_bytes(gzip.compress(stock.ct.read_bytes())),
        lambda: path.write_bytes(rng.choice([b"NRRD0004\n", b"NRRD0004\n\n", b"NDims = 3\n", b"\x1f\x8b", b"NRRD"])),
        lambda: path.write_bytes(gzip.compress(bytes(10**7))),
        lambda: path.symlink_to(stock.ct),
    )
    kinds[rng.integers(len(kinds))]()
    return use(path, stock, out, rng)


def no_volumes(stock, folder, out, rng):
    """Images that are no volume of real numbers."""
    image = stock.phantom.ct.to_image()
    real = sitk.Cast(image, sitk.sitkFloat32)
    suffix = rng.choice([".nrrd", ".mha", ".nii.gz"])
    kinds = (
        lambda: image[:, :, 10],
        lambda: sitk.JoinSeries([image] * int(rng.integers(1, 4))),
        lambda: sitk.Compose([image] * int(rng.integers(2, 5))),
        lambda: sitk.RealAndImaginaryToComplex(real, real),
        lambda: sitk.Cast(sitk.Compose([sitk.Cast(image + 1024 > 500, sitk.sitkUInt8)] * 3), sitk.sitkVectorUInt8),
    )
    path = folder / f"ct{suffix}"
    made = kinds[rng.integers(len(kinds))]()
    if "complex" in made.GetPixelIDTypeAsString() and suffix == ".mha":
        nibabel.save(nibabel.Nifti1Image(stock.phantom.ct.array.T.astype(np.complex64), np.eye(4)), folder / "ct.nii")
        return use(folder / "ct.nii", stock, out, rng)
    sitk.WriteImage(made, str(path))
    return use(path, stock, out, rng)
