"""Live samples: what the program `embedded` prints, however they are cut."""

import json

import numpy
import pytest
from conftest import FS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ectopy

few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def events(chunks, fs=FS, **options):
    """All events of samples that come in chunks."""
    monitor = ectopy.Monitor(fs, **options)
    found = [event for chunk in chunks for event in monitor.push(chunk)]
    return found + monitor.finish()


@pytest.fixture(scope="module")
def whole(signal):
    """The events of the signal in one piece."""
    return events([signal])


@pytest.mark.parametrize("record", ["mitdb/100", "mitdb/207", "cudb/cu02"])
def test_events_are_the_lines_of_embedded(record, shared, programs):
    recording = ectopy.open(shared / record)
    lines = programs.run("embedded", shared / record).splitlines()
    lead = recording.leads.index(ectopy.analyse(recording).lead)
    samples = recording.read()[:, lead]
    chunks = numpy.array_split(samples, 997)
    assert events(chunks, recording.fs) == [json.loads(line) for line in lines]


def test_the_beats_of_a_monitor_are_those_of_analyse(whole, beats):
    live = [event for event in whole if event["event"] == "beat"]
    assert [event["sample"] for event in live] == beats.to_numpy("sample").tolist()
    assert [event["class"] for event in live] == beats.to_dict()["class"]
    assert whole[-1]["event"] == "summary" and whole[-1]["beats"] == len(beats)


@few
@given(cuts=st.lists(st.integers(0, 30_000), max_size=40))
def test_events_do_not_depend_on_the_cuts(cuts, signal, whole):
    assert events(numpy.split(signal, sorted(cuts))) == whole


def test_samples_one_by_one_give_the_same_events(signal):
    short = signal[: 20 * FS]
    assert events([short[i : i + 1] for i in range(len(short))]) == events([short])
    assert events(float(value) for value in short) == events([short])


@few
@given(data=st.data())
def test_events_do_not_depend_on_the_cuts_where_samples_are_lost(data, signal):
    short = signal[: 60 * FS].copy()
    for _ in range(data.draw(st.integers(0, 4))):
        start = data.draw(st.integers(0, len(short) - 1))
        short[start : start + data.draw(st.integers(1, 2000))] = numpy.nan
    cuts = sorted(data.draw(st.lists(st.integers(0, len(short)), max_size=20)))
    assert events(numpy.split(short, cuts)) == events([short])


def test_skipped_frames_are_a_gap_as_lost_samples_are(signal):
    gap = 5 * FS
    lost = numpy.concatenate([signal[:5000], numpy.full(gap, numpy.nan, numpy.float32), signal[5000:9000]])
    monitor = ectopy.Monitor(FS)
    found = monitor.push(signal[:5000]) + monitor.skip(gap) + monitor.push(signal[5000:9000]) + monitor.finish()
    assert found == events([lost])
    assert any(event["event"] == "gap" for event in found)


def test_another_layout_gives_the_same_events(signal, whole):
    assert events([signal.astype(">f8")]) == whole
    assert events([signal[:, None]]) == whole
    strided = numpy.repeat(signal, 2)[::2]
    assert events([strided]) == whole


def test_whole_numbers_count_by_their_gain(signal):
    raw = numpy.round(signal * 200).astype(numpy.int16)
    expected = events([raw / 200.0])
    monitor = ectopy.Monitor(FS)
    assert monitor.push(raw, gain=200) + monitor.finish() == expected
    with pytest.raises(ectopy.InputError, match="say with gain"):
        ectopy.Monitor(FS).push(raw)


def test_frames_of_leads_that_the_model_does_not_read_are_refused(signal):
    with pytest.raises(ectopy.ModelError, match="1 lead"):
        ectopy.Monitor(FS, leads=2)
    frames = numpy.stack([signal, -signal], axis=1)
    for wrong in [frames, frames.T, signal[None], frames[None]]:
        with pytest.raises(ectopy.InputError, match=r"\(samples,\) is expected"):
            ectopy.Monitor(FS).push(wrong)


def test_a_reset_monitor_knows_nothing_of_the_patient(signal, whole):
    monitor = ectopy.Monitor(FS)
    monitor.push(signal[3000:9000])
    monitor.reset()
    assert monitor.samples == 0
    assert monitor.push(signal) + monitor.finish() == whole


def test_samples_are_counted_and_the_delay_is_kept(signal, whole):
    monitor = ectopy.Monitor(FS)
    monitor.push(signal[:1000])
    monitor.skip(10)
    assert monitor.samples == 1010
    assert 0 < monitor.delay < 10
    assert all(event["delay"] <= monitor.delay for event in whole if event["event"] == "beat")


def test_nothing_pushed_is_nothing_told():
    monitor = ectopy.Monitor(FS)
    assert monitor.push([]) == [] and monitor.push(numpy.empty((0, 1))) == []
    assert monitor.skip(0) == []
    assert [event["event"] for event in monitor.finish()] == ["summary"]


@pytest.mark.parametrize("samples", [None, "ecg", [[1.0], [2.0, 3.0]], numpy.zeros((2, 2, 2)), 1j, {1.0}, b"\0\0"])
def test_what_are_no_samples_is_refused(samples):
    with pytest.raises(ectopy.InputError):
        ectopy.Monitor(FS).push(samples)


@pytest.mark.parametrize("frames", [-1, 2**63, 2**64, 1.5, "1", None, True])
def test_frames_that_cannot_be_skipped_are_refused(frames):
    with pytest.raises(ectopy.UsageError, match="frames="):
        ectopy.Monitor(FS).skip(frames)


@pytest.mark.parametrize("leads", [0, -1, 1.0, 2**70, "1", None, True])
def test_a_number_of_leads_that_is_none_is_refused(leads):
    with pytest.raises(ectopy.UsageError, match="leads="):
        ectopy.Monitor(FS, leads=leads)


@pytest.mark.parametrize("fs", [0, 99, 10_001, numpy.nan])
def test_rates_that_no_monitor_reads_are_refused(fs):
    with pytest.raises(ectopy.Error, match="fs=|rates from"):
        ectopy.Monitor(fs)
