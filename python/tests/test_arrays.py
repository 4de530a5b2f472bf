"""Arrays of any kind give what the plain one gives, or an error that says why not."""

import numpy
import pytest
from conftest import FS, equal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import ectopy
from ectopy import _arrays

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(max_examples=300, deadline=None)


def padded(signal):
    """Every third value of a larger array."""
    large = numpy.full(3 * len(signal), 9.0, numpy.float32)
    large[::3] = signal
    return large[::3]


def misaligned(signal):
    """At an address that is no multiple of 4."""
    memory = bytearray(1) + signal.tobytes()
    return numpy.frombuffer(memory, numpy.uint8)[1:].view(numpy.float32)


SAME = {
    "strided": padded,
    "read backwards twice": lambda s: s[::-1].copy()[::-1],
    "big endian": lambda s: s.astype(">f4"),
    "little endian": lambda s: s.astype("<f4"),
    "float64": lambda s: s.astype(numpy.float64),
    "big endian float64": lambda s: s.astype(">f8"),
    "long double": lambda s: s.astype(numpy.longdouble),
    "one column": lambda s: s[:, None],
    "one column of C order": lambda s: numpy.ascontiguousarray(s[:, None]),
    "the transpose of a row": lambda s: s[None, :].T,
    "a column of many": lambda s: numpy.stack([s, s * 2, s * 3], axis=1)[:, 0],
    "misaligned": misaligned,
    "a list": lambda s: [float(x) for x in s],
    "a tuple of lists": lambda s: tuple([float(x)] for x in s),
    "masked without a mask": lambda s: numpy.ma.masked_array(s),
    "a memoryview": lambda s: memoryview(s),
    "writeable": lambda s: s.copy(),
}


@pytest.mark.parametrize("how", SAME)
def test_an_array_of_another_layout_gives_the_same_beats(how, signal, beats):
    other = SAME[how](signal)
    equal(ectopy.analyse(other, fs=FS), beats)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_a_column_of_a_table_gives_the_same_beats(kind, signal, beats):
    library = pytest.importorskip(kind)
    column = library.array(signal) if kind == "pyarrow" else library.Series(signal)
    equal(ectopy.analyse(column, fs=FS), beats)


def test_the_callers_array_is_left_as_it_was(signal):
    given = signal.astype(numpy.float64)
    given[10:20], given[30] = numpy.nan, numpy.inf
    before = given.copy()
    ectopy.analyse(given, fs=FS)
    assert numpy.array_equal(given, before, equal_nan=True)


@pytest.mark.parametrize("dtype", ["i2", ">i2", "i4", "i8", "u2", ">u4", "u8"])
def test_whole_numbers_count_by_their_gain(dtype, signal):
    raw = numpy.round(signal.astype(numpy.float64) * 200)
    raw += 0 if dtype.strip(">")[0] == "i" else 4096
    expected = ectopy.analyse(raw / 200, fs=FS)
    given = ectopy.analyse(raw.astype(dtype), fs=FS, gain=200)
    assert numpy.array_equal(given.to_numpy("sample"), expected.to_numpy("sample"))
    assert given.to_dict()["class"] == expected.to_dict()["class"]


def test_whole_numbers_without_a_gain_are_refused_with_the_remedy(signal):
    with pytest.raises(ectopy.InputError, match="int16.*say with gain"):
        ectopy.analyse((signal * 200).astype(numpy.int16), fs=FS)


def test_units_of_a_voltage_give_the_same_beats(signal, beats):
    wide = signal.astype(numpy.float64)
    for units, factor in [("uV", 1e3), ("µV", 1e3), ("V", 1e-3)]:
        found = ectopy.analyse(wide * factor, fs=FS, units=units)
        assert numpy.array_equal(found.to_numpy("sample"), beats.to_numpy("sample"))
        assert found.to_dict()["class"] == beats.to_dict()["class"]


def test_half_precision_gives_what_the_rounded_values_give(signal):
    half = signal.astype(numpy.float16)
    equal(ectopy.analyse(half, fs=FS), ectopy.analyse(half.astype(numpy.float32), fs=FS))


def test_masked_infinite_and_huge_values_are_lost_samples(signal):
    lost = signal.astype(numpy.float64)
    lost[1000:1400] = numpy.nan
    expected = ectopy.analyse(lost, fs=FS)
    assert len(expected) > 0
    masked = numpy.ma.masked_array(signal, numpy.isnan(lost))
    equal(ectopy.analyse(masked, fs=FS), expected)
    for value in [numpy.inf, -numpy.inf, 1e300]:
        other = numpy.where(numpy.isnan(lost), value, lost)
        equal(ectopy.analyse(other, fs=FS), expected)


def test_a_signal_of_nothing_but_lost_samples_has_no_beat():
    for value in [numpy.nan, numpy.inf, 0.0, -5.0]:
        assert len(ectopy.analyse(numpy.full(5000, value), fs=FS)) == 0


REFUSED = {
    "none": None,
    "a number": 3.5,
    "0-d": numpy.array(1.0),
    "empty": numpy.empty(0),
    "no samples of a lead": numpy.empty((0, 1)),
    "no leads": numpy.empty((5000, 0)),
    "three axes": numpy.zeros((100, 10, 1)),
    "transposed": numpy.zeros((2, 5000)),
    "bool": numpy.zeros(5000, bool),
    "complex": numpy.zeros(5000, complex),
    "objects": numpy.array([1.0, None] * 2500),
    "text": numpy.array(["1.0"] * 5000),
    "bytes": numpy.array([b"1.0"] * 5000),
    "dates": numpy.zeros(5000, "M8[s]"),
    "spans": numpy.zeros(5000, "m8[s]"),
    "records": numpy.zeros(5000, [("a", "f4")]),
    "ragged": [[1.0, 2.0], [3.0]],
    "a set": {1.0, 2.0},
    "a dictionary": {"ecg": [1.0, 2.0]},
    "a function": len,
    "a generator": (x for x in [1.0, 2.0]),
    "whole numbers": numpy.arange(5000),
}


