"""Requests as they are, without a client's own ideas of what may be sent."""

import http.client
import json


class Refused(Exception):
    """An answer with another status than 200."""

    def __init__(self, status, headers, body):
        self.status, self.headers = status, headers
        try:
            self.error = json.loads(body)["error"]
        except (ValueError, KeyError, TypeError):
            self.error = ""
        super().__init__(f"{status} {body[:300]!r}")


def request(address, path, body=None, headers=None, method=None):
    """The headers and the JSON of an answer; `body` is bytes, or turned into JSON."""
    connection = http.client.HTTPConnection(address, timeout=60)
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    method = method or ("GET" if body is None else "POST")
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise Refused(answer.status, answer.headers, text)
    return answer.headers, json.loads(text)
