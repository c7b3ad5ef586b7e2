"""What the tests share: the real data where they are at hand, a small synthetic CT, the command line."""

import os
import signal

# Before anything starts threads: the tests run on as many workers as there are cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from COVIDMTLLib.imaging.volume import Volume
from COVIDMTLLib.phantom import thorax

PHANTOMS = 56
"""Of the small study."""


def _data(variable):
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set")
    assert Path(folder).is_dir(), f"{variable} does not lead to a folder"
    return Path(folder)


def pytest_collection_modifyitems(items):
    """Files whose tests share a trained network come first: of a file at the end both workers take tests, and train."""
    items.sort(key=lambda item: item.path.name not in {"test_phantom_study.py", "test_own_tasks.py"})


@pytest.fixture(scope="session")
def real_ct():
    """Folder with lung1_image.nrrd and lung1_reference_lung.nrrd."""
    return _data("COVIDMTL_CT")


@pytest.fixture(scope="session")
def field():
    """Folder with inputs in the shape of public bug reports, beside that of the real CT if it is not told of."""
    if "COVIDMTL_FIELD" in os.environ:
        return _data("COVIDMTL_FIELD")
    folder = _data("COVIDMTL_CT").parent / "field"
    if not folder.is_dir():
        pytest.skip("COVIDMTL_FIELD is not set")
    return folder


@pytest.fixture(scope="session")
def cohort_folder():
    """Folder with the tables of the real cohort."""
    return _data("COVIDMTL_COHORT")


@pytest.fixture(scope="session")
def phantom():
    """A small synthetic thorax with some ground glass."""
    return thorax(3, ground_glass=0.1, spacing=(1.6, 1.6, 2.0), size=0.48)


@pytest.fixture(scope="session")
def larger_phantom():
    """The same patient in a size in which snakes have something to do, and half of the lungs are still lungs."""
    return thorax(3, ground_glass=0.1, spacing=(1.6, 1.6, 2.0), size=0.6)


@pytest.fixture(scope="session")
def phantom_ct(phantom, tmp_path_factory):
    """The small synthetic thorax as a file."""
    return write(phantom.ct, tmp_path_factory.mktemp("phantom") / "ct.nrrd")


@pytest.fixture(scope="session")
def phantom_study_folder(tmp_path_factory):
    """A folder with the phantoms of a small study, which are made once for all the tests that train on them."""
    from covidmtl_training.phantoms.cohort import make_cohort

    folder = tmp_path_factory.mktemp("study")
    make_cohort(folder / "cohort", PHANTOMS, spacing=10.0)
    return folder


def write(volume: Volume, path: Path) -> Path:
    sitk.WriteImage(volume.to_image(), str(path), useCompression=True)
    return path


def command(*arguments):
    """The command line as a list for subprocess."""
    return [sys.executable, "-m", "COVIDMTLLib", *map(str, arguments)]


def covid_mtl(*arguments):
    """Run the command line to its end."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=600)


def heed_interrupts():
    """For ``preexec_fn``: Ctrl-C counts, even where the tests themselves run in the background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def change(data, z, changes):
    """Change attributes of a DICOM slice: to a value or to that of a function of its number; None takes one away."""
    for name, value in changes.items():
        value = value(z) if callable(value) else value
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)


def write_dicom(volume: Volume, folder: Path, series="1.2.826.0.1.3680043.8.498.1", **changes) -> Path:
    """Write a CT as a DICOM series with pydicom, file names in no order.

    ``changes`` are attributes to set on every slice; one that is a function is called with the number of
    the slice.
    """
    import pydicom
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir(exist_ok=True)
    stored = (volume.array.astype(np.int32) + 1024).astype(np.uint16)
    geometry = volume.geometry
    direction = np.reshape(geometry.direction, (3, 3))
    for z, pixels in enumerate(stored):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
        data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        data.Modality, data.SeriesInstanceUID, data.SeriesDescription = "CT", series, "Thorax"
        data.PatientName, data.PatientID, data.StudyInstanceUID = "Phantom", "1", "1.2.3"
        data.Rows, data.Columns = pixels.shape
        data.PixelSpacing = [geometry.spacing[1], geometry.spacing[0]]
        data.SliceThickness = geometry.spacing[2]
        data.ImageOrientationPatient = [*direction[:, 0], *direction[:, 1]]
        data.ImagePositionPatient = list(np.array(geometry.origin) + z * geometry.spacing[2] * direction[:, 2])
        data.InstanceNumber = len(stored) - z
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
        data.RescaleSlope, data.RescaleIntercept = 1, -1024
        data.PixelData = pixels.tobytes()
        change(data, z, changes)
        pydicom.dcmwrite(folder / f"{(z * 7919) % 10007:05d}-{series[-3:]}.dcm", data, enforce_file_format=True)
    return folder
