"""What tests share: synthetic recordings, real ones where they are at hand, the programs."""

import os
import pathlib
import subprocess

import pytest

import ectopy
from ectopy import cli


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory):
    """A folder of two patients of two minutes each, with annotations."""
    folder = tmp_path_factory.mktemp("synthetic")
    assert cli.main(["synth", "--output", str(folder), "--patients", "2", "--minutes", "2", "--seed", "5"]) == 0
    return folder


@pytest.fixture(scope="session")
def record(synthetic):
    """The path of one of them."""
    return synthetic / "s000"


@pytest.fixture(scope="session")
def shared():
    """The folder of real recordings."""
    folder = pathlib.Path(os.environ.get("ECTOPY_SHARED", pathlib.Path(__file__).parents[3] / "shared"))
    if not (folder / "mitdb" / "RECORDS").is_file():
        pytest.skip("no recordings: ECTOPY_SHARED names their folder")
    return folder


class Programs:
    """The programs of the project."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def run(self, program, *arguments, check=True):
        command = [self.folder / program, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done


@pytest.fixture(scope="session")
def programs():
    """The programs, where ECTOPY_PROGRAMS names the folder that they are in."""
    folder = os.environ.get("ECTOPY_PROGRAMS")
    if not folder:
        pytest.skip("no programs: ECTOPY_PROGRAMS names their folder")
    return Programs(folder)


@pytest.fixture(scope="session")
def beats(record):
    """The beats of the synthetic recording."""
    return ectopy.analyse(record)
