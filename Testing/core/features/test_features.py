"""The 375 features: names of the cohort, values of PyRadiomics, which is not needed for them."""

import csv
import os

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import covid_mtl
from COVIDMTLLib.features.extraction import lung_features
from COVIDMTLLib.features.names import FEATURE_NAMES, in_words
from COVIDMTLLib.features.wavelet import sub_band_values
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import Volume, labels_on, to_working_grid
from COVIDMTLLib.processes.helper import aid
from COVIDMTLLib.utils.errors import InputError
from support.pyradiomics_features import by_pyradiomics


def test_names_are_those_of_the_cohort_table(cohort_folder):
    import pandas

    header = pandas.read_csv(cohort_folder / "features.csv.gz", nrows=0).columns
    assert ("PID", *FEATURE_NAMES) == tuple(header)


# Odd and even numbers of voxels along the axes: the wavelet transform treats them differently.
@pytest.mark.parametrize("window", [np.s_[90:131, 120:181, 60:122], np.s_[60:100, 130:200, 180:245]])
def test_parity_with_pyradiomics_on_a_part_of_the_real_ct(real_ct, window):
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    lungs = read_mask(real_ct / "lung1_reference_lung.nrrd").array[window] > 0
    ct = np.ascontiguousarray(ct.array[window])
    found = lung_features(Volume(ct, _grid(ct)), lungs)
    assert tuple(found) == FEATURE_NAMES
    np.testing.assert_allclose(list(found.values()), by_pyradiomics(ct, lungs, (70, 98, 94)), rtol=1e-9)


def test_parity_with_pyradiomics_on_a_part_of_a_phantom(phantom):
    ct = to_working_grid(phantom.ct)
    lungs = labels_on(phantom.lungs, ct.geometry).array
    middle = tuple(slice(n // 2 - 24, n // 2 + 25) for n in ct.array.shape)
    ct, lungs = np.ascontiguousarray(ct.array[middle]), lungs[middle] > 0
    found = lung_features(Volume(ct, _grid(ct)), lungs)
    np.testing.assert_allclose(list(found.values()), by_pyradiomics(ct, lungs, (60, 62, 64)), rtol=1e-9)


def test_sub_bands_are_those_of_pywavelets_to_the_last_digit(phantom):
    """Where the image is flat, the last digit decides between two grey levels."""
    pywt = pytest.importorskip("pywt")
    image = np.pad(np.maximum(phantom.ct.array[:21, 20:57, 20:70].astype(int) + 1024, 0), 5)
    image = image[tuple(slice(n - n % 2) for n in image.shape)]
    mask = np.zeros(image.shape, bool)
    mask[5:-5, 5:-5, 5:-5] = image[5:-5, 5:-5, 5:-5] % 7 > 0
    for name, values in sub_band_values(image, mask).items():
        key = name.replace("L", "a").replace("H", "d")
        np.testing.assert_array_equal(values, pywt.swtn(image, "coif1", level=1, axes=(2, 1, 0))[0][key][mask])


def test_pyradiomics_is_a_second_engine_and_is_not_needed(phantom, phantom_ct, tmp_path, monkeypatch):
    mask = tmp_path / "lungs.nrrd"
    sitk.WriteImage(phantom.lungs.to_image(), str(mask))
    arguments = ("features", phantom_ct, mask, "--out", tmp_path / "features.csv")
    for package in ("radiomics", "pywt", "torch"):
        (tmp_path / "hidden" / package).mkdir(parents=True)
        (tmp_path / "hidden" / package / "__init__.py").write_text("raise ImportError('not here')")
    with monkeypatch.context() as without:
        without.setenv("PYTHONPATH", str(tmp_path / "hidden"), prepend=os.pathsep)
        run = covid_mtl(*arguments, "--engine", "pyradiomics")
        assert run.returncode == 2 and not (tmp_path / "features.csv").exists()
        assert run.stderr.splitlines()[-1].startswith("covid-mtl: The package radiomics is damaged or incomplete")
        run = covid_mtl(*arguments)
        assert run.returncode == 0, run.stderr
    _, own = csv.reader((tmp_path / "features.csv").open())
    pytest.importorskip("radiomics")
    run = covid_mtl(*arguments, "--engine", "pyradiomics")
    assert run.returncode == 0, run.stderr
    header, theirs = csv.reader((tmp_path / "features.csv").open())
    assert tuple(header) == FEATURE_NAMES and own != theirs
    np.testing.assert_allclose(np.array(own, float), np.array(theirs, float), rtol=1e-9)
    run = covid_mtl(*arguments, "--engine", "mirp")
    assert (run.returncode, run.stderr) == (
        2,
        "covid-mtl: There is no engine mirp; choose one of built-in, pyradiomics.\n",
    )


def _grid(array):
    from COVIDMTLLib.imaging.volume import Geometry

    return Geometry(array.shape[::-1])


def test_command_line_writes_one_row(phantom, phantom_ct, tmp_path):
    sitk.WriteImage(phantom.lungs.to_image(), str(tmp_path / "lungs.nrrd"))
    run = covid_mtl("features", phantom_ct, tmp_path / "lungs.nrrd", "--out", tmp_path / "features.csv")
    assert run.returncode == 0, run.stderr
    header, values = csv.reader((tmp_path / "features.csv").open())
    assert tuple(header) == FEATURE_NAMES
    ct = to_working_grid(phantom.ct)
    expected = lung_features(ct, labels_on(phantom.lungs, ct.geometry).array)
    assert list(map(float, values)) == list(expected.values())


def process_number(progress):
    return os.getpid()


def test_two_processes_find_what_one_does(phantom, monkeypatch):
    ct = to_working_grid(phantom.ct)
    lungs = labels_on(phantom.lungs, ct.geometry).array
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with aid("skimage") as helper:
        assert lung_features(ct, lungs, aid=helper) == lung_features(ct, lungs)
        process = helper.start(process_number).result()
        assert process != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with aid("skimage") as helper:
        assert helper is None


def test_too_few_voxels_are_refused(phantom):
    speck = np.zeros(phantom.ct.array.shape, bool)
    speck[30, 30:40, 30:40] = True
    with pytest.raises(InputError, match="fewer than 1000 voxels"):
        lung_features(phantom.ct, speck)


def test_every_name_reads_as_words():
    words = [in_words(name) for name in FEATURE_NAMES]
    assert len(set(words)) == len(FEATURE_NAMES)
    assert in_words("LLH_glcm_Idmn") == ("inverse difference moment, normalized", "co-occurrence (GLCM), wavelet LLH")
    assert in_words("GrayLevelVariance") == ("gray level variance", "zone size (GLSZM)")
