"""Scores by ANSI/AAMI EC57: the reference comparators' figures."""

import json

import numpy
import pytest

import ectopy


@pytest.fixture(scope="module")
def scored(synthetic, tmp_path_factory):
    """A folder with the annotations of `analyse` for the synthetic recordings."""
    folder = tmp_path_factory.mktemp("scored")
    for name in ["s000", "s001"]:
        ectopy.analyse(synthetic / name).write(folder / f"{name}.ect")
    return folder


@pytest.mark.parametrize("test", ["gqrs", "osea", "tst"])
def test_the_report_is_that_of_bxb_and_sumstats(test, shared):
    folder = shared / "golden" / "ec57"
    scores = ectopy.score("atr", test, shared / "mitdb", test_folder=folder / "annotations")
    golden = (folder / f"{test}.sumstats.txt").read_text()
    assert scores.text.startswith(golden)
    assert str(scores) == scores.text
    gross = next(line.split() for line in golden.splitlines() if line.startswith("Gross"))
    for figure, column in [(("qrs", "se"), 1), (("qrs", "ppv"), 2), (("v", "se"), 3), (("v", "ppv"), 4), (("s", "se"), 5), (("s", "ppv"), 6)]:
        value = scores["gross"][figure[0]][figure[1]]
        assert ("-" if value is None else f"{100 * value:.2f}") == gross[column], figure


def test_hard_cases_are_scored_as_bxb_scores_them(shared):
    faults = shared / "faults"
    for fault, line in [
        ("score-close-beats/p", {"se": 1.0, "ppv": 1.0}),
        ("score-first-beat/a", {"se": 1.0, "ppv": 1.0}),
        ("score-past-end/t", {"se": 1.0, "ppv": 1.0}),
        ("score-test-vf/v", {"se": 563 / 566, "ppv": 563 / 564}),
    ]:
        qrs = ectopy.score("atr", "tst", faults / fault, start=0 if "close" in fault else 300)["gross"]["qrs"]
        assert {key: round(qrs[key], 6) for key in line} == {key: round(value, 6) for key, value in line.items()}, fault


@pytest.mark.parametrize(
    "options, arguments",
    [
        ({}, []),
        ({"start": 0}, ["--start", "0"]),
        ({"runs": True, "s_as_n": True}, ["--runs", "--s-as-n"]),
        ({"episodes": ["af", "vf"]}, ["--episodes", "af,vf"]),
        ({"records": ["100", "207"]}, ["--records", "100,207"]),
        ({"records": "ds2"}, ["--records", "ds2"]),
    ],
)
def test_the_text_and_the_figures_are_those_of_the_program(options, arguments, shared, programs, tmp_path):
    tests = shared / "golden" / "ec57" / "annotations"
    scores = ectopy.score("atr", "tst", shared / "mitdb", test_folder=tests, **options)
    figures = tmp_path / "scores.json"
    text = programs.run("data", "score", shared / "mitdb", "--test-dir", tests, "--test", "tst", "--json", figures, *arguments)
    assert scores.text == text
    assert dict(scores) == json.loads(figures.read_text())


def test_beats_that_were_found_are_scored(synthetic, scored):
    scores = ectopy.score("atr", "ect", synthetic, test_folder=scored, start=0)
    assert scores["gross"]["qrs"]["se"] > 0.95 and set(scores["records"]) == {"s000", "s001"}
    one = ectopy.score("atr", "ect", synthetic / "s001", test_folder=scored, start=0)
    assert set(one["records"]) == {"s001"}
    assert one["records"]["s001"] == scores["records"]["s001"]
    listed = ectopy.score("atr", "ect", synthetic, test_folder=scored, start=0, records=("s001",))
    assert set(listed["records"]) == {"s001"}


def test_a_reference_against_itself_is_perfect(synthetic):
    scores = ectopy.score("atr", "atr", synthetic, start=0, runs=True)
    assert scores["gross"]["qrs"] == pytest.approx({**scores["gross"]["qrs"], "se": 1.0, "ppv": 1.0})
    assert scores.text.count("Gross") >= 2


@pytest.mark.parametrize(
    "arguments, options",
    [
        (("", "ect"), {}),
        (("atr", ""), {}),
        ((5, "ect"), {}),
        (("atr", None), {}),
        (("\ud800", "ect"), {}),
        (("atr", "ect"), {"start": "5:00"}),
        (("atr", "ect"), {"start": -1}),
        (("atr", "ect"), {"start": numpy.nan}),
        (("atr", "ect"), {"records": 5}),
        (("atr", "ect"), {"records": [100]}),
        (("atr", "ect"), {"episodes": "xx"}),
        (("atr", "ect"), {"episodes": 5}),
        (("atr", "ect"), {"test_folder": 5}),
        (("--help", "ect"), {}),
        (("atr", "--json=x"), {}),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments, options, synthetic, scored):
    with pytest.raises(ectopy.Error):
        ectopy.score(*arguments, synthetic, **{"test_folder": scored, **options})


def test_a_folder_that_is_not_there_is_named(tmp_path):
    for folder in [tmp_path / "absent", tmp_path]:
        with pytest.raises(ectopy.Error, match=tmp_path.name):
            ectopy.score("atr", "ect", folder)
    with pytest.raises(ectopy.UsageError, match="folder="):
        ectopy.score("atr", "ect", 5)
    with pytest.raises(ectopy.Error):
        ectopy.score("atr", "ect", "--help")


def test_scores_need_the_annotations(synthetic):
    with pytest.raises(ectopy.InputError, match="nobody"):
        ectopy.score("atr", "nobody", synthetic)
