"""PyPI's tritonclient, unchanged, against a running server.

    conformance.py ADDRESS MODELS BEATS.csv FOLDER

Both ways of HTTP (JSON and the binary tensor extension) and gRPC must give what
`infer` itself gives, bit for bit, and what onnxruntime gives in Python, up to
rounding. FOLDER holds for each model the logits of `infer` (kaggle.jsonl) and its
explanations (kaggle/attributions.h5), and the store beats.h5 that resnet has read.
"""

import itertools
import json
import pathlib
import sys

import grpc
import h5py
import numpy
import onnxruntime
import tritonclient.grpc
import tritonclient.http
from raw import Refused, request
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

# Rows of a request: one, around the size of a batch, many batches.
BATCHES = [1, 2, 63, 64, 65, 200, 1024]
TYPES = {numpy.dtype("float32"): "FP32", numpy.dtype("int64"): "INT64"}
ROUNDING = 1e-5


class Model:
    """A model's inputs, and what `infer` and onnxruntime make of them."""

    def __init__(self, name, models, inputs, expected):
        self.name, self.inputs = name, inputs
        file = name.replace("-explain", ".explain") + ".onnx"
        session = onnxruntime.InferenceSession(models / "shipped" / file, providers=["CPUExecutionProvider"])
        self.outputs = {o.name: o.shape[1:] for o in session.get_outputs()}
        self.python = dict(zip(self.outputs, session.run(list(self.outputs), inputs)))
        # What `infer` writes, where it writes this output.
        self.own = expected
        for output, values in expected.items():
            close(values, self.python[output], f"{name}: {output} of infer and of onnxruntime")

    def rows(self, batch):
        """So many rows, from the first on and again."""
        places = numpy.arange(batch) % len(self.inputs["beat"])
        return places, {key: values[places] for key, values in self.inputs.items()}

    def check(self, outputs, places, where):
        for output, sizes in self.outputs.items():
            values = outputs[output]
            assert values.shape == (len(places), *sizes), f"{where}: {output} has shape {values.shape}"
            close(values, self.python[output][places], f"{where}: {output}")
            if output in self.own:
                same = values.tobytes() == self.own[output][places].tobytes()
                assert same, f"{where}: {output} is not that of infer"


def close(a, b, where):
    differ = numpy.abs(a - b).max()
    assert a.shape == b.shape and differ <= ROUNDING, f"{where}: {a.shape} {b.shape} {differ}"


def read_models(models, beats, folder):
    windows = numpy.loadtxt(beats, delimiter=",", dtype=numpy.float32)[:, :187]
    store = h5py.File(folder / "beats.h5")
    given = {
        "kaggle": {"beat": windows.reshape(-1, 1, 187)},
        "resnet": {"beat": store["windows"][:], "rhythm": store["rhythm"][:]},
    }
    for name, inputs in given.items():
        lines = [json.loads(line) for line in open(folder / f"{name}.jsonl")]
        own = {
            key: numpy.array([[line[key][c] for c in "NSVFQ"] for line in lines], numpy.float32)
            for key in ("logits", "probabilities")
        }
        yield Model(name, models, inputs, own)
        explained = h5py.File(folder / name / "attributions.h5")
        rows = len(explained["class"])
        inputs = {key: values[:rows] for key, values in inputs.items()}
        saliency = explained["gradient/beat"][:].reshape(inputs["beat"].shape)
        own = {"logits": own["logits"][:rows], "saliency": saliency}
        if "rhythm" in inputs:
            own["rhythm_saliency"] = explained["gradient/rhythm"][:]
        yield Model(f"{name}-explain", models, {**inputs, "target": explained["class"][:]}, own)


