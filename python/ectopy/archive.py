"""Archives of recordings: one function that any engine maps over a manifest.

``work`` reads one recording, writes its beats, and returns one row. What goes wrong
with a recording is told in the row. The same recording, model and options give the
same bytes, and what is finished is not done again, so that a task which an engine
runs twice does no harm. ``run`` maps it over all cores of one machine;
``examples/ray_archive.py`` and ``examples/spark_archive.py`` over a cluster.

    OUTPUT/beats/ID.parquet     a row for each beat
    OUTPUT/summaries/ID.json    the row of the recording, written last
    OUTPUT/summary.parquet      all rows, by ``gather``
"""

import argparse
import concurrent.futures
import contextlib
import functools
import hashlib
import json
import os
import pathlib
import re
import sys
import tempfile
import time

import ectopy
from ectopy import _ectopy

# The columns of a row, each with its type. One that is not known is None.
COLUMNS = {
    "id": str,
    "recording": str,
    "status": str,  # done, or error
    "error_kind": str,
    "error": str,
    "fingerprint": str,  # of the recording's name, the model, the version and the options
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

# Columns of a manifest. Others may be there, and are not looked at.
MANIFEST = ("id", "recording", "reference")


def work(row, *, output, model=None, lead=None, pause=2.0):
    """Analyses one recording; a dictionary of ``COLUMNS``.

    ``row``: a mapping with ``recording`` (a path, or a URL that fsspec knows), and
    perhaps ``id`` (a name for the files; made of the recording by default) and
    ``reference`` (an annotator, which the beats are scored against). ``output``: a
    folder or a URL. ``model``, ``lead``, ``pause``: as ``analyse`` and ``report``
    take them.

    Nothing but Ctrl-C and the end of the process is raised: see ``status``.
    """
    result = dict.fromkeys(COLUMNS)
    try:
        result["recording"] = str(row["recording"])
        result["reference"] = row.get("reference") or None
        result["id"] = str(row.get("id") or identifier(result["recording"]))
        if not re.fullmatch(r"[\w.+-]{1,180}", result["id"], re.ASCII) or result["id"].startswith("."):
            raise ectopy.UsageError(f"id {result['id']!r}: letters, digits and any of _.+- name a file everywhere")
        loaded = _model(None if model is None else os.fspath(model))
        options = [result["recording"], result["reference"], loaded.sha256, ectopy.__version__, lead, float(pause)]
        result["fingerprint"] = hashlib.sha256(json.dumps(options).encode()).hexdigest()
        store = _Store(output)
        finished = store.finished(result["id"], result["fingerprint"])
        if finished is not None:
            return finished
        _analyse(result, store, loaded, lead, pause)
    except Exception as error:  # a manifest's row must not stop the others
        result["status"], result["error"] = "error", str(error) or repr(error)
        result["error_kind"] = type(error).__name__
        with contextlib.suppress(Exception):
            _Store(output).write(f"summaries/{result['id']}.json", _bytes(result))
    return result


def identifier(recording):
    """A name for the files of a recording: its own, and a part of a hash of where it is."""
    name = re.sub(r"[^\w.+-]", "_", recording.rstrip("/").rpartition("/")[2], flags=re.ASCII)[:100].lstrip(".")
    return f"{name}-{hashlib.sha256(recording.encode()).hexdigest()[:12]}"


@functools.lru_cache(maxsize=2)
def _model(path):
    return ectopy.Model(path)


def _analyse(result, store, model, lead, pause):
    with tempfile.TemporaryDirectory(prefix="ectopy-") as scratch:
        path = _local(result["recording"], result["reference"], scratch)
        recording = ectopy.open(path)
        beats = ectopy.analyse(recording, lead=lead, model=model)
        table = os.path.join(scratch, "beats.parquet")
        beats.write_parquet(table)
        numbers = beats.holter(pause=pause)
        result["sha256"], result["lead"], result["fs"] = recording.sha256(), beats.lead, beats.fs
        result["hours"] = beats.duration / 3600
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
        if result["reference"]:
            _score(result, path, beats, scratch)
        result["beats_file"], result["status"] = f"beats/{result['id']}.parquet", "done"
        store.put(table, result["beats_file"])
        # The row comes last: where it is, all is.
        store.write(f"summaries/{result['id']}.json", _bytes(result))


def _of(record, key):
    return None if record is None else record[key]


def _score(result, path, beats, scratch):
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


def _bytes(row):
    return json.dumps(row, sort_keys=True, allow_nan=False).encode() + b"\n"


def _local(recording, reference, scratch):
    """The path of a recording, which is fetched first where it is a URL."""
    if "://" not in recording:
        return recording
    import fsspec

    system, path = fsspec.url_to_fs(recording)
    folder = os.path.join(scratch, "recording")
    os.mkdir(folder)

    def fetch(name):
        target = os.path.join(folder, os.path.basename(name))
        system.get_file(name, target)
        return target

    parent = path.rpartition("/")[0]
    header = path if path.endswith(".hea") else f"{path}.hea"
    if path.endswith(".hea") or not system.isfile(path):
        _fetch_record(fetch, header, parent)
        path = header[: -len(".hea")]
    else:
        fetch(path)
    if reference:
        stem = path if header == f"{path}.hea" and not system.isfile(path) else path.rpartition(".")[0]
        fetch(f"{stem}.{reference}")
    return os.path.join(folder, os.path.basename(path))


def _fetch_record(fetch, header, parent):
    """Fetches a WFDB header, and the files and segments that it names."""
    with open(fetch(header), encoding="latin-1") as file:
        lines = [line.split() for line in file if line.strip() and not line.startswith("#")]
    if not lines:
        return
    is_segmented = "/" in lines[0][0]
    for name in dict.fromkeys(line[0] for line in lines[1:]):
        if name == "~" or os.path.basename(name) != name:
            continue
        if is_segmented:
            _fetch_record(fetch, f"{parent}/{name}.hea", parent)
        else:
            fetch(f"{parent}/{name}")


class _Store:
    """The output, a folder or a URL: a file in it is whole or not there."""

    def __init__(self, output):
        self.root, self.system = os.fspath(output), None
        if "://" in self.root:
            import fsspec

            self.system, self.root = fsspec.url_to_fs(self.root)

    def finished(self, name, fingerprint):
        """The row of a recording that was analysed in the same way, if it was."""
        try:
            row = json.loads(self.read(f"summaries/{name}.json"))
        except (OSError, ValueError):
            return None
        is_same = row.get("fingerprint") == fingerprint and row.get("status") == "done"
        return row if is_same and list(row) == sorted(COLUMNS) and self.has(row["beats_file"]) else None

    def path(self, name):
        return f"{self.root}/{name}" if self.system else os.path.join(self.root, name)

    def has(self, name):
        return self.system.isfile(self.path(name)) if self.system else os.path.isfile(self.path(name))

    def read(self, name):
        if self.system:
            return self.system.cat_file(self.path(name))
        return pathlib.Path(self.path(name)).read_bytes()

    def write(self, name, content):
        with tempfile.TemporaryDirectory(prefix="ectopy-") as scratch:
            local = pathlib.Path(scratch, "content")
            local.write_bytes(content)
            self.put(local, name)

    def put(self, local, name):
        """Puts a file there, under a temporary name first; an object store shows a
        file when it is whole."""
        path = self.path(name)
        if self.system:
            self.system.makedirs(path.rpartition("/")[0], exist_ok=True)
            self.system.put_file(os.fspath(local), path)
            return
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=os.path.dirname(path))
        try:
            with os.fdopen(handle, "wb") as target, open(local, "rb") as source:
                while piece := source.read(1 << 20):
                    target.write(piece)
                target.flush()
                os.fsync(target.fileno())
            # mkstemp's own mode is for its owner alone.
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.remove(temporary)
            raise


