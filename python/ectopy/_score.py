"""Annotations against a reference."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from typing import Any

from ectopy import _ectopy
from ectopy._arguments import number, path, text, texts
from ectopy._ectopy import UsageError


class Scores(dict[str, Any]):
    """The figures of EC57, fractions of 1 by their names; ``text`` is the report as
    ``data score`` prints it."""

    def __init__(self, figures: dict[str, Any], text: str) -> None:
        super().__init__(figures)
        self.text = text

    def __str__(self) -> str:
        return self.text


def score(
    reference: str,
    test: str,
    folder: str | os.PathLike[str],
    *,
    records: str | os.PathLike[str] | Iterable[str] = "all",
    test_folder: str | os.PathLike[str] | None = None,
    start: float = 300.0,
    runs: bool = False,
    episodes: str | Iterable[str] = (),
    s_as_n: bool = False,
) -> Scores:
    """Compares the annotator ``test`` with ``reference`` as ANSI/AAMI EC57 prescribes.

    ``folder``: where the WFDB records are, or one record. ``records``: all, ds1, ds2,
    a list of names, or a file of them. ``test_folder``: where the test annotations
    are, if elsewhere. ``start``: seconds at the start of a record that are not
    scored. Beats are counted as ``bxb`` and ``sumstats`` do, with ``runs`` runs as
    ``rxr``, and ``episodes`` (af, vf, vf-any, vt) as ``epicmp``.
    """
    for name, annotator in [("reference", reference), ("test", test)]:
        if not text(name, annotator):
            raise UsageError(f"{name}={annotator!r}: it is an annotator, the ending of its files such as 'atr'")
    start = number("start", start, "it is a time in seconds", 0, 1e9)
    options = [f"--reference={reference}", f"--test={test}", f"--start={start!r}", f"--records={_list('records', records)}"]
    if test_folder is not None:
        options.append(f"--test-dir={text('test_folder', path('test_folder', test_folder))}")
    kinds = _list("episodes", episodes)
    options += [f"--episodes={kinds}"] * bool(kinds) + ["--runs"] * bool(runs) + ["--s-as-n"] * bool(s_as_n)
    with tempfile.TemporaryDirectory() as scratch:
        figures = os.path.join(scratch, "scores.json")
        said = _ectopy.data_command(["score", *options, f"--json={figures}", "--", text("folder", path("folder", folder))])
        with open(figures, encoding="utf-8") as file:
            return Scores(json.load(file), said)


def _list(name: str, value: str | os.PathLike[str] | Iterable[str]) -> str:
    """One text or path, or several texts with commas between."""
    if isinstance(value, (str, bytes, os.PathLike)):
        return text(name, path(name, value))
    return ",".join(texts(name, value, "a text or several are expected"))
