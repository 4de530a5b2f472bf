"""Writes recordings with the reference packages, and what these read of them.

Into the folder named on the command line go ISHNE files by `ishneholterlib` and
DICOM waveforms by `pydicom`, beside each one a file `.json` (rate, leads) and a
file `.raw` (per lead its samples in mV as little-endian f32).
"""

import datetime
import json
import pathlib
import shutil
import struct
import sys
import warnings

import ishneholterlib
import numpy as np
import pydicom
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

folder = pathlib.Path(sys.argv[1])
random = np.random.default_rng(15)

# The package is older than NumPy 2, which calls byte strings S.
warnings.simplefilter("ignore", DeprecationWarning)
read_value = ishneholterlib.get_val
ishneholterlib.get_val = lambda name, at, kind: read_value(
    name, at, kind.replace("a", "S") if isinstance(kind, str) else kind
)
# Nor has an array of NumPy 2.3 the name under which the package takes its bytes.
checksum = ishneholterlib.Holter.compute_checksum
ishneholterlib.Holter.compute_checksum = lambda self, header_block=None: checksum(
    self,
    header_block
    or pathlib.Path(self.filename).read_bytes()[10 : self.ecg_block_offset],
)


def told(path, fs, names, leads, **more):
    """Writes what the package reads."""
    samples = np.stack([np.asarray(lead, dtype="<f4") for lead in leads])
    samples.tofile(path.with_name(path.name + ".raw"))
    text = json.dumps({"fs": float(fs), "names": names, **more})
    path.with_name(path.name + ".json").write_text(text)


def ishne(name, leads, fs, text, length):
    """A recording of leads (code, quality, resolution in nV)."""
    path = folder / name
    holter = object.__new__(ishneholterlib.Holter)
    holter.filename = str(path)
    holter.is_annfile = False
    holter.file_version = 1
    for field in ("first_name", "last_name", "id", "proprietary", "copyright", "reserved"):
        setattr(holter, field, "")
    holter.sex = holter.race = holter.pm = 0
    holter.birth_date = None
    holter.record_date = datetime.date(1990, 8, 2)
    holter.start_time = datetime.time(10, 30, 5)
    holter.recorder_type = b"digital"
    holter.sr = fs
    holter.var_block = text
    holter.lead = [ishneholterlib.Lead(*lead) for lead in leads]
    for lead in holter.lead:
        values = random.integers(-32767, 32768, length).astype(np.int16)
        lead.save_data(values, convert=False)
    holter.write_file(convert_data=False)

    read = ishneholterlib.Holter(str(path), check_valid=False)
    assert read.is_valid()
    read.load_data()
    ann = path.with_suffix(".ann")
    header = b"ANN  1.0" + path.read_bytes()[8 : read.ecg_block_offset]
    steps = random.integers(50, 400, 300)
    labels = random.choice(list(b"NVSBPUX"), 300)
    rows = [struct.pack("<BBH", a, ord("."), b) for a, b in zip(labels, steps)]
    ann.write_bytes(header + struct.pack("<I", 77) + b"".join(rows))
    read.load_ann(str(ann))
    told(
        path,
        read.sr,
        [str(lead) for lead in read.lead],
        [lead.data for lead in read.lead],
        annotations=[[int(a["samp_num"]), a["ann"]] for a in read.beat_anns],
    )


def dicom_told(path):
    """What pydicom reads of the first group, in mV."""
    data = pydicom.dcmread(path)
    group = data.WaveformSequence[0]
    values = data.waveform_array(0).T
    leads, names = [], []
    for channel, value in zip(group.ChannelDefinitionSequence, values):
        unit = channel.ChannelSensitivityUnitsSequence[0].CodeValue
        leads.append(value * {"uV": 1e-3, "mV": 1.0, "V": 1e3}[unit])
        names.append(channel.ChannelSourceSequence[0].CodeMeaning)
    told(path, group.SamplingFrequency, names, leads)


def dicom(name, syntax, interpretation, dtype, names, fs, length):
    path = folder / name
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    values = random.integers(low, high + 1, (length, len(names)), dtype=np.int64)
    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels = len(names)
    group.NumberOfWaveformSamples = length
    group.SamplingFrequency = fs
    group.WaveformBitsAllocated = np.dtype(dtype).itemsize * 8
    group.WaveformSampleInterpretation = interpretation
    group.ChannelDefinitionSequence = []
    for place, lead in enumerate(names):
        channel, source, unit = Dataset(), Dataset(), Dataset()
        source.CodeValue = f"2:{place + 1}"
        source.CodingSchemeDesignator = "MDC"
        source.CodeMeaning = lead
        unit.CodeValue = ["uV", "mV"][place % 2]
        unit.CodingSchemeDesignator = "UCUM"
        channel.ChannelSourceSequence = [source]
        channel.ChannelSensitivity = str([1.25, 0.005][place % 2])
        channel.ChannelSensitivityUnitsSequence = [unit]
        channel.ChannelSensitivityCorrectionFactor = "1.5"
        channel.ChannelBaseline = str([100, -0.25][place % 2])
        group.ChannelDefinitionSequence.append(channel)
    # An odd number of bytes is padded.
    data = values.astype(dtype).tobytes()
    group.WaveformData = data + b"\0" * (len(data) % 2)
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = syntax
    data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.3"
    data.SOPInstanceUID = "1.2.3.4"
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.AcquisitionDateTime = "20130125105919"
    data.WaveformSequence = [group]
    data.save_as(path, enforce_file_format=True)
    dicom_told(path)


ishne("one.ecg", [(6, 1, 2500)], 200, None, 20_001)
ishne("three.ecg", [(5, 1, 1), (11, 2, 32767), (19, 3, 4883)], 1000, b"some text", 5_000)
for name, syntax in [("explicit", ExplicitVRLittleEndian), ("implicit", ImplicitVRLittleEndian)]:
    for kind, dtype in [("SS", "i2"), ("US", "u2"), ("SB", "i1"), ("UB", "u1"), ("SL", "i4"), ("UL", "u4")]:
        leads = ["Lead I", "Lead aVR", "Lead V1"]
        dicom(f"{name}-{kind}.dcm", syntax, kind, dtype, leads, 500, 3_001)
path = folder / "twelve.dcm"
shutil.copy(get_testdata_file("waveform_ecg.dcm"), path)
dicom_told(path)
