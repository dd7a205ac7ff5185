"""Experiment files: the package and the command do the same."""

import pathlib
import subprocess
import sys

import pytest
from conftest import records

import fmr

TABLE1 = pathlib.Path(__file__).parents[3] / "experiments" / "table1.toml"
SMALL = {"search.budget": 3, "run.lanes": 1}


def command(*arguments):
    done = subprocess.run([sys.executable, "-m", "fmr", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    command("run", TABLE1, "--quick", "--set", "search.budget=3", "--set", "run.lanes=1", "--out", out)
    return fmr.load(out)


def test_a_file_gives_the_commands_rows(whole, tmp_path):
    ours = fmr.run(TABLE1, quick=True, set=SMALL, out=tmp_path / "run", progress=False)
    assert records(ours) == records(whole)
    assert ours["mnist/lenet"].sa == whole["mnist/lenet"].sa
    assert len(ours) > 2 and "did not run here" in repr(ours)
    with pytest.raises(fmr.FmrError, match="name one"):
        ours.fmr


def test_the_command_reads_what_the_package_wrote(tmp_path, linear):
    result = fmr.evaluate(linear, n=2, budget=1, out=tmp_path / "run", progress=False)
    assert "Linear" in command("report", tmp_path / "run")
    done = subprocess.run(
        [sys.executable, "-m", "fmr", "resume", str(tmp_path / "run")], capture_output=True, text=True, timeout=60
    )
    said = " ".join(done.stderr.replace("│", " ").split())
    assert done.returncode == 1 and "an object of the Python program that began the run" in said
    assert "<table" in result.table._repr_html_()


def test_shards_of_the_package_merge(whole, tmp_path):
    shards = [
        fmr.run(TABLE1, quick=True, set=SMALL, out=tmp_path / str(i), shard=(i, 3), progress=False).folder for i in range(3)
    ]
    command("merge", *shards, "--out", tmp_path / "merged")
    assert records(fmr.load(tmp_path / "merged")) == records(whole)
