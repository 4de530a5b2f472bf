"""What the tests share.

ECTOPY_SHARED names a folder of real recordings (else ../../../shared from here),
ECTOPY_PROGRAMS a folder of the programs `infer`, `embedded` and `data`. Tests that need
them are skipped, with the reason, where they are absent. With ECTOPY_ALL=1 every
recording is compared, not a few.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import numpy
import pytest

import ectopy
from ectopy import cli

HERE = pathlib.Path(__file__).parent
FS = 250


def command(*arguments, **options):
    """Runs `ectopy` as a process, away from the sources of the package."""
    with tempfile.TemporaryDirectory() as empty:
        options = {"capture_output": True, "timeout": 300, "cwd": empty, **options}
        return subprocess.run([sys.executable, "-m", "ectopy.cli", *map(str, arguments)], **options)


def equal(one, other):
    """Fails unless two analyses found the same, bit for bit."""
    first, second = one.to_dict(), other.to_dict()
    assert list(first) == list(second)
    for name in first:
        assert numpy.array_equal(first[name], second[name], equal_nan=name == "rr"), name


class Programs:
    """The programs that the package is compared with."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def run(self, name, *arguments, fails=False):
        """Runs one; what it printed, or said on standard error where it fails."""
        program = shutil.which(name, path=str(self.folder))
        assert program, f"there is no {name} in {self.folder}"
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, timeout=600)
        assert (done.returncode != 0) == fails, done.stderr.decode()
        return (done.stderr if fails else done.stdout).decode()


@pytest.fixture(scope="session")
def shared():
    """The folder of real recordings."""
    named = os.environ.get("ECTOPY_SHARED")
    folder = pathlib.Path(named) if named else HERE.parents[2] / "shared"
    if not (folder / "mitdb" / "100.hea").exists():
        pytest.skip(f"no recordings in {folder}: ECTOPY_SHARED names their folder")
    return folder


@pytest.fixture(scope="session")
def programs():
    """The programs `infer`, `embedded` and `data`."""
    folder = os.environ.get("ECTOPY_PROGRAMS")
    if not folder:
        pytest.skip("no programs to compare with: ECTOPY_PROGRAMS names their folder")
    return Programs(folder)


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory):
    """Two recordings of two minutes, s000 and s001, with annotations; read only."""
    folder = tmp_path_factory.mktemp("synthetic")
    done = cli.main(["synth", "--output", str(folder), "--patients", "2", "--minutes", "2", "--fs", str(FS), "--seed", "7"])
    assert done == 0
    return folder


@pytest.fixture(scope="session")
def record(synthetic):
    """The path of s000; read only."""
    return synthetic / "s000"


@pytest.fixture(scope="session")
def signal(synthetic):
    """The first lead of s000, mV; read only."""
    values = numpy.ascontiguousarray(ectopy.open(synthetic / "s000").read()[:, 0])
    values.flags.writeable = False
    return values


@pytest.fixture(scope="session")
def beats(signal):
    """The beats of `signal`."""
    return ectopy.analyse(signal, fs=FS)


def repeated(folder, name, times):
    """A WFDB record of the same ten minutes, again and again."""
    source = folder / "ten"
    assert cli.main(["synth", "--output", str(source), "--patients", "1", "--minutes", "10", "--fs", str(FS)]) == 0
    header = (source / "s000.hea").read_text().splitlines()
    leads = [line.split() for line in header[1 : 1 + int(header[0].split()[1])]]
    (folder / f"{name}.dat").write_bytes((source / "s000.dat").read_bytes() * times)
    lines = [f"{name} {len(leads)} {FS}"]
    lines += [" ".join([f"{name}.dat", *lead[1:6], "0", "0", *lead[8:]]) for lead in leads]
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n")
    return folder / name


@pytest.fixture(scope="session")
def a_day(tmp_path_factory):
    """A recording of 24 hours, which takes seconds to analyse."""
    return repeated(tmp_path_factory.mktemp("day"), "day", 144)


@pytest.fixture(scope="session")
def three_hours(tmp_path_factory):
    """A recording that takes about a second to analyse."""
    return repeated(tmp_path_factory.mktemp("hours"), "hours", 18)
