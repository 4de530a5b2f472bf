"""Live samples."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ectopy


def run(recording, cuts):
    monitor = ectopy.Monitor(recording.fs)
    signal = recording.read()[:, 0]
    events = [event for part in numpy.split(signal, cuts) for event in monitor.push(part)]
    return events + monitor.finish()


def test_events_do_not_depend_on_how_samples_are_cut(record):
    recording = ectopy.open(record)
    expected = run(recording, [])
    assert sum(event["event"] == "beat" for event in expected) > 100

    @settings(max_examples=10, deadline=None)
    @given(st.lists(st.integers(0, recording.length), max_size=40).map(sorted))
    def holds(cuts):
        assert run(recording, cuts) == expected

    holds()


def test_samples_that_are_lost_are_told_and_a_reset_begins_anew(record):
    recording = ectopy.open(record)
    signal = recording.read()[:, 0]
    monitor = ectopy.Monitor(recording.fs)
    first = monitor.push(signal)
    lost = monitor.skip(int(30 * recording.fs))
    assert any(event["event"] == "gap" for event in lost)
    assert monitor.samples == len(signal) + int(30 * recording.fs)
    monitor.reset()
    assert monitor.samples == 0
    assert monitor.push(signal) == first
    assert monitor.delay > 0


def test_what_is_no_sample_is_refused(record):
    monitor = ectopy.Monitor(250)
    assert monitor.push([]) == []
    for wrong in (numpy.zeros((4, 3)), ["a"], numpy.zeros(3, complex), numpy.zeros(3, "i2")):
        with pytest.raises(ectopy.Error):
            monitor.push(wrong)
    for wrong in (-1, 1.5, "a"):
        with pytest.raises(ectopy.UsageError):
            monitor.skip(wrong)
    with pytest.raises(ectopy.Error):
        ectopy.Monitor(250, leads=2)
    with pytest.raises(ectopy.UsageError):
        ectopy.Monitor("250")
