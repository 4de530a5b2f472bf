"""Arrays of any kind give what the plain one gives, or a clear error."""

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ectopy


@pytest.fixture(scope="module")
def signal(record):
    return ectopy.open(record).read()[:, 0]


@pytest.fixture(scope="module")
def plain(signal, record):
    fs = ectopy.open(record).fs
    return fs, ectopy.analyse(signal, fs=fs)


def same(a, b):
    a, b = a.to_dict(), b.to_dict()
    return all(numpy.array_equal(a[k], b[k], equal_nan=a[k].dtype.kind == "f") if isinstance(a[k], numpy.ndarray) else a[k] == b[k] for k in a)


def variants(signal):
    wide = numpy.zeros((len(signal), 3), numpy.float32)
    wide[:, 1] = signal
    twice = numpy.repeat(signal, 2)
    return {
        "float64": signal.astype(numpy.float64),
        "big endian": signal.astype(">f4"),
        "big endian float64": signal.astype(">f8"),
        "every other value of twice as many": twice[::2],
        "a column of a matrix": wide[:, 1],
        "reversed twice": signal[::-1].copy()[::-1],
        "one column": signal[:, None],
        "Fortran order": numpy.asfortranarray(signal[:, None]),
        "read only": numpy.frombuffer(signal.tobytes(), numpy.float32),
        "a list": signal.tolist(),
        "a masked array without a mask": numpy.ma.array(signal),
    }


def test_layouts_and_types_do_not_matter(signal, plain):
    fs, expected = plain
    assert len(expected) > 100
    for what, array in variants(signal).items():
        assert same(ectopy.analyse(array, fs=fs), expected), what


def test_units_and_gain_are_told_apart(signal, plain):
    fs, expected = plain
    counts = numpy.round(signal.astype(numpy.float64) * 1000).astype(numpy.int16)
    by_gain = ectopy.analyse(counts, fs=fs, gain=1000)
    in_microvolts = ectopy.analyse(counts.astype(numpy.float32), fs=fs, units="uV")
    assert numpy.array_equal(by_gain.to_numpy("sample"), expected.to_numpy("sample"))
    assert same(by_gain, in_microvolts)
    with pytest.raises(ectopy.InputError, match="gain"):
        ectopy.analyse(counts, fs=fs)
    with pytest.raises(ectopy.UsageError, match="leave out units"):
        ectopy.analyse(counts, fs=fs, gain=200, units="uV")


def test_lost_samples_are_lost_however_they_are_marked(signal, plain):
    fs, _ = plain
    lost = slice(20 * int(fs), 25 * int(fs))
    marked = signal.copy()
    marked[lost] = numpy.nan
    expected = ectopy.analyse(marked, fs=fs)
    infinite = signal.copy()
    infinite[lost] = numpy.inf
    mask = numpy.zeros(len(signal), bool)
    mask[lost] = True
    assert same(ectopy.analyse(infinite, fs=fs), expected)
    assert same(ectopy.analyse(numpy.ma.array(signal, mask=mask), fs=fs), expected)
    inside = (expected.to_numpy("time") > 20.2) & (expected.to_numpy("time") < 24.8)
    assert not inside.any()


@pytest.mark.parametrize(
    "array",
    [
        numpy.zeros(0),
        numpy.zeros((0, 2)),
        numpy.float32(1.0),
        numpy.zeros((2, 5000)),
        numpy.zeros((10, 10, 10)),
        numpy.zeros(5000, complex),
        numpy.zeros(5000, bool),
        numpy.array(["a"] * 100),
        numpy.array([None] * 100),
        numpy.zeros(5000, "datetime64[s]"),
        object(),
        {"a": 1},
    ],
    ids=lambda a: f"{type(a).__name__} {getattr(a, 'dtype', '')}",
)
def test_what_is_no_signal_is_refused_in_words(array):
    with pytest.raises(ectopy.Error) as refused:
        ectopy.analyse(array, fs=250)
    assert len(str(refused.value)) > 20


@pytest.mark.parametrize("fs", [0, -1, float("nan"), float("inf"), "250", None, True, 1e9])
def test_what_is_no_rate_is_refused(fs):
    with pytest.raises(ectopy.UsageError, match="fs"):
        ectopy.analyse(numpy.zeros(5000, numpy.float32), fs=fs)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data=st.data(),
    dtype=st.sampled_from(["f2", "f4", "f8", ">f4", ">f8", "i2", ">i2", "u1", "i8", "?", "c8", "O", "U3"]),
    shape=st.one_of(st.tuples(st.integers(0, 3000)), st.tuples(st.integers(0, 900), st.integers(0, 4)), st.just(())),
    step=st.sampled_from([1, 2, -1, 3]),
    fs=st.sampled_from([10, 97.3, 250, 1000]),
)
def test_rubbish_gives_beats_or_an_error_of_ours(data, dtype, shape, step, fs):
    seed = data.draw(st.integers(0, 2**16))
    random = numpy.random.default_rng(seed)
    values = random.normal(0, 1000, shape)
    if data.draw(st.booleans()) and values.size:
        values = numpy.where(random.random(shape) < 0.2, data.draw(st.sampled_from([numpy.nan, numpy.inf, 1e300])), values)
    with numpy.errstate(all="ignore"):
        array = values.astype(dtype, casting="unsafe") if dtype not in ("O", "U3") else numpy.asarray(values, object).astype(dtype)
    array = array[::step] if array.ndim else array
    gain = data.draw(st.sampled_from([None, 200]))
    try:
        beats = ectopy.analyse(array, fs=fs, **({"gain": gain} if gain else {}))
    except ectopy.Error as error:
        assert not isinstance(error, ectopy.InternalError), error
        return
    samples = beats.to_numpy("sample")
    assert ((samples >= 0) & (samples < array.shape[0])).all()
