"""Times requests for inference against FastAPI, uvicorn and onnxruntime.

    serve.py INFER MODEL.onnx

`infer serve` and the peer of serve_peer.py answer the same requests of the same
client, wrk, on the same cores, in turns: one beat and 64 beats as JSON, and ours as
bytes, too, which the peer does not read. The values are drawn: no time depends on
them. The rate is that of many connections which
always ask. At half of that rate, kept by random pauses of the same connections, the
times of answers are taken. Memory is the largest sum of the proportional set sizes of
a server's processes. wrk takes a part of the cores, the same from both.
"""

import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import numpy
import onnxruntime

CONNECTIONS = 32
ROUNDS = 3
SECONDS = 4
# By beats of a request: how many times the peer's rate is wanted.
WANTED = {1: 5, 64: 2}

SCRIPT = """
local file = io.open("{body}", "rb")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"] = "application/json"
{head}
{pause}
done = function(summary, latency, requests)
    local e = summary.errors
    print(string.format("RESULT %d %d %d %d %d", summary.requests, summary.duration,
        e.connect + e.read + e.write + e.timeout + e.status,
        latency:percentile(50), latency:percentile(99)))
end
"""


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def family(pid):
    """A process and those that it has started."""
    pids = [pid]
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            pids += map(int, task.read_text().split())
    return pids


def memory(pid):
    """Proportional set size in MiB."""
    total = 0
    for pid in family(pid):
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


class Server:
    def __init__(self, name, model, command, environment):
        self.name, self.model, self.port, self.peak = name, model.stem, port(), 0.0
        command = [str(part).replace("PORT", str(self.port)) for part in command]
        self.process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while self.process.poll() is None:
            self.peak = max(self.peak, memory(self.process.pid))
            time.sleep(0.3)

    def url(self):
        return f"http://127.0.0.1:{self.port}/v2/models/{self.model}/infer"

    def logits(self, body):
        """The answer to a request; waits until the server listens."""
        until = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(urllib.request.Request(self.url(), body)) as answer:
                    outputs = {o["name"]: o["data"] for o in json.load(answer)["outputs"]}
                    return numpy.array(outputs["logits"], numpy.float32)
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    sys.exit(f"{self.name} does not answer: {error}")
                time.sleep(0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def load(server, request, folder, pause=0.0):
    """Requests in a second, and the milliseconds within which half and 99 % of them
    are answered; `pause` is the mean of seconds before each."""
    body, head = request
    (folder / "body").write_bytes(body)
    lines = f"delay = function() return math.random(0, {2 * pause * 1e3:.0f}) end" if pause else ""
    head = f'wrk.headers["Inference-Header-Content-Length"] = "{head}"' if head else ""
    (folder / "load.lua").write_text(SCRIPT.format(body=folder / "body", head=head, pause=lines))
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--timeout", "20s", "-s", folder / "load.lua", server.url()]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    result = next(line for line in said.splitlines() if line.startswith("RESULT"))
    requests, duration, errors, half, most = map(int, result.split()[1:])
    if errors or not requests:
        sys.exit(f"{server.name}: {errors} of {requests} requests failed: {said}")
    return requests / duration * 1e6, half / 1e3, most / 1e3


def requests(model, count):
    """A request as JSON, and as JSON with the values as bytes after it."""
    random, plain, sized, values = numpy.random.default_rng(1), [], [], b""
    for tensor in onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_inputs():
        array = random.standard_normal([count, *tensor.shape[1:]], numpy.float32)
        head = {"name": tensor.name, "shape": array.shape, "datatype": "FP32"}
        # As short as it is exact, which is how clients write numbers.
        plain.append({**head, "data": [float(str(value)) for value in array.ravel()]})
        sized.append({**head, "parameters": {"binary_data_size": array.nbytes}})
        values += array.tobytes()
    head = json.dumps({"inputs": sized, "parameters": {"binary_data_output": True}}).encode()
    return (json.dumps({"inputs": plain}).encode(), 0), (head + values, len(head))


def main():
    if not shutil.which("wrk"):
        sys.exit("there is no wrk, which sends the requests; Debian's package is wrk")
    infer, model = sys.argv[1], pathlib.Path(sys.argv[2])
    here, cores = pathlib.Path(__file__).parent, len(os.sched_getaffinity(0))
    uvicorn = [sys.executable, "-m", "uvicorn", "serve_peer:app", "--app-dir", here, "--workers", cores]
    uvicorn += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--port", "PORT"]
    ours = Server("infer serve", model, [infer, "serve", "--model", model, "--listen", "127.0.0.1:PORT"], {})
    peer = Server("FastAPI", model, uvicorn, {"MODEL": str(model)})
    print(f"{cores} cores, which wrk shares; {CONNECTIONS} connections; {ROUNDS} turns of {SECONDS} s, the median of rates")
    print(f"{'':28}{'beats':>6}{'requests/s':>12}{'beats/s':>10}{'ratio':>7}{'p50 ms':>9}{'p99 ms':>9}   (at half of the rate)")
    try:
        with tempfile.TemporaryDirectory() as folder:
            for count, wanted in WANTED.items():
                compare(count, wanted, requests(model, count), ours, peer, pathlib.Path(folder))
        print(f"memory at most, MiB: {ours.name} {ours.peak:.0f}, {peer.name} {peer.peak:.0f}, ratio {peer.peak / ours.peak:.1f}")
    finally:
        ours.stop()
        peer.stop()


def compare(count, wanted, bodies, ours, peer, folder):
    plain, binary = bodies
    # A peer that gives other numbers would be no peer.
    differ = numpy.abs(ours.logits(plain[0]) - peer.logits(plain[0])).max()
    if differ > 1e-5:
        sys.exit(f"logits differ by {differ}")
    cases = [(peer, plain, f"{peer.name}, JSON"), (ours, plain, f"{ours.name}, JSON"), (ours, binary, f"{ours.name}, bytes")]
    rates = [[] for _ in cases]
    for round in range(ROUNDS + 1):
        for (server, body, _), measured in zip(cases, rates):
            rate, _, _ = load(server, body, folder)
            # The first turn warms up.
            if round:
                measured.append(rate)
    theirs = statistics.median(rates[0])
    for (server, body, name), measured in zip(cases, rates):
        rate = statistics.median(measured)
        # Half of the rate: a connection's turn takes twice as long, answer and pause.
        turn = 2 * CONNECTIONS / rate
        _, fast, _ = load(server, body, folder, turn)
        _, half, most = load(server, body, folder, max(turn - fast / 1e3, 1e-3))
        goal = f" (at least {wanted})" if body is plain and server is ours else ""
        print(f"{name:28}{count:6}{rate:12,.0f}{rate * count:10,.0f}{rate / theirs:7.1f}{half:9.2f}{most:9.2f}{goal}", flush=True)


main()
