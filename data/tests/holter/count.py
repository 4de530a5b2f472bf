"""Counts what annotation files of WFDB records hold, for comparison.

For each record named on the command line a line of JSON. Nothing is shared with
the program: files are read by the `wfdb` package, and the rules are written
again from the words that document them (`data::holter`).
"""

import json
import sys

import wfdb

CLASSES = {"N": "NLRejBn", "S": "AaJS", "V": "VEr", "F": "F", "Q": "/fQ?"}
CLASS = {symbol: name for name, symbols in CLASSES.items() for symbol in symbols}


def events(name):
    """(sample, what, class) in order; what is beat, break, vf or end."""
    notes = wfdb.rdann(name, "atr")
    texts = [text.rstrip("\0 ") for text in notes.aux_note]
    for sample, symbol, subtype, text in zip(notes.sample, notes.symbol, notes.subtype, texts):
        if symbol in CLASS:
            yield int(sample), "beat", CLASS[symbol]
        elif symbol == "~":
            yield int(sample), "unreadable" if subtype == -1 else "readable", None
        elif symbol in "[]":
            yield int(sample), {"[": "vf", "]": "end"}[symbol], None
        elif symbol == "+":
            yield int(sample), "flutter" if text in ("(VF", "(VFIB", "(VFL") else "rhythm", None


def count(name):
    header = wfdb.rdheader(name)
    fs = header.fs
    beats = {c: 0 for c in CLASS.values()}
    unreadable_beats = within = pauses = 0
    intervals, longest_pause = [], 0.0
    rows = []
    row = last = None
    blind_since, blind = None, 0
    brackets = flutter = False
    vf_episodes = 0
    for sample, what, label in events(name):
        fibrillates = brackets or flutter
        if what == "unreadable" and blind_since is None:
            blind_since, last, row = sample, None, None
        elif what == "readable" and blind_since is not None:
            blind += sample - blind_since
            blind_since = None
        elif what == "vf":
            brackets = True
        elif what == "end":
            brackets = False
        elif what in ("flutter", "rhythm"):
            flutter = what == "flutter"
        if (brackets or flutter) and not fibrillates:
            vf_episodes += 1
            last = row = None
        if what != "beat":
            continue
        if fibrillates:
            within += 1
            continue
        if blind_since is not None:
            unreadable_beats += 1
            continue
        beats[label] += 1
        if last is not None and sample > last:
            rr = (sample - last) / fs
            if rr >= 2.0:
                pauses += 1
                longest_pause = max(longest_pause, rr)
            if rr < 4.0:
                intervals.append(rr)
            else:
                row = None
        if row is not None and row[0] == label:
            row[1] += 1
        else:
            row = [label, 1]
            rows.append(row)
        last = sample
    if blind_since is not None:
        blind += header.sig_len - blind_since

    def ectopy(label):
        sizes = [size for of, size in rows if of == label]
        runs = [size for size in sizes if size >= 3]
        return {
            "singles": sizes.count(1),
            "couplets": sizes.count(2),
            "triplets": sizes.count(3),
            "runs": len(runs),
            "run_beats": sum(runs),
            "longest_run": max(runs, default=0),
        }

    return {
        "beats": beats,
        "unreadable": unreadable_beats,
        "within_fibrillation": within,
        "V": ectopy("V"),
        "S": ectopy("S"),
        "pauses": pauses,
        "longest_pause": longest_pause,
        "mean_rate": 60 * len(intervals) / sum(intervals),
        "intervals": len(intervals),
        "analysable": (header.sig_len - blind) / fs,
        "vf_episodes": vf_episodes,
    }


for name in sys.argv[1:]:
    print(json.dumps(count(name)))
