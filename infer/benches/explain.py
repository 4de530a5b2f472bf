"""Explained beats per second: `infer explain` against PyTorch with captum.

    explain.py INFER MODEL.onnx BEATS.csv [THREADS]

Both explain the same beats with the same network on the same threads: the
gradient of the predicted class's logit, and integrated gradients of 64 steps.
For `infer` the time counts from reading the CSV to the written HDF5 file; for
captum the beats are in memory and nothing is written. Runs alternate; the best
of three counts. The last line is the cost of the gradient graph in forward
passes, both in ONNX Runtime.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import onnx
import onnxruntime
import pandas
import torch
import torch.nn.functional as F
from captum.attr import IntegratedGradients, Saliency
from onnx import numpy_helper

REPEATS = 3
BATCH = 64
STEPS = 64
# Integrated gradients cost 64 gradients a beat.
BEATS = {"gradient": 20_000, "integrated-gradients": 640}


class Network(torch.nn.Module):
    """The network in a file of ours, layer by layer, 1-D as is usual in PyTorch."""

    def __init__(self, model):
        super().__init__()
        metadata = {p.key: p.value for p in model.metadata_props}
        self.nodes = json.loads(metadata["ectopy.network"])["nodes"]
        self.values = {
            t.name: torch.tensor(numpy_helper.to_array(t)) for t in model.graph.initializer
        }

    def forward(self, beat):
        results = []
        for node in self.nodes:
            op, settings = node["op"], {}
            if isinstance(op, dict):
                ((op, settings),) = op.items()
            x = [results[i] for i in node["inputs"]]
            results.append(self.compute(op, settings, x, beat))
        return results[-1]

    def compute(self, op, settings, x, beat):
        part = lambda name: self.values[f"{settings['name']}.{name}"]
        match op:
            case "beat":
                return beat
            case "conv":
                weight = part("weight").squeeze(2)
                return F.conv1d(
                    x[0], weight, part("bias"),
                    settings["stride"], settings["padding"], settings["dilation"],
                )
            case "dense":
                return F.linear(x[0], part("weight"), part("bias"))
            case "relu":
                return F.relu(x[0])
            case "add":
                return x[0] + x[1]
            case "max-pool":
                return F.max_pool1d(x[0], settings["size"])
            case "average-pool":
                return F.avg_pool1d(x[0], settings["size"])
            case "global-average-pool":
                return x[0].mean(2)
            case "global-max-pool":
                return x[0].max(2).values
            case "flatten":
                return x[0].flatten(1)
            case "concat":
                return torch.cat(x, 1)
            case "dropout":
                return x[0]
        sys.exit(f"the benchmark does not know the node '{op}'")


def captum(network, method, beats):
    """Seconds for all beats in memory."""
    if method == "gradient":
        explain = lambda b, t: Saliency(network).attribute(b, t, abs=False)
    else:
        explain = lambda b, t: IntegratedGradients(network).attribute(
            b, target=t, n_steps=STEPS, method="riemann_middle"
        )
    start = time.perf_counter()
    for i in range(0, len(beats), BATCH):
        batch = beats[i : i + BATCH].clone().requires_grad_()
        with torch.no_grad():
            target = network(batch).argmax(1)
        explain(batch, target)
    return time.perf_counter() - start


def ours(program, model, method, beats, threads):
    """Seconds for a CSV file of beats, by the program's own clock."""
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "explain", beats, "--model", model, "--method", method,
                   "--format", "hdf5", "--picture", "none", "--threads", str(threads),
                   "--output", folder]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return float(re.search(r"beats in ([\d.]+) s", done.stderr).group(1))


def forward_passes(model, rows):
    """Cost of the gradient graph beside the classifier, if it is there."""
    explainer = Path(model).with_suffix(".explain.onnx")
    if not explainer.exists():
        return f"no {explainer}: the cost in forward passes is not measured"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    inputs = {"beat": rows[:BATCH].numpy()}
    best = []
    for path, extra in ((model, {}), (explainer, {"target": numpy.full(BATCH, -1)})):
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        times = []
        for _ in range(50):
            start = time.perf_counter()
            session.run(None, inputs | extra)
            times.append(time.perf_counter() - start)
        best.append(min(times))
    return f"gradient graph: {best[1] / best[0]:.2f} forward passes, forward included"


def main(program, model, beats, threads=1):
    torch.set_num_threads(int(threads))
    network = Network(onnx.load(model))
    channels, length = network.nodes[0]["shape"]
    table = pandas.read_csv(beats, header=None, dtype="float32").to_numpy()[:, : channels * length]
    for method, count in BEATS.items():
        rows = numpy.resize(table, (count, table.shape[1]))
        windows = torch.tensor(rows).view(count, channels, length)
        with tempfile.NamedTemporaryFile(suffix=".csv") as file:
            pandas.DataFrame(rows).to_csv(file.name, header=False, index=False)
            runs = [
                (ours(program, model, method, file.name, threads), captum(network, method, windows))
                for _ in range(REPEATS)
            ]
        mine, peer = (min(times) for times in zip(*runs))
        print(
            f"{method}, {count} beats, {threads} thread(s): infer {count / mine:.0f} beats/s, "
            f"captum {count / peer:.0f} beats/s, {peer / mine:.2f} times as fast"
        )
    print(forward_passes(model, windows))


if __name__ == "__main__":
    main(*sys.argv[1:])
