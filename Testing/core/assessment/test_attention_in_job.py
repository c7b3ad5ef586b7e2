"""Networks on volumes in the main job: attention where the eye would look, and several models side by side."""

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import covid_mtl, write
from COVIDMTLLib.assessment.pipeline import assess
from COVIDMTLLib.imaging.volume import Volume
from COVIDMTLLib.utils.errors import InputError
from support.data.orientations import turned
from support.models.bright_block import with_block
from support.models.bright_model import write_bright_model


@pytest.fixture(scope="module")
def bright(tmp_path_factory):
    return write_bright_model(tmp_path_factory.mktemp("models") / "bright")


def centre(array, geometry):
    """The place (LPS, mm) of the middle of what is at least half of the largest value."""
    image = Volume((array >= array.max() / 2).astype(np.uint8), geometry).to_image()
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(image)
    return np.array(shape.GetCentroid(1))


@pytest.mark.parametrize("degrees", [0, 25])
def test_attention_lights_up_what_the_network_answers_to(phantom, bright, tmp_path, degrees):
    ct, block = with_block(phantom)
    ct, lungs = turned(ct, degrees), turned(phantom.lungs, degrees)
    files = [write(one, tmp_path / f"{name}.nrrd") for name, one in (("ct", ct), ("lungs", lungs))]
    run = covid_mtl("assess", files[0], "--lungs", files[1], "--model", bright, "--out", tmp_path / "out")
    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / "out" / "assessment.json").read_text())
    assert {name: task["verdict"] for name, task in result["tasks"].items()} == {
        "covid_ct": "positive",
        "severity": "severe",
    }
    (model,) = result["models"]
    assert (model["device"], model["dtype"]) == ("cpu", "float32") and model["training_range"] is None
    assert not (tmp_path / "out" / "features.csv").exists()
    for task in result["tasks"]:
        attention = Volume.from_image(sitk.ReadImage(str(tmp_path / "out" / f"attention_{task}.nrrd")))
        assert attention.geometry.size == ct.geometry.size
        np.testing.assert_allclose(attention.geometry.direction, ct.geometry.direction, atol=1e-6)
        assert attention.array[block].min() > 0.5 and attention.array.max() <= 1
        # A voxel of the network's last map stands for 32 mm.
        assert np.linalg.norm(centre(attention.array, ct.geometry) - centre(block, ct.geometry)) < 16
        assert np.mean(attention.array > 0.5) < 0.2
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("slice with attention in colour") == 6 and "Features that stand out" not in page


def test_models_stand_side_by_side_and_are_aggregated(phantom, bright, tmp_path):
    both = write_bright_model(tmp_path / "both", "both", features=True)
    zipped = shutil.make_archive(str(tmp_path / "both"), "zip", both)
    ct, _ = with_block(phantom)
    done = assess(ct, tmp_path / "out", lungs=phantom.lungs, model=[zipped, "features-mtl"])
    volume, features = done.result["models"]
    tasks = done.result["tasks"]
    mean = np.mean(
        [volume["tasks"]["covid_ct"]["probabilities"], features["tasks"]["covid_ct"]["probabilities"]], axis=0
    )
    np.testing.assert_allclose(tasks["covid_ct"]["probabilities"], mean)
    assert tasks["covid_nat"]["probabilities"] == features["tasks"]["covid_nat"]["probabilities"]
    assert done.result["ensemble"]["apart"] == ["severity"] and "severity" not in tasks
    assert "mean probability" in done.result["ensemble"]["rule"]
    assert done.result["aggregate"]["verdict"] == "positive"
    assert list(done.attention) == ["covid_ct"] and (tmp_path / "out" / "features.csv").exists()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Models side by side" in page and "speaks of Severity of COVID-19 for itself" in page
    with pytest.raises(InputError, match="Two of the models are called bright; give each once"):
        assess(ct, lungs=phantom.lungs, model=[bright, bright])