def check_metadata(http, rpc, models):
    assert http.is_server_live() and http.is_server_ready()
    assert rpc.is_server_live() and rpc.is_server_ready()
    server = http.get_server_metadata()
    assert server["name"] == "ectopy" and "binary_tensor_data" in server["extensions"]
    assert rpc.get_server_metadata(as_json=True) == server
    for model in models:
        for version in ("", "1"):
            assert http.is_model_ready(model.name, version) and rpc.is_model_ready(model.name, version)
            metadata = http.get_model_metadata(model.name, version)
            assert metadata["name"] == model.name and metadata["versions"] == ["1"], metadata
            sizes = {t["name"]: (t["datatype"], t["shape"]) for t in metadata["inputs"]}
            assert sizes == {k: (TYPES[v.dtype], [-1, *v.shape[1:]]) for k, v in model.inputs.items()}
            sizes = {t["name"]: (t["datatype"], t["shape"]) for t in metadata["outputs"]}
            assert sizes == {k: ("FP32", [-1, *v]) for k, v in model.outputs.items()}
            same = rpc.get_model_metadata(model.name, version, as_json=True)
            # Protobuf's JSON has 64-bit integers as strings.
            for tensor in same["inputs"] + same["outputs"]:
                tensor["shape"] = [int(size) for size in tensor["shape"]]
            assert same == metadata


def check_inference(http, rpc, model):
    for batch in BATCHES:
        places, rows = model.rows(batch)
        for sent, got in itertools.product((True, False), repeat=2):
            inputs = []
            for key, values in rows.items():
                tensor = tritonclient.http.InferInput(key, values.shape, TYPES[values.dtype])
                inputs.append(tensor.set_data_from_numpy(values, binary_data=sent))
            outputs = [tritonclient.http.InferRequestedOutput(o, binary_data=got) for o in model.outputs]
            where = f"{model.name} of {batch}, binary {sent} and {got}"
            answer = http.infer(model.name, inputs, outputs=outputs, request_id=f"no. {batch}", model_version="1")
            head = answer.get_response()
            assert (head["model_name"], head["model_version"], head["id"]) == (model.name, "1", f"no. {batch}"), where
            assert [o["name"] for o in head["outputs"]] == list(model.outputs), where
            binary = ["binary_data_size" in o.get("parameters", {}) for o in head["outputs"]]
            assert binary == [got] * len(binary), where
            model.check({o: answer.as_numpy(o) for o in model.outputs}, places, where)
        inputs = []
        for key, values in rows.items():
            inputs.append(tritonclient.grpc.InferInput(key, values.shape, TYPES[values.dtype]))
            inputs[-1].set_data_from_numpy(values)
        answer = rpc.infer(model.name, inputs, request_id=f"no. {batch}")
        head = answer.get_response()
        assert (head.model_name, head.model_version, head.id) == (model.name, "1", f"no. {batch}")
        model.check({o: answer.as_numpy(o) for o in model.outputs}, places, f"{model.name} of {batch}, gRPC")
    # Some outputs, in another order than the graph's.
    asked = list(reversed(model.outputs))[:2]
    answer = http.infer(model.name, inputs_of(tritonclient.http, rows), outputs=[tritonclient.http.InferRequestedOutput(o) for o in asked])
    assert [o["name"] for o in answer.get_response()["outputs"]] == asked
    answer = rpc.infer(model.name, inputs, outputs=[tritonclient.grpc.InferRequestedOutput(o) for o in asked])
    assert [o.name for o in answer.get_response().outputs] == asked
    # Without a word about outputs tritonclient asks for all of them as bytes.
    answer = http.infer(model.name, inputs_of(tritonclient.http, rows))
    model.check({o: answer.as_numpy(o) for o in model.outputs}, places, f"{model.name}, nothing asked for")


def inputs_of(client, rows):
    inputs = []
    for key, values in rows.items():
        inputs.append(client.InferInput(key, values.shape, TYPES[values.dtype]))
        inputs[-1].set_data_from_numpy(values)
    return inputs


