"""The labelled beats of a recording."""

from __future__ import annotations

import functools
import json as _json
import os
import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy

from ectopy import _arguments, _ectopy
from ectopy._ectopy import Model, UsageError
from ectopy._recording import Recording, as_recording

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow
    from numpy.typing import ArrayLike, NDArray

    _Path = str | os.PathLike[str]

# Endings of tables; every other ending is an annotator's name.
_TABLES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@functools.lru_cache(maxsize=4)
def _loaded(path: str | None, modified: int | None) -> Model:
    return Model(path)


def as_model(model: Model | _Path | None) -> Model:
    """A model that is given, or of a path; the one in the package for None."""
    if isinstance(model, Model):
        return model
    if model is None:
        return _loaded(None, None)
    path = _arguments.path("model", model)
    try:
        modified = os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        # Not a file, so perhaps the name of one: loading it says what is wrong.
        return Model(path)
    return _loaded(path, modified)


def analyse(
    source: Recording | _Path | ArrayLike,
    *,
    fs: float | None = None,
    lead: str | int | None = None,
    model: Model | _Path | None = None,
    leads: str | Iterable[str] | None = None,
    units: str | None = None,
    gain: float | None = None,
    name: str | None = None,
) -> Beats:
    """Finds the beats of a recording and classifies them.

    ``source``: a path, a ``Recording``, or an array with ``fs`` (and ``leads``,
    ``units``, ``gain``, ``name`` as ``Recording.from_array`` takes them). ``lead``: a
    name, a number from 1, ``"auto"`` for the one on which beats stand out best; the
    first ECG by default. ``model``: a ``Model`` or a path; by default the one in the
    package.

    The beats are those of ``infer --detect`` and ``embedded``.
    """
    recording = as_recording(source, fs, leads=leads, units=units, gain=gain, name=name)
    if isinstance(lead, (int, numpy.integer)) and not isinstance(lead, bool):
        lead = str(lead)
    chosen = None if lead is None else _arguments.text("lead", lead)
    return Beats(_ectopy.analyse(recording._inner, as_model(model), chosen))


class Beats:
    """The beats of a recording with the classes that a model gives them.

    Any library that knows Arrow takes it as a table: ``polars.DataFrame(beats)``,
    ``pyarrow.table(beats)``. Its columns are ``record``, ``row``, ``sample``,
    ``class``, a probability by each class's name, ``rejected``, ``reject`` (why it is
    left to a human: uncertain, quality), ``time`` and ``rr`` in seconds and
    ``quality``, 0 to 1.
    """

    def __init__(self, inner: _ectopy.Beats) -> None:
        self._inner = inner

    def __len__(self) -> int:
        return len(self._inner)

    @property
    def record(self) -> str:
        """The recording's name."""
        return self._inner.record

    @property
    def recording(self) -> Recording:
        """The recording."""
        return Recording(self._inner.recording)

    @property
    def model(self) -> Model:
        """The model that gave the classes."""
        return self._inner.model

    @property
    def fs(self) -> float:
        """Samples per second, in which beats are counted."""
        return self._inner.fs

    @property
    def duration(self) -> float:
        """Seconds of signal."""
        return self._inner.duration

    @property
    def lead(self) -> str:
        """The lead that was read."""
        return self._inner.lead

    @property
    def classes(self) -> list[str]:
        """The names of the classes."""
        return self._inner.classes

    @property
    def remarks(self) -> list[str]:
        """What a user should know of the recording and the choice of its lead."""
        return self._inner.remarks

    @property
    def notes(self) -> list[dict[str, Any]]:
        """Episodes and stretches that cannot be read, a list of dictionaries."""
        keys = ("sample", "symbol", "subtype", "text")
        return [dict(zip(keys, note)) for note in self._inner.notes]

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return _ectopy.arrow_stream(self._inner, requested_schema)

    def __arrow_c_schema__(self) -> object:
        return _ectopy.arrow_schema(self._inner)

    def to_dict(self) -> dict[str, Any]:
        """The columns by name: arrays of numbers, lists of text."""
        return _ectopy.columns(self._inner)

    def to_numpy(self, column: str) -> NDArray[Any]:
        """One column as an array."""
        columns = self.to_dict()
        if _arguments.text("column", column) not in columns:
            raise UsageError(f"there is no column {column!r}; there are {', '.join(columns)}")
        return numpy.asarray(columns[column])

    def to_pandas(self) -> pandas.DataFrame:
        """A pandas.DataFrame."""
        import pandas

        return pandas.DataFrame(self.to_dict())

    def to_polars(self) -> polars.DataFrame:
        """A polars.DataFrame."""
        import polars

        return polars.DataFrame(self)

    def to_arrow(self) -> pyarrow.Table:
        """A pyarrow.Table."""
        import pyarrow

        return pyarrow.table(self)

    def write(self, path: _Path, *, rhythm: bool = False, force: bool = False) -> None:
        """Writes the beats, in the form that the file's ending says: ``.csv``,
        ``.jsonl`` or ``.parquet`` a table, any other a WFDB annotation file of that
        annotator, such as ``night.atr``; with ``rhythm`` with notes of rhythms, too.

        The file appears when it is whole. One that ectopy did not make is replaced
        only with ``force``.
        """
        path = _output(path)
        table = _TABLES.get(path.suffix.lower())
        if not path.suffix[1:]:
            raise UsageError(f"{path}: end it in .csv, .jsonl or .parquet, or in an annotator's name such as .atr")
        if table is None:
            self._inner.write_annotations(path, bool(rhythm), bool(force))
        elif rhythm:
            raise UsageError("rhythm: a table has a row for each beat; notes go into annotations")
        else:
            self._inner.write_table(path, table, bool(force))

    def write_parquet(self, path: _Path, *, force: bool = False) -> None:
        """Writes the beats as Parquet, whatever the file is called. Its bytes depend on
        the recording, the model and the version alone."""
        self._inner.write_table(_output(path), "parquet", bool(force))

    def holter(self, *, pause: float = 2.0) -> dict[str, Any]:
        """The numbers of a Holter report, a dictionary: see docs/holter.md. A pause is
        an RR interval of at least ``pause`` seconds."""
        numbers: dict[str, Any] = _json.loads(self._inner.holter_json(_pause(pause)))
        return numbers

    def report(self, path: _Path, *, json: bool = False, pause: float = 2.0, force: bool = False) -> None:
        """Writes a page that a person can check, one self-contained HTML file; with
        ``json`` its content beside it, too."""
        path = _output(path)
        beside = path.with_suffix(".json") if json else None
        self._inner.write_report(path, beside, _pause(pause), bool(force))

    def __repr__(self) -> str:
        return f"<ectopy.Beats of {self.record}: {len(self)} in {self.duration:.1f} s of {self.lead or 'a lead without a name'}>"


