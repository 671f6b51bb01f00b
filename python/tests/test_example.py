import subprocess
import sys
from pathlib import Path

import pytest

import emend

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/python/correct_a_model.py"


def test_the_example_runs(tmp_path):
    pytest.importorskip("transformers")
    environment = {**__import__("os").environ, "PYTHONPATH": str(Path(emend.__file__).parents[1])}
    made = subprocess.run([sys.executable, EXAMPLE, tmp_path], env=environment, text=True,
                          capture_output=True)
    assert made.returncode == 0, made.stderr
    lines = made.stdout.splitlines()
    wrong, right = lines[1].split("'")[1], lines[1].split("'")[3]
    assert f"patched:  {right}" in lines and f"reverted: {wrong}" in lines
    assert (tmp_path / "correction.patch").exists()
    assert (tmp_path / "comparison/report.html").exists()
    difference = next(line for line in lines if line.startswith("largest difference"))
    assert float(difference.split()[-1]) < 1e-4
