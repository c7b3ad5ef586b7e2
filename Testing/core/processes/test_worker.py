"""What libraries print in the process that does the work: nobody is told, unless the process dies."""

import os
import sys

import nibabel
import numpy as np
import pytest
from conftest import covid_mtl, write
from COVIDMTLLib.processes.worker import Worker, WorkerDied
from COVIDMTLLib.utils.progress import silent


def grumble(then_die, *, progress):
    os.write(2, b"out of cheese\n")
    print("redo from start", file=sys.stderr, flush=True)
    if then_die:
        os._exit(7)
    return "done"


def test_last_words_of_a_worker_are_told_and_others_are_not(capfd):
    worker = Worker()
    assert worker.run(grumble, False, progress=silent) == "done"
    with pytest.raises(WorkerDied, match="exit code 7; was the memory enough.\nout of cheese\nredo from start"):
        Worker().run(grumble, True, progress=silent)
    worker.end()
    assert capfd.readouterr() == ("", "")


def test_warnings_of_itk_about_a_header_are_not_shown(phantom, tmp_path):
    path = write(phantom.lungs, tmp_path / "lungs.nii")
    image = nibabel.load(path)
    stretched = image.affine.copy()
    stretched[:3, 0] *= 1.02  # otherwise than the spacing beside it says
    image.header.set_sform(stretched, 1)
    nibabel.save(nibabel.Nifti1Image(np.asanyarray(image.dataobj), None, image.header), tmp_path / "stretched.nii")
    run = covid_mtl("compare-masks", tmp_path / "stretched.nii", path)
    # Whether that is read or refused, nothing but a sentence is said of it.
    assert run.returncode in (0, 2) and "WARNING" not in run.stderr and len(run.stderr.splitlines()) <= 1, run.stderr
