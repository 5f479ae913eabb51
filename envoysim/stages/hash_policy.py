"""Hash policies: the number that decides where a request goes under a hashing load balancer.

Follows ``source/common/http/hash_policy.cc`` and, for connections, ``source/common/network/hash_policy.cc``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.cookie_matcher import iterate_cookies
from ..match.query_parameter_matcher import parse_query
from ..match.regex import Regex, compile_regex
from ..model.headers import HeaderMap
from ..schema import Msg
from .xx_hash import xx_hash64

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .stream import DownstreamConnection, Stream

MASK: Final = 2**64 - 1
SET_COOKIES: Final = "set_cookies"
"""``Stream.facts``: cookies that the response sets because a hash policy made them."""


@dataclass(frozen=True, slots=True)
class HeaderHash:
    """All values of a header, sorted, rewritten where a regex says so."""

    name: str
    rewrite: Regex | None = None
    substitution: str = ""

    def evaluate(self, stream: Stream, *, generate: bool) -> int | None:
        """Hash the values one after another, each seeding the next."""
        values = stream.headers.get_all(self.name)
        if not values:
            return None
        if self.rewrite is not None:
            values = [self.rewrite.replace_all(value, self.substitution) for value in values]
        if len(values) == 1:
            return xx_hash64(values[0])
        seed = 0
        for value in sorted(values):
            seed = xx_hash64(value, seed)
        return seed


@dataclass(frozen=True, slots=True)
class CookieHash:
    """A cookie's value; made up from the connection's addresses where ``ttl_s`` allows it."""

    name: str
    path: str = ""
    ttl_s: int | None = None
    attributes: tuple[tuple[str, str], ...] = ()

    def evaluate(self, stream: Stream, *, generate: bool) -> int | None:
        """Hash the cookie the client sent, or make one that the response will set."""
        value = first_cookie(stream.headers, self.name)
        if value:
            return xx_hash64(value)
        if self.ttl_s is None or not generate:
            return None
        connection = stream.connection
        value = f"{xx_hash64(f'{connection.remote}{connection.local}'):016x}"
        cookies = stream.facts.setdefault(SET_COOKIES, [])
        assert isinstance(cookies, list)
        cookies.append(self._set_cookie(value))
        return xx_hash64(value)

    def _set_cookie(self, value: str) -> str:
        """Write the Set-Cookie value (``Utility::makeSetCookieValue``)."""
        parts = [f'{self.name}="{value}"']
        if self.ttl_s:
            parts.append(f"Max-Age={self.ttl_s}")
        if self.path:
            parts.append(f"Path={self.path}")
        parts += [f"{name}={text}" if text else name for name, text in self.attributes]
        parts.append("HttpOnly")
        return "; ".join(parts)


def first_cookie(headers: HeaderMap, name: str) -> str:
    """Return a cookie's first value, "" where it is missing (``Utility::parseCookieValue``)."""
    return next((value for key, value in iterate_cookies(headers) if key == name), "")


@dataclass(frozen=True, slots=True)
class SourceIpHash:
    """The client's address without its port."""

    def evaluate(self, stream: Stream, *, generate: bool) -> int | None:
        """Hash the downstream remote address, which the connection manager may have taken from XFF."""
        return xx_hash64(stream.remote.ip)


@dataclass(frozen=True, slots=True)
class QueryHash:
    """The first value of a query parameter, as it was sent."""

    name: str

    def evaluate(self, stream: Stream, *, generate: bool) -> int | None:
        """Hash it where the parameter is there, even empty."""
        value = parse_query(stream.headers.get(":path") or "").get(self.name)
        return None if value is None else xx_hash64(value)


@dataclass(frozen=True, slots=True)
class FilterStateHash:
    """A hashable object of the filter state."""

    key: str

    def evaluate(self, stream: Stream, *, generate: bool) -> int | None:
        """Hash a string; other objects have no hash."""
        value = stream.filter_state.get(self.key, stream.connection.filter_state.get(self.key))
        return xx_hash64(value) if isinstance(value, str) else None


Method = HeaderHash | CookieHash | SourceIpHash | QueryHash | FilterStateHash


@dataclass(frozen=True, slots=True)
class HashPolicies:
    """Compiled policies in order, each with its ``terminal`` flag. Falsy where there are none."""

    methods: tuple[tuple[Method, bool], ...]
    ref: Ref

    def __bool__(self) -> bool:
        return bool(self.methods)


def compile_hash_policies(msgs: Sequence[Msg], ref: Ref) -> HashPolicies:
    """Compile ``RouteAction.HashPolicy`` messages, or a TCP proxy's ``type.v3.HashPolicy``; ``ref`` is the list."""
    return HashPolicies(tuple(_compile(list(msgs))), ref)


def _compile(msgs: Sequence[Msg]) -> Iterator[tuple[Method, bool]]:
    for msg in msgs:
        kind = msg.WhichOneof("policy_specifier")
        terminal = bool(getattr(msg, "terminal", False))
        if kind == "header":
            header = msg.header
            regex = compile_regex(header.regex_rewrite.pattern.regex) if header.HasField("regex_rewrite") else None
            yield HeaderHash(header.header_name.lower(), regex, header.regex_rewrite.substitution), terminal
        elif kind == "cookie":
            cookie = msg.cookie
            ttl = int(cookie.ttl.seconds) if cookie.HasField("ttl") else None
            attributes = tuple((a.name, a.value) for a in cookie.attributes)
            yield CookieHash(cookie.name, cookie.path, ttl, attributes), terminal
        elif kind == "source_ip" or (kind == "connection_properties" and msg.connection_properties.source_ip):
            yield SourceIpHash(), terminal
        elif kind == "query_parameter":
            yield QueryHash(msg.query_parameter.name), terminal
        elif kind == "filter_state":
            yield FilterStateHash(msg.filter_state.key), terminal


def compute_hash(stream: Stream, policies: HashPolicies, *, generate_cookie: bool = False) -> int | None:
    """Combine what the policies yield (``HashPolicyImpl::generateHash``); ``None`` where none yields anything.

    ``generate_cookie`` lets a cookie policy make a cookie, as hashing load balancers do.
    """
    result: int | None = None
    for method, terminal in policies.methods:
        number = method.evaluate(stream, generate=generate_cookie)
        if number is not None:
            result = number if result is None else (((result << 1) | (result >> 63)) & MASK) ^ number
        if terminal and result is not None:
            break
    return result


def compute_connection_hash(connection: DownstreamConnection, policies: HashPolicies) -> int | None:
    """Return the hash of a proxied connection: its only policy counts."""
    for method, _ in policies.methods:
        if isinstance(method, SourceIpHash):
            return xx_hash64(connection.remote.ip)
        if isinstance(method, FilterStateHash):
            value = connection.filter_state.get(method.key)
            return xx_hash64(value) if isinstance(value, str) else None
    return None
