"""Live samples."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ectopy import _arguments, _arrays, _ectopy
from ectopy._beats import as_model
from ectopy._ectopy import InputError, Model

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

# Leads of a frame; no recorder has as many.
_LEADS = 1024
# Frames that are pushed at once.
_AT_ONCE = 1 << 16
# Seconds that can be skipped at once: a year.
_SKIPPED = 366 * 86400


class Monitor:
    """Turns live samples into events as they are decided.

    ``fs``: samples per second. ``leads``: how many a frame has. An event is a
    dictionary whose ``event`` is ``beat``, ``rhythm``, ``gap``, ``unreadable`` or, at
    the end, ``summary``: the lines of the program ``embedded``. What is reported does
    not depend on how samples are cut into calls.

    Research software: an alarm that nobody else watches is none.
    """

    def __init__(self, fs: float, *, model: Model | str | os.PathLike[str] | None = None, leads: int = 1) -> None:
        self.fs = _arrays.rate(fs)
        self.leads = _arguments.whole("leads", leads, "it is how many leads a frame has", 1, _LEADS)
        self._inner = _ectopy.Monitor(as_model(model), self.fs, self.leads)

    @property
    def delay(self) -> float:
        """Longest time in seconds from an R peak to its decision."""
        return self._inner.delay

    @property
    def samples(self) -> int:
        """Frames taken in so far, lost ones included."""
        return self._inner.samples

    def push(self, samples: ArrayLike, *, units: str = "mV", gain: float | None = None) -> list[dict[str, Any]]:
        """Takes samples, ``(samples,)`` or ``(samples, leads)``; a list of events.

        NaN stands for a lost sample. Whole numbers need ``gain``, see
        ``Recording.from_array``.
        """
        array = _arrays.array_of(samples)
        if array.size == 0:
            return []
        if array.ndim == 2 and array.shape[1] == self.leads:
            # A few frames of many leads are no transposed recording.
            array = array.reshape(-1)
        elif not (array.ndim <= 1 and self.leads == 1):
            raise InputError(
                f"the samples have the shape {array.shape}; "
                + ("(samples,) is expected" if self.leads == 1 else f"(samples, {self.leads}) is expected")
            )
        values = _arrays.millivolts(array.reshape(-1), units, gain)
        # In pieces, so that Ctrl-C ends a push of many hours.
        pieces = range(0, len(values), _AT_ONCE * self.leads)
        pushed = (self._inner.push(values[start : start + _AT_ONCE * self.leads]) for start in pieces)
        return [json.loads(line) for lines in pushed for line in lines]

    def skip(self, frames: int) -> list[dict[str, Any]]:
        """Counts frames as lost, as when a link was down; a list of events."""
        most = int(_SKIPPED * self.fs)
        frames = _arguments.whole("frames", frames, "it is how many frames were lost", 0, most)
        return [json.loads(line) for line in self._inner.skip(frames)]

    def finish(self) -> list[dict[str, Any]]:
        """Ends the recording; what still waited, and the summary."""
        return [json.loads(line) for line in self._inner.finish()]

    def reset(self) -> None:
        """Forgets the patient; the next frame is sample 0 of a new recording."""
        self._inner.reset()
