"""Writes `neurokit.json`: beats, and what NeuroKit2 and scipy say of them.

    pip install neurokit2==0.3.0
    python neurokit.py > neurokit.json

NeuroKit2 is far larger than the tests' other needs, so its values are kept
rather than made again. The beats are synthetic: heart rate with waves of 0.015,
0.09 and 0.25 Hz and a random walk; in the second and third series some are
ectopic, and in the third some are missing. Times are in ms, so that intervals are whole numbers.

The NN intervals are found here by the rule that `data::holter::Hrv` states,
written again, and NeuroKit2 gets them with their times, so that it knows which
follow each other. Its pNN50 divides by the pairs plus one, ours by all NN
intervals, as the Task Force defines it; `pairs` is there to tell them apart.

NeuroKit2 has no spectrum per window of five minutes in ms² that could be
compared digit by digit: it interpolates to 100 Hz and averages Hann-windowed
segments (Welch). Its power per window is here (`welch`) to be near ours;
scipy's Lomb-Scargle periodogram at our frequencies (`lomb`) is to be equal.
"""

import json
import sys

import neurokit2 as nk
import numpy as np
import scipy.signal

WINDOW = 300.0


def heart(seed, minutes, ectopic, missed):
    """Times of beats in ms, and a letter of a class each."""
    rng = np.random.default_rng(seed)
    time, walk, times, classes = 0.0, 0.0, [], []
    while time < minutes * 60:
        times.append(round(1000 * time))
        walk = 0.995 * walk + rng.normal(0, 0.006)
        rr = (
            0.85
            + walk
            + 0.03 * np.sin(2 * np.pi * 0.015 * time)
            + 0.035 * np.sin(2 * np.pi * 0.09 * time)
            + 0.025 * np.sin(2 * np.pi * 0.25 * time)
            + rng.normal(0, 0.008)
        )
        early = len(times) > 10 and classes[-1] == "N" and rng.random() < ectopic
        if early:
            classes.append(rng.choice(["V", "S"]))
            times[-1] -= round(300 * rr)
            time += 1.2 * rr
        else:
            classes.append("N")
            time += rr if rng.random() >= missed else 2 * rr
    order = np.argsort(times, kind="stable")
    return [times[i] for i in order], "".join(classes[i] for i in order)


def normal(times, classes):
    """NN intervals in ms, their times in s, and the artefacts' number."""
    before, rr, ends, artefacts = [], [], [], 0
    for i in range(1, len(times)):
        if classes[i] != "N" or classes[i - 1] != "N":
            continue
        interval = (times[i] - times[i - 1]) / 1000
        middle = sorted(before[-5:])[len(before[-5:]) // 2] if before else interval
        before.append(interval)
        if 0.3 <= interval <= 2.0 and abs(interval - middle) <= 0.2 * middle:
            rr.append(times[i] - times[i - 1])
            ends.append(times[i] / 1000)
        else:
            artefacts += 1
    return np.array(rr, float), np.array(ends), artefacts


def bands(frequency, density, step):
    """Power in the three bands, as sums."""
    edges = [(0, 0.04), (0.04, 0.15), (0.15, 0.4)]
    tiny = 1e-9
    chosen = [(frequency > a + tiny) & (frequency <= b + tiny) for a, b in edges]
    return [float(np.sum(density[c]) * step) for c in chosen]


def spectra(rr, ends):
    """Mean power over the windows that are nearly full: Lomb-Scargle and Welch."""
    lomb, welch = [], []
    for window in range(int(ends[-1] // WINDOW) + 1):
        inside = (ends // WINDOW) == window
        values, t = rr[inside], ends[inside]
        if np.sum(values) < 0.8 * WINDOW * 1000:
            continue
        frequency = np.arange(1, 121) / WINDOW
        power = scipy.signal.lombscargle(t - t[0], values - values.mean(), 2 * np.pi * frequency)
        spacing = (t[-1] - t[0]) / (len(t) - 1)
        lomb.append(bands(frequency, 2 * spacing * power, 1 / WINDOW))
        told = nk.hrv_frequency({"RRI": values, "RRI_Time": t}, normalize=False, silent=True)
        welch.append([float(told[f"HRV_{band}"].iloc[0]) for band in ("VLF", "LF", "HF")])
    return {"windows": len(lomb), "lomb": np.mean(lomb, axis=0).tolist(), "welch": np.mean(welch, axis=0).tolist()}


def series(name, seed, minutes, ectopic=0.0, missed=0.0):
    times, classes = heart(seed, minutes, ectopic, missed)
    rr, ends, artefacts = normal(times, classes)
    peaks = {"RRI": rr, "RRI_Time": ends}
    time = nk.hrv_time(peaks).iloc[0]
    plot = nk.hrv_nonlinear(peaks).iloc[0]
    value = lambda table, key: float(table["HRV_" + key])
    return {
        "name": name,
        "intervals_ms": np.diff(times, prepend=0).tolist(),
        "classes": classes,
        "nn": len(rr),
        "artefacts": artefacts,
        "pairs": int(np.sum(np.isclose(np.diff(ends) * 1000, rr[1:]))),
        "mean_nn": value(time, "MeanNN"),
        "sdnn": value(time, "SDNN"),
        "sdann": value(time, "SDANN5"),
        "sdnn_index": value(time, "SDNNI5"),
        "rmssd": value(time, "RMSSD"),
        "pnn50": value(time, "pNN50"),
        "triangular_index": value(time, "HTI"),
        "sd1": value(plot, "SD1"),
        "sd2": value(plot, "SD2"),
        "spectrum": spectra(rr, ends),
    }


golden = {
    "neurokit2": nk.__version__,
    "scipy": scipy.__version__,
    "series": [
        series("sinus rhythm", 1, 20.3),
        series("a few ectopic beats", 2, 15.3, 0.01),
        series("many ectopic and missed beats", 3, 15.3, 0.08, 0.01),
    ],
}
json.dump(golden, sys.stdout, separators=(",", ":"))
print()
