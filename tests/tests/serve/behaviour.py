"""What a server does with clients that are many, slow, or gone.

    behaviour.py hostile ADDRESS [SECONDS [IDLE]]    bad clients beside good ones
    behaviour.py full ADDRESS [SECONDS]              more than the queue takes
    behaviour.py end ADDRESS PID                     SIGTERM in the middle of it

All speak HTTP/1.1 over bare sockets, so that no client's library decides what is
sent. An assertion that fails says what a client has seen.
"""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import sys
import time

# Far more than anything takes here; who waits longer waits for ever.
PATIENCE = 60


class Gone(Exception):
    """The server closed the connection before a byte of the answer."""


def message(path, body=b"", headers=""):
    method = "POST" if body else "GET"
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def beats(count, model="kaggle"):
    """A request for inference, in bytes, which are small."""
    inputs = [{"name": "beat", "shape": [count, 1, 187], "datatype": "FP32", "parameters": {"binary_data_size": count * 748}}]
    if model.endswith("-explain"):
        inputs.append({"name": "target", "shape": [count], "datatype": "INT64", "data": [0] * count})
    head = json.dumps({"inputs": inputs}).encode()
    return message(f"/v2/models/{model}/infer", head + bytes(count * 748), f"Inference-Header-Content-Length: {len(head)}\r\n")


async def answer(reader):
    """Status, headers and body of the next answer; it is whole, or this fails."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        assert not error.partial, f"half a head: {error.partial}"
        raise Gone from error
    except ConnectionError as error:
        raise Gone from error
    status = int(head.split(None, 2)[1])
    headers = dict(re.findall(r"(?m)^([\w-]+): (.*?)\r$", head.decode().lower()))
    return status, headers, await reader.readexactly(int(headers["content-length"]))


async def once(address, question):
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(question)
        return await asyncio.wait_for(answer(reader), PATIENCE)
    finally:
        writer.close()


async def gauge(address, name):
    _, _, text = await once(address, message("/metrics"))
    return float(re.search(rf"(?m)^ectopy_{name} (\S+)$", text.decode()).group(1))


async def settles(address, name, most):
    """Waits until a gauge is as low as it is when nothing happens."""
    until = time.monotonic() + PATIENCE
    while (value := await gauge(address, name)) > most:
        assert time.monotonic() < until, f"{name} stays at {value}"
        await asyncio.sleep(0.1)


def vanish(writer):
    """Closes with RST, as of a client that has lost its power."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def slow_heads(address, until):
    """One byte of a head in a second."""
    reader, writer = await asyncio.open_connection(*address)
    for byte in message("/v2/health/live", headers=f"X: {'x' * 2000}\r\n"):
        writer.write(bytes([byte]))
        if time.monotonic() > until or reader.at_eof():
            break
        await asyncio.sleep(1)
    vanish(writer)


