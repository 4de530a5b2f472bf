"""The package gives what the programs give."""

import json
import os

import numpy
import pytest

import ectopy

FEW = ["100", "207", "208", "232"]


def records(folder):
    if os.environ.get("ECTOPY_ALL"):
        return (folder / "RECORDS").read_text().split()
    return FEW


def test_annotations_are_those_of_infer_and_embedded_byte_for_byte(shared, programs, tmp_path):
    # All 48 records with ECTOPY_ALL, which takes minutes.
    for name in records(shared / "mitdb"):
        path = shared / "mitdb" / name
        ectopy.analyse(path).write(tmp_path / f"{name}.py")
        programs.run("infer", path, "--detect", "--annotator", "inf", "--output", tmp_path)
        programs.run("embedded", path, "--annotator", "emb", "--output", tmp_path, "--quiet")
        ours, infers, edges = ((tmp_path / f"{name}.{a}").read_bytes() for a in ("py", "inf", "emb"))
        assert len(ours) > 2000
        assert ours == infers, name
        assert ours == edges, name


def test_rhythm_notes_are_those_of_infer(shared, programs, tmp_path):
    path = shared / "mitdb" / "207"
    ectopy.analyse(path).write(tmp_path / "207.py", rhythm=True)
    programs.run("infer", path, "--detect", "--annotator", "inf", "--rhythm", "--output", tmp_path)
    assert (tmp_path / "207.py").read_bytes() == (tmp_path / "207.inf").read_bytes()


def test_tables_have_the_columns_and_values_of_infer(record, programs, tmp_path):
    beats = ectopy.analyse(record)
    beats.write(tmp_path / "ours.csv")
    programs.run("infer", record, "--detect", "--output", tmp_path / "theirs.csv")
    ours, theirs = ((tmp_path / f"{who}.csv").read_text().splitlines() for who in ("ours", "theirs"))
    assert ours[0] == theirs[0] and len(ours) == len(theirs) > 100
    for a, b in zip(ours[1:], theirs[1:]):
        a, b = a.split(","), b.split(",")
        numbers = slice(6, 6 + len(beats.classes))
        assert a[:6] + a[numbers.stop :] == b[:6] + b[numbers.stop :]
        apart = numpy.abs(numpy.array(a[numbers], float) - numpy.array(b[numbers], float))
        assert apart.max() <= 1.5e-4


def test_scores_are_those_of_the_program_and_of_bxb(shared, programs, tmp_path):
    names = ["100", "208"]
    for name in names:
        ectopy.analyse(shared / "mitdb" / name).write(tmp_path / f"{name}.py")
    scores = ectopy.score("atr", "py", shared / "mitdb", records=names, test_folder=tmp_path, runs=True)
    said = programs.run("data", "score", shared / "mitdb", "--test", "py", "--test-dir", tmp_path, "--records", ",".join(names), "--runs").stdout
    assert str(scores) == said
    assert set(scores["records"]) == set(names) or len(scores["records"]) == 2


def test_numbers_are_those_of_a_report_of_infer(record, programs, tmp_path):
    programs.run("infer", "report", record, "--output", tmp_path / "theirs.html", "--json")
    beats = ectopy.analyse(record)
    beats.report(tmp_path / "ours.html", json=True)
    ours, theirs = (json.loads((tmp_path / f"{who}.json").read_text()) for who in ("ours", "theirs"))
    assert ours["numbers"] == theirs["numbers"]
    assert beats.holter() == theirs["numbers"]
    assert [f["id"] for f in ours["findings"]] == [f["id"] for f in theirs["findings"]]
    assert [[b["sample"] for b in f["beats"]] for f in ours["findings"]] == [[b["sample"] for b in f["beats"]] for f in theirs["findings"]]
    assert ours["subject"] == theirs["subject"]
    page = (tmp_path / "ours.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and ectopy.NOTICE in page


def test_a_model_is_described_as_by_the_program(programs, capsys):
    from ectopy import cli

    assert cli.main(["describe"]) == 0
    assert capsys.readouterr().out == programs.run("infer", "describe", "resnet").stdout


def test_credits_are_those_of_infer(record, programs, tmp_path):
    beats = ectopy.analyse(record)
    rows = [3, 17, 40]
    for method in ("integrated-gradients", "gradient"):
        found = ectopy.explain(beats, rows, method=method)
        out = tmp_path / method
        programs.run("infer", "explain", record, "--detect", "--rows", "3,17,40", "--method", method, "--output", out, "--picture", "none")
        lines = [json.loads(line) for line in next(out.glob("*.jsonl")).read_text().splitlines()]
        assert [line["row"] for line in lines] == found.rows == rows
        for at, line in enumerate(lines):
            theirs = numpy.asarray(line["beat"], float).reshape(found.credits[at].shape)
            apart = numpy.abs(found.credits[at] - theirs).max() / numpy.abs(theirs).max()
            assert apart < 1e-3, (method, at, apart)
            assert line["class"] == found.classes[at]


def test_live_events_are_those_of_embedded(record, programs):
    recording = ectopy.open(record)
    monitor = ectopy.Monitor(recording.fs)
    signal = recording.read()[:, 0]
    events = [e for at in range(0, len(signal), 77) for e in monitor.push(signal[at : at + 77])]
    events += monitor.finish()
    lines = programs.run("embedded", record).stdout.splitlines()
    assert events == [json.loads(line) for line in lines]
    assert events[-1]["event"] == "summary"


@pytest.mark.parametrize("what", ["pressure-as-ecg", "units-uv", "rate-message"])
def test_faulty_recordings_are_refused_or_read_as_by_the_program(shared, programs, tmp_path, what):
    for header in sorted((shared / "faults" / what).rglob("*.hea")):
        path = header.with_suffix("")
        done = programs.run("infer", path, "--detect", "--annotator", "inf", "--output", tmp_path, check=False)
        try:
            ectopy.analyse(path).write(tmp_path / f"{path.name}.py")
        except ectopy.Error as error:
            assert done.returncode != 0
            assert str(error) in done.stderr or done.stderr.splitlines()[-1].split(": ", 1)[-1] in str(error), (str(error), done.stderr)
        else:
            assert done.returncode == 0, done.stderr
            assert (tmp_path / f"{path.name}.py").read_bytes() == (tmp_path / f"{path.name}.inf").read_bytes()
