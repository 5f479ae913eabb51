"""A client that sends exactly what it is told: HTTP/1.x by hand, HTTP/2 by h2, PROXY v1, TLS with SNI and ALPN."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from dataclasses import field, replace
from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..model.address import parse_address
from ..model.request import Request

if TYPE_CHECKING:
    from h2.connection import H2Connection

TIMEOUT_SECONDS = 2.0
FRAME_HEAD, GOAWAY = 9, 7
"""HTTP/2: bytes before a frame's payload, and a type of frame."""


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


@dataclass(slots=True)
class _Channel:
    """An open connection, and how far HTTP/2 has come on it."""

    sock: socket.socket
    port: int
    http2: H2Connection | None = None
    ended: bool = False
    going_away: int | None = None
    """The code of a GOAWAY."""
    _unread: bytes = b""

    def usable(self) -> bool:
        """Tell whether another request may be sent: an HTTP/1 server says nothing unasked but that it leaves."""
        if self.http2 is None:
            return not select.select([self.sock], [], [], 0)[0]
        while not self.ended and select.select([self.sock], [], [], 0)[0]:
            self.events()
        return not self.ended and self.going_away is None

    def events(self) -> list[object]:
        """Read frames, answer what the protocol asks for, and return h2's events."""
        assert self.http2 is not None
        data = self.sock.recv(65536)
        self.ended = not data
        found: list[object] = list(self.http2.receive_data(self._without_goaway(data)))
        with contextlib.suppress(OSError):
            self.sock.sendall(self.http2.data_to_send())
        return found

    def _without_goaway(self, data: bytes) -> bytes:
        """Take GOAWAY frames out: h2 reads nothing after one, but open streams are still answered."""
        data, kept = self._unread + data, b""
        while len(data) >= FRAME_HEAD:
            size = FRAME_HEAD + int.from_bytes(data[:3], "big")
            if len(data) < size:
                break
            frame, data = data[:size], data[size:]
            if frame[3] == GOAWAY:
                self.going_away = int.from_bytes(frame[FRAME_HEAD + 4 : FRAME_HEAD + 8], "big")
            else:
                kept += frame
        self._unread = data
        return kept


@dataclass(slots=True)
class Client:
    """Sends requests, each on a connection of its own but for those that share one by name (``connection.reuse``)."""

    timeout: float = TIMEOUT_SECONDS
    _kept: dict[str, _Channel] = field(default_factory=dict)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        for channel in self._kept.values():
            channel.sock.close()

    def send(self, request: Request, host: str, port: int) -> Answer:
        """Send ``request`` to ``host:port`` and read one answer."""
        channel = self._kept.pop(request.connection.reuse or "", None)
        if channel is not None and not channel.usable():
            channel.sock.close()
            channel = None
        own, answer = channel.port if channel is not None else 0, Answer(None, error="refused")
        try:
            if channel is None:
                sock = _connect(request, host, port, self.timeout)
                own = int(sock.getsockname()[1])
                channel = _open(request, sock, own)
            answer = _send_h1(request, channel.sock) if channel.http2 is None else _send_h2(request, channel)
        except TimeoutError:
            answer = Answer(None, error="timeout")
        except ssl.SSLError as error:
            answer = Answer(None, error=f"tls:{error.reason}")
        except OSError:
            answer = Answer(None, error="closed" if own else "refused")
        if channel is not None:
            self._keep_or_close(channel, request, answer)
        return replace(answer, port=own)

    def _keep_or_close(self, channel: _Channel, request: Request, answer: Answer) -> None:
        name = request.connection.reuse
        if name is not None and _outlives(channel, request, answer):
            self._kept[name] = channel
        else:
            channel.sock.close()


def _outlives(channel: _Channel, request: Request, answer: Answer) -> bool:
    if channel.http2 is not None:
        return channel.going_away is None and (answer.error is None or answer.error.startswith("h2-reset"))
    said = {
        token.strip().lower() for name, value in answer.headers if name == "connection" for token in value.split(",")
    }
    tunnel = answer.status == 101 or (request.method == "CONNECT" and answer.status == 200)
    lasts = request.connection.protocol != "HTTP/1.0" or "keep-alive" in said
    return answer.error is None and "close" not in said and lasts and not tunnel


