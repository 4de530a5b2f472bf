"""A server behind TLS and a token, which pages of one origin may call.

    guarded.py ADDRESS CERTIFICATE.pem TOKEN ORIGIN
"""

import json
import ssl
import sys
import urllib.error
import urllib.request

import grpc
import numpy
import tritonclient.grpc
import tritonclient.http
from tritonclient.grpc import service_pb2, service_pb2_grpc

address, certificate, token, origin = sys.argv[1:]
trusted = ssl.create_default_context(cafile=certificate)


def ask(path, headers, method=None):
    """Status, headers and body of an answer."""
    question = urllib.request.Request(f"https://{address}{path}", headers=headers, method=method)
    try:
        with urllib.request.urlopen(question, context=trusted, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def check_token():
    wrong = ["", "Bearer", "Bearer ", f"Bearer {token}x", f"Bearer {token[:-1]}", f"Basic {token}", token, f"bearer{token}"]
    for value in wrong:
        status, headers, body = ask("/v2/models/kaggle", {"Authorization": value} if value else {})
        assert status == 401 and headers["WWW-Authenticate"] == "Bearer", (value, status)
        assert "Authorization: Bearer" in json.loads(body)["error"]
    for path in ("/v2", "/metrics", "/openapi.json", "/absent"):
        assert ask(path, {})[0] == 401, path
    # Whether it is well anyone may ask.
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert ask(path, {})[0] == 200, path
    assert ask("/v2/models/kaggle", {"Authorization": f"Bearer {token}"})[0] == 200


def check_origins():
    allowed = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    # A browser asks before it sends, without the token.
    status, headers, _ = ask("/v2/models/kaggle/infer", allowed, "OPTIONS")
    assert status == 200 and headers["Access-Control-Allow-Origin"] == origin, (status, headers)
    assert "authorization" in headers["Access-Control-Allow-Headers"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert ask("/v2", bearer | {"Origin": origin})[1]["Access-Control-Allow-Origin"] == origin
    # A page of that origin can read why it was refused.
    assert ask("/v2", {"Origin": origin})[1]["Access-Control-Allow-Origin"] == origin
    other = ask("/v2", bearer | {"Origin": "https://other.example"})
    assert other[1]["Access-Control-Allow-Origin"] is None


def check_clients():
    bearer = {"authorization": f"Bearer {token}"}
    beats = numpy.zeros((3, 1, 187), numpy.float32)
    http = tritonclient.http.InferenceServerClient(address, ssl=True, ssl_options={"ca_certs": certificate})
    rpc = tritonclient.grpc.InferenceServerClient(address, ssl=True, root_certificates=certificate)
    for client, module in ((http, tritonclient.http), (rpc, tritonclient.grpc)):
        tensor = module.InferInput("beat", beats.shape, "FP32")
        tensor.set_data_from_numpy(beats)
        # tritonclient adds to the headers that it is given.
        answer = client.infer("kaggle", [tensor], headers=dict(bearer))
        assert answer.as_numpy("logits").shape == (3, 5)
        try:
            client.infer("kaggle", [tensor])
        except tritonclient.utils.InferenceServerException as error:
            assert "bearer token" in error.message() or module is tritonclient.grpc, error
        else:
            raise AssertionError("no token is asked for")
    http.close()
    rpc.close()
    secret = grpc.ssl_channel_credentials(open(certificate, "rb").read())
    with grpc.secure_channel(address, secret) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            stub.ServerMetadata(service_pb2.ServerMetadataRequest())
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED, error
            assert "bearer token" in error.details(), error
        else:
            raise AssertionError("no token is asked for")


check_token()
check_origins()
check_clients()
