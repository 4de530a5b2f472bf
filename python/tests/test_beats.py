"""Beats: classes, numbers, explanations, leads."""

import numpy
import pytest

import ectopy


def test_probabilities_add_up_and_the_class_has_the_largest(beats):
    table = numpy.stack([beats.to_numpy(name) for name in beats.classes], axis=1)
    assert numpy.allclose(table.sum(axis=1), 1, atol=1e-5)
    named = [beats.classes[i] for i in table.argmax(axis=1)]
    assert named == beats.to_numpy("class").tolist()


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


def test_a_lead_is_found_by_name_number_and_by_itself(record):
    leads = ectopy.open(record).leads
    by_name, by_number = ectopy.analyse(record, lead=leads[1]), ectopy.analyse(record, lead=2)
    assert by_name.lead == by_number.lead == leads[1]
    assert ectopy.analyse(record, lead="auto").lead in leads
    assert ectopy.analyse(record, lead="auto").remarks
    with pytest.raises(ectopy.InputError):
        ectopy.analyse(record, lead="no such lead")