def check_typed_contents(address, model):
    """Who sends numbers, not bytes, by gRPC is answered in numbers."""
    places, rows = model.rows(3)
    request = service_pb2.ModelInferRequest(model_name=model.name)
    for key, values in rows.items():
        contents = {("fp32_contents" if values.dtype == numpy.float32 else "int64_contents"): values.ravel().tolist()}
        tensor = request.inputs.add(name=key, datatype=TYPES[values.dtype], shape=values.shape)
        tensor.contents.CopyFrom(service_pb2.InferTensorContents(**contents))
    with grpc.insecure_channel(address) as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    outputs = {o.name: numpy.array(o.contents.fp32_contents, numpy.float32).reshape(o.shape) for o in answer.outputs}
    model.check(outputs, places, f"{model.name}, typed contents")


def beat(**changes):
    """A request of one beat of zeros, but for what is changed; None takes away."""
    tensor = {"name": "beat", "shape": [1, 1, 187], "datatype": "FP32", "data": [0.0] * 187} | changes
    return {"inputs": [{k: v for k, v in tensor.items() if v is not None}]}


def check_refusals_of_http(address):
    kaggle, explain = "/v2/models/kaggle", "/v2/models/kaggle-explain"
    infer, one = f"{kaggle}/infer", beat()["inputs"][0]
    nested = [[[0.0] * 187]]
    target = {"name": "target", "shape": [1], "datatype": "INT64", "data": [0]}
    for path, body in [(infer, beat()), (infer, beat(data=nested)), (f"{explain}/infer", {"inputs": [target, one]})]:
        assert "outputs" in request(address, path, body)[1]
    binary = {"name": "logits", "parameters": {"binary_data": "yes"}}
    too_deep = json.loads("[" * 20 + "]" * 20)
    refused = [
        ("/v2/models/absent", None, 404, "kaggle-explain"),
        ("/v2/models/absent/ready", None, 404, "absent"),
        ("/v2/models/absent/infer", beat(), 404, "absent"),
        (f"{kaggle}/versions/7", None, 404, "newest is 1"),
        (f"{kaggle}/versions/7/infer", beat(), 404, "newest is 1"),
        (f"{kaggle}/versions/one/ready", None, 404, "newest is 1"),
        ("/v2/absent", None, 404, "no such route"),
        (infer, None, 405, ""),
        (infer, b"", 400, "JSON"),
        (infer, b"{", 400, "JSON"),
        (infer, b"\xff\xfe", 400, "JSON"),
        (infer, [], 400, "JSON"),
        (infer, {}, 400, "inputs"),
        (infer, {"inputs": []}, 400, "'beat' is missing"),
        (infer, {"inputs": [one, one]}, 400, "given twice"),
        (infer, beat(name="heart"), 400, "no input 'heart'; it takes beat"),
        (infer, beat(name=None), 400, "name"),
        (infer, beat(datatype="FP64"), 400, "the model takes FP32"),
        (infer, beat(datatype="fp32"), 400, "the model takes FP32"),
        (infer, beat(shape=[1, 187]), 400, "the model takes [N, 1, 187]"),
        (infer, beat(shape=[1, 1, 186], data=[0.0] * 186), 400, "the model takes [N, 1, 187]"),
        (infer, beat(shape=[0, 1, 187], data=[]), 400, "the model takes [N, 1, 187]"),
        (infer, beat(shape=[-1, 1, 187]), 400, "the model takes [N, 1, 187]"),
        (infer, beat(shape=[2**62, 1, 187]), 400, "larger than memory"),
        (infer, beat(shape=[2**64, 1, 187]), 400, "JSON"),
        (infer, beat(shape=[2, 1, 187]), 400, "187 values, its shape needs 374"),
        (infer, beat(data=[0.0] * 188), 400, "more than 187 values"),
        (infer, beat(data=["x"] * 187), 400, "data of input 'beat'"),
        (infer, beat(data=[True] * 187), 400, "data of input 'beat'"),
        (infer, beat(data=[None] * 187), 400, "data of input 'beat'"),
        (infer, beat(data=0.0), 400, "no list"),
        (infer, beat(data=too_deep), 400, "too many lists"),
        (infer, beat(data=[1e39] * 187), 400, "no finite"),
        (infer, beat(data=None), 400, "has no data"),
        (infer, beat(parameters={"binary_data_size": 748}), 400, "give one of them"),
        (infer, beat(data=None, parameters={"binary_data_size": 747}), 400, "need 748"),
        (infer, beat(data=None, parameters={"binary_data_size": -1}), 400, "need 748"),
        (infer, beat(data=None, parameters={"binary_data_size": 748}), 400, "needs 748 bytes after the JSON, there are 0"),
        (infer, beat(parameters={"shared_memory_region": "x"}), 400, "shared_memory_region"),
        (infer, beat() | {"outputs": [{"name": "absent"}]}, 400, "it gives logits, probabilities"),
        (infer, beat() | {"outputs": [{"name": "logits", "parameters": {"classification": 2}}]}, 400, "classification"),
        (infer, beat() | {"outputs": [binary]}, 400, "binary_data"),
        (infer, beat() | {"parameters": {"sequence_id": 3}}, 400, "sequence_id"),
        (infer, beat() | {"id": 7}, 400, "JSON"),
        (f"{explain}/infer", beat(), 400, "'target' is missing"),
        (f"{explain}/infer", {"inputs": [one, target | {"data": [0.5]}]}, 400, "no whole number"),
        (f"{explain}/infer", {"inputs": [one, target | {"data": [2**63]}]}, 400, "beyond INT64"),
        (f"{explain}/infer", {"inputs": [one, target | {"shape": [2], "data": [0, 1]}]}, 400, "another has 1"),
    ]
    for path, body, status, words in refused:
        try:
            request(address, path, body)
        except Refused as refusal:
            assert refusal.status == status, f"{path} {body}: {refusal}"
            # The router itself answers a wrong method.
            assert status == 405 or words in refusal.error, f"{path} {body}: {refusal}"
        else:
            raise AssertionError(f"{path} {body} is answered")


