#!/usr/bin/env bash
# With its default parser, uvicorn loses the body of a request that offers to change to HTTP/2, and answers it all the same.
#
# Seen with uvicorn 0.54.0: JDK's default HttpClient and `curl --http2` send `Connection: Upgrade, HTTP2-Settings` and
# `Upgrade: h2c` with each POST. A server may ignore the offer (RFC 9110, 7.8); the body belongs to the request. With
# httptools 0.9.0 the application reads an empty body, with h11 0.16.0 the whole one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
uv=${UV:-uv}
"$uv" --directory "$work" venv -q --python 3.11 "$work/venv"
"$uv" --directory "$work" pip install -q --python "$work/venv/bin/python" "uvicorn==0.54.0" "httptools==0.9.0" "h11==0.16.0"
cd "$work"
cat > surprise.py <<'PYTHON'
import json
import socket
import sys
import threading
import time
from importlib.metadata import version

import uvicorn

REQUEST = (
    b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
)


async def application(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    said = json.dumps({"read": body.decode()}).encode()
    headers = [(b"content-length", str(len(said)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


def ask(parser):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application, http=parser, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        with socket.create_connection(listener.getsockname(), timeout=10) as client:
            client.sendall(REQUEST)
            answer = b""
            while piece := client.recv(4096):
                answer += piece
        server.should_exit = True
        thread.join()
    return answer.partition(b"\r\n")[0].decode(), json.loads(answer.rpartition(b"\r\n")[2])["read"]


found = {parser: ask(parser) for parser in ("httptools", "h11")}
for parser, (status, body) in found.items():
    print(f"uvicorn {version('uvicorn')}, {parser} {version(parser)}: {status}, body read: {body!r}")
sys.exit(found["httptools"] != ("HTTP/1.1 200 OK", "") or found["h11"] != ("HTTP/1.1 200 OK", "hello"))
PYTHON
"$work/venv/bin/python" surprise.py
