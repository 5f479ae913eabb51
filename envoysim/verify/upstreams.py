"""Scripted upstreams on loopback: they do what the contract's behaviours say and remember what they saw."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..model.behaviour import PLAIN_REPLY, Behaviour, Upstream

if TYPE_CHECKING:
    from h2.connection import H2Connection

ECHO_BODY = "<echo>"
ECHO_TEXT = b'{"echo": "what a scripted upstream answers when nothing else is asked of it, %s"}' % (b"and on " * 60)
"""Longer than what compressors leave alone: the simulation takes the default body as long enough."""
"""Long enough to be worth compressing, as a description of a request is."""
HANG_SECONDS = 30.0
CANCEL = 8
"""The HTTP/2 error code of a stream that is given up."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One request as an upstream received it; ``headers`` lower case, in order, with ``host``/pseudo-headers."""

    endpoint: str
    protocol: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def authority(self) -> str | None:
        """The Host or :authority that arrived."""
        return next((v for n, v in self.headers if n in (":authority", "host")), None)


@dataclass(slots=True)
class _Script:
    """Which behaviour comes next: the request's own by attempt, else the endpoint's standing ones in turn."""

    standing: Mapping[str, Upstream]
    by_attempt: Sequence[Behaviour] = ()
    by_endpoint: Mapping[str, Sequence[Behaviour]] = field(default_factory=dict)
    attempt: int = 0
    turns: dict[str, int] = field(default_factory=dict)

    def next(self, endpoint: str, *, aside: bool) -> Behaviour:
        if self.by_attempt and not aside:
            behaviour = self.by_attempt[min(self.attempt, len(self.by_attempt) - 1)]
            self.attempt += 1
            return behaviour
        own = None if aside else self.by_endpoint.get(endpoint)
        behaviours = own if own else self.standing.get(endpoint, Upstream()).behaviours
        if not behaviours:
            return PLAIN_REPLY
        turn = self.turns.get(endpoint, 0)
        self.turns[endpoint] = turn + 1
        return behaviours[turn % len(behaviours)]


class ScriptedUpstreams:
    """Listens on one loopback port per endpoint; a context manager that leaves no thread or socket behind."""

    def __init__(
        self,
        endpoints: Iterable[str],
        standing: Mapping[str, Upstream] | None = None,
        tls: Mapping[str, ssl.SSLContext] | None = None,
        aside: Container[str] = (),
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._script = _Script(standing or {})
        self._tls = tls or {}
        self._aside = aside
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()
        self.sightings: list[Sighting] = []

    def __enter__(self) -> ScriptedUpstreams:
        for endpoint in self._endpoints:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            host, _, port = endpoint.rpartition(":")
            listener.bind((host, int(port)))
            listener.listen(64)
            self._listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener, endpoint), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for sock in (*self._listeners, *list(self._open)):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def script(self, request_upstream: Sequence[Behaviour], by_endpoint: Mapping[str, Sequence[Behaviour]]) -> None:
        """Set the next request's behaviours and forget earlier sightings."""
        with self._lock:
            self._script.by_attempt, self._script.by_endpoint = request_upstream, by_endpoint
            self._script.attempt = 0
            self.sightings.clear()

    def next_behaviour(self, sighting: Sighting) -> Behaviour:
        """Remember ``sighting`` and say what to do with it."""
        with self._lock:
            self.sightings.append(sighting)
            return self._script.next(sighting.endpoint, aside=sighting.endpoint in self._aside)

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond the end."""
        self._ended.wait(seconds)

    def _accept(self, listener: socket.socket, endpoint: str) -> None:
        while not self._ended.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a body must not wait for its head's ACK
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock, endpoint), daemon=True).start()

    def _serve(self, sock: socket.socket, endpoint: str) -> None:
        try:
            context = self._tls.get(endpoint)
            connection = context.wrap_socket(sock, server_side=True) if context is not None else sock
            first = _peek(connection) if context is None else b""
            if isinstance(connection, ssl.SSLSocket):
                is_h2 = connection.selected_alpn_protocol() == "h2"
            else:
                is_h2 = first.startswith(b"PRI")
            if first[:1] == b"\x16":
                connection.recv(65536)  # unread bytes would turn the end into a reset
                return  # a TLS hello at a plaintext endpoint: closed
            serve = serve_h2 if is_h2 else serve_h1
            serve(self, connection, endpoint)
        except (OSError, ValueError, _Ended):
            pass
        finally:
            self._open.discard(sock)
            with contextlib.suppress(OSError):
                sock.close()


class _Ended(Exception):
    """The connection is over by the script's will."""


