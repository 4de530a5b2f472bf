"""Arrays of any kind as the samples that the engine takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy

from ectopy._arguments import number, shown
from ectopy._ectopy import InputError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# How many mV one of a unit is.
_UNITS = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "V": 1e3}


def rate(fs: object) -> float:
    """A sampling rate in Hz.

    Raises UsageError for what is none.
    """
    return number("fs", fs, "it is the number of samples per second", 10, 100_000)


def array_of(signal: object) -> NDArray[Any]:
    """Anything that numpy takes for an array; masks are kept.

    Raises InputError for what it does not.
    """
    try:
        return numpy.ma.asanyarray(signal) if numpy.ma.isMaskedArray(signal) else numpy.asarray(signal)
    except MemoryError:
        raise
    except Exception as error:
        # An object makes an array of itself as it likes, and fails as it likes.
        raise InputError(f"the signal is no array of numbers ({type(signal).__name__}): {error}") from None


def millivolts(signal: object, units: str = "mV", gain: float | None = None) -> NDArray[numpy.float32]:
    """The values of an array in mV, float32 of C order, NaN where there is none.

    Whole numbers are what a converter gave: they need ``gain``, how many of them are
    1 mV. Byte order, strides and width of numbers do not matter.

    Raises InputError for an array that is no signal, UsageError for other units.
    """
    if not isinstance(units, str) or units not in _UNITS:
        raise UsageError(f"units={shown(units)}: it may be mV, uV or V")
    if gain is not None:
        gain = number("gain", gain, "it is how many units are 1 mV", 1e-9, 1e12)
    if gain is not None and units != "mV":
        raise UsageError("gain counts units per mV; leave out units")
    array = array_of(signal)
    if array.dtype.kind not in "iuf":
        raise InputError(f"the signal holds values of type {array.dtype}; numbers are expected")
    if array.dtype.kind in "iu" and gain is None:
        raise InputError(
            f"the signal holds whole numbers ({array.dtype}), most likely those of a converter; "
            "say with gain how many of them are 1 mV, or divide them yourself"
        )
    if array.ndim not in (1, 2):
        raise InputError(f"the signal has the shape {array.shape}; (samples,) or (samples, leads) is expected")
    if array.size == 0:
        raise InputError(f"the signal has the shape {array.shape}: there is no sample in it")
    if array.ndim == 2 and array.shape[1] > array.shape[0]:
        raise InputError(
            f"the signal has the shape {array.shape}; (samples, leads) is expected: did you mean its transpose?"
        )
    factor = 1.0 / gain if gain is not None else _UNITS[units]
    return _scaled(array, factor)


def _scaled(array: NDArray[Any], factor: float) -> NDArray[numpy.float32]:
    with numpy.errstate(all="ignore"):
        if factor == 1.0 and array.dtype.itemsize <= 4:
            values = array.astype(numpy.float32)
        else:
            values = (array.astype(numpy.float64) * factor).astype(numpy.float32)
    if numpy.ma.isMaskedArray(values):
        values = values.filled(numpy.nan)
    # Nothing that was measured is infinite, nor too large for float32.
    values[~numpy.isfinite(values)] = numpy.nan
    return numpy.ascontiguousarray(values)
