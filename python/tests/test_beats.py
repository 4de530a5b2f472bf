"""Beats as tables, files, numbers and pages."""

import pathlib
import subprocess
import sys
import threading
import time

import numpy
import pytest

import ectopy


def test_libraries_that_know_arrow_take_beats(beats):
    pyarrow = pytest.importorskip("pyarrow")
    polars = pytest.importorskip("polars")
    pytest.importorskip("pandas")
    table = pyarrow.table(beats)
    frame = polars.DataFrame(beats)
    data = beats.to_pandas()
    assert table.column_names == frame.columns == list(data.columns) == list(beats.to_dict())
    assert table.num_rows == len(frame) == len(data) == len(beats) > 100
    assert table["sample"].to_pylist() == data["sample"].tolist() == beats.to_numpy("sample").tolist()
    assert table["rr"].null_count == numpy.isnan(beats.to_numpy("rr")).sum() >= 1
    assert table["class"].to_pylist() == data["class"].tolist()
    assert table.schema.field("N").type == pyarrow.float32()
    duckdb = pytest.importorskip("duckdb")
    assert duckdb.sql("select count(*) from data").limit(1).fetchall() == [(len(beats),)]


def test_tables_read_back_and_their_bytes_are_the_same_each_time(record, beats, tmp_path):
    pyarrow = pytest.importorskip("pyarrow.parquet")
    beats.write(tmp_path / "a.parquet")
    ectopy.analyse(record).write(tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    read = pyarrow.read_table(tmp_path / "a.parquet")
    assert read["sample"].to_pylist() == beats.to_numpy("sample").tolist()
    beats.write(tmp_path / "a.jsonl")
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == len(beats)


def test_probabilities_add_up_and_the_class_has_the_largest(beats):
    table = numpy.stack([beats.to_numpy(name) for name in beats.classes], axis=1)
    assert numpy.allclose(table.sum(axis=1), 1, atol=1e-5)
    named = [beats.classes[i] for i in table.argmax(axis=1)]
    assert named == beats.to_numpy("class").tolist()


def test_annotations_are_read_by_wfdb(record, beats, tmp_path):
    wfdb = pytest.importorskip("wfdb")
    beats.write(tmp_path / "s000.mon")
    read = wfdb.rdann(str(tmp_path / "s000"), "mon")
    beat = numpy.isin(read.symbol, ["N", "S", "A", "V", "F", "Q", "/"])
    assert read.sample[beat].tolist() == beats.to_numpy("sample").tolist()


def test_no_file_of_others_is_replaced_and_none_is_left_half(beats, tmp_path):
    foreign = tmp_path / "a.csv"
    foreign.write_text("mine")
    with pytest.raises(ectopy.InputError):
        beats.write(foreign)
    assert foreign.read_text() == "mine"
    beats.write(foreign, force=True)
    beats.write(foreign)
    for wrong in (foreign / "x.csv", tmp_path / "s000.dat", tmp_path / "s000.a-b", tmp_path / "plain"):
        with pytest.raises(ectopy.Error):
            beats.write(wrong)
    with pytest.raises(ectopy.UsageError):
        beats.report(tmp_path / "x.html", pause=0)
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_the_recording_is_never_replaced(synthetic):
    own = ectopy.analyse(synthetic / "s000")
    before = (synthetic / "s000.atr").read_bytes()
    with pytest.raises(ectopy.InputError):
        own.write(synthetic / "s000.atr")
    with pytest.raises(ectopy.InputError):
        own.write_parquet(synthetic / "s000.hea")
    assert (synthetic / "s000.atr").read_bytes() == before


def test_a_page_opens_with_numbers_of_the_same_beats(beats, tmp_path):
    beats.report(tmp_path / "x.html", json=True)
    page = (tmp_path / "x.html").read_text()
    assert "<html" in page and ectopy.NOTICE in page and (tmp_path / "x.json").is_file()
    assert beats.holter()["beats"]["total"] == len(beats)
    assert beats.holter(pause=0.5)["pauses"] != beats.holter(pause=10)["pauses"]


def test_explanations_are_of_the_beats_that_are_asked_for(beats):
    found = ectopy.explain(beats, [7, 3, 3])
    assert found.rows == [3, 7]
    assert found.classes == [beats.to_numpy("class")[i] for i in found.rows]
    assert found.credits.shape == found.window.shape and len(found.reasons) == 2
    assert numpy.abs(found.credits).max() > 0
    other = ectopy.explain(beats, 3, target="V")
    assert other.classes == ["V"]
    assert not numpy.array_equal(other.credits[0], found.credits[0])
    for wrong in ([len(beats)], [-1], ["a"], [0.5]):
        with pytest.raises(ectopy.UsageError):
            ectopy.explain(beats, wrong)
    for wrong in ({"method": "guess"}, {"target": "X"}):
        with pytest.raises(ectopy.UsageError):
            ectopy.explain(beats, [1], **wrong)


def test_what_cannot_be_opened_is_told_in_words(tmp_path):
    rubbish = tmp_path / "x.edf"
    rubbish.write_bytes(b"no recording")
    for path in (rubbish, tmp_path / "absent", tmp_path):
        with pytest.raises(ectopy.InputError, match=r"\S+"):
            ectopy.analyse(path)
    with pytest.raises(ectopy.UsageError, match="fs"):
        ectopy.analyse(rubbish, fs=250)
    with pytest.raises(ectopy.UsageError, match="fs"):
        ectopy.analyse(numpy.zeros(1000))
    with pytest.raises(ectopy.ModelError):
        ectopy.Model(rubbish)
    with pytest.raises(ectopy.InputError):
        ectopy.Model(tmp_path / "no.onnx")


def test_a_lead_is_found_by_name_number_and_by_itself(record):
    leads = ectopy.open(record).leads
    by_name, by_number = ectopy.analyse(record, lead=leads[1]), ectopy.analyse(record, lead=2)
    assert by_name.lead == by_number.lead == leads[1]
    assert ectopy.analyse(record, lead="auto").lead in leads
    assert ectopy.analyse(record, lead="auto").remarks
    with pytest.raises(ectopy.InputError):
        ectopy.analyse(record, lead="no such lead")


def test_other_threads_run_meanwhile_and_all_get_the_same(record):
    expected = ectopy.analyse(record).to_numpy("sample")
    found, ticks, done = [], [], threading.Event()

    def count():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    signal = numpy.tile(ectopy.open(record).read()[:, 0], 20)
    fs = ectopy.open(record).fs
    counter = threading.Thread(target=count)
    counter.start()
    ectopy.analyse(signal, fs=fs)
    done.set()
    counter.join()
    assert len(ticks) > 20
    workers = [threading.Thread(target=lambda: found.append(ectopy.analyse(record).to_numpy("sample"))) for _ in range(4)]
    [w.start() for w in workers]
    [w.join() for w in workers]
    assert len(found) == 4 and all(numpy.array_equal(f, expected) for f in found)


def test_an_interrupt_is_heeded_and_leaves_nothing_half_written(tmp_path):
    script = f"""
import numpy, ectopy, signal, threading, os, time
drawn = numpy.tile(numpy.random.default_rng(1).normal(0, 0.1, 250 * 86400).astype("f4"), 5)
threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
started = time.time()
try:
    ectopy.analyse(drawn, fs=250).write({str(tmp_path / "x.csv")!r})
except KeyboardInterrupt:
    print("interrupted", time.time() - started)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("interrupted"), done
    assert not list(tmp_path.iterdir())


def test_the_package_is_typed_and_says_what_it_is():
    folder = pathlib.Path(ectopy.__file__).parent
    assert (folder / "py.typed").is_file() and (folder / "_ectopy.pyi").is_file()
    for name in ectopy.__all__:
        assert getattr(ectopy, name) is not None
    for name in ("analyse", "open", "explain", "score", "Monitor", "Beats", "Recording", "Model"):
        assert getattr(ectopy, name).__doc__, name
