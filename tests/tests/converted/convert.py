"""Converts WFDB records with the reference packages of each format.

    convert.py FOLDER RECORD...

reads each record with the package `wfdb`, and writes into FOLDER, as NAME.ENDING:
EDF and BDF by `pyedflib`, ISHNE by `ishneholterlib`, CSV by `pandas` and Parquet by
`pyarrow`. All keep the steps of the converter: EDF, BDF and ISHNE as whole numbers,
the tables as mV, of which CSV has so many digits that the value is the same.
"""

import datetime
import pathlib
import sys
import warnings

import ishneholterlib
import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pyedflib
import wfdb

# The package is older than NumPy 2: byte strings are called S, and an array has no
# name any more under which it takes its bytes.
warnings.simplefilter("ignore")
checksum = ishneholterlib.Holter.compute_checksum
ishneholterlib.Holter.compute_checksum = lambda self, header_block=None: checksum(
    self,
    header_block
    or pathlib.Path(self.filename).read_bytes()[10 : self.ecg_block_offset],
)
# Places of leads in ISHNE 1.0.
ISHNE_LEADS = {"V1": 11, "V2": 12, "V3": 13, "V4": 14, "V5": 15, "V6": 16}


def edf(path, record, steps, kind, most):
    """Digital values as they are; the physical range has the same step."""
    writer = pyedflib.EdfWriter(str(path), steps.shape[1], file_type=kind)
    writer.setStartdatetime(datetime.datetime(2020, 1, 1))
    for place, (name, gain) in enumerate(zip(record.sig_name, record.adc_gain)):
        header = {
            "label": name,
            "dimension": "mV",
            "sample_frequency": record.fs,
            "physical_min": -most / gain,
            "physical_max": most / gain,
            "digital_min": -most,
            "digital_max": most,
            "transducer": "",
            "prefilter": "",
        }
        writer.setSignalHeader(place, header)
    writer.writeSamples([np.ascontiguousarray(lead) for lead in steps.T], digital=True)
    writer.close()


def ishne(path, record, steps):
    holter = object.__new__(ishneholterlib.Holter)
    holter.filename = str(path)
    holter.is_annfile = False
    holter.file_version = 1
    for field in ("first_name", "last_name", "id", "proprietary", "copyright", "reserved"):
        setattr(holter, field, "")
    holter.sex = holter.race = holter.pm = 0
    holter.birth_date = None
    holter.record_date = datetime.date(2020, 1, 1)
    holter.start_time = datetime.time(0, 0, 0)
    holter.recorder_type = b"digital"
    holter.sr = record.fs
    holter.var_block = None
    holter.lead = []
    for name, gain, values in zip(record.sig_name, record.adc_gain, steps.T):
        # 0 is a lead that the format has no name for; nV a step.
        lead = ishneholterlib.Lead(ISHNE_LEADS.get(name, 0), 1, round(1e6 / gain))
        lead.save_data(values.astype(np.int16), convert=False)
        holter.lead.append(lead)
    holter.write_file(convert_data=False)


def tables(folder, name, record):
    values = {f"lead{i + 1}": lead for i, lead in enumerate(record.p_signal.T)}
    pandas.DataFrame(values).to_csv(folder / f"{name}.csv", index=False)
    pyarrow.parquet.write_table(pyarrow.table(values), folder / f"{name}.parquet")


folder = pathlib.Path(sys.argv[1])
for path in sys.argv[2:]:
    digital = wfdb.rdrecord(path, physical=False)
    # From the baseline, for which EDF and ISHNE have no place of its own.
    steps = np.ascontiguousarray(digital.d_signal - np.array(digital.baseline), dtype=np.int32)
    name = pathlib.Path(path).name
    edf(folder / f"{name}.edf", digital, steps, pyedflib.FILETYPE_EDF, 20_000)
    edf(folder / f"{name}.bdf", digital, steps, pyedflib.FILETYPE_BDF, 80_000)
    ishne(folder / f"{name}.ecg", digital, steps)
    tables(folder, name, wfdb.rdrecord(path))
