"""The usual way in Python: pandas reads the CSV, onnxruntime runs the network.

    peer.py convert MODEL.onnx PEER.onnx
    peer.py classify PEER.onnx BEATS.csv

`convert` rewrites a model of ours as PyTorch exports a 1-D network: with 1-D
convolutions and poolings on [batch, channels, length]. The weights and the
results stay the same. `classify` prints how many beats got each class; it
writes no predictions, which is to its advantage.
"""

import sys


def one_dimensional(attributes, name):
    """The part of a 2-D attribute that belongs to the last axis."""
    values = list(attributes[name].ints)
    half = len(values) // 2
    # pads are [top, left, bottom, right], the others [height, width].
    return values[1::2] if name == "pads" else values[half:]


def convert(source, target):
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(source)
    graph = model.graph
    renamed = {}
    kernels = set()
    nodes = []
    for node in graph.node:
        inputs = [renamed.get(name, name) for name in node.input]
        if node.op_type == "Unsqueeze":  # the axis of height 1
            renamed[node.output[0]] = inputs[0]
            continue
        attributes = {a.name: a for a in node.attribute}
        if node.op_type in ("Conv", "MaxPool", "AveragePool"):
            new = {name: one_dimensional(attributes, name) for name in attributes if attributes[name].ints}
            if node.op_type == "Conv":
                kernels.add(inputs[1])
            nodes.append(helper.make_node(node.op_type, inputs, list(node.output), node.name, **new))
        else:
            del node.input[:]
            node.input.extend(inputs)
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    for tensor in graph.initializer:
        if tensor.name in kernels:
            values = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(values.squeeze(2), tensor.name))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, target)


def classify(model, beats):
    import numpy
    import onnxruntime
    import pandas

    table = pandas.read_csv(beats, header=None, dtype="float32")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    length = session.get_inputs()[0].shape[2]
    windows = numpy.ascontiguousarray(table.to_numpy()[:, :length])[:, None, :]
    # The best of 64, 128, 256, 1024 and 8192 here.
    batch = 128
    classes = [
        session.run(["probabilities"], {"beat": windows[i : i + batch]})[0].argmax(axis=1)
        for i in range(0, len(windows), batch)
    ]
    print(numpy.bincount(numpy.concatenate(classes), minlength=5).tolist())


if __name__ == "__main__":
    task, first, second = sys.argv[1:]
    {"convert": convert, "classify": classify}[task](first, second)
