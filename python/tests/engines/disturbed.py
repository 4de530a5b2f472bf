"""An archive under disturbance: `disturbed.py ENGINE RECORDINGS WORK [COUNT]`.

ENGINE is ray, spark or sail; its packages are those of this interpreter. The
recordings of the folder RECORDINGS/mitdb and svdb, repeated to COUNT (2,000), and ten
poisoned files are worked through three times: by `python -m ectopy.archive` with two
processes, by the engine with two workers, and by the engine while a worker is killed
(SIGKILL) at five drawn moments and then the driver, which is started again. The results
must be the same, the poisoned files told, and nothing done twice that was finished.
Prints times and their ratio, which counts where starting the engine does not: from
1,000 recordings on. Exits with 1 where a promise is broken.
"""

import contextlib
import csv
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
KILLS = 5
WORKERS = 2


def poisoned(folder):
    """Ten files that are no recordings, or not whole."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = [b"", b"\0" * 4096, b"0       " + b" " * 248, b"rubbish", b"ISHNE1.0" + b"\xff" * 600]
    paths = []
    for i, content in enumerate(contents):
        path = folder / f"p{i}.edf"
        path.write_bytes(content)
        paths.append(path)
    headers = ["q0 1 360 1000\nq0.dat 212 200 11 1024 0 0 0 MLII\n", "q1 2 nan 10\n", "q2 1 250 99999999\nq2.dat 16 200\n"]
    for i, header in enumerate(headers):
        (folder / f"q{i}.hea").write_text(header)
        paths.append(folder / f"q{i}")
    (folder / "q2.dat").write_bytes(b"\x01\x02" * 100)
    return [*paths, folder / "absent", folder]


def manifest(recordings, work, count):
    """The manifest as CSV; how many rows it has."""
    names = []
    for database in ("mitdb", "svdb"):
        listed = (recordings / database / "RECORDS").read_text().split()
        names += [recordings / database / name for name in listed]
    rows = [(f"r{i:05d}", names[i % len(names)]) for i in range(count)]
    bad = [(f"bad{i}", path) for i, path in enumerate(poisoned(work / "poisoned"))]
    step = max(1, count // len(bad))
    for i, row in enumerate(bad):
        rows.insert(i * step + 7 % count, row)
    path = work / "manifest.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("id", "recording"), *rows])
    return path, len(rows)


def command(engine, path, output):
    if engine == "plain":
        return [sys.executable, "-m", "ectopy.archive", path, "--output", output, "--workers", str(WORKERS)]
    script = EXAMPLES / ("ray_archive.py" if engine == "ray" else "spark_archive.py")
    return [sys.executable, script, path, output, "--workers", str(WORKERS), *["--sail"] * (engine == "sail")]


def start(engine, path, output, log):
    environment = {**os.environ, "RAY_DEDUP_LOGS": "0", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command(engine, path, output), stdout=log, stderr=log, start_new_session=True, env=environment)


def finished(output):
    """The times at which each recording was finished."""
    folder = output / "beats"
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("*.parquet")} if folder.is_dir() else {}


def workers(engine):
    """Processes that work on recordings: those that hold the extension, the driver apart."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            name = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
            is_ours = b"_ectopy" in (entry / "maps").read_bytes()
        except OSError:
            continue
        is_driver = b"_archive.py" in name
        if is_ours and not is_driver and (b"ray::" in name if engine == "ray" else b"pyspark" in name):
            found.append(int(entry.name))
    return found


def end(engine, process):
    """Kills the driver with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if engine == "ray":
        # Its daemons have sessions of their own.
        subprocess.run([pathlib.Path(sys.executable).with_name("ray"), "stop", "--force"], capture_output=True)
    time.sleep(2)


def disturbed(engine, path, output, log, total):
    """Runs the engine with kills: how many workers were killed, how many recordings
    were finished when the driver was killed, how many of those were done again, and
    with what the driver ended in the end."""
    draw = random.Random(7)
    process = start(engine, path, output, log)
    # Workers are killed in the first half, then the driver with all that it started.
    marks = sorted(draw.uniform(0.03, 0.5) * total for _ in range(KILLS)) + [0.6 * total]
    killed, before = 0, {}
    while process.poll() is None:
        done = finished(output)
        if killed < KILLS and len(done) >= marks[killed]:
            if engine == "sail":
                # On one machine its workers are threads of the driver.
                end(engine, process)
                before = finished(output) | before
                process = start(engine, path, output, log)
                killed += 1
            elif victims := workers(engine):
                os.kill(draw.choice(victims), signal.SIGKILL)
                killed += 1
        elif killed == KILLS and len(done) >= marks[KILLS]:
            break
        time.sleep(0.1)
    end(engine, process)
    before = finished(output) | before
    again = start(engine, path, output, log)
    again.wait()
    after = finished(output)
    return killed, len(before), sum(after[name] != at for name, at in before.items()), again.returncode


def contents(output):
    rows = {}
    for path in sorted((output / "summaries").glob("*.json")):
        rows[path.stem] = json.loads(path.read_text())
    beats = {p.name: p.read_bytes() for p in (output / "beats").glob("*.parquet")}
    return rows, beats


def main():
    engine, recordings, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).resolve()
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 2000
    path, total = manifest(recordings, work, count)
    seconds = {}
    with open(work / f"{engine}.log", "wb") as log:
        for name in ("plain", engine):
            if name == "plain" and (work / "plain.seconds").is_file() and (work / "plain.seconds").read_text().split()[0] == str(total):
                seconds[name] = float((work / "plain.seconds").read_text().split()[1])
                continue
            shutil.rmtree(work / name, ignore_errors=True)
            started = time.monotonic()
            start(name, path, work / name, log).wait()
            seconds[name] = time.monotonic() - started
            if name == "plain":
                (work / "plain.seconds").write_text(f"{total} {seconds[name]}")
        ratio = seconds[engine] / seconds["plain"]
        print(f"{total} recordings, {WORKERS} workers: plain {seconds['plain']:.1f} s, {engine} {seconds[engine]:.1f} s, ratio {ratio:.2f} (at most 1.25)", flush=True)
        shutil.rmtree(work / f"{engine}-disturbed", ignore_errors=True)
        killed, before, twice, code = disturbed(engine, path, work / f"{engine}-disturbed", log, total)
    print(f"{killed} workers killed, then the driver after {before} recordings; {twice} of these were done again")
    plain, own, disrupted = (contents(work / name) for name in ("plain", engine, f"{engine}-disturbed"))
    errors = sum(row["status"] == "error" for row in disrupted[0].values())
    leftovers = [p for p in (work / f"{engine}-disturbed").rglob("*.tmp")]
    print(f"{len(disrupted[1])} tables of beats, {errors} recordings told as errors, {len(leftovers)} temporary files left")
    attempts = list((work / f"{engine}-disturbed" / "attempts").iterdir())
    promises = {
        "the driver ends": code == 0,
        "five workers were killed": killed == KILLS,
        "the engine's rows and beats are the plain run's": own == plain,
        "the disturbed run's are, too": disrupted == plain,
        "the poisoned files are told": errors == 10,
        "nothing finished is done twice": twice == 0,
        "no attempt is left open": not attempts,
        "it costs at most 25 % more": ratio <= 1.25 or count < 1000,
    }
    for promise, kept in promises.items():
        print(f"{'kept' if kept else 'BROKEN'}: {promise}")
    sys.exit(not all(promises.values()))


if __name__ == "__main__":
    main()
