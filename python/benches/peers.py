"""Times `ectopy.analyse` against NeuroKit2 and against wfdb with biosppy.

    peers.py [RECORD ...]

Each does its job on the same samples in memory, one lead of half an hour, in one
process and on one core:

- ectopy: finds the beats, classifies each, judges the signal, notes rhythms;
- NeuroKit2: `ecg_process`, which cleans, finds and delineates beats, no classes;
- wfdb `xqrs` finds beats, and biosppy `ecg.ecg` finds beats, rate and templates: no
  classes; their times are added.

Records: those named, else five of mitdb in $ECTOPY_SHARED (else ../shared), else
synthetic ones. Peers run once, as they take long, ectopy as often as it says; the
shortest time counts for each. ECTOPY_BENCH_MINUTES cuts the records, for a look.
"""

import os
import pathlib
import sys
import tempfile
import time
import warnings

import numpy

import ectopy
from ectopy import cli

RECORDS = ["100", "106", "207", "222", "233"]
WANTED = 50
ROUNDS = 5


def recordings(folder):
    """Paths of recordings: named ones, real ones, or synthetic ones in the folder."""
    if sys.argv[1:]:
        return [pathlib.Path(path) for path in sys.argv[1:]]
    shared = pathlib.Path(os.environ.get("ECTOPY_SHARED", pathlib.Path(__file__).parents[3] / "shared"))
    real = [shared / "mitdb" / record for record in RECORDS]
    if all(path.with_suffix(".hea").exists() for path in real):
        return real
    cli.main(["synth", "--output", folder, "--patients", str(len(RECORDS)), "--minutes", "30"])
    return [pathlib.Path(folder) / f"s{place:03}" for place in range(len(RECORDS))]


def timed(work, rounds=1):
    """The shortest time in seconds, and what the work gave."""
    best, given = float("inf"), None
    for _ in range(rounds):
        started = time.perf_counter()
        given = work()
        best = min(best, time.perf_counter() - started)
    return best, given


def neurokit(signal, fs):
    import neurokit2

    return len(neurokit2.ecg_process(signal, sampling_rate=int(fs))[1]["ECG_R_Peaks"])


def xqrs(signal, fs):
    from wfdb import processing

    return len(processing.xqrs_detect(signal, fs, verbose=False))


def biosppy(signal, fs):
    from biosppy.signals import ecg

    return len(ecg.ecg(signal, sampling_rate=fs, show=False)["rpeaks"])


def measured(path):
    """Seconds and beats of each, by its name."""
    recording = ectopy.open(path)
    lead = recording.leads.index(ectopy.analyse(recording).lead)
    minutes = float(os.environ.get("ECTOPY_BENCH_MINUTES", "inf"))
    length = int(min(recording.length, minutes * 60 * recording.fs))
    signal = numpy.ascontiguousarray(recording.read()[:length, lead])
    # Lost samples: the peers know none.
    wide = numpy.nan_to_num(signal.astype(numpy.float64))
    fs = recording.fs
    found = {"ectopy": timed(lambda: len(ectopy.analyse(signal, fs=fs)), ROUNDS)}
    for peer in [neurokit, xqrs, biosppy]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found[peer.__name__] = timed(lambda: peer(wide, fs))
    return found


def main():
    with tempfile.TemporaryDirectory() as folder:
        paths = recordings(folder)
        # The first call of each loads and compiles what it needs.
        for work in [neurokit, xqrs, biosppy, lambda signal, fs: ectopy.analyse(signal, fs=fs)]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                work(ectopy.open(paths[0]).read()[: 60 * 360, 0].astype(numpy.float64), 360)
        print(f"{'record':10}" + "".join(f"{name:>20}" for name in ["ectopy", "neurokit2", "wfdb xqrs", "biosppy"]))
        totals = {}
        for path in paths:
            found = measured(path)
            cells = [f"{seconds:.3f} s, {beats:5}" for seconds, beats in found.values()]
            print(f"{path.name:10}" + "".join(f"{cell:>20}" for cell in cells), flush=True)
            for name, (seconds, _) in found.items():
                totals[name] = totals.get(name, 0.0) + seconds
    print(f"{'total':10}" + "".join(f"{f'{seconds:.3f} s':>20}" for seconds in totals.values()))
    ratios = {
        "neurokit2": totals["neurokit"] / totals["ectopy"],
        "wfdb + biosppy": (totals["xqrs"] + totals["biosppy"]) / totals["ectopy"],
    }
    for name, ratio in ratios.items():
        print(f"ectopy against {name}: {ratio:.1f} times as fast (wanted: {WANTED})")
    if hasattr(os, "getloadavg"):
        print(f"load of the machine, 1 minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
