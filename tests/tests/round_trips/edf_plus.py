"""Reads what `infer --annotator x --rhythm --edf-plus` wrote of a record.

    edf_plus.py RECORD ANNOTATOR FS

prints as JSON what the package `wfdb` reads of the annotation file RECORD.ANNOTATOR,
and `edfio` and `pyedflib` of the EDF+ file beside it: lists of sample and text, which
is the rhythm where there is one, else the symbol.
"""

import json
import pathlib
import signal
import sys

import edfio
import pyedflib

# A version of the package never ends with notes about a file that it does not know.
signal.alarm(60)
import wfdb

record, annotator, fs = sys.argv[1], sys.argv[2], float(sys.argv[3])
(path,) = [p for p in pathlib.Path(record).parent.iterdir() if p.read_bytes()[:8] == b"0       "]
read = wfdb.rdann(record, annotator)
texts = [note.rstrip("\0") for note in read.aux_note]
reader = pyedflib.EdfReader(str(path))
onsets, _, words = reader.readAnnotations()
print(
    json.dumps(
        {
            "wfdb": [[int(s), t or m] for s, m, t in zip(read.sample, read.symbol, texts)],
            "edfio": [[round(a.onset * fs), a.text] for a in edfio.read_edf(path).annotations],
            "pyedflib": [[round(float(o) * fs), str(t)] for o, t in zip(onsets, words)],
        }
    )
)
