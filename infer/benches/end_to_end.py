"""Times `infer` on a Kaggle-format CSV against pandas and onnxruntime.

    end_to_end.py INFER MODEL.onnx ROWS.csv

From file to predictions, both with every core, the same network, the same
21,892 rows (those of the public test set; ROWS.csv repeated as often as
needed). The runs alternate and the medians are compared, so that a busy
machine slows both.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROWS = 21_892
RUNS = 7
PEER = pathlib.Path(__file__).with_name("peer.py")


def enlarge(source, target):
    """Writes ROWS rows in the text form of the public files, `%.18e`."""
    with open(source) as lines:
        rows = [",".join(f"{float(v):.18e}" for v in line.split(",")) for line in lines]
    with open(target, "w") as out:
        for i in range(ROWS):
            out.write(rows[i % len(rows)] + "\n")


def run(command):
    """Wall seconds, peak resident MiB and standard output of a command."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out = process.stdout.read()
    error = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} failed: {error}")
    return seconds, usage.ru_maxrss / 1024, out


def classes_written(predictions):
    """How many beats got each class, from the CSV that `infer` wrote."""
    with open(predictions) as lines:
        column = next(lines).split(",").index("class")
        found = [line.split(",")[column] for line in lines]
    return [found.count(name) for name in "NSVFQ"]


def main():
    infer, model, rows = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        beats, peer, predictions = folder / "beats.csv", folder / "peer.onnx", folder / "predictions.csv"
        enlarge(rows, beats)
        run([sys.executable, PEER, "convert", model, peer])
        ours = [infer, beats, "--model", model, "--output", predictions]
        theirs = [sys.executable, PEER, "classify", peer, beats]
        run(ours), run(theirs)  # the files are in the cache from here on
        figures = [(run(ours), run(theirs)) for _ in range(RUNS)]
        counts = classes_written(predictions)
        if str(counts) != figures[0][1][2].strip():
            sys.exit(f"infer and the peer disagree: {counts} and {figures[0][1][2]}")

    def median(side, value):
        return statistics.median(pair[side][value] for pair in figures)

    print(f"{ROWS} Kaggle-format rows, file to predictions, {os.cpu_count()} cores, median of {RUNS} runs")
    print(f"  {'':32}{'wall':>9}{'peak memory':>14}")
    for name, side in (("infer, predictions written", 0), ("pandas + onnxruntime, 1-D network", 1)):
        print(f"  {name:34}{median(side, 0):6.3f} s{median(side, 1):10.0f} MiB")
    print(
        f"  infer is {median(1, 0) / median(0, 0):.1f} times as fast (required 2, goal 4)"
        f" with 1/{median(1, 1) / median(0, 1):.1f} of the memory (required 1/4)"
    )


if __name__ == "__main__":
    main()
