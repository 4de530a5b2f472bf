"""Live samples."""

import json
import numbers

import numpy

from ectopy import _arrays, _ectopy
from ectopy._beats import as_model
from ectopy._ectopy import InputError, UsageError


class Monitor:
    """Turns live samples into events as they are decided.

    ``fs``: samples per second. ``leads``: how many a frame has. An event is a
    dictionary whose ``event`` is ``beat``, ``rhythm``, ``gap``, ``unreadable`` or, at
    the end, ``summary``: the lines of the program ``embedded``. What is reported does
    not depend on how samples are cut into calls.

    Research software: an alarm that nobody else watches is none.
    """

    def __init__(self, fs, *, model=None, leads=1):
        if not isinstance(leads, numbers.Integral) or leads < 1:
            raise UsageError(f"leads={leads!r}: it is a number of leads, from 1")
        self.fs, self.leads = _arrays.rate(fs), int(leads)
        self._inner = _ectopy.Monitor(as_model(model), self.fs, self.leads)

    @property
    def delay(self):
        """Longest time in seconds from an R peak to its decision."""
        return self._inner.delay

    @property
    def samples(self):
        """Frames taken in so far, lost ones included."""
        return self._inner.samples

    def push(self, samples, *, units="mV", gain=None):
        """Takes samples, ``(samples,)`` or ``(samples, leads)``; a list of events.

        NaN stands for a lost sample. Whole numbers need ``gain``, see
        ``Recording.from_array``.
        """
        if numpy.size(samples) == 0:
            return []
        array = numpy.asanyarray(samples)
        if array.ndim == 2 and array.shape[1] == self.leads:
            # A few frames of many leads are no transposed recording.
            array = array.reshape(-1)
        elif not (array.ndim <= 1 and self.leads == 1):
            raise InputError(
                f"the samples have the shape {array.shape}; "
                + ("(samples,) is expected" if self.leads == 1 else f"(samples, {self.leads}) is expected")
            )
        values = _arrays.millivolts(array.reshape(-1), units, gain)
        return [json.loads(line) for line in self._inner.push(values)]

    def skip(self, frames):
        """Counts frames as lost, as when a link was down; a list of events."""
        if not isinstance(frames, numbers.Integral) or frames < 0:
            raise UsageError(f"frames={frames!r}: it is a number of frames, from 0")
        return [json.loads(line) for line in self._inner.skip(int(frames))]

    def finish(self):
        """Ends the recording; what still waited, and the summary."""
        return [json.loads(line) for line in self._inner.finish()]

    def reset(self):
        """Forgets the patient; the next frame is sample 0 of a new recording."""
        self._inner.reset()
