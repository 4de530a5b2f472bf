"""Arrays of any kind as the samples that the engine takes."""

import numbers

import numpy

from ectopy._ectopy import InputError, UsageError

# How many mV one of a unit is.
_UNITS = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "V": 1e3}


def rate(fs):
    """A sampling rate in Hz.

    Raises UsageError for what is none.
    """
    if not isinstance(fs, numbers.Real) or isinstance(fs, bool) or not 10 <= fs <= 100_000:
        raise UsageError(f"fs={fs!r}: it is the number of samples per second, 10 to 100000")
    return float(fs)


def millivolts(signal, units="mV", gain=None):
    """The values of an array in mV, float32 of C order, NaN where there is none.

    Whole numbers are what a converter gave: they need ``gain``, how many of them are
    1 mV. Byte order, strides and width of numbers do not matter.

    Raises InputError for an array that is no signal, UsageError for other units.
    """
    if units not in _UNITS:
        raise UsageError(f"units={units!r}: it may be mV, uV or V")
    array = numpy.ma.asanyarray(signal) if numpy.ma.isMaskedArray(signal) else numpy.asarray(signal)
    kind = array.dtype.kind
    if kind not in "iuf":
        raise InputError(f"the signal holds values of type {array.dtype}; numbers are expected")
    if gain is not None and not (isinstance(gain, numbers.Real) and numpy.isfinite(gain) and gain > 0):
        raise UsageError(f"gain={gain!r}: it is how many units are 1 mV, above 0")
    if kind in "iu" and gain is None:
        raise InputError(
            f"the signal holds whole numbers ({array.dtype}), most likely those of a converter; "
            "say with gain how many of them are 1 mV, or divide them yourself"
        )
    if gain is not None and units != "mV":
        raise UsageError("gain counts units per mV; leave out units")
    if array.ndim not in (1, 2):
        raise InputError(f"the signal has the shape {array.shape}; (samples,) or (samples, leads) is expected")
    if array.size == 0:
        raise InputError(f"the signal has the shape {array.shape}: there is no sample in it")
    if array.ndim == 2 and array.shape[1] > array.shape[0]:
        raise InputError(
            f"the signal has the shape {array.shape}; (samples, leads) is expected: did you mean its transpose?"
        )
    factor = 1.0 / gain if gain is not None else _UNITS[units]
    values = array.astype(numpy.float64) * factor
    if numpy.ma.isMaskedArray(values):
        values = values.filled(numpy.nan)
    with numpy.errstate(over="ignore"):
        values = numpy.array(values, numpy.float32, order="C")
    # Nothing that was measured is infinite.
    values[~numpy.isfinite(values)] = numpy.nan
    return values