class Hostile:
    """An object that makes no array of itself."""

    def __array__(self, *arguments, **options):
        raise ZeroDivisionError("not today")

    def __repr__(self):
        raise ZeroDivisionError("not that either")


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_signal_is_refused(what):
    with pytest.raises(ectopy.InputError, match="the signal"):
        ectopy.analyse(REFUSED[what], fs=FS)
    with pytest.raises(ectopy.InputError, match="the signal"):
        ectopy.Recording.from_array(REFUSED[what], FS)


def test_an_object_that_fails_to_become_an_array_is_refused():
    with pytest.raises(ectopy.InputError, match="Hostile.*not today"):
        ectopy.analyse(Hostile(), fs=FS)


@pytest.mark.parametrize("fs", [0, -1, 9.9, 100_001, numpy.nan, numpy.inf, 10**400, True, "250", [250], 250j, Hostile()])
def test_a_rate_that_is_none_is_refused(fs, signal):
    with pytest.raises(ectopy.UsageError, match="fs="):
        ectopy.analyse(signal, fs=fs)


def test_an_array_without_a_rate_is_refused(signal):
    with pytest.raises(ectopy.UsageError, match="needs fs"):
        ectopy.analyse(signal)


@pytest.mark.parametrize("gain", [0, -200, numpy.nan, numpy.inf, 10**400, 1e-320, True, "200", Hostile()])
def test_a_gain_that_is_none_is_refused(gain, signal):
    with pytest.raises(ectopy.UsageError, match="gain="):
        ectopy.analyse(signal, fs=FS, gain=gain)


@pytest.mark.parametrize("units", ["kV", "mmHg", "", 5, ["mV"], Hostile()])
def test_units_that_are_no_voltage_are_refused(units, signal):
    with pytest.raises(ectopy.UsageError, match="units="):
        ectopy.analyse(signal, fs=FS, units=units)


def test_gain_and_units_do_not_go_together(signal):
    with pytest.raises(ectopy.UsageError, match="leave out units"):
        ectopy.analyse(signal, fs=FS, gain=200, units="uV")


@pytest.mark.parametrize("leads", [[], ["a", "b"], 5, [5], "\ud800", [None]])
def test_names_of_leads_are_texts_one_for_each_column(leads, signal):
    with pytest.raises(ectopy.UsageError, match="leads="):
        ectopy.Recording.from_array(signal, FS, leads=leads)


@pytest.mark.parametrize("options", [{"fs": 250}, {"gain": 200, "units": "uV"}, {"leads": "II"}, {"name": "x"}])
def test_what_goes_with_an_array_is_refused_for_a_file(options, synthetic):
    with pytest.raises(ectopy.UsageError, match="they go with an array"):
        ectopy.analyse(synthetic / "s000", **options)


def test_an_array_is_read_back_as_it_was_given(signal):
    columns = numpy.stack([signal, signal[::-1]], axis=1)
    columns[5, 1] = numpy.nan
    recording = ectopy.Recording.from_array(columns, FS, leads=["I", "II"], name="mine")
    assert numpy.array_equal(recording.read(), columns, equal_nan=True)
    assert (recording.name, recording.path, recording.fs, recording.leads) == ("mine", None, FS, ["I", "II"])
    assert (recording.units, recording.length, recording.start) == (["mV", "mV"], len(signal), None)
    assert len(recording.sha256()) == 64


def test_the_samples_of_a_file_as_an_array_give_its_beats(synthetic):
    recording = ectopy.open(synthetic / "s000")
    copy = ectopy.Recording.from_array(recording.read(), recording.fs, leads=recording.leads, name="s000")
    equal(ectopy.analyse(copy), ectopy.analyse(recording))


@few
@given(data=st.data())
def test_any_view_of_the_signal_gives_what_its_copy_gives(data, signal):
    start = data.draw(st.integers(0, len(signal) - 1))
    step = data.draw(st.sampled_from([1, 1, 1, 2, 3, -1]))
    view = signal[start::step] if data.draw(st.booleans()) else signal[:start:step]
    if view.size == 0:
        return
    equal(ectopy.analyse(view, fs=FS), ectopy.analyse(view.copy(), fs=FS))


@many
@given(
    arrays.arrays(
        dtype=arrays.scalar_dtypes() | st.just(numpy.dtype(object)),
        shape=arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
    )
)
def test_any_array_becomes_millivolts_or_is_refused(array):
    try:
        values = _arrays.millivolts(array, gain=200 if array.dtype.kind in "iu" else None)
    except ectopy.InputError as error:
        assert "the signal" in str(error)
        return
    assert values.dtype == numpy.float32 and values.flags.c_contiguous
    assert values.shape == array.shape
    assert not numpy.isinf(values).any()


@few
@given(arrays.arrays(numpy.float32, st.integers(1, 3000), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)))
def test_any_values_are_analysed(array):
    beats = ectopy.analyse(array, fs=FS)
    samples = beats.to_numpy("sample")
    assert (samples >= 0).all() and (samples < len(array)).all()
    assert (numpy.diff(samples) > 0).all()
