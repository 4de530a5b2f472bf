"""Writes EDF and BDF files with the packages `pyedflib` and `edfio`, and what
each holds as the other package reads it, for comparison.

In the folder named on the command line: the files, beside each `NAME.f32` with
the physical samples of its signals one after the other, little endian, each
repeated up to the rate of the fastest signal; and `expected.json`.
"""

import datetime
import json
import pathlib
import sys

import edfio
import numpy as np
import pyedflib

folder = pathlib.Path(sys.argv[1])
seconds = 20
random = np.random.default_rng(5)
notes = [(0.5, -1, "N"), (1.25, -1, "V"), (2.0, 3.5, "lights off"), (19.75, -1, '"')]


def signal(fs, scale):
    time = np.arange(seconds * fs) / fs
    wave = np.sin(2 * np.pi * 1.1 * time) + 0.1 * random.standard_normal(len(time))
    return scale * np.clip(wave, -1.9, 1.9)


def by_pyedflib(name, kind, leads, annotations=()):
    writer = pyedflib.EdfWriter(str(folder / name), len(leads), file_type=kind)
    bits = 24 if "bdf" in name else 16
    writer.setSignalHeaders(
        [
            {
                "label": label,
                "dimension": unit,
                "sample_frequency": fs,
                "physical_min": -2.0 * scale,
                "physical_max": 2.0 * scale,
                "digital_min": -(2 ** (bits - 1)),
                "digital_max": 2 ** (bits - 1) - 1,
                "transducer": "",
                "prefilter": "",
            }
            for label, unit, fs, scale in leads
        ]
    )
    writer.setStartdatetime(datetime.datetime(2019, 12, 31, 23, 59, 30))
    writer.writeSamples([signal(fs, scale) for _, _, fs, scale in leads])
    for onset, duration, text in annotations:
        writer.writeAnnotation(onset, duration, text)
    writer.close()


def by_edfio(name, leads, annotations=(), duration=None):
    bdf = "bdf" in name
    make, file = (edfio.BdfSignal, edfio.Bdf) if bdf else (edfio.EdfSignal, edfio.Edf)
    signals = [
        make(
            signal(fs, scale),
            fs,
            label=label,
            physical_dimension=unit,
            physical_range=(-2.0 * scale, 2.0 * scale),
        )
        for label, unit, fs, scale in leads
    ]
    notes = [edfio.EdfAnnotation(o, None if d < 0 else d, t) for o, d, t in annotations]
    written = file(
        signals,
        starttime=datetime.time(23, 59, 30, 250000),
        recording=edfio.Recording(startdate=datetime.date(2019, 12, 31)),
        data_record_duration=duration,
        annotations=notes or None,
    )
    written.write(folder / name)


several = [("ECG II", "mV", 360, 1.0), ("Resp", "l", 30, 3.0), ("EKG V1", "uV", 720, 900.0)]
plain = [("ECG LL-RA", "uV", 250, 1500.0), ("EKG1", "mV", 250, 1.0)]
by_pyedflib("p.edf", pyedflib.FILETYPE_EDF, several)
by_pyedflib("p_plus.edf", pyedflib.FILETYPE_EDFPLUS, plain, notes)
by_pyedflib("p.bdf", pyedflib.FILETYPE_BDF, several)
by_pyedflib("p_plus.bdf", pyedflib.FILETYPE_BDFPLUS, plain, notes)
by_edfio("e.edf", plain, duration=0.5)
by_edfio("e_several.edf", several, notes)
by_edfio("e.bdf", plain, notes, duration=4)

expected = []
for path in sorted(p for p in folder.iterdir() if p.suffix in (".edf", ".bdf")):
    if path.name.startswith("p"):
        read = edfio.read_bdf if path.suffix == ".bdf" else edfio.read_edf
        file = read(path)
        samples = [s.data for s in file.signals]
        rates = [s.sampling_frequency for s in file.signals]
        read_notes = [(a.onset, a.text) for a in file.annotations]
    else:
        with pyedflib.EdfReader(str(path)) as file:
            count = file.signals_in_file
            samples = [file.readSignal(i) for i in range(count)]
            rates = [file.getSampleFrequency(i) for i in range(count)]
            onsets, _, texts = file.readAnnotations()
            read_notes = list(zip(onsets.tolist(), texts.tolist()))
    most = max(len(s) for s in samples)
    with open(path.with_name(path.name + ".f32"), "wb") as out:
        for values in samples:
            hold = np.arange(most) * len(values) // most
            out.write(values[hold].astype("<f4").tobytes())
    expected.append(
        {
            "file": path.name,
            "fs": max(rates),
            "signals": len(samples),
            "length": most,
            "annotations": read_notes,
        }
    )
(folder / "expected.json").write_text(json.dumps(expected))