@functools.lru_cache(maxsize=1)
def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def manifest(folder, *, reference=None):
    """A row for each recording of a folder."""
    folder = os.fspath(folder)
    rows = []
    for name in _ectopy.find(folder):
        path = os.path.join(folder, name)
        rows.append({"id": identifier(path), "recording": path, "reference": reference})
    return rows


def rows(output):
    """The rows that are there, in the order of their ids."""
    store = _Store(output)
    folder = store.path("summaries")
    if store.system:
        names = store.system.ls(folder, detail=False) if store.system.isdir(folder) else []
        names = [name.rpartition("/")[2] for name in names]
    else:
        names = os.listdir(folder) if os.path.isdir(folder) else []
    names = sorted(name for name in names if name.endswith(".json") and not name.startswith("."))
    return [json.loads(store.read(f"summaries/{name}")) for name in names]


def unfinished(manifest, output):
    """The rows of a manifest whose recordings have not been analysed."""
    done = {(row["id"], row["recording"]) for row in rows(output) if row["status"] == "done"}
    return [row for row in manifest if (row.get("id") or identifier(row["recording"]), row["recording"]) not in done]


def gather(output):
    """Writes all rows as ``summary.parquet``; how many there are. Needs pyarrow."""
    import pyarrow
    import pyarrow.parquet

    types = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    table = pyarrow.Table.from_pylist(rows(output), schema)
    with tempfile.TemporaryDirectory(prefix="ectopy-") as scratch:
        local = os.path.join(scratch, "summary.parquet")
        pyarrow.parquet.write_table(table, local)
        _Store(output).put(local, "summary.parquet")
    return table.num_rows