def _peek(sock: socket.socket) -> bytes:
    return sock.recv(3, socket.MSG_PEEK)


def reset(sock: socket.socket) -> None:
    """Close with RST."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
    raise _Ended


def serve_h1(upstreams: ScriptedUpstreams, sock: socket.socket, endpoint: str) -> None:
    """Serve HTTP/1.1 requests one after another until the peer or a behaviour ends the connection."""
    buffer = b""
    while True:
        head, buffer = _read_until(sock, buffer, b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = line.split(" ", 2)
        headers = tuple((n.strip().lower(), v.strip()) for n, _, v in (text.partition(":") for text in lines if text))
        body, buffer = _read_body(sock, buffer, dict(headers))
        sighting = Sighting(endpoint, "HTTP/1.1", method, path, headers, body.decode("latin-1"))
        behaviour = upstreams.next_behaviour(sighting)
        upstreams.wait(behaviour.delay_ms / 1000)
        _answer_h1(upstreams, sock, behaviour, method)


def _read_until(sock: socket.socket, buffer: bytes, mark: bytes) -> tuple[bytes, bytes]:
    while mark not in buffer:
        data = sock.recv(65536)
        if not data:
            raise _Ended
        buffer += data
    head, _, rest = buffer.partition(mark)
    return head, rest


def _read_body(sock: socket.socket, buffer: bytes, headers: Mapping[str, str]) -> tuple[bytes, bytes]:
    if "chunked" in headers.get("transfer-encoding", ""):
        body = b""
        while True:
            size, buffer = _read_until(sock, buffer, b"\r\n")
            length = int(size.split(b";")[0], 16)
            if length == 0:
                while True:
                    line, buffer = _read_until(sock, buffer, b"\r\n")
                    if not line:
                        return body, buffer
            while len(buffer) < length + 2:
                buffer += sock.recv(65536)
            body, buffer = body + buffer[:length], buffer[length + 2 :]
    length = int(headers.get("content-length", "0"))
    while len(buffer) < length:
        data = sock.recv(65536)
        if not data:
            raise _Ended
        buffer += data
    return buffer[:length], buffer[length:]


def answer_headers(behaviour: Behaviour) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return status, headers and body of a reply; ``grpc_status`` is a trailers-only answer."""
    body = ECHO_TEXT if behaviour.body == ECHO_BODY else behaviour.body.encode()
    headers = [*behaviour.headers]
    if behaviour.grpc_status is not None:
        headers += [("content-type", "application/grpc"), ("grpc-status", str(behaviour.grpc_status))]
        return behaviour.status, headers, b""
    return behaviour.status, headers, body


def _answer_h1(upstreams: ScriptedUpstreams, sock: socket.socket, behaviour: Behaviour, method: str) -> None:
    action = behaviour.action
    if action == "reset":
        reset(sock)
    if action == "close":
        raise _Ended
    if action == "hang":
        upstreams.wait(HANG_SECONDS)
        raise _Ended
    if action == "garbage":
        sock.sendall(b"this is not http\r\n\r\n")
        raise _Ended
    status, headers, body = answer_headers(behaviour)
    names = {n.lower() for n, _ in headers}
    lines = [f"HTTP/1.1 {status} X", *(f"{n}: {v}" for n, v in headers)]
    bodiless = status in (204, 304) or 100 <= status < 200
    chunked = bool(behaviour.trailers) and not bodiless
    if chunked:
        lines.append("transfer-encoding: chunked")
    elif "content-length" not in names and not bodiless:
        extra = 10 if action in ("partial", "stall") else 0
        lines.append(f"content-length: {len(body) + extra}")
    sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    if action == "stall" and method != "HEAD" and not bodiless:
        upstreams.wait(HANG_SECONDS)
        raise _Ended
    if method != "HEAD" and not bodiless:
        if chunked:
            chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n" if body else b""
            tail = "".join(f"{n}: {v}\r\n" for n, v in behaviour.trailers)
            sock.sendall(chunk + b"0\r\n" + tail.encode("latin-1") + b"\r\n")
        else:
            sock.sendall(body)
    if action == "partial":
        raise _Ended


