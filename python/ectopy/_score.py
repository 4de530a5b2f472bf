"""Annotations against a reference."""

import json
import os
import tempfile

from ectopy import _ectopy
from ectopy._ectopy import UsageError


class Scores(dict):
    """The figures of EC57, fractions of 1 by their names; ``text`` is the report as
    ``data score`` prints it."""

    def __init__(self, figures, text):
        super().__init__(figures)
        self.text = text

    def __str__(self):
        return self.text


def score(reference, test, folder, *, records="all", test_folder=None, start=300.0, runs=False, episodes=(), s_as_n=False):
    """Compares the annotator ``test`` with ``reference`` as ANSI/AAMI EC57 prescribes.

    ``folder``: where the WFDB records are, or one record. ``records``: all, ds1, ds2,
    a list of names, or a file of them. ``test_folder``: where the test annotations
    are, if elsewhere. ``start``: seconds at the start of a record that are not
    scored. Beats are counted as ``bxb`` and ``sumstats`` do, with ``runs`` runs as
    ``rxr``, and ``episodes`` (af, vf, vf-any, vt) as ``epicmp``.
    """
    for name, annotator in [("reference", reference), ("test", test)]:
        if not isinstance(annotator, str) or not annotator:
            raise UsageError(f"{name}={annotator!r}: it is an annotator, the ending of its files such as 'atr'")
    if not isinstance(records, (str, os.PathLike)):
        records = ",".join(records)
    episodes = [episodes] if isinstance(episodes, str) else list(episodes)
    with tempfile.TemporaryDirectory() as scratch:
        figures = os.path.join(scratch, "scores.json")
        arguments = ["score", os.fspath(folder), "--reference", reference, "--test", test]
        arguments += ["--records", os.fspath(records), "--start", repr(float(start)), "--json", figures]
        arguments += ["--runs"] * runs + ["--s-as-n"] * s_as_n
        arguments += ["--episodes", ",".join(episodes)] if episodes else []
        arguments += ["--test-dir", os.fspath(test_folder)] if test_folder is not None else []
        text = _ectopy.data_command(arguments)
        with open(figures, encoding="utf-8") as file:
            return Scores(json.load(file), text)