def run(manifest, *, workers=None, **options):
    """Maps ``work`` over the processes of one machine; yields rows as they are done.

    A process that dies takes no recording with it: what it was at is done again, once
    by itself, and told as an error where it dies on it again.
    """
    todo, suspects = list(manifest), []
    workers = workers or os.cpu_count() or 1
    task = functools.partial(work, **options)
    while todo or suspects:
        batch, alone = (todo, False) if todo else ([suspects.pop()], True)
        todo = [] if not alone else todo
        try:
            with concurrent.futures.ProcessPoolExecutor(1 if alone else workers) as pool:
                tasks = {pool.submit(task, row): row for row in batch}
                for future in concurrent.futures.as_completed(tasks):
                    with contextlib.suppress(concurrent.futures.process.BrokenProcessPool):
                        yield future.result()
                        tasks[future] = None
        except concurrent.futures.process.BrokenProcessPool:
            pass
        left = [row for row in tasks.values() if row is not None]
        if alone and left:
            yield _died(left[0])
        elif left:
            # Who was at work when a process died is not told: of those that were
            # first in line one is to blame.
            suspects += left[: 2 * workers]
            todo = left[2 * workers :]


def _died(row):
    result = dict.fromkeys(COLUMNS)
    result["id"] = str(row.get("id") or identifier(row["recording"]))
    result["recording"], result["status"] = row["recording"], "error"
    result["error_kind"], result["error"] = "Died", "the process died on it, twice; is there memory enough?"
    return result


def main(argv=None):
    """``python -m ectopy.archive FOLDER --output OUTPUT``: all recordings of a folder,
    or those of a manifest, on the cores of one machine."""
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
    if os.path.isdir(arguments.source):
        everything = manifest(arguments.source, reference=arguments.reference)
    else:
        import csv

        with open(arguments.source, newline="", encoding="utf-8") as file:
            everything = list(csv.DictReader(file))
        for row in everything:
            row["reference"] = arguments.reference or row.get("reference")
    mine = everything[int(part) - 1 :: int(parts)]
    options = {"output": arguments.output, "model": arguments.model, "lead": arguments.lead, "pause": arguments.pause}
    started, failed, count = time.monotonic(), [], 0
    try:
        for count, row in enumerate(run(mine, workers=arguments.workers, **options), 1):
            if row["status"] == "error":
                failed.append(f"{row['recording']}: {row['error']}")
            left = (time.monotonic() - started) / count * (len(mine) - count)
            print(f"\r{count}/{len(mine)}, {left:.0f} s left ", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"\ninterrupted after {count}; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"\n{count - len(failed)} analysed, {len(failed)} failed ({time.monotonic() - started:.1f} s)", file=sys.stderr)
    for words in sorted(failed):
        print(f"  {words}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
