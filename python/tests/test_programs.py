"""The package says what the programs say.

On all 48 records of the MIT-BIH Arrhythmia Database (ECTOPY_ALL=1) this takes about two
minutes with a release build; by default on six, which have paced beats, ventricular
flutter, runs, leads in another order and plain rhythms, in half a minute.
"""

import csv
import html.parser
import json
import os
import re

import numpy
import pytest

import ectopy

FEW = ["100", "102", "114", "207", "228", "232"]
ALL = os.environ.get("ECTOPY_ALL") == "1"
# How far probabilities of two inference engines are apart.
APART = 1.5e-4


def pytest_generate_tests(metafunc):
    if "record" in metafunc.fixturenames:
        numbers = [*range(100, 125), *range(200, 235)]
        missing = {110, 120, 204, 206, 211, 216, 218, 224, 225, 226, 227, 229}
        every = [str(number) for number in numbers if number not in missing]
        assert len(every) == 48
        metafunc.parametrize("record", every if ALL else FEW)


def table(text):
    return list(csv.DictReader(text.splitlines()))


def close(one, other, tolerance, place=""):
    """Fails unless two values of JSON are the same, numbers within a tolerance."""
    assert type(one) is type(other) or {type(one), type(other)} == {int, float}, place
    if isinstance(one, dict):
        assert list(one) == list(other), place
        for key in one:
            close(one[key], other[key], tolerance, f"{place}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), place
        for index, pair in enumerate(zip(one, other)):
            close(*pair, tolerance, f"{place}[{index}]")
    elif isinstance(one, float):
        assert abs(one - other) <= tolerance * max(1.0, abs(other)), f"{place}: {one}, {other}"
    else:
        assert one == other, place


def test_annotations_are_those_of_the_programs_byte_for_byte(record, shared, programs, tmp_path):
    path = shared / "mitdb" / record
    beats = ectopy.analyse(path)
    beats.write(tmp_path / f"{record}.py")
    ours = (tmp_path / f"{record}.py").read_bytes()
    assert len(beats) > 1000
    programs.run("infer", path, "--detect", "--annotator", "inf", "--output", tmp_path)
    assert ours == (tmp_path / f"{record}.inf").read_bytes()
    programs.run("embedded", path, "--quiet", "--annotator", "emb", "--output", tmp_path)
    assert ours == (tmp_path / f"{record}.emb").read_bytes()


def test_annotations_with_rhythms_are_those_of_infer(shared, programs, tmp_path):
    for folder, record in [("mitdb", "207"), ("cudb", "cu02")]:
        path = shared / folder / record
        ectopy.analyse(path).write(tmp_path / f"{record}.py", rhythm=True)
        programs.run("infer", path, "--detect", "--rhythm", "--annotator", "inf", "--output", tmp_path)
        ours = (tmp_path / f"{record}.py").read_bytes()
        assert ours == (tmp_path / f"{record}.inf").read_bytes()
        ectopy.analyse(path).write(tmp_path / f"{record}.beats")
        assert ours != (tmp_path / f"{record}.beats").read_bytes()


def test_tables_are_those_of_infer(record, shared, programs, tmp_path):
    path = shared / "mitdb" / record
    beats = ectopy.analyse(path)
    beats.write(tmp_path / "ours.csv")
    ours = table((tmp_path / "ours.csv").read_text())
    theirs = table(programs.run("infer", path, "--detect", "--output", "-"))
    assert len(ours) == len(theirs) == len(beats)
    for mine, its in zip(ours, theirs):
        assert list(mine) == list(its)
        for column in mine:
            if column in beats.classes:
                assert abs(float(mine[column]) - float(its[column])) <= APART, (mine, column)
            else:
                assert mine[column] == its[column], (mine, column)


def test_lines_of_json_are_those_of_infer(shared, programs, tmp_path):
    path = shared / "mitdb" / "207"
    ectopy.analyse(path).write(tmp_path / "ours.jsonl")
    ours = (tmp_path / "ours.jsonl").read_text().splitlines()
    theirs = programs.run("infer", path, "--detect", "--output", "-", "--format", "jsonl").splitlines()
    assert len(ours) == len(theirs)
    for mine, its in zip(ours, theirs):
        # Of logits the distance is not that of probabilities.
        mine, its = json.loads(mine), json.loads(its)
        assert [list(mine)] == [list(its)]
        close(mine.pop("logits", None), its.pop("logits", None), 2e-3)
        close(mine, its, APART)


def test_parquet_has_the_columns_of_infers(shared, programs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = shared / "mitdb" / "228"
    beats = ectopy.analyse(path)
    beats.write(tmp_path / "ours.parquet")
    programs.run("infer", path, "--detect", "--output", tmp_path / "theirs.parquet")
    ours, theirs = (parquet.read_table(tmp_path / f"{whose}.parquet") for whose in ["ours", "theirs"])
    assert ours.schema.equals(theirs.schema)
    assert ours.schema.metadata.keys() == theirs.schema.metadata.keys()
    for name in ours.column_names:
        mine, its = ours[name].to_pylist(), theirs[name].to_pylist()
        if name in beats.classes:
            assert numpy.allclose(mine, its, rtol=0, atol=APART), name
        else:
            assert mine == its, name


@pytest.mark.parametrize("lead", ["auto", "V1", "2", 2])
def test_leads_are_chosen_as_the_programs_choose_them(lead, shared, programs):
    path = shared / "mitdb" / "106"
    beats = ectopy.analyse(path, lead=lead)
    theirs = table(programs.run("infer", path, "--detect", "--output", "-", "--lead", lead))
    assert beats.to_numpy("sample").tolist() == [int(row["sample"]) for row in theirs]
    assert beats.to_dict()["class"] == [row["class"] for row in theirs]


def test_other_formats_are_read_as_the_programs_read_them(shared, programs):
    files = [path for path in sorted((shared / "fixtures" / "edf").iterdir()) if path.suffix in {".edf", ".bdf"}]
    read = 0
    for path in files:
        try:
            beats = ectopy.analyse(path)
        except ectopy.InputError:
            continue
        if len(beats) == 0:
            continue
        theirs = table(programs.run("infer", path, "--detect", "--output", "-"))
        assert beats.to_numpy("sample").tolist() == [int(row["sample"]) for row in theirs], path
        read += 1
    assert read


def test_the_numbers_of_a_holter_are_those_of_infers_report(record, shared, programs, tmp_path):
    path = shared / "mitdb" / record
    programs.run("infer", "report", path, "--json", "--output", tmp_path / "theirs.html")
    theirs = json.loads((tmp_path / "theirs.json").read_text())
    close(ectopy.analyse(path).holter(), theirs["numbers"], 1e-9)


class Page(html.parser.HTMLParser):
    """Counts the elements of a page and looks at what it refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.outside = [], set(), []

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        self.outside += [value for name, value in attributes if name in {"src", "href"} and re.match(r"https?:|//", value or "")]
        if tag not in {"meta", "link", "br", "hr", "img", "input", "path", "rect", "line", "circle"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass


def without_estimates(value):
    """Content of a page without what differs between two inference engines."""
    if isinstance(value, dict):
        left_out = {"probabilities", "credits", "feature_credits", "window_credits", "probability", "reasons"}
        return {key: without_estimates(item) for key, item in value.items() if key not in left_out}
    return [without_estimates(item) for item in value] if isinstance(value, list) else value


def test_a_page_opens_and_says_what_infers_page_says(shared, programs, tmp_path):
    path = shared / "mitdb" / "228"
    ectopy.analyse(path).report(tmp_path / "ours.html", json=True)
    programs.run("infer", "report", path, "--json", "--output", tmp_path / "theirs.html")
    ours, theirs = (json.loads((tmp_path / f"{whose}.json").read_text()) for whose in ["ours", "theirs"])
    close(without_estimates(ours), without_estimates(theirs), 1e-3)
    text = (tmp_path / "ours.html").read_text()
    page = Page()
    page.feed(text)
    assert {"html", "head", "body", "title", "script"} <= page.seen
    assert page.open == [] and page.outside == []
    assert "Not a medical device" in text and "228" in text


def test_credits_are_those_of_infer(shared, programs, tmp_path):
    path = shared / "mitdb" / "228"
    beats = ectopy.analyse(path)
    rows = [3, 17, int(numpy.flatnonzero(numpy.array(beats.to_dict()["class"]) == "V")[0])]
    explanation = ectopy.explain(beats, rows)
    options = ["--detect", "--rows", ",".join(map(str, rows)), "--picture", "none", "--output", tmp_path]
    programs.run("infer", "explain", path, *options)
    lines = [json.loads(line) for line in (tmp_path / "attributions.jsonl").read_text().splitlines()]
    by_row = {int(line["row"]): line for line in lines}
    assert explanation.rows == sorted(rows) and set(by_row) == set(rows)
    for place, row in enumerate(explanation.rows):
        its = by_row[row]
        assert explanation.classes[place] == its["class"]
        window = numpy.array(its["beat"])
        ours = explanation.credits[place].reshape(-1)
        assert numpy.abs(ours - window).max() <= 1e-4 * numpy.abs(window).max()
        features = numpy.array(its["rhythm"])
        ours = explanation.feature_credits[place]
        assert numpy.abs(ours - features).max() <= 1e-4 * numpy.abs(features).max()
        assert all(explanation.reasons[place])


# Inputs of shared/faults, and what of the programs' words must be in ours.
FAULTS = {
    "rate-message/f30": "rates from 100 to 10000 Hz are read",
    "score-past-end/t": "has no ECG lead",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_errors_have_the_words_of_the_programs(fault, shared, programs):
    path = shared / "faults" / fault
    with pytest.raises(ectopy.InputError) as raised:
        ectopy.analyse(path)
    said = str(raised.value)
    assert FAULTS[fault] in said
    assert said in programs.run("infer", path, "--detect", "--output", "-", fails=True)
    assert said.removeprefix(f"{path}: ") in programs.run("embedded", path, fails=True)


@pytest.mark.parametrize("fault", ["hdf5-messages/h4.h5", "csv-bom/bom.csv", "live-unreadable-lines/good.txt", "nothing-there"])
def test_what_is_no_recording_is_named_with_what_is_read(fault, shared):
    path = shared / "faults" / fault
    with pytest.raises(ectopy.InputError) as raised:
        ectopy.analyse(path)
    assert str(path) in str(raised.value)


def test_inputs_that_programs_read_with_a_remark_are_read_with_it(shared):
    beats = ectopy.analyse(shared / "faults" / "pressure-as-ecg" / "a")
    assert beats.lead == "ECG" and len(beats) == 246
    assert any("passed over: ABP in mmHg" in remark for remark in beats.remarks)


def test_inputs_that_once_failed_give_what_their_twins_give(shared):
    faults = shared / "faults"
    for one, other in [("units-uv/uv", "units-uv/mv"), ("units-uv/uv_dc", "units-uv/mv_dc")]:
        ours, twin = ectopy.analyse(faults / one), ectopy.analyse(faults / other)
        assert ours.to_numpy("sample").tolist() == twin.to_numpy("sample").tolist()
        assert ours.to_dict()["class"] == twin.to_dict()["class"]
    for fault, count in [("convert-null-signal/n", 74), ("checksum-placeholder/nolen", 196), ("one-flat-record/flat", 0)]:
        assert len(ectopy.analyse(faults / fault)) == count, fault


def test_recordings_of_every_kind_are_read_as_wfdb_reads_them(shared):
    wfdb = pytest.importorskip("wfdb")
    for record in ["100", "114", "207"]:
        path = shared / "mitdb" / record
        ours = ectopy.open(path)
        theirs = wfdb.rdrecord(str(path))
        assert (ours.fs, ours.length, ours.leads) == (theirs.fs, theirs.sig_len, theirs.sig_name)
        assert numpy.array_equal(ours.read(), theirs.p_signal.astype(numpy.float32), equal_nan=True)
