"""A client that sends exactly what it is told: HTTP/1.x by hand, HTTP/2 by h2, PROXY v1, TLS with SNI and ALPN."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import replace

from ..lazy_dataclass import dataclass
from ..model.address import parse_address
from ..model.request import Request

TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client saw; ``error`` is null, ``closed``, ``refused``, ``timeout``, ``body-cut``, ``tls:...``."""

    status: int | None
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    trailers: tuple[tuple[str, str], ...] = ()
    error: str | None = None
    port: int = 0
    """The client's own port: log lines name it."""


def send(request: Request, host: str, port: int, *, timeout: float = TIMEOUT_SECONDS) -> Answer:
    """Send ``request`` on a connection of its own to ``host:port`` and read one answer."""
    source = request.connection.source
    bind = (parse_address(source).ip, 0) if source and parse_address(source).ip.startswith("127.") else None
    try:
        sock: socket.socket = socket.create_connection((host, port), timeout, source_address=bind)
    except OSError:
        return Answer(None, error="refused")
    with sock:
        own = int(sock.getsockname()[1])
        try:
            return replace(_talk(request, sock), port=own)
        except TimeoutError:
            return Answer(None, error="timeout", port=own)
        except ssl.SSLError as error:
            return Answer(None, error=f"tls:{error.reason}", port=own)
        except OSError:
            return Answer(None, error="closed", port=own)


def _talk(request: Request, sock: socket.socket) -> Answer:
    proxy = request.connection.proxy_protocol
    if proxy is not None:
        source, destination = parse_address(proxy.source), parse_address(proxy.destination)
        family = "TCP6" if ":" in source.ip else "TCP4"
        line = f"PROXY {family} {source.ip} {destination.ip} {source.port} {destination.port}\r\n"
        sock.sendall(line.encode())
    tls = request.connection.tls
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if tls.alpn:
            context.set_alpn_protocols(list(tls.alpn))
        sock = context.wrap_socket(sock, server_hostname=tls.server_name or None)
    agreed = sock.selected_alpn_protocol() if isinstance(sock, ssl.SSLSocket) else None
    if agreed == "h2" or (agreed is None and request.connection.protocol == "HTTP/2"):
        return _send_h2(request, sock)
    return _send_h1(request, sock)


def _send_h1(request: Request, sock: socket.socket) -> Answer:
    version = "HTTP/1.0" if request.connection.protocol == "HTTP/1.0" else "HTTP/1.1"
    target = request.authority if request.method == "CONNECT" and not request.path else request.path
    lines = [f"{request.method} {target} {version}"]
    if request.authority is not None:
        lines.append(f"host: {request.authority}")
    lines += [f"{n}: {v}" for n, v in request.headers]
    names = {n.lower() for n, _ in request.headers}
    body = request.body.encode()
    if body and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"content-length: {len(body)}")
    sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)
    return _read_h1(sock, request.method)


def _read_h1(sock: socket.socket, method: str) -> Answer:
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            part = sock.recv(65536)
            if not part:
                return Answer(None, error="closed")
            data += part
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        if status != 100:
            break
    headers = tuple((n.lower(), v.strip()) for n, _, v in (line.partition(":") for line in lines))
    if method == "HEAD" or status in (101, 204, 304) or (method == "CONNECT" and status == 200):
        return Answer(status, headers)
    try:
        body, trailers, cut = _read_h1_body(sock, data, dict(headers))
    except TimeoutError:
        return Answer(status, headers, data.decode("latin-1"), error="timeout")
    except OSError:
        return Answer(status, headers, data.decode("latin-1"), error="body-cut")
    return Answer(status, headers, body.decode("utf-8", "replace"), trailers, "body-cut" if cut else None)


def _read_h1_body(
    sock: socket.socket, data: bytes, headers: dict[str, str]
) -> tuple[bytes, tuple[tuple[str, str], ...], bool]:
    if "chunked" in headers.get("transfer-encoding", ""):
        body = b""
        while True:
            while b"\r\n" not in data:
                part = sock.recv(65536)
                if not part:
                    return body, (), True
                data += part
            size, _, data = data.partition(b"\r\n")
            length = int(size, 16)
            if length == 0:
                while not (data.startswith(b"\r\n") or b"\r\n\r\n" in data):
                    part = sock.recv(65536)
                    if not part:
                        return body, (), True
                    data += part
                lines = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
                return body, tuple((n.lower(), v.strip()) for n, c, v in (x.partition(":") for x in lines) if c), False
            while len(data) < length + 2:
                part = sock.recv(65536)
                if not part:
                    return body + data, (), True
                data += part
            body, data = body + data[:length], data[length + 2 :]
    if "content-length" in headers:
        while len(data) < int(headers["content-length"]):
            part = sock.recv(65536)
            if not part:
                return data, (), True
            data += part
        return data, (), False
    while part := sock.recv(65536):
        data += part
    return data, (), False


def _send_h2(request: Request, sock: socket.socket) -> Answer:
    import h2.config
    import h2.connection
    import h2.events

    config = h2.config.H2Configuration(
        client_side=True,
        header_encoding="utf-8",
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        validate_inbound_headers=False,
    )
    connection = h2.connection.H2Connection(config=config)
    connection.initiate_connection()
    scheme = request.scheme or ("https" if request.connection.tls is not None else "http")
    headers = [(":method", request.method)]
    if not (request.method == "CONNECT" and not request.path):
        headers += [(":scheme", scheme), (":path", request.path)]
    if request.authority is not None:
        headers.append((":authority", request.authority))
    headers += [(n.lower(), v) for n, v in request.headers]
    connection.send_headers(1, headers, end_stream=not request.body)
    if request.body:
        connection.send_data(1, request.body.encode(), end_stream=True)
    sock.sendall(connection.data_to_send())
    status: int | None = None
    answer_headers: tuple[tuple[str, str], ...] = ()
    trailers: tuple[tuple[str, str], ...] = ()
    body = bytearray()

    def so_far(error: str | None) -> Answer:
        return Answer(status, answer_headers, body.decode("utf-8", "replace"), trailers, error)

    while True:
        try:
            data = sock.recv(65536)
        except TimeoutError:
            return so_far("timeout")
        if not data:
            return so_far("closed" if status is None else "body-cut")
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                pairs = [(str(n), str(v)) for n, v in event.headers or ()]
                status = int(dict(pairs)[":status"])
                answer_headers = tuple(p for p in pairs if not p[0].startswith(":"))
            elif isinstance(event, h2.events.DataReceived):
                body.extend(event.data or b"")
                connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 1)
            elif isinstance(event, h2.events.TrailersReceived):
                trailers = tuple((str(n), str(v)) for n, v in event.headers or ())
            elif isinstance(event, h2.events.StreamReset):
                return so_far(f"h2-reset:{int(event.error_code or 0)}")
            elif isinstance(event, h2.events.StreamEnded):
                return so_far(None)
            elif isinstance(event, h2.events.ConnectionTerminated) and status is None:
                return so_far("closed")
        with contextlib.suppress(OSError):
            sock.sendall(connection.data_to_send())