def check_refusals_of_bytes(address):
    """What may be wrong with the binary tensor extension."""
    head = json.dumps(beat(data=None, parameters={"binary_data_size": 748})).encode()
    zeros, nan = bytes(748), numpy.full(187, numpy.nan, "<f4").tobytes()
    infer, length = "/v2/models/kaggle/infer", "Inference-Header-Content-Length"
    assert request(address, infer, head + zeros, {length: str(len(head))})[1]["model_name"] == "kaggle"
    for body, headers, status, words in [
        (head + zeros, {length: str(len(head) + 749)}, 400, "the body has"),
        (head + zeros, {length: str(len(head) - 1)}, 400, "JSON"),
        (head + zeros, {length: "-1"}, 400, "number of bytes"),
        (head + zeros, {length: "many"}, 400, "number of bytes"),
        (head + zeros, {}, 400, "JSON"),
        (head + zeros[1:], {length: str(len(head))}, 400, "there are 747"),
        (head + zeros + b"x", {length: str(len(head))}, 400, "1 bytes follow"),
        (head + nan, {length: str(len(head))}, 400, "no finite"),
        (head + zeros, {length: str(len(head)), "Content-Encoding": "gzip"}, 415, "compressed"),
        (bytes(17 << 20), {}, 413, "16 MiB"),
    ]:
        try:
            request(address, infer, body, headers)
        except Refused as refusal:
            assert refusal.status == status and words in refusal.error, f"{headers}: {refusal}"
        else:
            raise AssertionError(f"{headers} is answered")


