"""Threads, Ctrl-C, and what a long call leaves behind."""

import os
import signal as signals
import subprocess
import sys
import threading
import time

import numpy
import pytest
from conftest import FS, equal

import ectopy


def together(works):
    """Runs functions at once; what they gave, or raised."""
    results = [None] * len(works)

    def run(place):
        try:
            results[place] = works[place]()
        except BaseException as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_several_threads_find_what_one_finds(signal, beats, synthetic):
    other = ectopy.analyse(synthetic / "s001")
    works = [lambda: ectopy.analyse(signal, fs=FS), lambda: ectopy.analyse(synthetic / "s001")] * 4
    for place, found in enumerate(together(works)):
        equal(found, [beats, other][place % 2])


def test_threads_share_one_recording_one_model_and_one_result(signal, beats, tmp_path):
    recording, model = ectopy.Recording.from_array(signal, FS), ectopy.Model()
    found = together([lambda: ectopy.analyse(recording, model=model)] * 4)
    for one in found:
        equal(one, beats)
    works = [lambda: found[0].holter(), lambda: ectopy.explain(found[0], [3]).credits, lambda: found[0].to_dict()["sample"]]
    holter, credits, samples = together(works)
    assert holter == beats.holter()
    assert numpy.array_equal(credits, ectopy.explain(beats, [3]).credits)
    assert numpy.array_equal(samples, beats.to_numpy("sample"))


def test_threads_that_share_a_monitor_wait_for_each_other(signal):
    monitor = ectopy.Monitor(FS)
    chunks = numpy.array_split(signal[:10_000], 50)
    together([lambda chunk=chunk: monitor.push(chunk) for chunk in chunks] + [lambda: monitor.delay] * 5)
    assert monitor.samples == 10_000
    assert monitor.finish()[-1]["samples"] == 10_000


def test_other_threads_run_meanwhile(three_hours):
    work = threading.Thread(target=ectopy.analyse, args=(three_hours,))
    work.start()
    started, longest, steps = time.monotonic(), 0.0, 0
    while work.is_alive():
        before = time.monotonic()
        time.sleep(0.001)
        longest, steps = max(longest, time.monotonic() - before), steps + 1
    took = time.monotonic() - started
    assert took > 0.2, "too fast to tell"
    assert steps > 100 * took, (steps, took)
    assert longest < 0.5


LONG = {
    "analyse": "ectopy.analyse(sys.argv[1])",
    "a table": "ectopy.analyse(sys.argv[1]).write('x.parquet')",
    "push": "ectopy.Monitor(250).push(ectopy.open(sys.argv[1]).read()[:, 0])",
    "read": "[ectopy.open(sys.argv[1]).read() for _ in range(1000)]",
    "sha256": "[ectopy.open(sys.argv[1]).sha256() for _ in range(100000)]",
}


@pytest.mark.skipif(os.name != "posix", reason="SIGINT of a process is sent otherwise here")
@pytest.mark.parametrize("what", LONG)
def test_ctrl_c_ends_a_long_call_and_leaves_nothing(what, a_day, tmp_path):
    script = f"import ectopy, sys\nprint('go', flush=True)\n{LONG[what]}\nprint('done', flush=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", script, a_day],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Where the tests run in the background it may be ignored.
        preexec_fn=lambda: signals.signal(signals.SIGINT, signals.default_int_handler),
    )
    assert process.stdout.readline() == b"go\n"
    time.sleep(0.4)
    process.send_signal(signals.SIGINT)
    told, said = process.communicate(timeout=300)
    # It did not end of itself: that it is done was not told.
    assert b"KeyboardInterrupt" in said and told == b"", said
    assert process.returncode in (-signals.SIGINT, 1, 130)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="SIGINT of a process is sent otherwise here")
def test_ctrl_c_ends_the_command_with_130(a_day, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "ectopy.cli", "analyse", a_day, "--output", "x.csv"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signals.signal(signals.SIGINT, signals.default_int_handler),
    )
    time.sleep(1.0)
    process.send_signal(signals.SIGINT)
    told, said = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, b""), said
    assert os.listdir(tmp_path) == []


def test_a_handler_that_raises_is_heard(a_day):
    if not hasattr(signals, "setitimer"):
        pytest.skip("no timers here")

    class Enough(Exception):
        pass

    def stop(*_):
        raise Enough

    before = signals.signal(signals.SIGALRM, stop)
    try:
        signals.setitimer(signals.ITIMER_REAL, 0.2)
        with pytest.raises(Enough):
            ectopy.analyse(a_day)
    finally:
        signals.setitimer(signals.ITIMER_REAL, 0)
        signals.signal(signals.SIGALRM, before)


@pytest.mark.skipif(os.name != "posix", reason="SIGINT of a process is sent otherwise here")
def test_ctrl_c_ends_a_command_of_the_program_data_and_leaves_nothing(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "ectopy.cli", "synth", "--output", "x", "--patients", "1", "--minutes", "3000"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signals.signal(signals.SIGINT, signals.default_int_handler),
    )
    until = time.monotonic() + 60
    while not list(tmp_path.rglob("*.tmp")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signals.SIGINT)
    told, said = process.communicate(timeout=300)
    assert (process.returncode, told) == (130, b""), said
    assert not list(tmp_path.rglob("*.*"))
