"""What a team would write in an afternoon: FastAPI, uvicorn and onnxruntime.

Written for speed within that: no models of pydantic between bytes and arrays but
orjson both ways, arrays straight into the answer, one process for each core, and in
each a session of one thread that the event loop calls itself (a pool of threads made
it slower). `serve.py` starts it; MODEL names the ONNX file.
"""

import os

import numpy
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
names = [output.name for output in session.get_outputs()]
app = FastAPI(openapi_url=None)


@app.post("/v2/models/{model}/infer")
async def infer(model: str, request: Request):
    tensors = orjson.loads(await request.body())["inputs"]
    inputs = {t["name"]: numpy.array(t["data"], numpy.float32).reshape(t["shape"]) for t in tensors}
    outputs = session.run(names, inputs)
    answer = {
        "model_name": model,
        "outputs": [
            {"name": name, "shape": values.shape, "datatype": "FP32", "data": values.ravel()}
            for name, values in zip(names, outputs)
        ],
    }
    return Response(orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