def check_refusals_of_grpc(address):
    zeros, nan = bytes(748), numpy.full(187, numpy.nan, "<f4").tobytes()
    tensor = {"name": "beat", "datatype": "FP32", "shape": [1, 1, 187]}
    number = service_pb2.InferParameter(int64_param=2)
    word = service_pb2.InferParameter(string_param="x")
    typed = service_pb2.InferTensorContents(fp32_contents=[0.0] * 187)
    wrong, found = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
    refused = [
        ({"model_name": "absent"}, zeros, found, "kaggle-explain"),
        ({"model_version": "7"}, zeros, found, "newest is 1"),
        ({"inputs": []}, None, wrong, "'beat' is missing"),
        ({"inputs": []}, zeros, wrong, "raw contents of 1"),
        ({"inputs": [tensor, tensor]}, zeros, wrong, "raw contents of 1"),
        ({"inputs": [tensor | {"name": "heart"}]}, zeros, wrong, "it takes beat"),
        ({"inputs": [tensor | {"datatype": "INT64"}]}, zeros, wrong, "the model takes FP32"),
        ({"inputs": [tensor | {"shape": [1, 187]}]}, zeros, wrong, "the model takes [N, 1, 187]"),
        ({"inputs": [tensor | {"shape": [2, 1, 187]}]}, zeros, wrong, "its shape needs 374"),
        ({"inputs": [tensor | {"shape": [2**62, 1, 187]}]}, zeros, wrong, "larger than memory"),
        ({"inputs": [tensor | {"contents": typed}]}, zeros, wrong, "raw and other contents"),
        ({"inputs": [tensor | {"parameters": {"shared_memory_region": word}}]}, None, wrong, "shared_memory_region"),
        ({"outputs": [{"name": "absent"}]}, zeros, wrong, "it gives logits, probabilities"),
        ({"outputs": [{"name": "logits", "parameters": {"classification": number}}]}, zeros, wrong, "classification"),
        ({"parameters": {"sequence_id": number}}, zeros, wrong, "sequence_id"),
        ({}, zeros[1:], wrong, "747 bytes"),
        ({}, None, wrong, "has 0 values"),
        ({}, nan, wrong, "no finite"),
    ]
    with grpc.insecure_channel(address) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for changes, raw, code, words in refused:
            parts = {"model_name": "kaggle", "inputs": [tensor]} | changes
            if raw is not None:
                parts["raw_input_contents"] = [raw]
            try:
                stub.ModelInfer(service_pb2.ModelInferRequest(**parts))
            except grpc.RpcError as error:
                assert error.code() == code and words in error.details(), f"{changes}: {error}"
            else:
                raise AssertionError(f"{changes} is answered")
        calls = [
            (stub.ModelReady, service_pb2.ModelReadyRequest(name="absent")),
            (stub.ModelMetadata, service_pb2.ModelMetadataRequest(name="kaggle", version="7")),
        ]
        for call, message in calls:
            try:
                call(message)
            except grpc.RpcError as error:
                assert error.code() == found, error
            else:
                raise AssertionError(f"{message} is answered")


def check_refusals_of_clients(http, rpc):
    """tritonclient shows the server's words."""
    for client, module in ((http, tritonclient.http), (rpc, tritonclient.grpc)):
        tensor = module.InferInput("beat", [1, 1, 186], "FP32")
        tensor.set_data_from_numpy(numpy.zeros((1, 1, 186), numpy.float32))
        try:
            client.infer("kaggle", [tensor])
        except InferenceServerException as error:
            assert "the model takes [N, 1, 187]" in error.message(), error
        else:
            raise AssertionError("a wrong shape is answered")
    assert not http.is_model_ready("absent")


def main():
    address, models, beats, folder = sys.argv[1:]
    models = list(read_models(pathlib.Path(models), beats, pathlib.Path(folder)))
    with tritonclient.http.InferenceServerClient(address, connection_timeout=600, network_timeout=600) as http, tritonclient.grpc.InferenceServerClient(address) as rpc:
        check_metadata(http, rpc, models)
        for model in models:
            check_inference(http, rpc, model)
            check_typed_contents(address, model)
        check_refusals_of_clients(http, rpc)
    check_refusals_of_http(address)
    check_refusals_of_bytes(address)
    check_refusals_of_grpc(address)


main()
