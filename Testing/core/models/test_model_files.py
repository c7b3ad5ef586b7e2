"""Models as files: what is saved comes back from a folder and from a zip; a hostile one is refused with a sentence."""

import json
import os
import pickle
import shutil
import stat
import struct
import zipfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from COVIDMTLLib.cli import main
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.store import CARD, WEIGHTS, load_model, load_network, read_card, save_model
from COVIDMTLLib.utils.errors import InputError
from safetensors.torch import load_file, save_file
from support.models.small_models import SIZE, TASKS, card_of, network_of, saved


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("models") / "small", backbone="decovnet")


@pytest.fixture
def folder(pristine, tmp_path):
    return shutil.copytree(pristine[0], tmp_path / "model")


def zipped(folder, path=None, top="model/", **more):
    """A zip of a model folder, with more files of any name."""
    path = path or folder.parent / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in folder.iterdir():
            archive.write(file, top + file.name)
        for name, content in more.get("files", {}).items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return path


@pytest.mark.parametrize("features", [5, 0])
def test_volume_model_predicts_the_same_from_folder_and_zip(features, tmp_path):
    folder, network = saved(tmp_path / "m", features)
    rng = np.random.default_rng(1)
    volumes = [rng.standard_normal(SIZE).astype(np.float32), np.zeros(SIZE, np.float32)]
    case = {name: 95.0 + i for i, name in enumerate(FEATURE_NAMES)} if features else None
    top = zipped(folder, tmp_path / "top.zip", files={"__MACOSX/model/._model.json": b"x", "model/notes.txt": b"y"})
    flat = zipped(folder, tmp_path / "flat.zip", top="")
    models = [load_model(path, "cpu") for path in (folder, top, flat)]
    assert read_card(top) == read_card(folder) == models[0].card and models[0].card["format_version"] == 2
    assert models[0].takes_volume and models[0].takes_features == bool(features)
    found = [[model.predict(case, volume) for volume in volumes] for model in models]
    for task in range(2):
        name = TASKS[task]["name"]
        for volume, one in zip(volumes, found[0], strict=True):
            with torch.no_grad():
                tensors = models[0].runner.tensors(**models[0].case(case, torch.from_numpy(volume)))
                expected = torch.softmax(network(**tensors)[task][0], 0)
            np.testing.assert_allclose(one[name], expected, atol=1e-5)
        for other in found[1:]:
            np.testing.assert_array_equal([one[name] for one in other], [one[name] for one in found[0]])
        assert abs(found[0][0][name] - found[0][1][name]).max() > 1e-3