def _connect(request: Request, host: str, port: int, timeout: float) -> socket.socket:
    source = request.connection.source
    bind = (parse_address(source).ip, 0) if source and parse_address(source).ip.startswith("127.") else None
    return socket.create_connection((host, port), timeout, source_address=bind)


def _open(request: Request, sock: socket.socket, port: int) -> _Channel:
    """Say what comes before the request: the PROXY header, the TLS hello, HTTP/2's preface."""
    try:
        sock = _greet(request, sock)
    except BaseException:
        sock.close()
        raise
    agreed = sock.selected_alpn_protocol() if isinstance(sock, ssl.SSLSocket) else None
    if agreed == "h2" or (agreed is None and request.connection.protocol == "HTTP/2"):
        return _Channel(sock, port, _http2())
    return _Channel(sock, port)


def _greet(request: Request, sock: socket.socket) -> socket.socket:
    proxy = request.connection.proxy_protocol
    if proxy is not None:
        source, destination = parse_address(proxy.source), parse_address(proxy.destination)
        family = "TCP6" if ":" in source.ip else "TCP4"
        line = f"PROXY {family} {source.ip} {destination.ip} {source.port} {destination.port}\r\n"
        sock.sendall(line.encode())
    tls = request.connection.tls
    if tls is None:
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if tls.alpn:
        context.set_alpn_protocols(list(tls.alpn))
    return context.wrap_socket(sock, server_hostname=tls.server_name or None)


def _text(body: bytes) -> str:
    """A body as text; one that is not UTF-8 keeps its bytes as characters, as in a dump's ``inline_bytes``."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1")


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
    return Answer(status, headers, _text(bytes(body)), trailers, "body-cut" if cut else None)


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


def _http2() -> H2Connection:
    import h2.config
    import h2.connection

    config = h2.config.H2Configuration(
        client_side=True,
        header_encoding="utf-8",
        validate_outbound_headers=False,
        normalize_outbound_headers=False,
        validate_inbound_headers=False,
    )
    connection = h2.connection.H2Connection(config=config)
    connection.initiate_connection()
    return connection


def _send_h2(request: Request, channel: _Channel) -> Answer:
    import h2.events

    connection = channel.http2
    assert connection is not None
    stream = connection.get_next_available_stream_id()
    scheme = request.scheme or ("https" if request.connection.tls is not None else "http")
    headers = [(":method", request.method)]
    if not (request.method == "CONNECT" and not request.path):
        headers += [(":scheme", scheme), (":path", request.path)]
    if request.authority is not None:
        headers.append((":authority", request.authority))
    headers += [(n.lower(), v) for n, v in request.headers]
    connection.send_headers(stream, headers, end_stream=not request.body)
    if request.body:
        connection.send_data(stream, request.body.encode(), end_stream=True)
    channel.sock.sendall(connection.data_to_send())
    status: int | None = None
    answer_headers: tuple[tuple[str, str], ...] = ()
    trailers: tuple[tuple[str, str], ...] = ()
    body = bytearray()

    def so_far(error: str | None) -> Answer:
        return Answer(status, answer_headers, _text(bytes(body)), trailers, error)

    while True:
        try:
            events = channel.events()
        except TimeoutError:
            return so_far("timeout")
        if channel.ended or (channel.going_away and status is None):
            return so_far("closed" if status is None else "body-cut")
        for event in events:
            if getattr(event, "stream_id", stream) != stream:
                continue
            if isinstance(event, h2.events.ResponseReceived):
                pairs = [(str(n), str(v)) for n, v in event.headers or ()]
                status = int(dict(pairs)[":status"])
                answer_headers = tuple(p for p in pairs if not p[0].startswith(":"))
            elif isinstance(event, h2.events.DataReceived):
                body.extend(event.data or b"")
                connection.acknowledge_received_data(event.flow_controlled_length or 0, stream)
            elif isinstance(event, h2.events.TrailersReceived):
                trailers = tuple((str(n), str(v)) for n, v in event.headers or ())
            elif isinstance(event, h2.events.StreamReset):
                return so_far(f"h2-reset:{int(event.error_code or 0)}")
            elif isinstance(event, h2.events.StreamEnded):
                return so_far(None)
