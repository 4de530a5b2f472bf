"""Times a day of ECG, file to page, against NeuroKit2 and the wfdb package.

    report.py INFER DATA MODEL.onnx

`infer report` makes the page of 24 hours of one lead at 250 Hz, synthetic. The
peers do what they have of the same job, in Python, on as much of the same signal as
takes them about a minute: NeuroKit2's `ecg_process` (cleans, finds and delineates
beats, no classes) and the beat finder `xqrs` of wfdb. Times are compared per hour of
signal.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

import numpy
import wfdb

HOURS = 24
FS = 250
# Seconds that a peer may take in all.
ENOUGH = 60.0


# A child's peak counts what its parent held when it was started, and this process
# holds a day of samples: a small one starts it.
MEASURE = """
import resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - started
print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
sys.exit(done.returncode)
"""


def run(command):
    """Wall seconds and peak resident MiB of a command."""
    measure = [sys.executable, "-S", "-c", MEASURE, *map(str, command)]
    done = subprocess.run(measure, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr}")
    return tuple(map(float, done.stdout.split()))


def per_hour(process, signal):
    """Seconds per hour of signal, on twice as much each time while there is time."""
    minutes, seconds = 2.5, 0.0
    while minutes <= 60 * HOURS:
        part = signal[: int(minutes * 60 * FS)]
        started = time.perf_counter()
        process(part)
        seconds = time.perf_counter() - started
        if 3 * seconds > ENOUGH:
            break
        minutes *= 2
    else:
        minutes /= 2
    return seconds * 60 / minutes, minutes


def neurokit(signal):
    import neurokit2

    neurokit2.ecg_process(signal, sampling_rate=FS)


def xqrs(signal):
    from wfdb import processing

    processing.XQRS(sig=signal, fs=FS).detect(verbose=False)


def main():
    infer, data, model = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        minutes = str(60 * HOURS)
        run([data, "synth", "--output", folder, "--patients", "1", "--minutes", minutes, "--fs", str(FS)])
        two = wfdb.rdrecord(str(folder / "s000"))
        # One lead, as the job is stated.
        wfdb.wrsamp("day", fs=FS, units=["mV"], sig_name=[two.sig_name[0]], p_signal=two.p_signal[:, :1], fmt=["16"], write_dir=str(folder))
        page = folder / "day.html"
        command = [infer, "report", folder / "day", "--model", model, "--output", page]
        run(command + ["--force"])  # the file is in the cache from here on
        ours, memory = min(run(command + ["--force"]) for _ in range(3))
        size = page.stat().st_size / 2**20
        signal = numpy.ascontiguousarray(two.p_signal[:, 0])
    print(f"infer report, {HOURS} h of one lead at {FS} Hz: {ours:.1f} s, {memory:.0f} MiB, page {size:.1f} MiB (at most 8 s, 300 MiB, 5 MB)")
    for name, process in [("NeuroKit2 ecg_process", neurokit), ("wfdb xqrs", xqrs)]:
        theirs, seen = per_hour(process, signal)
        print(f"{name}: {theirs:.2f} s per hour of signal (on {seen:.0f} min of it); infer report {ours / HOURS:.3f} s, ratio {theirs * HOURS / ours:.0f}")


main()
