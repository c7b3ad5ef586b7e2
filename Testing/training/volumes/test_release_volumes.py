"""The authors' compressed volumes, written here byte by byte from what their release looks like."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from covidmtl_training.cohort import cohort
from covidmtl_training.data.release_volumes import read_release_volume, release_cases
from covidmtl_training.data.store import open_store
from COVIDMTLLib.utils.errors import InputError
from support.data.made_up_cohort import made_up_cohort

TRAINING = Path(__file__).parents[3] / "Training"


BOX = ("12", "16", "16")


def png(pixels, depth=16, filters=True, claim=None):
    """A grey PNG of uint16 pixels, its rows filtered in turn by none, sub and up; ``claim`` is a size that it says."""
    samples = pixels.astype(">u2" if depth == 16 else np.uint8)
    rows = np.frombuffer(samples.tobytes(), np.uint8).reshape(len(pixels), -1)
    step, lines = depth // 8, []
    for y, row in enumerate(rows):
        kind = y % 3 if filters else 0
        left = np.concatenate([np.zeros(step, np.uint8), row[:-step]])
        above = rows[y - 1] if y else np.zeros_like(row)
        lines.append(bytes([kind]) + (row - (0, left, above)[kind]).astype(np.uint8).tobytes())
    width, height = claim or pixels.shape[::-1]
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def element(group, number, vr, value):
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def container(fragments, patient, preamble=True, offsets=True):
    """Fragments as the encapsulated Pixel Data of a DICOM file that says RLE Lossless and little else."""
    syntax = element(2, 0x10, b"UI", b"1.2.840.10008.1.2.5")
    head = b"\0" * 128 + b"DICM" + element(2, 0, b"UL", struct.pack("<I", len(syntax))) + syntax if preamble else b""
    padded = [fragment + b"\0" * (len(fragment) % 2) for fragment in fragments]
    starts = np.cumsum([0, *(8 + len(fragment) for fragment in padded[:-1])]).astype("<u4").tobytes()
    items = [starts if offsets else b"", *padded]
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
    pixels += b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
    return head + element(0x10, 0x20, b"LO", str(patient).encode()) + pixels + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def lungs(shape, seed=0):
    """Values of two blobs as HU + 1024, 0 elsewhere."""
    values = np.random.default_rng(seed).integers(100, 1100, shape)
    z, y, x = (np.linspace(-1, 1, n).reshape(-1, *[1] * (2 - axis)) for axis, n in enumerate(shape))
    return np.where(z**2 + y**2 + (2 * np.abs(x) - 1) ** 2 < 0.9, values, 0).astype(np.uint16)


def write(path, volume, patient=None, **options):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(container([png(one) for one in volume], patient or path.stem.split("-")[-1], **options))
    return path


def prepare(*arguments):
    run = [sys.executable, TRAINING / "prepare.py", *map(str, arguments), "--box", *BOX, "--features", "none"]
    return subprocess.run(run, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("options", [{}, {"offsets": False}, {"preamble": False}], ids=["usual", "no table", "no head"])
def test_all_three_kinds_come_back_exactly(tmp_path, options):
    volume = np.random.default_rng(0).integers(0, 2**16, (5, 9, 7)).astype(np.uint16)
    mask = (volume > 9999).astype(np.uint16)
    for suffix, written in ((".dcm", volume), (".dtm", volume[:3, 1:, 2:]), (".dmm", mask)):
        path = write(tmp_path / f"Patient-12{suffix}", written, **options)
        read = read_release_volume(path)
        assert read.dtype == np.uint16
        np.testing.assert_array_equal(read, written)


def damaged(kind, whole):
    slices = [png(one) for one in lungs((4, 9, 8))]
    if kind == "cut short":
        return whole[: len(whole) * 2 // 3]
    if kind == "cut between slices":
        return whole[: whole.rindex(b"\x89PNG") - 8]
    if kind == "cut inside the last slice":
        return container([*slices[:-1], slices[-1][:-30]], 1)
    if kind == "garbled":
        return container([slices[0], slices[1][:60] + bytes([slices[1][60] ^ 1]) + slices[1][61:]], 1)
    if kind == "wrong checksum":
        end = slices[1].rindex(b"IEND") - 8
        return container([slices[0], slices[1][:end] + bytes([slices[1][end] ^ 1]) + slices[1][end + 1 :]], 1)
    if kind == "unequal":
        return container([*slices, png(np.zeros((9, 9), np.uint16))], 1)
    if kind == "giant":
        return container([*slices, png(np.zeros((2, 2), np.uint16), claim=(2**31 - 1, 2**31 - 1))], 1)
    if kind == "8 bit":
        return container([png(np.zeros((9, 8), np.uint16), depth=8, filters=False)], 1)
    if kind == "no slices":
        return container([], 1)
    if kind == "other patient":
        return container(slices, 2)
    return b"not DICOM at all" * 30


KINDS = {
    "cut short": "cannot be read",
    "cut between slices": "cannot be read",
    "cut inside the last slice": "no whole 16-bit grey PNG",
    "garbled": "no whole 16-bit grey PNG",
    "wrong checksum": "no whole 16-bit grey PNG",
    "unequal": "not all of one size",
    "giant": "no whole 16-bit grey PNG",
    "8 bit": "no whole 16-bit grey PNG",
    "no slices": "holds no slices",
    "other patient": "says that it is of patient 2",
    "something else": "Patient-1.dcm",
}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_file_is_named(tmp_path, kind):
    path = write(tmp_path / "Patient-1.dcm", lungs((4, 9, 8)))
    path.write_bytes(damaged(kind, path.read_bytes()))
    with pytest.raises(InputError, match=KINDS[kind]) as caught:
        read_release_volume(path)
    assert "Patient-1.dcm" in str(caught.value)


def test_part_of_a_release_is_prepared_with_labels_and_the_split_of_the_whole(tmp_path):
    """Damaged volumes are named when they turn up and at the end, and do not stop the rest."""
    release = made_up_cohort(tmp_path / "release", layout="release")
    whole = cohort.load(release)
    test = set(cohort.paper_split(whole)[1].patients.PID)
    numbers = [*sorted(test)[:2], *sorted(set(whole.patients.PID) - test)[:4]]
    volumes = {number: lungs((8, 12, 14), number) for number in numbers}
    first, second, bare, masked, broken, misnamed = numbers
    for number in (first, second):
        write(release / "CT" / f"Patient-{number}.dcm", np.pad(volumes[number], ((2, 2), (2, 2), (1, 1))))
    write(release / "CT" / f"Patient-{first}.dtm", volumes[second])  # the finished volume counts
    write(release / "more" / f"Patient-{bare}.dtm", volumes[bare])
    write(release / "more" / f"Patient-{masked}.dtm", np.where(volumes[masked] > 0, volumes[masked], 900))
    write(release / "more" / f"Patient-{masked}.dmm", (volumes[masked] > 0).astype(np.uint16))
    write(release / "more" / f"Patient-{broken}.dcm", volumes[broken]).write_bytes(b"DICM" * 99)
    write(release / "more" / f"Patient-{misnamed}.dcm", volumes[misnamed], patient=9999)
    write(release / "more" / "Patient-9998.dtm", np.full((8, 12, 14), 900, np.uint16))  # no lung volume, no mask of it

    run = prepare(release, "--out", tmp_path / "store")
    assert run.returncode == 1 and "Traceback" not in run.stderr
    ending = run.stderr[run.stderr.index("prepare: 3 of 7 cases could not be used") :]
    assert run.stderr.count(f"Patient-{broken}: ") == 2 and f"Patient-{broken}: " in ending
    assert "says that it is of patient 9999" in ending and "a whole CT rather than lungs" in ending
    store = open_store(tmp_path / "store")
    assert store.cases == [f"Patient-{number}" for number in sorted(numbers[:4])]
    failed = pd.read_csv(tmp_path / "store" / "failed.csv")
    assert set(failed.case) == {f"Patient-{number}" for number in (broken, misnamed, 9998)} and failed.reason.all()
    for row, case in enumerate(store.cases):
        number = int(case.split("-")[1])
        of_cohort = whole.row_of(number)
        np.testing.assert_array_equal(store.volume(row, (2, 2, 1), (8, 12, 14)), volumes[number])
        assert np.count_nonzero(store.volume(row)) == np.count_nonzero(volumes[number])
        np.testing.assert_array_equal(store.labels[row], whole.labels[of_cohort])
        np.testing.assert_allclose(store.features[row], whole.features[of_cohort], rtol=1e-15)
        assert store.splits[row] == ("test" if number in test else "train")


def test_release_without_tables_or_volumes(tmp_path):
    write(tmp_path / "Patient-3.dcm", lungs((4, 9, 8)))
    (case,) = release_cases(tmp_path)
    assert (case.name, case.labels, case.features) == ("Patient-3", (-100,) * 3, None)
    write(tmp_path / "again" / "patient-3.DCM", lungs((4, 9, 8)))
    with pytest.raises(InputError, match="of one patient"):
        release_cases(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no Patient-N.dcm"):
        release_cases(tmp_path / "empty")
