"""Stateful sessions (``source/extensions/filters/http/stateful_session``, ``source/extensions/http/stateful_session``).

A cookie or header carries the address of the host that answered; the next request asks for that host.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ...lazy_dataclass import dataclass
from ...match.cookie_matcher import parse_cookies
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg, any_type, unpack
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

PREFIX: Final = "envoy.extensions.filters.http.stateful_session.v3."
STATES: Final = "envoy.extensions.http.stateful_session."
OVERRIDE_HOST: Final = "override_host"
"""``Stream.facts`` key: the ``OverrideHost`` a request asks for."""


class OverrideHost(NamedTuple):
    """A host asked for by address; with ``strict`` no other will do, and the answer is ``status``."""

    address: str
    strict: bool
    status: int


class SessionState(Protocol):
    """Where the address is kept between requests."""

    def read(self, headers: HeaderMap) -> str | None:
        """Return the address a request carries, "" for none, ``None`` where the request has no part in sessions."""

    def write(self, headers: HeaderMap, address: str, asked: str) -> None:
        """Put the address of the host that answered into a response; ``asked`` is the one the request carried."""


@dataclass(frozen=True, slots=True)
class CookieState:
    """``CookieBasedSessionState``: a serialized message in base64."""

    name: str
    path: str
    ttl_s: int
    attributes: tuple[tuple[str, str], ...]

    def read(self, headers: HeaderMap) -> str | None:
        """Look at the cookie, on paths below the cookie's."""
        if not self._covers(headers.get(":path") or ""):
            return None
        value = parse_cookies(headers).get(self.name)
        if not value:
            return ""
        data = _decode(value)
        address = parse_cookie(data)
        return data.decode("utf-8", "replace") if address is None else address

    def write(self, headers: HeaderMap, address: str, asked: str) -> None:
        """Set the cookie where the host is another; one that expires depends on the clock."""
        if address == asked:
            return
        data = bytes([10, len(address)]) + address.encode()
        value = "*" if self.ttl_s else base64.b64encode(data).decode()
        parts = [f'{self.name}="{value}"']
        if self.ttl_s:
            parts.append(f"Max-Age={self.ttl_s}")
        if self.path:
            parts.append(f"Path={self.path}")
        parts += [f"{name}={value}" if value else name for name, value in self.attributes]
        headers.add("set-cookie", "; ".join([*parts, "HttpOnly"]))

    def _covers(self, path: str) -> bool:
        own = self.path
        if own in ("", "/"):
            return True
        if not path.startswith(own):
            return False
        return own.endswith("/") or len(path) == len(own) or path[len(own)] in "/?#"


@dataclass(frozen=True, slots=True)
class HeaderState:
    """``HeaderBasedSessionState``: the address in base64."""

    name: str

    def read(self, headers: HeaderMap) -> str | None:
        """Look at the first line of the header."""
        value = headers.get(self.name)
        return _decode(value).decode("utf-8", "replace") if value else ""

    def write(self, headers: HeaderMap, address: str, asked: str) -> None:
        """Set the header where the host is another."""
        if address != asked:
            headers.replace(self.name, base64.b64encode(address.encode()).decode())


@dataclass(frozen=True, slots=True)
class EnvelopeState:
    """``EnvelopeSessionState``: the address in front of a header of the upstream's own."""

    name: str

    def read(self, headers: HeaderMap) -> str | None:
        """Take the envelope off."""
        value = headers.get(self.name)
        parts = [part for part in value.split(";") if part] if value else []
        if not parts:
            return ""
        inner = next((part[3:] for part in parts[1:] if part.startswith("UV:")), "")
        own = _decode(inner)
        if not own:
            return ""
        headers.replace(self.name, own.decode("utf-8", "replace"))
        return _decode(parts[0]).decode("utf-8", "replace")

    def write(self, headers: HeaderMap, address: str, asked: str) -> None:
        """Put what the upstream sent into an envelope."""
        values = headers.get_all(self.name)
        if len(values) == 1:
            first = base64.b64encode(address.encode()).decode()
            headers.replace(self.name, f"{first};UV:{base64.b64encode(values[0].encode()).decode()}")


@dataclass(frozen=True, slots=True)
class StatefulSession:
    """A compiled ``StatefulSession``, the filter's own or a route's; ``state`` is ``None`` where it is disabled."""

    ref: Ref
    key: str
    state: SessionState | None
    strict: bool
    status: int
    note: str = ""

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Ask for the host of the session."""
        session = overrides[-1] if overrides else self
        assert isinstance(session, StatefulSession)
        if session.note:
            stream.telling.note(session.ref, session.note)
        if session.state is None:
            return None
        address = session.state.read(stream.headers)
        if address is None:
            return None
        stream.facts[self.key] = (session.state, address)
        if address:
            stream.facts[OVERRIDE_HOST] = OverrideHost(address, session.strict, session.status)
            stream.telling.step("http filter", session.ref, "the session asks for host `{}`", address)
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Tell the client which host answered."""
        found = stream.facts.get(self.key)
        if isinstance(found, tuple) and stream.upstream_host is not None:
            state, asked = found
            state.write(response.headers, stream.upstream_host, asked)
        return None


def _decode(text: str) -> bytes:
    """Decode padded base64; nothing for what is not (``Base64::decode``)."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def parse_cookie(data: bytes) -> str | None:
    """Return the address in a serialized ``envoy.Cookie``; ``None`` for bytes that are no message."""
    address, position = "", 0
    while position < len(data):
        tag, position = _varint(data, position)
        length, kind = 0, tag & 7
        if kind == 0:
            _, position = _varint(data, position)
        elif kind == 2:
            length, position = _varint(data, position)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        if tag < 8 or kind in (3, 4, 6, 7) or position < 0 or position + length > len(data):
            return None
        if tag == 10:
            address = data[position : position + length].decode("utf-8", "replace")
        position += length
    return address


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while 0 <= position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    return 0, -(1 << 60)


def compile_stateful_session(msg: Msg, ref: Ref, proxy: Proxy) -> StatefulSession:
    """Compile ``StatefulSession``."""
    state, note = None, ""
    if msg.HasField("session_state"):
        state = _compile_state(msg.session_state)
        if state is None:
            note = f"session state `{msg.session_state.name}` is not modelled"
    status = getattr(msg, "status_on_strict_destination_not_found", 0)
    return StatefulSession(
        ref, f"stateful_session:{ref.source}{ref}", state, msg.strict, status if msg.strict and status else 503, note
    )


def _compile_state(config: Msg) -> SessionState | None:
    kind, msg = any_type(config.typed_config), unpack(config.typed_config)
    if msg is None:
        return None
    if kind == STATES + "cookie.v3.CookieBasedSessionState":
        cookie = msg.cookie
        attributes = tuple((a.name, a.value) for a in cookie.attributes)
        return CookieState(cookie.name, cookie.path, cookie.ttl.seconds, attributes)
    if kind == STATES + "header.v3.HeaderBasedSessionState":
        return HeaderState(msg.name.lower())
    if kind == STATES + "envelope.v3.EnvelopeSessionState":
        return EnvelopeState(msg.header.name.lower())
    return None


def compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> StatefulSession:
    """Compile ``StatefulSessionPerRoute``."""
    if msg.WhichOneof("override") == "disabled":
        return StatefulSession(ref, "", None, False, 503)
    return compile_stateful_session(msg.stateful_session, ref.at("stateful_session"), proxy)


MODULE: Final = FilterModule(
    PREFIX + "StatefulSession", compile_stateful_session, (PREFIX + "StatefulSessionPerRoute",), compile_per_route
)
