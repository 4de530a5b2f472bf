"""Archives of recordings: one function that any engine maps over a manifest.

``work`` reads one recording, writes its beats, and returns one row. What goes wrong
with a recording is told in the row. The same recording, model and options give the
same bytes, and what is finished is not done again, so that a task which an engine
runs twice does no harm. ``run`` maps it over all cores of one machine;
``examples/ray_archive.py`` and ``examples/spark_archive.py`` over a cluster.

    OUTPUT/beats/ID.parquet     a row for each beat
    OUTPUT/summaries/ID.json    the row of the recording, written last
    OUTPUT/attempts/ID          while a recording is at work
    OUTPUT/summary.parquet      all rows, by ``gather``
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import concurrent.futures.process
import contextlib
import csv
import functools
import hashlib
import io
import json
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import ectopy
from ectopy import _ectopy
from ectopy._store import Store, local

if TYPE_CHECKING:
    import pyarrow

    Path = str | os.PathLike[str]
    Row = dict[str, Any]

# The columns of a row, each with its type. One that is not known is None.
COLUMNS = {
    "id": str,
    "recording": str,
    "status": str,  # done, or error
    "error_kind": str,
    "error": str,
    "fingerprint": str,  # of the row, the model, the version and the options
    "model": str,  # the sha256 of its file
    "version": str,  # of this package
    "sha256": str,  # of the recording's files
    "beats_file": str,  # relative to the output folder
    "lead": str,
    "fs": float,  # samples per second
    "hours": float,
    "unreadable_percent": float,
    "beats": int,
    "n": int,
    "s": int,
    "v": int,
    "f": int,
    "q": int,
    "rejected": int,
    "s_percent": float,
    "v_percent": float,
    "rate_mean": float,  # beats per minute
    "rate_min": float,
    "rate_max": float,
    "longest_v_run": int,  # beats
    "pauses": int,
    "longest_pause": float,  # seconds
    "vf_episodes": int,
    "reference": str,  # annotator; the figures below are EC57's, fractions of 1
    "q_se": float,
    "q_ppv": float,
    "v_se": float,
    "v_ppv": float,
    "s_se": float,
    "s_ppv": float,
}

# Columns of a manifest. Others may be there, and are joined to the rows by the id.
MANIFEST = ("id", "recording", "reference")


def work(
    row: Mapping[str, Any],
    *,
    output: Path,
    model: Path | None = None,
    lead: str | int | None = None,
    pause: float = 2.0,
    attempts: int | None = 5,
) -> Row:
    """Analyses one recording; a dictionary of ``COLUMNS``.

    ``row``: a mapping with ``recording`` (a path, or a URL that fsspec knows), and
    perhaps ``id`` (made of the recording by default) and ``reference`` (an annotator,
    which the beats are scored against). ``output``: a folder or a URL. ``model``,
    ``lead``, ``pause``: as ``analyse`` and ``report`` take them. ``attempts``: how
    often the process may die on a recording before that is told as an error instead
    of tried again; None never gives up.

    Nothing but Ctrl-C and the end of the process is raised: see ``status``.
    """
    result = _blank()
    store: Store | None = None
    name: str | None = None
    try:
        store, name = Store(output), _name(row)
        loaded = _identify(result, row, model, lead, pause)
        finished = _finished(store, name, result["fingerprint"])
        if finished is not None:
            # A process that died after the row was written left its mark.
            store.remove(f"attempts/{name}")
            return finished
        _begin(store, name, result, attempts)
        _analyse(result, store, name, loaded, lead, pause)
    except Exception as error:  # a manifest's row must not stop the others
        _failed(result, store, name, type(error).__name__, str(error) or repr(error))
    if store is not None:
        store.remove(f"attempts/{name}")
    return result


def _blank() -> Row:
    return dict.fromkeys(COLUMNS)


def _failed(result: Row, store: Store | None, name: str | None, kind: str, words: str) -> None:
    result["status"], result["error_kind"], result["error"] = "error", kind, words
    if store is not None and name is not None:
        with contextlib.suppress(Exception):  # where the output cannot be written
            store.write(f"summaries/{name}.json", _bytes(result))


def identifier(recording: str) -> str:
    """A name for the files of a recording: its own, and a part of a hash of where it is."""
    name = re.sub(r"[^\w.+-]", "_", recording.rstrip("/").rpartition("/")[2], flags=re.ASCII)[:100].lstrip(".")
    return f"{name}-{hashlib.sha256(recording.encode(errors='surrogateescape')).hexdigest()[:12]}"


def _text(row: Mapping[str, Any], column: str) -> str | None:
    """What a row has in a column; None for nothing, as CSV, pandas and Arrow write it."""
    value = row.get(column)
    if value is None or (isinstance(value, float) and value != value):
        return None
    text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
    return None if text in ("", "<NA>") else text


def _name(row: Mapping[str, Any]) -> str:
    """What the files of a row are called: its id, if that names a file everywhere."""
    name = _text(row, "id")
    if name is None:
        return identifier(_text(row, "recording") or "")
    is_safe = re.fullmatch(r"[\w+-][\w.+-]{0,179}", name, re.ASCII)
    return name if is_safe else identifier(name)


def fingerprint(row: Mapping[str, Any], *, model: Path | None = None, lead: str | int | None = None, pause: float = 2.0) -> str:
    """What the files of a row depend on: where there is another one, it is done anew."""
    result = _blank()
    _identify(result, row, model, lead, pause)
    return str(result["fingerprint"])


def _identify(
    result: Row, row: Mapping[str, Any], model: Path | None, lead: str | int | None, pause: float
) -> ectopy.Model:
    """Fills in what is known before the recording is read; the model."""
    result["recording"], result["reference"] = _text(row, "recording"), _text(row, "reference")
    result["id"] = _text(row, "id")
    if result["recording"] is None:
        raise ectopy.UsageError("the row names no recording: a manifest has the column recording, a path or a URL")
    result["id"] = result["id"] or identifier(result["recording"])
    loaded = _model(None if model is None else os.fspath(model))
    result["model"], result["version"] = loaded.sha256, ectopy.__version__
    options = [result["id"], result["recording"], result["reference"], loaded.sha256, ectopy.__version__, lead, float(pause)]
    result["fingerprint"] = hashlib.sha256(json.dumps(options).encode()).hexdigest()
    return loaded


@functools.lru_cache(maxsize=2)
def _model(path: str | None) -> ectopy.Model:
    return ectopy.Model(path)


def _finished(store: Store, name: str, own: str) -> Row | None:
    """The row of a recording that was analysed in the same way, if it was."""
    try:
        row = json.loads(store.read(f"summaries/{name}.json"))
    except (OSError, ValueError):
        return None
    is_same = row.get("fingerprint") == own and row.get("status") == "done"
    is_whole = is_same and set(row) == set(COLUMNS) and store.has(row["beats_file"])
    return {column: row[column] for column in COLUMNS} if is_whole else None


class Died(ectopy.Error):
    """The processes that worked on a recording ended, one after the other."""


def _begin(store: Store, name: str, result: Row, attempts: int | None) -> None:
    """Counts an attempt, since a process that dies can tell nothing afterwards."""
    if attempts is None:
        return
    count = 0
    with contextlib.suppress(OSError, ValueError):
        before = json.loads(store.read(f"attempts/{name}"))
        count = before["count"] if before["fingerprint"] == result["fingerprint"] else 0
    if count >= attempts:
        raise Died(f"the process died on it, {count} times; is there memory enough? The next run tries it again")
    content = _bytes({"fingerprint": result["fingerprint"], "count": count + 1})
    store.write(f"attempts/{name}", content, is_lasting=False)


def _analyse(result: Row, store: Store, name: str, model: ectopy.Model, lead: str | int | None, pause: float) -> None:
    with tempfile.TemporaryDirectory(prefix="ectopy-") as scratch:
        path = local(result["recording"], result["reference"], scratch)
        recording = ectopy.open(path)
        beats = ectopy.analyse(recording, lead=lead, model=model)
        table = os.path.join(scratch, "beats.parquet")
        beats.write_parquet(table)
        result["sha256"], result["lead"], result["fs"] = recording.sha256(), beats.lead, beats.fs
        result["hours"] = beats.duration / 3600
        _number(result, beats.holter(pause=pause))
        if result["reference"]:
            _score(result, path, beats, scratch)
        result["beats_file"], result["status"] = f"beats/{name}.parquet", "done"
        store.put(table, result["beats_file"])
        # The row comes last: where it is, all is.
        store.write(f"summaries/{name}.json", _bytes(result))


def _number(result: Row, numbers: Mapping[str, Any]) -> None:
    """Fills in what a Holter report says."""
    time_, counts, rate = numbers["time"], numbers["beats"], numbers["heart_rate"]
    lost = 1 - time_["analysable"] / time_["duration"] if time_["duration"] else 0.0
    result["unreadable_percent"] = 100 * lost
    result["beats"], result["rejected"] = counts["total"], counts["rejected"]["count"]
    for name in "nsvfq":
        result[name] = counts[name]["count"]
    result["s_percent"], result["v_percent"] = numbers["supraventricular"]["burden"], numbers["ventricular"]["burden"]
    result["rate_mean"] = rate["mean"]
    result["rate_min"], result["rate_max"] = (_of(rate[key], "rate") for key in ("min", "max"))
    result["longest_v_run"] = _of(numbers["ventricular"]["runs"]["longest"], "beats")
    pauses = numbers["pauses"]
    result["pauses"] = pauses["count"]
    result["longest_pause"] = max((pause["seconds"] for pause in pauses["longest"]), default=None)
    result["vf_episodes"] = numbers["ventricular_fibrillation"]["count"]


def _of(record: Mapping[str, Any] | None, key: str) -> Any:
    return None if record is None else record[key]


def _score(result: Row, path: str, beats: ectopy.Beats, scratch: str) -> None:
    folder, name = os.path.split(os.fspath(path))
    stem = name if not os.path.isfile(path) else os.path.splitext(name)[0]
    own = os.path.join(scratch, "scored")
    os.mkdir(own)
    beats.write(os.path.join(own, f"{stem}.ectopy"))
    start = 300.0 if beats.duration > 600 else 0.0
    scores = ectopy.score(result["reference"], "ectopy", path, test_folder=own, start=start)
    (figures,) = scores["records"].values()
    for column, kind in [("q", "qrs"), ("v", "v"), ("s", "s")]:
        result[f"{column}_se"], result[f"{column}_ppv"] = figures[kind]["se"], figures[kind]["ppv"]


def _bytes(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, sort_keys=True, allow_nan=False).encode() + b"\n"


def manifest(source: Path, *, reference: str | None = None) -> list[Row]:
    """The rows of a manifest: of a folder, a row for each recording in it; else of a
    CSV or Parquet file, which has the column ``recording`` and perhaps ``id`` and
    ``reference``. ``reference``: an annotator for all. Parquet needs pyarrow."""
    source = os.fspath(source)
    found: list[Row]
    if os.path.isdir(source):
        found = [{"recording": os.path.join(source, name)} for name in _ectopy.find(source)]
    else:
        found = _table(source)
    taken: dict[str, int] = {}
    for number, row in enumerate(found, 1):
        recording = _text(row, "recording")
        if recording is None:
            raise ectopy.UsageError(f"{source}, row {number}: it names no recording, in a column of that name")
        name = row["id"] = _text(row, "id") or identifier(recording)
        row["recording"] = recording
        row["reference"] = reference or _text(row, "reference")
        first = taken.setdefault(name, number)
        if first != number:
            raise ectopy.UsageError(f"{source}: rows {first} and {number} have the same id {name!r}; ids name files")
    return found


def _table(source: str) -> list[Row]:
    if "://" in source:
        import fsspec

        file = fsspec.open(source, "rb").open()
    else:
        try:
            file = open(source, "rb")
        except OSError as error:
            raise ectopy.InputError(f"{source}: a folder, or a manifest in CSV or Parquet, is expected ({error.strerror})") from error
    with file:
        if source.endswith(".parquet"):
            import pyarrow.parquet

            return list(pyarrow.parquet.read_table(file).to_pylist())
        return list(csv.DictReader(io.TextIOWrapper(file, "utf-8-sig", newline="")))


def rows(output: Path) -> list[Row]:
    """The rows that are there, in the order of their files."""
    store = Store(output)

    def read(name: str) -> Row:
        row: Row = json.loads(store.read(f"summaries/{name}"))
        return row

    # Where a read waits for a network, many wait at once.
    with concurrent.futures.ThreadPoolExecutor(32 if store.system else 2) as pool:
        return list(pool.map(read, [name for name in store.names("summaries") if name.endswith(".json")]))


def unfinished(manifest: Iterable[Row], *, output: Path, **options: Any) -> list[Row]:
    """The rows of a manifest that have not been analysed with these options of ``work``."""
    options.pop("attempts", None)
    done = {row["fingerprint"] for row in rows(output) if row["status"] == "done"}
    return [row for row in manifest if _text(row, "recording") is None or fingerprint(row, **options) not in done]


def schema() -> pyarrow.Schema:
    """``COLUMNS`` for pyarrow."""
    import pyarrow

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    return pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])


def gather(output: Path) -> int:
    """Writes all rows as ``summary.parquet``; how many there are. Needs pyarrow."""
    import pyarrow.parquet

    store = Store(output)
    table = pyarrow.Table.from_pylist(rows(output), schema())
    with tempfile.TemporaryDirectory(prefix="ectopy-") as scratch:
        path = os.path.join(scratch, "summary.parquet")
        pyarrow.parquet.write_table(table, path)
        store.put(path, "summary.parquet")
    store.sweep()
    return int(table.num_rows)


def run(manifest: Iterable[Row], *, workers: int | None = None, **options: Any) -> Iterator[Row]:
    """Maps ``work`` over the processes of one machine; yields rows as they are done.

    A process that dies takes no recording with it: what was at work is done again, one
    by one, and told as an error where the process dies on it again.
    """
    todo = collections.deque(manifest)
    suspects: collections.deque[Row] = collections.deque()
    workers = workers or os.cpu_count() or 1
    task = functools.partial(work, **options)
    while todo or suspects:
        # Who was at work when a process died is not told: each is tried by itself.
        is_alone = bool(suspects)
        batch = collections.deque([suspects.popleft()]) if is_alone else todo
        at_work: dict[concurrent.futures.Future[Row], Row] = {}
        try:
            with _processes(1 if is_alone else workers) as pool:
                while batch or at_work:
                    while batch and len(at_work) < 2 * workers:
                        at_work[pool.submit(task, batch[0])] = batch[0]
                        batch.popleft()
                    done, _ = concurrent.futures.wait(at_work, return_when=concurrent.futures.FIRST_COMPLETED)
                    for future in done:
                        row = future.result()
                        del at_work[future]
                        yield row
        except concurrent.futures.process.BrokenProcessPool:
            if is_alone:
                yield from (_died(row, **options) for row in at_work.values())
            else:
                suspects.extend(at_work.values())


@contextlib.contextmanager
def _processes(count: int) -> Iterator[concurrent.futures.ProcessPoolExecutor]:
    """A pool, which is ended at once when its user is interrupted."""
    others = set(multiprocessing.active_children())
    pool = concurrent.futures.ProcessPoolExecutor(count, initializer=_begin_process)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    pool.shutdown()


def _begin_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver ends it
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)


def _died(
    row: Row,
    *,
    output: Path,
    model: Path | None = None,
    lead: str | int | None = None,
    pause: float = 2.0,
    attempts: int | None = None,
) -> Row:
    result, store, name = _blank(), Store(output), _name(row)
    _identify(result, row, model, lead, pause)
    _failed(result, store, name, Died.__name__, "the process died on it, twice; is there memory enough?")
    store.remove(f"attempts/{name}")
    return result


def main(argv: list[str] | None = None) -> int:
    """``python -m ectopy.archive FOLDER --output OUTPUT``: all recordings of a folder,
    or those of a manifest, on the cores of one machine. Ends with 1 where recordings
    failed, each of which it names, and with 2 where it could not begin."""
    parser = argparse.ArgumentParser("ectopy.archive", description=main.__doc__, epilog=ectopy.NOTICE)
    parser.add_argument("source", help="a folder of recordings, or a manifest in CSV")
    parser.add_argument("--output", required=True, help="a folder or a URL")
    parser.add_argument("--reference", help="score against this annotator")
    parser.add_argument("--model", help="the model [default: the one in the package]")
    parser.add_argument("--lead", help="a name, a number, auto [default: the first ECG]")
    parser.add_argument("--pause", type=float, default=2.0, help="seconds of a pause [default: 2]")
    parser.add_argument("--workers", type=int, help="processes [default: all cores]")
    parser.add_argument("--shard", default="1/1", help="the i-th of n parts, for n machines: 1/4 to 4/4")
    arguments = parser.parse_args(argv)
    part, _, parts = arguments.shard.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        parser.error("--shard: it is the number of a part and of all parts, 1/4 to 4/4")
    options = {"output": arguments.output, "model": arguments.model, "lead": arguments.lead, "pause": arguments.pause}
    try:
        _model(arguments.model)  # a wrong one would fail on each recording
        mine = manifest(arguments.source, reference=arguments.reference)[int(part) - 1 :: int(parts)]
    except ectopy.Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return _run(mine, arguments.workers, options)


def _run(mine: list[Row], workers: int | None, options: dict[str, Any]) -> int:
    started, said, failed, count = time.monotonic(), 0.0, [], 0
    every = 0.2 if sys.stderr.isatty() else 60.0
    try:
        for count, row in enumerate(run(mine, workers=workers, **options), 1):
            if row["status"] == "error":
                failed.append(f"{row['recording']}: {row['error']}")
            now = time.monotonic() - started
            if now - said >= every:
                said = now
                print(f"\r{count}/{len(mine)}, {now / count * (len(mine) - count):.0f} s left ", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"\ninterrupted after {count}; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"\n{count - len(failed)} analysed, {len(failed)} failed ({time.monotonic() - started:.1f} s)", file=sys.stderr)
    for words in sorted(failed):
        print(f"  {words}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
