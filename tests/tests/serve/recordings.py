"""Recordings sent to a running server, and live streams.

    recordings.py ADDRESS FOLDER SPOOL

FOLDER holds a record night (.hea, .dat) of one lead at 250 Hz, and what the programs
make of it: beats.csv, beats.jsonl, beats.parquet and night.qrs (with rhythm notes) by
`infer`, report.json by `infer report`, live.jsonl by `embedded`. The server must give
the same. SPOOL is the server's folder of temporary files.
"""

import asyncio
import csv
import http.client
import io
import json
import pathlib
import struct
import sys
import time
import uuid

import numpy
import pandas
import pyedflib
import websockets
import wfdb

ROUNDING = 1.5e-4


def send(address, files, query="", headers=(), method="POST", path="/v1/recordings"):
    """Status, headers and body; `files` are (name, bytes), or the bytes of a body."""
    headers = dict(headers)
    if isinstance(files, list):
        mark = uuid.uuid4().hex
        parts = []
        for name, text in files:
            head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
            parts += [head.encode(), text, b"\r\n"]
        body = b"".join([*parts, f"--{mark}--\r\n".encode()])
        headers["Content-Type"] = f"multipart/form-data; boundary={mark}"
    else:
        body = files
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request(method, path + query, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, answer.headers, text


def refused(answer, status, *words):
    code, _, body = answer
    error = json.loads(body)["error"]
    assert code == status and all(w in error for w in words), f"{code}, wanted {status} with {words}: {error}"
    assert "/tmp" not in error and "ectopy-serve" not in error, f"a path of the server: {error}"


def same_beats(address, folder, night):
    """Each kind of answer is what the programs write."""

    def get(kind):
        status, headers, body = send(address, night, headers={"Accept": kind})
        assert status == 200, body
        assert headers["Content-Type"].startswith(kind), headers["Content-Type"]
        return body

    # Of the input the programs tell the path, the server the name.
    def rows(text):
        return [{k: v for k, v in row.items() if k != "input"} for row in csv.DictReader(io.StringIO(text))]

    assert rows(get("text/csv").decode()) == rows((folder / "beats.csv").read_text())

    def lines(text):
        return [{k: v for k, v in json.loads(l).items() if k != "input"} for l in text.splitlines()]

    assert lines(get("application/x-ndjson").decode()) == lines((folder / "beats.jsonl").read_text())
    ours = pandas.read_parquet(io.BytesIO(get("application/vnd.apache.parquet")))
    theirs = pandas.read_parquet(folder / "beats.parquet")
    pandas.testing.assert_frame_equal(ours.drop(columns="input"), theirs.drop(columns="input"))
    assert get("application/x-wfdb-annotation") == (folder / "night.qrs").read_bytes()
    ours, theirs = json.loads(get("application/json")), json.loads((folder / "report.json").read_text())
    assert ours == theirs
    page = get("text/html").decode()
    assert "not a medical device" in page.lower() and "night" in page
    return len(theirs["findings"])


def same_samples_in_edf(address, folder):
    """A file of another format, as the body itself, gives the same beats."""
    record = wfdb.rdrecord(str(folder / "night"), physical=False)
    signal = record.d_signal[:, 0]
    whole = len(signal) // 250 * 250
    gain, baseline = record.adc_gain[0], record.baseline[0]
    to_mv = lambda value: (value - baseline) / gain
    with pyedflib.EdfWriter(str(folder / "night.edf"), 1, file_type=pyedflib.FILETYPE_EDF) as file:
        file.setSignalHeader(0, {
            "label": "ECG", "dimension": "mV", "sample_frequency": 250,
            "physical_max": to_mv(32767), "physical_min": to_mv(-32768),
            "digital_max": 32767, "digital_min": -32768, "transducer": "", "prefilter": "",
        })
        file.writeSamples([signal[:whole].astype(numpy.int32)], digital=True)
    body = (folder / "night.edf").read_bytes()
    status, _, text = send(address, body, "?name=night.edf", {"Accept": "text/csv"})
    assert status == 200, text
    ours = [(r["sample"], r["class"]) for r in csv.DictReader(io.StringIO(text.decode()))]
    theirs = [(r["sample"], r["class"]) for r in csv.DictReader((folder / "beats.csv").open())]
    assert ours[:-2] == theirs[: len(ours) - 2] and len(theirs) - len(ours) <= 2


def kept(address, night):
    """A recording that is asked for later: progress, results, an explanation, the end."""
    status, headers, body = send(address, night, headers={"Prefer": "respond-async"})
    assert status == 202, body
    place = headers["Location"]
    assert place == f"/v1/recordings/{json.loads(body)['id']}"
    get = lambda path, **headers: send(address, None, headers=headers, method="GET", path=place + path)
    deadline = time.time() + 120
    while (state := json.loads(get("")[2]))["state"] == "working":
        assert 0 <= state["progress"] <= 1 and time.time() < deadline
        time.sleep(0.1)
    assert state["state"] == "done" and state["progress"] == 1, state
    rows = [json.loads(l) for l in get("/results", Accept="application/x-ndjson")[2].splitlines()]
    assert len(rows) == state["beats"]
    row = next(i for i, r in enumerate(rows) if r["class"] != "N" and i > 20)
    status, _, body = get(f"/beats/{row}")
    beat = json.loads(body)
    assert status == 200 and (beat["sample"], beat["class"]) == (rows[row]["sample"], rows[row]["class"])
    strip, window = beat["strip"], beat["window"]
    assert strip["start"] < window["start"] < beat["time"] < strip["start"] + len(strip["samples"]) / strip["fs"]
    assert max(window["credits"]) > 0 and beat["reasons"], beat["reasons"]
    at = round((beat["time"] - strip["start"]) * strip["fs"])
    near = [abs(v) for v in strip["samples"][at - 20 : at + 20]]
    assert max(near) > 0.3, "the strip shows the beat"
    refused(get(f"/beats/{len(rows)}"), 404, str(len(rows)))
    refused(get("/beats/x"), 404)
    refused(get("/results", Accept="image/png"), 406, "text/csv")
    assert send(address, None, method="DELETE", path=place)[0] == 204
    refused(get(""), 404)


def bad_input(address, folder, night):
    """What is no recording is refused in words, without the server's paths."""
    rows = b"\n".join(b",".join(b"%d" % (i * j % 7) for i in range(188)) for j in range(20))
    header, signal = night
    outside = header[1].replace(b"night.dat", b"../../../../etc/passwd")
    refused(send(address, b""), 400, "empty")
    refused(send(address, []), 400)
    refused(send(address, bytes(range(256)) * 40), 400)
    refused(send(address, rows), 400, "samples")
    refused(send(address, [header]), 400, "header names files")
    refused(send(address, [(header[0], outside), signal]), 400, "header")
    refused(send(address, [header, signal, ("other.hea", header[1].replace(b"night 1", b"other 1"))]), 400, "one")
    refused(send(address, [(header[0], header[1]), (signal[0], signal[1][:1001])]), 400)
    refused(send(address, night, "?lead=V9"), 400, "V9")
    refused(send(address, night, "?model=kaggle"), 404, "kaggle")
    refused(send(address, night, "?samples=leads="), 400, "samples")
    refused(send(address, night, headers={"Accept": "image/png"}), 406)
    refused(send(address, b"x" * (3 << 20)), 413, "2 MiB")
    status, _, body = send(address, [("../../" + header[0], header[1]), ("/etc/" + signal[0], signal[1])],
                           headers={"Accept": "text/csv"})
    assert status == 200, body


async def live(address, folder, night):
    """A stream gives the lines that `embedded` writes."""
    record = wfdb.rdrecord(str(folder / "night"))
    signal = record.p_signal[:, 0].astype("<f4").tobytes()
    lines = []
    async with websockets.connect(f"ws://{address}/v1/stream?fs=250", max_size=None) as socket:
        async def receive():
            async for text in socket:
                lines.append(json.loads(text))
        receiver = asyncio.create_task(receive())
        for start in range(0, len(signal), 41):
            await socket.send(signal[start : start + 41])
        await socket.send("what?")
        await socket.send("end")
        await receiver
    errors = [l for l in lines if "error" in l]
    assert len(errors) == 1 and "binary" in errors[0]["error"], errors
    lines = [l for l in lines if "error" not in l]
    wanted = [json.loads(l) for l in (folder / "live.jsonl").read_text().splitlines()]
    assert len(lines) == len(wanted), (len(lines), len(wanted))
    for ours, theirs in zip(lines, wanted):
        for key, value in theirs.pop("probabilities", {}).items():
            assert abs(ours["probabilities"][key] - value) < ROUNDING, (ours, theirs)
        ours.pop("probabilities", None)
        assert ours == theirs, (ours, theirs)
    return len(lines)


def main():
    address, folder, spool = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    night = [(n, (folder / n).read_bytes()) for n in ("night.hea", "night.dat")]
    findings = same_beats(address, folder, night)
    same_samples_in_edf(address, folder)
    kept(address, night)
    bad_input(address, folder, night)
    lines = asyncio.run(live(address, folder, night))
    signal = struct.unpack("<750f", send(address, None, method="GET", path="/v1/demo?seconds=3&fs=250")[2])
    assert max(signal) - min(signal) > 0.3
    left = [p for p in (spool / "ectopy-serve").rglob("*") if p.is_file() and p.name != "lock"]
    assert not left, f"left behind: {left}"
    print(f"{findings} findings, {lines} lines of the stream: the same")


main()