def test_model_says_what_it_needs(pristine):
    model = load_model(pristine[0], "cpu")
    case = dict.fromkeys(FEATURE_NAMES, 100.0)
    for given, sentence in (
        ((case,), "takes a lung volume, and none is given"),
        ((None, np.zeros(SIZE)), "takes lung features, and 10Percentile is not given"),
        ((case, np.zeros((48, 64, 63))), "takes a lung volume of 48 x 64 x 64 voxels, and this one has 48 x 64 x 63"),
    ):
        with pytest.raises(InputError, match=sentence):
            model.predict(*given)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_weights_keep_their_precision_in_the_file_and_compute_in_float32(dtype, pristine, tmp_path):
    folder, network = pristine
    card = {key: value for key, value in read_card(folder).items() if key != "format_version"}
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in network.state_dict().items()}
    save_model(tmp_path, card, state)
    assert load_file(tmp_path / WEIGHTS)["heads.0.classify.weight"].dtype == dtype
    _, loaded = load_network(tmp_path)
    for name, tensor in loaded.state_dict().items():
        assert tensor.dtype == (torch.float32 if tensor.is_floating_point() else torch.int64)
        torch.testing.assert_close(tensor, network.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_features_model_of_the_second_format(tmp_path):
    config = {"architecture": "features-mtl", "features": 5, "tasks": TASKS}
    network = network_of(config)
    save_model(tmp_path, card_of(config, 5), network)
    model = load_model(tmp_path, "cpu")
    assert model.takes_features and not model.takes_volume and "input" not in model.card
    case = {name: 100.0 + 5 * i for i, name in enumerate(FEATURE_NAMES)}
    with torch.no_grad():
        scaled = torch.from_numpy(model.case(case)["features"]).float()
        expected = torch.softmax(network(scaled[None])[1][0], 0)
    np.testing.assert_allclose(model.predict(case)["kind"], expected, rtol=1e-5)


def test_a_card_that_would_not_be_read_is_not_written(tmp_path):
    config = {"architecture": "covid-mtl", "backbone": "squeezenet3d", "tasks": TASKS}
    card = card_of(config)
    del card["input"]
    with pytest.raises(InputError, match="model small lacks input"):
        save_model(tmp_path, card, network_of(config))
    assert not list(tmp_path.iterdir())


def edit(folder, **changes):
    """Change keys of the card, by what a function makes of the old value; None removes one."""
    card = json.loads((folder / CARD).read_text())
    for key, value in changes.items():
        card[key] = value(card[key]) if callable(value) else value
    (folder / CARD).write_text(json.dumps({key: value for key, value in card.items() if value is not None}))
    return folder


def reweigh(folder, change):
    """Change the weights and the hash with them."""
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    return rehash(folder)


def rehash(folder):
    return edit(folder, weights={"file": WEIGHTS, "sha256": sha256((folder / WEIGHTS).read_bytes()).hexdigest()})


def put(file, content):
    def write(folder):
        (folder / file).write_bytes(content if isinstance(content, bytes) else content((folder / file).read_bytes()))
        return folder

    return write


def set_weight(name, change):
    def make(folder):
        return reweigh(folder, lambda weights: weights.update({name: change(weights[name])}))

    return make


def drop_weight(folder):
    return reweigh(folder, lambda weights: weights.pop("fnn.0.bias"))


def add_weight(folder):
    return reweigh(folder, lambda weights: weights.update({"heads.9.bias": torch.zeros(1)}))


def in_network(**changes):
    return lambda folder: edit(folder, network=lambda network: network | changes)


def in_input(**changes):
    return lambda folder: edit(folder, input=lambda given: given | changes)


def pickled(save):
    """A pickle that, were it read, would make a file beside the model."""

    class Trap:
        def __init__(self, path):
            self.path = path

        def __reduce__(self):
            return Path.touch, (self.path,)

    def make(folder):
        save(Trap(folder.parent / "sprung"), folder / WEIGHTS)
        return rehash(folder)

    return make


def larger_than_any_model(file):
    def make(folder):
        with open(folder / file, "r+b") as opened:
            opened.truncate(2**30 + 1)
        return folder

    return make


def zip_with(name, content=b"{}", mode=stat.S_IFREG | 0o644):
    def make(folder):
        path = zipped(folder)
        with zipfile.ZipFile(path, "a") as archive:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, content)
        return path

    return make


def declaring(file, offset, kind, value):
    """A zip that says something else of one of its files: in its directory at the end, at an offset."""

    def make(folder):
        path = zipped(folder)
        content = bytearray(path.read_bytes())
        entry = content.rindex(b"PK\x01\x02", 0, content.rindex(file.encode()))
        struct.pack_into(kind, content, entry + offset, value)
        path.write_bytes(content)
        return path

    return make


def zip_of(*folders):
    def make(folder):
        path = folder.parent / "model.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for top in folders:
                archive.write(folder / CARD, top + CARD)
        return path

    return make


def damaged_lzma(folder):
    path = folder.parent / "model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for file in (CARD, WEIGHTS):
            archive.write(folder / file, file)
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes(200) + content[400:])
    return path


def truncated_zip(folder):
    path = zipped(folder)
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def checkpoint_of_torch(folder):
    torch.save({"weight": torch.ones(3)}, folder.parent / "checkpoint.pth")
    return folder.parent / "checkpoint.pth"


def float8(folder):
    return set_weight("fnn.0.bias", lambda tensor: tensor.to(torch.float8_e4m3fn))(folder)


