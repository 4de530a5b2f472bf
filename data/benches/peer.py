"""Reads a WFDB record with the `wfdb` package: prints the median seconds of
reading its signals and of reading its annotations. Usage: peer.py RECORD RUNS"""

import statistics
import sys
import time

import wfdb

record, runs = sys.argv[1], int(sys.argv[2])


def seconds(read):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        read()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


wfdb.rdrecord(record)  # imports what it needs, and fills the file cache
print(seconds(lambda: wfdb.rdrecord(record)), seconds(lambda: wfdb.rdann(record, "atr")))
