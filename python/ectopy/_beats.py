"""The labelled beats of a recording."""

import functools
import json
import os
import pathlib

import numpy

from ectopy import _ectopy
from ectopy._ectopy import Model, UsageError
from ectopy._recording import Recording, as_recording

# Endings of tables; every other ending is an annotator's name.
_TABLES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@functools.lru_cache(maxsize=4)
def _loaded(path, modified):
    return Model(path)


def as_model(model):
    """A model that is given, or of a path; the one in the package for None."""
    if isinstance(model, Model):
        return model
    if model is None:
        return _loaded(None, None)
    path = os.fspath(model)
    modified = os.stat(path).st_mtime_ns if os.path.exists(path) else None
    return _loaded(path, modified)


def analyse(source, *, fs=None, lead=None, model=None, **array):
    """Finds the beats of a recording and classifies them.

    ``source``: a path, a ``Recording``, or an array with ``fs`` (and ``units``,
    ``gain``, ``leads``, ``name`` as ``Recording.from_array`` takes them). ``lead``: a
    name, a number from 1, ``"auto"`` for the one on which beats stand out best; the
    first ECG by default. ``model``: a ``Model`` or a path; by default the one in the
    package.

    The beats are those of ``infer --detect`` and ``embedded``.
    """
    recording = as_recording(source, fs, **array)
    lead = None if lead is None else str(lead)
    return Beats(_ectopy.analyse(recording._inner, as_model(model), lead))


class Beats:
    """The beats of a recording with the classes that a model gives them.

    Any library that knows Arrow takes it as a table: ``polars.DataFrame(beats)``,
    ``pyarrow.table(beats)``. Its columns are ``record``, ``row``, ``sample``,
    ``class``, a probability by each class's name, ``rejected``, ``reject`` (why it is
    left to a human: uncertain, quality), ``time`` and ``rr`` in seconds and
    ``quality``, 0 to 1.
    """

    def __init__(self, inner):
        self._inner = inner

    def __len__(self):
        return len(self._inner)

    @property
    def record(self):
        """The recording's name."""
        return self._inner.record

    @property
    def recording(self):
        """The recording."""
        return Recording(self._inner.recording)

    @property
    def model(self):
        """The model that gave the classes."""
        return self._inner.model

    @property
    def fs(self):
        """Samples per second, in which beats are counted."""
        return self._inner.fs

    @property
    def duration(self):
        """Seconds of signal."""
        return self._inner.duration

    @property
    def lead(self):
        """The lead that was read."""
        return self._inner.lead

    @property
    def classes(self):
        """The names of the classes."""
        return self._inner.classes

    @property
    def remarks(self):
        """What a user should know of the recording and the choice of its lead."""
        return self._inner.remarks

    @property
    def notes(self):
        """Episodes and stretches that cannot be read, a list of dictionaries."""
        keys = ("sample", "symbol", "subtype", "text")
        return [dict(zip(keys, note)) for note in self._inner.notes]

    def __arrow_c_stream__(self, requested_schema=None):
        return _ectopy.arrow_stream(self._inner, requested_schema)

    def __arrow_c_schema__(self):
        return _ectopy.arrow_schema(self._inner)

    def to_dict(self):
        """The columns by name: arrays of numbers, lists of text."""
        return _ectopy.columns(self._inner)

    def to_numpy(self, column):
        """One column as an array."""
        columns = self.to_dict()
        if column not in columns:
            raise UsageError(f"there is no column {column!r}; there are {', '.join(columns)}")
        return numpy.asarray(columns[column])

    def to_pandas(self):
        """A pandas.DataFrame."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def to_polars(self):
        """A polars.DataFrame."""
        import polars

        return polars.DataFrame(self)

    def to_arrow(self):
        """A pyarrow.Table."""
        import pyarrow

        return pyarrow.table(self)

    def write(self, path, *, rhythm=False, force=False):
        """Writes the beats, in the form that the file's ending says: ``.csv``,
        ``.jsonl`` or ``.parquet`` a table, any other a WFDB annotation file of that
        annotator, such as ``night.atr``; with ``rhythm`` with notes of rhythms, too.

        The file appears when it is whole. One that ectopy did not make is replaced
        only with ``force``.
        """
        path = pathlib.Path(path)
        table = _TABLES.get(path.suffix.lower())
        if table is None:
            self._inner.write_annotations(path, rhythm, force)
        elif rhythm:
            raise UsageError("rhythm: a table has a row for each beat; notes go into annotations")
        else:
            self._inner.write_table(path, table, force)

    def write_parquet(self, path, *, force=False):
        """Writes the beats as Parquet, whatever the file is called. Its bytes depend on
        the recording, the model and the version alone."""
        self._inner.write_table(pathlib.Path(path), "parquet", force)

    def holter(self, *, pause=2.0):
        """The numbers of a Holter report, a dictionary: see docs/holter.md. A pause is
        an RR interval of at least ``pause`` seconds."""
        return json.loads(self._inner.holter_json(float(pause)))

    def report(self, path, *, json=False, pause=2.0, force=False):
        """Writes a page that a person can check, one self-contained HTML file; with
        ``json`` its content beside it, too."""
        path = pathlib.Path(path)
        beside = path.with_suffix(".json") if json else None
        self._inner.write_report(path, beside, float(pause), force)

    def __repr__(self):
        return f"<ectopy.Beats of {self.record}: {len(self)} in {self.duration:.1f} s of {self.lead or 'a lead without a name'}>"


class Explanation:
    """What spoke for the classes of some beats.

    ``rows``: their places. ``classes``: the class that each is explained for.
    ``window`` and ``credits``: ``(beats, channels, samples)``, the values and how far
    each speaks for the class. ``features`` and ``feature_credits``:
    ``(beats, features)``. ``reasons``: sentences for each.
    """

    def __init__(self, rows, classes, window, credits, features, feature_credits, reasons):
        self.rows, self.classes = rows, classes
        self.window, self.credits = window, credits
        self.features, self.feature_credits = features, feature_credits
        self.reasons = reasons

    def __repr__(self):
        return f"<ectopy.Explanation of {len(self.rows)} beats>"


def explain(beats, rows, *, method="integrated-gradients", target=None, seed=0):
    """What speaks for the class of beats, by the gradient graph of the model.

    ``rows``: places of beats, from 0. ``target``: the class that is explained; by
    default the predicted one. ``method``: integrated-gradients, gradient,
    gradient-x-input, smoothgrad (``seed`` draws its noise), gradcam, occlusion.

    The recording is read once more.
    """
    rows = numpy.unique(numpy.atleast_1d(numpy.asarray(rows)))
    if rows.size and (rows.dtype.kind not in "iu" or rows[0] < 0 or rows[-1] >= len(beats)):
        raise UsageError(f"rows: places of beats are expected, 0 to {len(beats) - 1}")
    rows = [int(row) for row in rows]
    windows, features, targets, reasons = _ectopy.explain(beats._inner, rows, method, target, seed)
    classes = [beats.classes[target] for target in targets]
    return Explanation(rows, classes, *windows, *features, reasons)
