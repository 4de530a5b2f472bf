"""EC57 figures are those of the reference programs."""

import pytest

import ectopy


def test_the_report_of_mitdb_is_that_of_bxb_and_sumstats(shared):
    golden = shared / "golden" / "ec57"
    scores = ectopy.score("atr", "osea", shared / "mitdb", test_folder=golden / "annotations")
    assert str(scores).startswith((golden / "osea.sumstats.txt").read_text())
    assert len(scores["records"]) == 48 and scores["gross"]["qrs"]["se"] > 0.99


def test_hard_pairs_and_their_episodes_are_those_of_the_reference(shared):
    golden = shared / "golden" / "ec57-hard"
    scores = ectopy.score("atr", "tst", golden / "annotations", episodes=["af", "vf"])
    assert str(scores).startswith((golden / "tst.sumstats.txt").read_text())
    for report in ("tst.epicmp-af-line.sumstats.txt", "tst.epicmp-vf-line.sumstats.txt"):
        assert (golden / report).read_text() in str(scores), report


def test_what_cannot_be_scored_is_told(synthetic):
    with pytest.raises(ectopy.InputError, match="mon"):
        ectopy.score("atr", "mon", synthetic)
    with pytest.raises(ectopy.UsageError):
        ectopy.score("atr", "", synthetic)
    with pytest.raises(ectopy.Error):
        ectopy.score("atr", "atr", synthetic, episodes="no such kind")
