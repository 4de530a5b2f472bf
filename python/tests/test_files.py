"""Files that are written: whole or not at all, and never over another's."""

import json
import os

import numpy
import pytest
from conftest import FS, equal

import ectopy

KINDS = ["x.csv", "x.jsonl", "x.ndjson", "x.parquet", "x.ect", "x.html"]


def write(beats, path, **options):
    """Writes a file of any kind."""
    (beats.report if str(path).endswith(".html") else beats.write)(path, **options)


@pytest.mark.parametrize("name", KINDS)
def test_a_second_run_writes_the_same_bytes(name, signal, beats, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, found in zip(folders, [beats, ectopy.analyse(signal, fs=FS)]):
        write(found, folder / name)
    one, two = [(folder / name).read_bytes() for folder in folders]
    assert one == two and len(one) > 100


def test_parquet_written_by_its_own_name_is_the_same(beats, tmp_path):
    beats.write(tmp_path / "x.parquet")
    beats.write_parquet(tmp_path / "part-0.tmp7")
    assert (tmp_path / "x.parquet").read_bytes() == (tmp_path / "part-0.tmp7").read_bytes()


@pytest.mark.parametrize("name", KINDS)
def test_what_ectopy_made_is_replaced_and_what_it_did_not_is_kept(name, beats, tmp_path):
    path = tmp_path / name
    write(beats, path)
    first = path.read_bytes()
    write(beats, path)
    assert path.read_bytes() == first
    path.write_text("my own notes\n")
    with pytest.raises(ectopy.Error) as raised:
        write(beats, path)
    assert str(path) in str(raised.value) and "force" in str(raised.value)
    assert path.read_text() == "my own notes\n"
    write(beats, path, force=True)
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_cannot_be_written_leaves_nothing(name, beats, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    for path in [blocked / name, tmp_path / ("n" * 300 + name), tmp_path / f"a\0{name}"]:
        with pytest.raises(ectopy.Error):
            write(beats, path)
    (tmp_path / name).mkdir()
    with pytest.raises(ectopy.Error):
        write(beats, tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["file", name]
    assert os.listdir(tmp_path / name) == []


def test_a_device_is_no_file_to_write_to(beats):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with pytest.raises(ectopy.Error, match="/dev/full"):
        beats.write_parquet("/dev/full", force=True)
    assert os.path.exists("/dev/full")


def test_reference_annotations_are_replaced_with_force_only(beats, tmp_path):
    beats.write(tmp_path / "x.atr")
    with pytest.raises(ectopy.InputError, match="x.atr"):
        beats.write(tmp_path / "x.atr")
    beats.write(tmp_path / "x.atr", force=True)


def test_a_page_that_cannot_be_written_leaves_no_json_either(beats, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(ectopy.Error):
        beats.report(page, json=True)
    assert os.listdir(tmp_path) == ["page.html"] and page.read_text() == "mine"
    with pytest.raises(ectopy.Error):
        beats.report(tmp_path / "x.json", json=True)
    assert os.listdir(tmp_path) == ["page.html"]


def test_the_files_of_the_recording_are_never_replaced(synthetic, tmp_path):
    for name in os.listdir(synthetic):
        (tmp_path / name).write_bytes((synthetic / name).read_bytes())
    before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
    found = ectopy.analyse(tmp_path / "s000")
    for name in ["s000.hea", "s000.dat"]:
        for force in [False, True]:
            with pytest.raises(ectopy.Error):
                found.write(tmp_path / name, force=force)
            with pytest.raises(ectopy.Error):
                found.write_parquet(tmp_path / name, force=force)
            with pytest.raises(ectopy.Error):
                found.report(tmp_path / name, force=force)
    assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before


def test_a_name_without_an_ending_is_refused(beats, tmp_path):
    for name in ["x", "x.", ".atr", "."]:
        with pytest.raises(ectopy.UsageError, match="end it in"):
            beats.write(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_an_annotator_that_wfdb_cannot_read_is_refused(beats, tmp_path):
    for name in ["x.a-b", "x.é", "x.a b"]:
        with pytest.raises(ectopy.Error, match="letters, digits"):
            beats.write(tmp_path / name)
    assert os.listdir(tmp_path) == []


def test_rhythms_go_into_annotations_only(beats, tmp_path):
    with pytest.raises(ectopy.UsageError, match="rhythm"):
        beats.write(tmp_path / "x.csv", rhythm=True)


@pytest.mark.parametrize("path", [None, 5, 1.5, ["x.csv"], "\ud800.csv", numpy.zeros(3)])
def test_what_is_no_path_is_refused(path, beats):
    for attempt in [beats.write, beats.write_parquet, beats.report, ectopy.open]:
        with pytest.raises(ectopy.Error):
            attempt(path)


def test_annotations_are_read_by_wfdb(beats, tmp_path):
    wfdb = pytest.importorskip("wfdb")
    beats.write(tmp_path / "x.atr")
    annotations = wfdb.rdann(str(tmp_path / "x"), "atr")
    found = [sample for sample, symbol in zip(annotations.sample, annotations.symbol) if symbol in "NSVFQ"]
    assert found == beats.to_numpy("sample").tolist()


def test_a_recording_that_changes_after_it_was_opened_raises_and_does_not_crash(synthetic, tmp_path):
    for name in ["s000.hea", "s000.dat"]:
        (tmp_path / name).write_bytes((synthetic / name).read_bytes())
    recording = ectopy.open(tmp_path / "s000")
    before = ectopy.analyse(recording)
    os.truncate(tmp_path / "s000.dat", 1000)
    for attempt in [recording.read, lambda: ectopy.analyse(recording), lambda: ectopy.explain(before, [5])]:
        with pytest.raises(ectopy.InputError):
            attempt()
    (tmp_path / "s000.dat").unlink()
    for attempt in [recording.read, recording.sha256, lambda: before.report(tmp_path / "x.html")]:
        with pytest.raises(ectopy.InputError, match="s000.dat"):
            attempt()
    assert not (tmp_path / "x.html").exists()


def test_paths_may_be_texts_bytes_or_paths(synthetic, tmp_path):
    path = synthetic / "s001"
    plain = ectopy.analyse(path)
    equal(ectopy.analyse(str(path)), plain)
    equal(ectopy.analyse(os.fsencode(path)), plain)
    equal(ectopy.analyse(ectopy.open(path)), plain)
    plain.write(os.fsencode(tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").exists()


def test_a_recording_is_told_about(synthetic):
    recording = ectopy.open(synthetic / "s000")
    assert recording.name == "s000" and recording.fs == FS
    assert recording.duration == recording.length / FS == 120.0
    assert recording.read().shape == (recording.length, len(recording.leads))
    assert os.path.basename(recording.path) == "s000"
    assert "s000" in repr(recording) and len(recording.sha256()) == 64


def test_samples_in_a_table_are_a_recording(signal, beats, tmp_path):
    path = tmp_path / "night.csv"
    path.write_text("ecg\n" + "\n".join(f"{value * 1000:.9g}" for value in signal) + "\n")
    recording = ectopy.open(path, samples=f"fs={FS},leads=ecg,unit=uV")
    found = ectopy.analyse(recording)
    assert found.to_numpy("sample").tolist() == beats.to_numpy("sample").tolist()
    with pytest.raises(ectopy.UsageError, match="samples"):
        ectopy.open(path, samples="fs=fast")
    with pytest.raises(ectopy.UsageError, match="samples"):
        ectopy.open(path, samples=5)


def test_models_are_found_by_path_and_refused_by_what_they_are(signal, beats, tmp_path):
    for name, content in [("empty.onnx", b""), ("text.onnx", b"not a model"), ("noise.onnx", os.urandom(5000))]:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ectopy.Error, match=name):
            ectopy.analyse(signal, fs=FS, model=path)
    with pytest.raises(ectopy.Error, match="absent"):
        ectopy.analyse(signal, fs=FS, model=tmp_path / "absent.onnx")
    for wrong in [5, [], object(), "\ud800"]:
        with pytest.raises(ectopy.UsageError, match="model="):
            ectopy.analyse(signal, fs=FS, model=wrong)
    model = ectopy.Model()
    assert json.loads(model.contract_json()) and len(model.sha256) == 64
    assert model.classes == beats.classes
    equal(ectopy.analyse(signal, fs=FS, model=model), beats)
