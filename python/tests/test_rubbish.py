"""Rubbish for every argument: a result or an ectopy.Error that is no fault of ours.

ECTOPY_EXAMPLES says how many values each argument is tried with.
"""

import datetime
import decimal
import fractions
import os
import pathlib

import numpy
import pytest
from conftest import FS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import ectopy

some = settings(
    max_examples=int(os.environ.get("ECTOPY_EXAMPLES", 40)),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Hostile:
    """Answers nothing that it is asked."""

    def _refuse(self, *arguments, **options):
        raise ZeroDivisionError("no")

    __repr__ = __str__ = __len__ = __iter__ = __array__ = __fspath__ = __bool__ = __float__ = __index__ = _refuse
    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __hash__ = __getitem__ = _refuse


class Text(str):
    """A text that is not quite one."""


THINGS = [
    None,
    True,
    -1,
    10**400,
    -(2**63),
    2**64,
    0.0,
    float("nan"),
    float("inf"),
    1e-310,
    1j,
    "",
    "\0",
    "\ud800",
    "auto",
    "a" * 5000,
    Text("auto"),
    b"\xff\x00",
    bytearray(b"x"),
    [],
    {},
    set(),
    [[1], [2, 3]],
    [None],
    range(3),
    object,
    len,
    pathlib.Path("."),
    datetime.date(2000, 1, 1),
    decimal.Decimal("1.5"),
    fractions.Fraction(1, 3),
    numpy.float32(0.5),
    numpy.array(5),
    numpy.array([]),
    numpy.ma.masked,
    numpy.zeros((3, 0)),
    numpy.array(["x"], object),
    slice(1, 2),
    Ellipsis,
    NotImplemented,
]
anything = (
    st.sampled_from(THINGS)
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.binary(max_size=8)
    | st.lists(st.integers(-3, 300) | st.text(max_size=3) | st.floats(), max_size=4)
    | arrays.arrays(arrays.scalar_dtypes(), arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)



def inside(name, folder):
    """A name as one of a file in the folder, other things as they are."""
    if isinstance(name, bytes):
        return os.fsencode(folder) + b"/d" + name.replace(b"/", b"")
    return f"{folder}/d{name.replace('/', '')}" if isinstance(name, str) else name


# Calls that take one rubbish value `x`, in a folder of their own.
CALLS = {
    "open": lambda x, b, s, f: ectopy.open(x),
    "open samples": lambda x, b, s, f: ectopy.open(f / "x.csv", samples=x),
    "analyse": lambda x, b, s, f: ectopy.analyse(x),
    "analyse array": lambda x, b, s, f: ectopy.analyse(x, fs=FS, gain=1),
    "fs": lambda x, b, s, f: ectopy.analyse(s, fs=x),
    "lead": lambda x, b, s, f: ectopy.analyse(s, fs=FS, lead=x),
    "model": lambda x, b, s, f: ectopy.analyse(s, fs=FS, model=x),
    "leads": lambda x, b, s, f: ectopy.analyse(s, fs=FS, leads=x),
    "units": lambda x, b, s, f: ectopy.analyse(s, fs=FS, units=x),
    "gain": lambda x, b, s, f: ectopy.analyse(s, fs=FS, gain=x),
    "name": lambda x, b, s, f: ectopy.analyse(s, fs=FS, name=x),
    "from_array": lambda x, b, s, f: ectopy.Recording.from_array(x, FS),
    "from_array fs": lambda x, b, s, f: ectopy.Recording.from_array(s, x),
    "to_numpy": lambda x, b, s, f: b.to_numpy(x),
    "write": lambda x, b, s, f: b.write(inside(x, f)),
    "write_parquet": lambda x, b, s, f: b.write_parquet(inside(x, f)),
    "holter": lambda x, b, s, f: b.holter(pause=x),
    "explain": lambda x, b, s, f: ectopy.explain(x, [0]),
    "rows": lambda x, b, s, f: ectopy.explain(b, x, method="gradient"),
    "method": lambda x, b, s, f: ectopy.explain(b, [0], method=x),
    "target": lambda x, b, s, f: ectopy.explain(b, [0], method="gradient", target=x),
    "seed": lambda x, b, s, f: ectopy.explain(b, [0], method="gradient", seed=x),
    "monitor": lambda x, b, s, f: ectopy.Monitor(x),
    "monitor leads": lambda x, b, s, f: ectopy.Monitor(FS, leads=x),
    "monitor model": lambda x, b, s, f: ectopy.Monitor(FS, model=x),
    "push": lambda x, b, s, f: ectopy.Monitor(FS).push(x),
    "push gain": lambda x, b, s, f: ectopy.Monitor(FS).push(x, gain=1),
    "push units": lambda x, b, s, f: ectopy.Monitor(FS).push(s, units=x),
    "skip": lambda x, b, s, f: ectopy.Monitor(FS).skip(x),
    "score": lambda x, b, s, f: ectopy.score("atr", x, f),
    "score reference": lambda x, b, s, f: ectopy.score(x, "atr", f),
    "score folder": lambda x, b, s, f: ectopy.score("atr", "atr", x),
    "score records": lambda x, b, s, f: ectopy.score("atr", "atr", f, records=x),
    "score start": lambda x, b, s, f: ectopy.score("atr", "atr", f, start=x),
    "score episodes": lambda x, b, s, f: ectopy.score("atr", "atr", f, episodes=x),
    "score test_folder": lambda x, b, s, f: ectopy.score("atr", "atr", f, test_folder=x),
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rubbish")
    (folder / "x.csv").write_text("ecg\n" + "0.1\n" * 500)
    return folder


@pytest.mark.parametrize("call", CALLS)
def test_rubbish_is_refused_and_never_breaks_anything(call, beats, signal, folder, monkeypatch):
    monkeypatch.chdir(folder)
    short = signal[:2000]

    def attempt(value):
        try:
            CALLS[call](value, beats, short, folder)
        except ectopy.InternalError:
            raise
        except (ectopy.Error, MemoryError):
            pass

    for thing in [*THINGS, Hostile()]:
        attempt(thing)
    some(given(anything)(attempt))()


@some
@given(content=st.binary(max_size=400), name=st.sampled_from(["a.hea", "a.edf", "a.bdf", "a.ecg", "a.dcm", "a.onnx", "a.csv"]))
def test_files_of_noise_are_refused_by_name(content, name, folder):
    path = folder / name
    path.write_bytes(content)
    with pytest.raises(ectopy.Error) as raised:
        ectopy.analyse(path.with_suffix("") if name == "a.hea" else path)
    assert not isinstance(raised.value, ectopy.InternalError)
    assert "a" in str(raised.value)
    path.unlink()


@some
@given(data=st.data())
def test_headers_with_wrong_bytes_are_read_or_refused(data, synthetic, folder):
    header = bytearray((synthetic / "s000.hea").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        header[data.draw(st.integers(0, len(header) - 1))] = data.draw(st.integers(0, 255))
    (folder / "s000.hea").write_bytes(header)
    (folder / "s000.dat").write_bytes((synthetic / "s000.dat").read_bytes())
    try:
        recording = ectopy.open(folder / "s000")
        recording.start, recording.comments, recording.remarks, repr(recording)
        ectopy.analyse(recording).holter()
    except ectopy.InternalError:
        raise
    except ectopy.Error:
        pass


def test_a_cut_recording_is_read_or_refused(synthetic, folder):
    whole = (synthetic / "s001.dat").read_bytes()
    (folder / "s001.hea").write_bytes((synthetic / "s001.hea").read_bytes())
    for length in [0, 1, 2, 3, 1000, len(whole) // 2, len(whole) - 1]:
        (folder / "s001.dat").write_bytes(whole[:length])
        with pytest.raises(ectopy.InputError, match="s001"):
            ectopy.open(folder / "s001").read()