def serve_h2(upstreams: ScriptedUpstreams, sock: socket.socket, endpoint: str) -> None:
    """Serve HTTP/2 requests; each is answered when it is whole, CONNECT (it stays open) by its headers."""
    import h2.config
    import h2.connection
    import h2.events

    config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8", validate_inbound_headers=False)
    connection: H2Connection = h2.connection.H2Connection(config=config)
    connection.initiate_connection()
    sock.sendall(connection.data_to_send())
    answers = _H2Answers(upstreams, sock, connection)
    requests: dict[int, tuple[list[tuple[str, str]], bytearray]] = {}
    while data := sock.recv(65536):
        with answers.lock:
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived) and event.stream_id is not None:
                    headers = [(str(n), str(v)) for n, v in event.headers or ()]
                    if (":method", "CONNECT") in headers:
                        answers.answer(event.stream_id, _h2_sighting(endpoint, headers, b""))
                    else:
                        requests[event.stream_id] = (headers, bytearray())
                elif isinstance(event, h2.events.DataReceived) and event.stream_id in requests:
                    requests[event.stream_id][1].extend(event.data or b"")
                    connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
                elif isinstance(event, h2.events.StreamReset) and event.stream_id is not None:
                    requests.pop(event.stream_id, None)
                    answers.gone.add(event.stream_id)
                ended = isinstance(event, h2.events.StreamEnded)
                if ended and (stream := getattr(event, "stream_id", None)) in requests:
                    headers, body = requests.pop(stream)
                    answers.answer(stream, _h2_sighting(endpoint, headers, bytes(body)))
            sock.sendall(connection.data_to_send())


def _h2_sighting(endpoint: str, headers: list[tuple[str, str]], body: bytes) -> Sighting:
    pseudo = dict(h for h in headers if h[0].startswith(":"))
    method, path = pseudo.get(":method", ""), pseudo.get(":path", "")
    return Sighting(endpoint, "HTTP/2", method, path, tuple(headers), body.decode("latin-1"))


@dataclass(slots=True)
class _H2Answers:
    """Answers the streams of one connection; one that is delayed holds up no other."""

    upstreams: ScriptedUpstreams
    sock: socket.socket
    connection: H2Connection
    lock: threading.Lock = field(default_factory=threading.Lock)
    gone: set[int] = field(default_factory=set)
    """Streams the proxy has reset."""

    def answer(self, stream: int, sighting: Sighting) -> None:
        behaviour = self.upstreams.next_behaviour(sighting)
        if behaviour.delay_ms:
            threading.Thread(target=self._later, args=(stream, sighting, behaviour), daemon=True).start()
        else:
            self._act(stream, sighting, behaviour)

    def _later(self, stream: int, sighting: Sighting, behaviour: Behaviour) -> None:
        self.upstreams.wait(behaviour.delay_ms / 1000)
        with self.lock, contextlib.suppress(OSError, _Ended):
            if stream in self.gone:
                return
            try:
                self._act(stream, sighting, behaviour)
            except _Ended:
                self.sock.shutdown(socket.SHUT_RDWR)

    def _act(self, stream: int, sighting: Sighting, behaviour: Behaviour) -> None:
        action, connection, sock = behaviour.action, self.connection, self.sock
        if action == "reset":
            reset(sock)
        if action == "close":
            raise _Ended
        if action == "garbage":
            sock.sendall(b"garbage")  # less than a frame's head: what counts is the end of the connection
            raise _Ended
        if action == "hang":
            return
        if action == "h2_reset":
            connection.reset_stream(stream, behaviour.reset_code)
        else:
            self._reply(stream, sighting.method, behaviour)
        sock.sendall(connection.data_to_send())

    def _reply(self, stream: int, method: str, behaviour: Behaviour) -> None:
        action, connection = behaviour.action, self.connection
        status, answer, content = answer_headers(behaviour)
        sent = [(":status", str(status)), *((n.lower(), v) for n, v in answer)]
        bodiless = method == "HEAD" or status in (204, 304)
        head_only = bodiless or (not content and not behaviour.trailers)
        ends = head_only and action not in ("partial", "stall") and status >= 200  # what informs never ends a stream
        connection.send_headers(stream, sent, end_stream=ends)
        if not head_only and action != "stall":
            connection.send_data(stream, content, end_stream=action != "partial" and not behaviour.trailers)
            if behaviour.trailers:
                connection.send_headers(stream, list(behaviour.trailers), end_stream=True)
        if action == "partial":
            connection.reset_stream(stream, CANCEL)
