"""ECG recordings to labelled heartbeats, Holter numbers, reports and EC57 scores.

    >>> import ectopy
    >>> beats = ectopy.analyse("night.edf")
    >>> beats.to_pandas(); beats.holter(); beats.report("night.html")

Research software. Not a medical device; not for diagnosis or treatment.
"""

from ectopy._ectopy import NOTICE, VERSION as __version__
from ectopy._ectopy import Error, InputError, InternalError, Model, ModelError, UsageError
from ectopy._beats import Beats, Explanation, analyse, explain
from ectopy._monitor import Monitor
from ectopy._recording import Recording, open
from ectopy._score import Scores, score

__all__ = [
    "Beats",
    "Error",
    "Explanation",
    "InputError",
    "InternalError",
    "Model",
    "ModelError",
    "Monitor",
    "NOTICE",
    "Recording",
    "Scores",
    "UsageError",
    "__version__",
    "analyse",
    "explain",
    "open",
    "score",
]
