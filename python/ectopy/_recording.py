"""Recordings, from files and from arrays."""

import datetime
import os

from ectopy import _arrays, _ectopy
from ectopy._ectopy import UsageError


class Recording:
    """A recording: leads of one sampling rate. ``ectopy.open`` makes one of a file,
    ``Recording.from_array`` one of samples.

    Samples are read where they are needed: opening a fortnight costs nothing.
    """

    def __init__(self, inner):
        self._inner = inner

    @classmethod
    def from_array(cls, signal, fs, *, leads=None, units="mV", gain=None, name="signal"):
        """A recording of the samples ``(samples,)`` or ``(samples, leads)``.

        ``fs``: samples per second. ``units``: mV, uV or V; whole numbers need
        ``gain`` instead, how many of them are 1 mV. NaN, masked and infinite values
        count as lost samples. ``leads``: names of the columns.
        """
        values = _arrays.millivolts(signal, units, gain)
        if values.ndim == 1:
            values = values[:, None]
        count = values.shape[1]
        if leads is None:
            leads = ["ECG"] if count == 1 else [f"ECG {i + 1}" for i in range(count)]
        leads = [leads] if isinstance(leads, str) else list(leads)
        if len(leads) != count or not all(isinstance(lead, str) for lead in leads):
            raise UsageError(f"leads={leads!r}: {count} names are expected, one for each column")
        return cls(_ectopy.Recording.from_array(values, _arrays.rate(fs), leads, str(name)))

    @property
    def name(self):
        """What it is called, such as ``100`` or ``night.edf``."""
        return self._inner.name

    @property
    def path(self):
        """Where it is; None for an array."""
        return self._inner.path

    @property
    def fs(self):
        """Samples per second of every lead."""
        return self._inner.fs

    @property
    def leads(self):
        """The names of its leads, in the order of the file."""
        return self._inner.leads

    @property
    def units(self):
        """The units of each lead: mV for every voltage."""
        return self._inner.units

    @property
    def length(self):
        """Samples of each lead; None where the file does not say."""
        return self._inner.length

    @property
    def duration(self):
        """Seconds; None where the file does not say."""
        return self._inner.duration

    @property
    def start(self):
        """When the first sample was taken: a datetime, a time where the file says no
        date, None where it says neither."""
        parts = self._inner.start_parts
        if parts is None:
            return None
        seconds, date = parts
        moment = datetime.datetime(*(date or (2000, 1, 1))) + datetime.timedelta(seconds=seconds)
        return moment if date else moment.time()

    @property
    def comments(self):
        """Free text from the file, a list of lines."""
        return self._inner.comments

    @property
    def remarks(self):
        """What is doubtful about it, a list of sentences."""
        return self._inner.remarks

    def sha256(self):
        """SHA-256 over its files, in hexadecimal; over its samples for an array."""
        return self._inner.sha256()

    def read(self):
        """All samples: float32 ``(samples, leads)`` in the leads' units, NaN where lost."""
        return self._inner.read()

    def __repr__(self):
        return repr(self._inner)


def open(path, *, samples=None):
    """Opens a recording: WFDB (``FOLDER/100``), EDF, EDF+, BDF, ISHNE, DICOM.

    ``samples`` says that a CSV, TSV or Parquet file holds samples, a row for each, and
    what its columns are, such as ``"fs=250,leads=ecg,unit=uV"``.

    Raises InputError for what cannot be read.
    """
    return Recording(_ectopy.Recording.open(os.fspath(path), samples))


def as_recording(source, fs=None, **options):
    """A recording of whatever a caller has: a recording, a path, an array."""
    is_path = isinstance(source, (str, os.PathLike))
    if not is_path and not isinstance(source, Recording):
        if fs is None:
            raise UsageError("an array needs fs, its samples per second")
        return Recording.from_array(source, fs, **options)
    if fs is not None or options:
        said = ["fs"] * (fs is not None) + sorted(options)
        raise UsageError(f"{', '.join(said)}: a recording says so itself; they go with an array")
    return open(source) if is_path else source