async def half_bodies(address, until):
    """Half a body, and no more."""
    _, writer = await asyncio.open_connection(*address)
    whole = beats(64)
    writer.write(whole[: len(whole) // 2])
    await asyncio.sleep(max(0, until - time.monotonic()))
    vanish(writer)


async def vanishing(address, until):
    """Asks and is gone, before or after the server has begun."""
    pause = 0.0
    while time.monotonic() < until:
        _, writer = await asyncio.open_connection(*address)
        writer.write(beats(512, "resnet-explain" if pause > 1 else "kaggle-explain"))
        await writer.drain()
        await asyncio.sleep(pause % 0.05)
        vanish(writer)
        pause += 0.007


async def closing_halves(address, until):
    """Ends its half of the connection within the body, and reads on."""
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection(*address)
        whole = beats(4)
        writer.write(whole[: len(whole) - 100])
        writer.write_eof()
        rest = await asyncio.wait_for(reader.read(), PATIENCE)
        assert not rest or rest.startswith(b"HTTP/1.1 400"), rest[:200]
        writer.close()
        await asyncio.sleep(0.1)


async def noise(address, until):
    """What is no HTTP is refused, and ends nothing."""
    for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET /" + b"a" * 100_000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100), b"P" * 3, b"\r\n" * 100):
        reader, writer = await asyncio.open_connection(*address)
        writer.write(garbage)
        try:
            await asyncio.wait_for(reader.read(), 1)
        except (TimeoutError, ConnectionError):
            pass
        vanish(writer)


async def good(address, until, counts):
    """Asks on one connection, as clients do, and is answered each time."""
    reader, writer = await asyncio.open_connection(*address)
    question = beats(3)
    while time.monotonic() < until:
        writer.write(question)
        started = time.monotonic()
        status, _, body = await asyncio.wait_for(answer(reader), PATIENCE)
        assert status == 200 and b"probabilities" in body, (status, body)
        counts.append(time.monotonic() - started)
        await asyncio.sleep(0.01)
    writer.close()


async def hostile(address, seconds=4.0, idle=300):
    until, served = time.monotonic() + float(seconds), []
    waiting = [await asyncio.open_connection(*address) for _ in range(int(idle))]
    bad = [kind(address, until) for kind in (slow_heads, half_bodies) for _ in range(20)]
    bad += [kind(address, until) for kind in (vanishing, closing_halves) for _ in range(3)]
    bad.append(noise(address, until))
    await asyncio.gather(*bad, *(good(address, until, served) for _ in range(4)))
    seen = await gauge(address, "connections")
    assert seen >= int(idle), f"{seen} connections"
    for _, writer in waiting:
        writer.close()
    # Nothing of them stays: no connection but the one that asks, no row that waits.
    await settles(address, "connections", 1)
    await settles(address, "queue_rows", 0)
    served.sort()
    print(f"{len(served)} requests served beside {idle} idle and {len(bad)} bad clients, half within {served[len(served) // 2] * 1e3:.1f} ms, 99 % within {served[len(served) * 99 // 100] * 1e3:.1f} ms, the slowest {served[-1] * 1e3:.0f} ms")
    assert len(served) > 4, "nobody was served"


async def pressing(address, until, counts):
    """Asks again at once, whatever it is told, so that the queue is always full."""
    reader, writer = await asyncio.open_connection(*address)
    question = beats(32, "kaggle-explain")
    while time.monotonic() < until:
        writer.write(question)
        status, headers, body = await asyncio.wait_for(answer(reader), PATIENCE)
        counts[status] = counts.get(status, 0) + 1
        if status == 503:
            assert headers["retry-after"] == "1" and "error" in json.loads(body), (headers, body)
        else:
            assert status == 200, (status, body)
    writer.close()


async def watching(address, until, times):
    """Health checks on connections of their own, as those of a load balancer."""
    while time.monotonic() < until:
        for path in ("/v2/health/live", "/v2/health/ready"):
            started = time.monotonic()
            status, _, _ = await once(address, message(path))
            times.append(time.monotonic() - started)
            assert status == 200, f"{path}: {status}"
        await asyncio.sleep(0.02)


async def full(address, seconds=3.0, clients=100):
    until, counts, times = time.monotonic() + float(seconds), {}, []
    many = (pressing(address, until, counts) for _ in range(int(clients)))
    await asyncio.gather(watching(address, until, times), *many)
    ended = time.monotonic()
    while (await once(address, beats(1)))[0] != 200:
        assert time.monotonic() < ended + PATIENCE, "it does not recover"
        await asyncio.sleep(0.01)
    recovered = time.monotonic() - ended
    print(f"{counts.get(200, 0)} answered, {counts.get(503, 0)} shed; {len(times)} health checks, the slowest {max(times) * 1e3:.0f} ms; as ever {recovered * 1e3:.0f} ms after")
    assert counts.get(200, 0) > 0 and counts.get(503, 0) > 0, counts
    await settles(address, "queue_rows", 0)


async def working(address, sent, answered):
    """Asks until the server is gone; `sent` holds when the last question was."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        while True:
            writer.write(beats(16, "kaggle-explain"))
            await writer.drain()
            sent.append(time.monotonic())
            status, headers, _ = await asyncio.wait_for(answer(reader), PATIENCE)
            answered.append((time.monotonic(), status))
            if headers.get("connection") == "close":
                return
    finally:
        writer.close()


async def end(address, pid):
    idle = [await asyncio.open_connection(*address) for _ in range(5)]
    reader, writer = await asyncio.open_connection(*address)
    writer.write(message("/v2/health/live"))
    await answer(reader)
    work = [([], []) for _ in range(16)]
    tasks = [asyncio.create_task(working(address, *w)) for w in work]
    await asyncio.sleep(1)
    os.kill(int(pid), signal.SIGTERM)
    asked = time.monotonic()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for (sent, answered), outcome in zip(work, outcomes):
        # A question that has met a closed connection was not accepted; one that was
        # sent before the signal has been.
        assert outcome is None or isinstance(outcome, (Gone, ConnectionError)), outcome
        before = sum(t < asked for t in sent)
        assert len(answered) >= before, f"{before} were sent before, {len(answered)} answered"
        assert all(status in (200, 503) for _, status in answered), answered
        assert all(status == 200 for _, status in answered[:before]), answered
    # Connections that ask for nothing are closed, too, and keep nobody waiting.
    for other, _ in [*idle, (reader, writer)]:
        assert await asyncio.wait_for(other.read(), 5) == b""
    refused = False
    try:
        await once(address, message("/v2/health/live"))
    except (ConnectionError, Gone):
        refused = True
    assert refused, "it still listens"
    print(f"{sum(len(a) for _, a in work)} answered, the last {max(a[-1][0] for _, a in work) - asked:.2f} s after the signal, all closed {time.monotonic() - asked:.2f} s after")


def main():
    case, address, *rest = sys.argv[1:]
    host, port = address.rsplit(":", 1)
    cases = {"hostile": hostile, "full": full, "end": end}
    asyncio.run(cases[case]((host, int(port)), *rest))


main()
