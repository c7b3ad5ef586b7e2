"""The checks for a GPU, in small on a CPU: all run, and their figures are those that the page has."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "gpu_checks.py"


def test_checks_run_in_small_on_a_cpu(tmp_path):
    command = [sys.executable, SCRIPT, "--device", "cpu", "--out", tmp_path]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu_checks.json").read_text())
    assert found["passed"] and [one["passed"] for one in found["checks"].values()] == [True] * 7
    resumed = found["checks"]["A run that was stopped goes on"]
    assert resumed["epochs_before_the_stop"] == 1 and resumed["largest_difference_of_a_weight"] == 0
    page = (tmp_path / "gpu_checks.md").read_text()
    assert page == done.stdout.rstrip("\n") + "\n" and page.count("passed") == 7


def test_plan_is_told_without_a_gpu():
    done = subprocess.run([sys.executable, str(SCRIPT), "--plan"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count("\n- ") == 7