HOSTILE = {
    "no JSON": (put(CARD, b"{"), "is no JSON"),
    "no text": (put(CARD, b"\xff\xfe\x00"), "is no JSON"),
    "JSON without end": (put(CARD, b"[" * 200_000), "is no JSON"),
    "other JSON": (put(CARD, b"[1]"), "something else than a COVID-MTL model"),
    "unknown version": (lambda f: edit(f, format_version=99), "format version 99"),
    "version of no sense": (lambda f: edit(f, format_version=[2]), "format version"),
    "card without tasks": (lambda f: edit(f, tasks=None), "lacks tasks"),
    "card without input": (lambda f: edit(f, input=None), "lacks input"),
    "card without scaling": (lambda f: edit(f, scaling=None), "lacks scaling"),
    "tasks of no sense": (lambda f: edit(f, tasks=[{"name": "a", "classes": 7}]), "no sensible tasks"),
    "other tasks": (lambda f: edit(f, tasks=TASKS[:1]), "names other tasks than its network has"),
    "unknown feature": (lambda f: edit(f, features=["MeanHaemoglobin"]), "MeanHaemoglobin"),
    "fewer features": (lambda f: edit(f, features=["Mean"]), "names other features than its network has"),
    "features of no use": (in_network(features=None), "has features in its model.json, which its network has no use"),
    "ragged scaling": (lambda f: edit(f, scaling=lambda s: s | {"mean": [1, [2]]}), "no sensible scaling"),
    "scaling by 0": (lambda f: edit(f, scaling=lambda s: s | {"std": [0.0] * 5}), "no sensible scaling"),
    "range of 0": (lambda f: edit(f, scaling={"minimum": [0.0] * 5, "range": [0.0] * 5}), "no sensible scaling"),
    "scaling by texts": (lambda f: edit(f, scaling=lambda s: s | {"std": ["1"] * 5}), "no sensible scaling"),
    "NaN in the card": (lambda f: edit(f, scaling=lambda s: s | {"gain": float("nan")}), "no sensible scaling"),
    "distribution": (lambda f: edit(f, training_distribution={"values": []}), "no sensible training_distribution"),
    "cases of no number": (
        lambda f: edit(f, training_distribution=lambda d: d | {"cases": None}),
        "no sensible training_distribution",
    ),
    "metrics of no sense": (
        lambda f: edit(f, metrics={"cases": 3, TASKS[0]["name"]: {"auc": "x"}}),
        "no sensible metrics",
    ),
    "limits of no sense": (lambda f: edit(f, limits=[{"where": "", "auc": {}}]), "no sensible limits"),
    "a task that leads elsewhere": (
        lambda f: edit(f, tasks=[TASKS[0] | {"name": "../../x"}, *TASKS[1:]]),
        "is called '../../x', which is no name for a file",
    ),
    "JSON nested very deep": (
        lambda f: edit(f, provenance=json.loads("[" * 80 + "]" * 80)),
        "nested more than 50 deep",
    ),
    "weights that are a pipe": (
        lambda f: (f / WEIGHTS).unlink() or os.mkfifo(f / WEIGHTS) or f,
        "missing or damaged",
    ),
    "weights of no sense": (lambda f: edit(f, weights="here"), "no sensible weights"),
    "absurd input": (in_input(size=[10**6] * 3, box=[10**7] * 3, start=[0] * 3), "no sensible input"),
    "input beyond its box": (in_input(start=[300, 0, 0]), "no sensible input"),
    "input of no spacing": (in_input(spacing=0), "no sensible input"),
    "input of the finest spacing": (in_input(spacing=1e-3), "no sensible input"),
    "input of half voxels": (in_input(size=[48.5, 64, 64]), "no sensible input"),
    "input too small for the network": (in_input(size=[8, 64, 64]), "8 x 64 x 64 voxels is too small"),
    "unknown architecture": (in_network(architecture="transformer"), "cannot be built: .*architectures covid-mtl"),
    "architecture of no sense": (in_network(architecture={"a": 1}), "cannot be built: .*architectures covid-mtl"),
    "unknown option": (in_network(exec="rm"), "cannot be built: .*exec"),
    "absurd network": (in_network(head={"maps": 10**12}), "cannot be built: .*maps"),
    "network of no sense": (lambda f: edit(f, network=[1]), "no sensible network"),
    "other backbone": (in_network(backbone="squeezenet3d"), "do not fit the network"),
    "no card": (lambda f: (f / CARD).unlink() or f, "There is no model"),
    "no weights": (lambda f: (f / WEIGHTS).unlink() or f, "missing or damaged"),
    "weights that are a folder": (lambda f: (f / WEIGHTS).unlink() or (f / WEIGHTS).mkdir() or f, "missing or damaged"),
    "truncated": (put(WEIGHTS, lambda content: content[:-1000]), "missing or damaged"),
    "truncated header": (put(WEIGHTS, lambda content: content[:100]), "missing or damaged"),
    "empty": (put(WEIGHTS, b""), "missing or damaged"),
    "header without end": (put(WEIGHTS, b"\xff" * 8 + b"{}"), "missing or damaged"),
    "pickle": (pickled(lambda trap, path: path.write_bytes(pickle.dumps(trap))), "is a pickle"),
    "old pickle": (pickled(lambda trap, path: path.write_bytes(pickle.dumps(trap, 0))), "missing or damaged"),
    "pickle of PyTorch": (pickled(torch.save), "is a pickle"),
    "hash that does not fit": (
        lambda f: edit(reweigh(f, lambda w: w["fnn.0.bias"].add_(1)), weights={"file": WEIGHTS, "sha256": "0" * 64}),
        "is not the one its model.json names",
    ),
    "NaN": (set_weight("fnn.0.bias", lambda tensor: tensor.index_fill(0, torch.tensor([3]), np.nan)), "not all finite"),
    "infinite in float32": (set_weight("fnn.0.bias", lambda tensor: tensor.double() + 1e300), "not all finite"),
    "wrong shape": (set_weight("fnn.0.weight", lambda tensor: tensor[:, :-1].clone()), "fnn.0.weight is 256 x 4, and"),
    "wrong type": (set_weight("fnn.0.bias", lambda tensor: tensor.long()), "fnn.0.bias is of type int64"),
    "odd type": (float8, "fnn.0.bias is of type float8_e4m3fn"),
    "missing weight": (drop_weight, "fnn.0.bias is missing"),
    "weight too many": (add_weight, "it has no 'heads.9.bias'"),
    "absurd card": (larger_than_any_model(CARD), "has 1024 MiB, and no model has more than 64"),
    "absurd weights": (larger_than_any_model(WEIGHTS), "has 1024 MiB, and no model has more than 1024"),
    "no zip": (lambda f: f / WEIGHTS, "neither a folder that holds model.json nor a zip of one"),
    "truncated zip": (truncated_zip, "neither a folder that holds model.json nor a zip of one"),
    "damaged zip by LZMA": (damaged_lzma, "missing or damaged"),
    "checkpoint": (checkpoint_of_torch, "holds none; zip the folder of one model"),
    "zip without a card": (zip_of(), "holds none; zip the folder of one model"),
    "zip of folders in folders": (zip_of("a/b/"), "holds none; zip the folder of one model"),
    "zip of two models": (zip_of("a/", "b/"), "holds 2; zip the folder of one model"),
    "zip without weights": (zip_of(""), "missing or damaged"),
    "path out of the zip": (zip_with("model/../../model.json"), "leads out of its folder"),
    "path out of it on Windows": (zip_with("model\\..\\..\\x.dll"), "leads out of its folder"),
    "absolute path in a zip": (zip_with("/etc/cron.d/x"), "leads out of its folder"),
    "drive in a zip": (zip_with("C:x.dll"), "leads out of its folder"),
    "link in a zip": (zip_with("model/more", b"/etc/passwd", stat.S_IFLNK | 0o777), "has a link in place of a file"),
    "zip of many files": (lambda f: zipped(f, files={f"x{i}": b"" for i in range(1000)}), "holds 1002 files"),
    "zip that unpacks to gigabytes": (declaring(WEIGHTS, 24, "<I", 2**32 - 2), "unpacks to 4096 MiB"),
    "zip with a large card": (declaring(CARD, 24, "<I", 2**29), "has 512 MiB, and no model has more than 64"),
    "zip that says too little": (declaring(WEIGHTS, 24, "<I", 100), "missing or damaged"),
    "encrypted zip": (declaring(WEIGHTS, 8, "<H", 1), "missing or damaged"),
    "unknown compression": (declaring(WEIGHTS, 10, "<H", 99), "missing or damaged"),
    "other content than the zip says": (declaring(WEIGHTS, 16, "<I", 1), "missing or damaged"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_model_gets_one_sentence(kind, folder, capsys):
    make, sentence = HOSTILE[kind]
    path = make(folder)
    with pytest.raises(InputError, match=sentence) as refused:
        load_model(path)
    said = [str(refused.value)]
    try:
        read_card(path)
    except InputError as error:  # what is wrong with the card is the same sentence without PyTorch
        said.append(str(error))
    assert len(set(said)) == 1
    assert main.main(["model", "check", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err == f"covid-mtl: {refused.value}\n" and said.err.count("\n") == 1
    assert not (folder.parent / "sprung").exists()


def test_two_files_of_one_name_in_a_zip(folder):
    path = zipped(folder)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.write(folder / CARD, f"model/{CARD}")
    with pytest.raises(InputError, match="two files of the same name"):
        read_card(path)


def test_weights_that_make_no_numbers_are_noticed(folder):
    """Finite weights that overflow give no probabilities, rather than NaN."""
    reweigh(folder, lambda weights: weights["heads.0.classify.bias"].fill_(3e38))
    reweigh(folder, lambda weights: weights["heads.0.classify.weight"].fill_(3e38))
    with pytest.raises(InputError, match="gives no numbers for this case"):
        load_model(folder, "cpu").predict(dict.fromkeys(FEATURE_NAMES, 100.0), np.ones(SIZE, np.float32))
