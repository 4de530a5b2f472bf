"""What callers pass, checked: a wrong argument is a UsageError that names it."""

from __future__ import annotations

import numbers
import os
import reprlib
from typing import Any

from ectopy._ectopy import UsageError

_shown = reprlib.Repr()
_shown.maxstring, _shown.maxother = 200, 80


def shown(value: object) -> str:
    """A value as messages show it, shortened."""
    return " ".join(_shown.repr(value).split())


def path(name: str, value: object) -> str:
    """The path that a text, bytes or a ``pathlib.Path`` says."""
    try:
        text = os.fsdecode(value)  # type: ignore[arg-type]
        os.fsencode(text)
    except Exception:
        # An object that says a path of itself fails as it likes.
        raise UsageError(f"{name}={shown(value)}: a path is expected") from None
    return text


def text(name: str, value: object) -> str:
    """A text that can be written as UTF-8."""
    if isinstance(value, str):
        try:
            value.encode()
            return str(value)
        except UnicodeEncodeError:
            pass
    raise UsageError(f"{name}={shown(value)}: a text is expected")


def texts(name: str, value: Any, expected: str) -> list[str]:
    """One text or several; ``expected`` says how many."""
    try:
        items = [value] if isinstance(value, str) else list(value)
    except Exception:
        raise UsageError(f"{name}={shown(value)}: {expected}") from None
    return [text(name, item) for item in items]


def number(name: str, value: Any, what: str, low: float, high: float) -> float:
    """A number of a range, both ends included; ``what`` says what it stands for."""
    if _is(value, numbers.Real) and low <= value <= high:
        return float(value)
    raise UsageError(f"{name}={shown(value)}: {what}, {low:g} to {high:g}")


def whole(name: str, value: Any, what: str, low: int, high: int) -> int:
    """A whole number of a range, both ends included."""
    if _is(value, numbers.Integral) and low <= value <= high:
        return int(value)
    raise UsageError(f"{name}={shown(value)}: {what}, {low} to {high}")


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
