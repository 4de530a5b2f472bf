"""Prints WFDB records as the `wfdb` package reads them, for comparison.

For each record named on the command line: the number of signals, and for each
signal its length and its physical samples rounded to f32, each repeated up to
the record's highest rate; little endian.
"""

import struct
import sys

import numpy as np
import wfdb

for name in sys.argv[1:]:
    record = wfdb.rdrecord(name, smooth_frames=False)
    if record.e_p_signal is None:
        record.e_p_signal = list(record.p_signal.T)
        record.samps_per_frame = [1] * record.n_sig
    most = max(record.samps_per_frame)
    sys.stdout.buffer.write(struct.pack("<Id", record.n_sig, record.fs * most))
    for samples, per_frame in zip(record.e_p_signal, record.samps_per_frame):
        hold = np.arange(most) * per_frame // most
        samples = samples.reshape(-1, per_frame)[:, hold].reshape(-1)
        sys.stdout.buffer.write(struct.pack("<I", len(samples)))
        sys.stdout.buffer.write(samples.astype("<f4").tobytes())