class Explanation:
    """What spoke for the classes of some beats.

    ``rows``: their places. ``classes``: the class that each is explained for.
    ``window`` and ``credits``: ``(beats, channels, samples)``, the values and how far
    each speaks for the class. ``features`` and ``feature_credits``:
    ``(beats, features)``. ``reasons``: sentences for each.
    """

    def __init__(
        self,
        rows: list[int],
        classes: list[str],
        window: NDArray[numpy.float32],
        credits: NDArray[numpy.float32],
        features: NDArray[numpy.float32],
        feature_credits: NDArray[numpy.float32],
        reasons: list[list[str]],
    ) -> None:
        self.rows, self.classes = rows, classes
        self.window, self.credits = window, credits
        self.features, self.feature_credits = features, feature_credits
        self.reasons = reasons

    def __repr__(self) -> str:
        return f"<ectopy.Explanation of {len(self.rows)} beats>"


def explain(
    beats: Beats,
    rows: ArrayLike,
    *,
    method: str = "integrated-gradients",
    target: str | None = None,
    seed: int = 0,
) -> Explanation:
    """What speaks for the class of beats, by the gradient graph of the model.

    ``rows``: places of beats, from 0. ``target``: the class that is explained; by
    default the predicted one. ``method``: integrated-gradients, gradient,
    gradient-x-input, smoothgrad (``seed`` draws its noise), gradcam, occlusion.

    The recording is read once more.
    """
    if not isinstance(beats, Beats):
        raise UsageError(f"beats={_arguments.shown(beats)}: what analyse gives is expected")
    chosen = _rows(rows, len(beats))
    method = _arguments.text("method", method)
    target = None if target is None else _arguments.text("target", target)
    seed = _arguments.whole("seed", seed, "it is a whole number", 0, 2**64 - 1)
    windows, features, targets, reasons = _ectopy.explain(beats._inner, chosen, method, target, seed)
    classes = [beats.classes[place] for place in targets]
    (window, credits), (values, feature_credits) = windows, features
    return Explanation(chosen, classes, window, credits, values, feature_credits, reasons)


def _rows(rows: ArrayLike, count: int) -> list[int]:
    """Places of beats, each once and in order."""
    try:
        array = numpy.atleast_1d(numpy.asarray(rows))
    except MemoryError:
        raise
    except Exception:
        array = numpy.empty(1, object)
    if array.size == 0:
        return []
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= count:
        there = f"there are 0 to {count - 1}" if count else "there is none"
        raise UsageError(f"rows={_arguments.shown(rows)}: places of beats are expected, and {there}")
    return [int(row) for row in numpy.unique(array)]


def _output(path: object) -> pathlib.Path:
    return pathlib.Path(_arguments.path("path", path))


def _pause(pause: object) -> float:
    return _arguments.number("pause", pause, "it is an RR interval in seconds", 0.5, 60)
