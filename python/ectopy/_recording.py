"""Recordings, from files and from arrays."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ectopy import _arguments, _arrays, _ectopy
from ectopy._ectopy import UsageError

if TYPE_CHECKING:
    import numpy
    from numpy.typing import ArrayLike, NDArray


class Recording:
    """A recording: leads of one sampling rate. ``ectopy.open`` makes one of a file,
    ``Recording.from_array`` one of samples.

    Samples are read where they are needed: opening a fortnight costs nothing.
    """

    def __init__(self, inner: _ectopy.Recording) -> None:
        self._inner = inner

    @classmethod
    def from_array(
        cls,
        signal: ArrayLike,
        fs: float,
        *,
        leads: str | Iterable[str] | None = None,
        units: str = "mV",
        gain: float | None = None,
        name: str = "signal",
    ) -> Recording:
        """A recording of the samples ``(samples,)`` or ``(samples, leads)``.

        ``fs``: samples per second. ``units``: mV, uV or V; whole numbers need
        ``gain`` instead, how many of them are 1 mV. NaN, masked and infinite values
        count as lost samples. ``leads``: names of the columns.
        """
        fs, name = _arrays.rate(fs), _arguments.text("name", name)
        values = _arrays.millivolts(signal, units, gain)
        if values.ndim == 1:
            values = values[:, None]
        names = _names(leads, values.shape[1])
        return cls(_ectopy.Recording.from_array(values, fs, names, name))

    @property
    def name(self) -> str:
        """What it is called, such as ``100`` or ``night.edf``."""
        return self._inner.name

    @property
    def path(self) -> str | None:
        """Where it is; None for an array."""
        path = self._inner.path
        return None if path is None else os.fspath(path)

    @property
    def fs(self) -> float:
        """Samples per second of every lead."""
        return self._inner.fs

    @property
    def leads(self) -> list[str]:
        """The names of its leads, in the order of the file."""
        return self._inner.leads

    @property
    def units(self) -> list[str]:
        """The units of each lead: mV for every voltage."""
        return self._inner.units

    @property
    def length(self) -> int | None:
        """Samples of each lead; None where the file does not say."""
        return self._inner.length

    @property
    def duration(self) -> float | None:
        """Seconds; None where the file does not say."""
        return self._inner.duration

    @property
    def start(self) -> datetime.datetime | datetime.time | None:
        """When the first sample was taken: a datetime, a time where the file says no
        date, None where it says neither."""
        parts = self._inner.start_parts
        if parts is None:
            return None
        seconds, date = parts
        moment = datetime.datetime(*(date or (2000, 1, 1))) + datetime.timedelta(seconds=seconds)
        return moment if date else moment.time()

    @property
    def comments(self) -> list[str]:
        """Free text from the file, a list of lines."""
        return self._inner.comments

    @property
    def remarks(self) -> list[str]:
        """What is doubtful about it, a list of sentences."""
        return self._inner.remarks

    def sha256(self) -> str:
        """SHA-256 over its files, in hexadecimal; over its samples for an array."""
        return self._inner.sha256()

    def read(self) -> NDArray[numpy.float32]:
        """All samples: float32 ``(samples, leads)`` in the leads' units, NaN where lost."""
        return self._inner.read()

    def __repr__(self) -> str:
        return repr(self._inner)


def _names(leads: str | Iterable[str] | None, count: int) -> list[str]:
    if leads is None:
        return ["ECG"] if count == 1 else [f"ECG {i + 1}" for i in range(count)]
    expected = f"{count} names are expected, one for each column"
    names = _arguments.texts("leads", leads, expected)
    if len(names) != count:
        raise UsageError(f"leads={_arguments.shown(leads)}: {expected}")
    return names


def open(path: str | os.PathLike[str], *, samples: str | None = None) -> Recording:
    """Opens a recording: WFDB (``FOLDER/100``), EDF, EDF+, BDF, ISHNE, DICOM.

    ``samples`` says that a CSV, TSV or Parquet file holds samples, a row for each, and
    what its columns are, such as ``"fs=250,leads=ecg,unit=uV"``.

    Raises InputError for what cannot be read.
    """
    columns = None if samples is None else _arguments.text("samples", samples)
    return Recording(_ectopy.Recording.open(_arguments.path("path", path), columns))


def as_recording(source: object, fs: float | None = None, **options: object) -> Recording:
    """A recording of whatever a caller has: a recording, a path, an array.

    ``fs`` and ``options``, those of ``Recording.from_array``, go with an array; None
    counts as not given.
    """
    given = {key: value for key, value in {"fs": fs, **options}.items() if value is not None}
    if isinstance(source, Recording):
        recording = source
    elif isinstance(source, (str, bytes, os.PathLike)):
        recording = open(source)  # type: ignore[arg-type]
    elif fs is None:
        raise UsageError("an array needs fs, its samples per second")
    else:
        return Recording.from_array(source, **given)  # type: ignore[arg-type]
    if given:
        raise UsageError(f"{', '.join(given)}: a recording says so itself; they go with an array")
    return recording
