"""What a route asks of a request beside its path (``RouteEntryImplBase::matchRoute``).

All conditions have to pass: runtime fraction, gRPC, headers, query parameters, cookies, TLS context, dynamic
metadata, filter state. The fraction is asked last, because it may be a random choice and the others are not; the
number drawn is the stream's, so the order cannot be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..match.cookie_matcher import CookieMatcher, compile_cookie_matcher, parse_cookies
from ..match.filter_state_matcher import FilterStateMatcher, compile_filter_state_matcher
from ..match.header_matcher import HeaderMatcher, compile_header_matchers
from ..match.path_matcher import PathSpecifier, compile_path_specifier
from ..match.query_parameter_matcher import (
    QueryParameterMatcher,
    compile_query_parameter_matcher,
    parse_query,
)
from ..match.value_matcher import MetadataMatcher, compile_metadata_matcher
from ..model.headers import HeaderMap
from ..model.ref import Ref
from ..schema import Msg
from .grpc import is_grpc_request
from .runtime import RuntimeFraction, compile_runtime_fraction

if TYPE_CHECKING:
    from .stream import DownstreamConnection, Stream


@dataclass(frozen=True, slots=True)
class Asked:
    """What a stream looked like when its route was chosen, for telling later why others lost."""

    headers: HeaderMap
    metadata: dict[str, dict[str, object]]
    filter_state: dict[str, object]
    connection: DownstreamConnection


def remember(stream: Stream) -> Asked:
    """Copy what route matching reads."""
    metadata = {name: dict(value) for name, value in stream.metadata.items()}
    return Asked(stream.headers.copy(), metadata, dict(stream.filter_state), stream.connection)


@dataclass(frozen=True, slots=True)
class TlsContext:
    """Conditions on the client certificate; ``None`` where it does not matter."""

    presented: bool | None = None
    validated: bool | None = None

    def explain(self, stream: Stream | Asked) -> str:
        """Say why the connection's certificate state does not pass; "" if it does."""
        here = stream.connection.tls and stream.connection.peer_certificate is not None
        for word, wanted in (("presented", self.presented), ("validated", self.validated)):
            if wanted is not None and wanted != here:
                return f"a client certificate must {'' if wanted else 'not '}be {word}"
        return ""


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """A compiled ``RouteMatch``. ``unconditional`` is true where only the path counts."""

    ref: Ref
    path: PathSpecifier
    headers: tuple[HeaderMatcher, ...] = ()
    query_parameters: tuple[QueryParameterMatcher, ...] = ()
    cookies: tuple[CookieMatcher, ...] = ()
    grpc: bool = False
    tls_context: TlsContext | None = None
    dynamic_metadata: tuple[MetadataMatcher, ...] = ()
    filter_state: tuple[FilterStateMatcher, ...] = ()
    runtime_fraction: RuntimeFraction | None = None
    unconditional: bool = True
    only_headers: bool = False
    """No condition but the path and headers: the common case, decided without looking further."""
    note: str = ""

    def __str__(self) -> str:
        words = ["CONNECT" if self.path.kind == "connect_matcher" else f"the path is {self.path}"]
        words += [str(m) for m in (*self.headers, *self.query_parameters, *self.cookies)]
        words += ["gRPC"] if self.grpc else []
        words += [f"drawn for {self.runtime_fraction.default}"] if self.runtime_fraction is not None else []
        others = len(self.dynamic_metadata) + len(self.filter_state) + (self.tls_context is not None)
        return ", ".join(words) + (f", and {others} more" if others else "")

    def passes(self, stream: Stream) -> bool:
        """Tell whether everything but the path passes."""
        if self.unconditional:
            return True
        headers = stream.headers
        for header in self.headers:
            if not header.matches(headers):
                return False
        return self.only_headers or (self._failure(stream) is None and self._drawn(stream))

    def _failure(self, stream: Stream | Asked) -> str | None:
        """Return the first condition that fails in Envoy's words, less the fraction; ``None`` if all pass."""
        return next(self._failures(stream), None)

    def _failures(self, stream: Stream | Asked) -> Iterator[str]:
        headers = stream.headers
        if self.grpc and not is_grpc_request(headers):
            yield f"content-type must be `application/grpc`, is `{headers.get('content-type')}`"
        for header in self.headers:
            if not header.matches(headers):
                yield header.explain(headers)
        if self.query_parameters:
            parameters = parse_query(headers.get(":path") or "")
            for parameter in self.query_parameters:
                if not parameter.matches(parameters):
                    yield parameter.explain(parameters)
        if self.cookies:
            cookies = parse_cookies(headers)
            for cookie in self.cookies:
                if not cookie.matches(cookies):
                    yield cookie.explain(cookies)
        if self.tls_context is not None and (problem := self.tls_context.explain(stream)):
            yield problem
        for metadata in self.dynamic_metadata:
            if not metadata.matches(stream.metadata):
                yield metadata.explain(stream.metadata)
        states = (stream.filter_state, stream.connection.filter_state)
        for state in self.filter_state:
            if not state.matches(*states):
                yield state.explain(*states)

    def _drawn(self, stream: Stream) -> bool:
        fraction = self.runtime_fraction
        return fraction is None or fraction.enabled(
            stream.proxy.runtime, stream.world, f"runtime_fraction of {self.ref}", "stream"
        )

    def explain(self, stream: Stream | Asked, path: str | None, *, connect: bool) -> str:
        """Say in words what fails first, the path before all else; "" if nothing does (or only the draw)."""
        if self.path.kind == "connect_matcher":
            problem = "" if connect else self.path.explain("")
        else:
            problem = "the request has no path" if path is None else self.path.explain(path)
        if problem:
            return problem
        failure = self._failure(stream)
        if failure is not None:
            return failure
        return f"runtime fraction {self.runtime_fraction.default} not drawn" if self.runtime_fraction else ""


def compile_route_match(msg: Msg, ref: Ref) -> RouteMatch:
    """Compile ``envoy.config.route.v3.RouteMatch``."""
    path = compile_path_specifier(msg)
    headers = compile_header_matchers(msg.headers, ref.at("headers"))
    parameters = tuple(
        compile_query_parameter_matcher(m, ref.at("query_parameters", i)) for i, m in enumerate(msg.query_parameters)
    )
    cookies = tuple(compile_cookie_matcher(m, ref.at("cookies", i)) for i, m in enumerate(msg.cookies))
    metadata = tuple(
        compile_metadata_matcher(m, ref.at("dynamic_metadata", i)) for i, m in enumerate(msg.dynamic_metadata)
    )
    states = tuple(compile_filter_state_matcher(m, ref.at("filter_state", i)) for i, m in enumerate(msg.filter_state))
    fraction = (
        compile_runtime_fraction(msg.runtime_fraction, ref.at("runtime_fraction"))
        if msg.HasField("runtime_fraction")
        else None
    )
    grpc = msg.HasField("grpc")
    tls = _compile_tls_context(msg.tls_context) if msg.HasField("tls_context") else None
    beyond_headers = bool(parameters or cookies or metadata or states or fraction or grpc or tls)
    notes = [path.note, *(m.note for m in headers), *(m.note for m in parameters), *(m.note for m in cookies)]
    return RouteMatch(
        ref,
        path,
        headers,
        parameters,
        cookies,
        grpc,
        tls,
        metadata,
        states,
        fraction,
        unconditional=not headers and not beyond_headers,
        only_headers=bool(headers) and not beyond_headers,
        note="; ".join(filter(None, notes)),
    )


def _compile_tls_context(msg: Msg) -> TlsContext:
    return TlsContext(
        msg.presented.value if msg.HasField("presented") else None,
        msg.validated.value if msg.HasField("validated") else None,
    )


def is_connect(headers: HeaderMap) -> bool:
    """Tell CONNECT and CONNECT-UDP requests: what ``connect_matcher`` routes are for."""
    return headers.get(":method") == "CONNECT" or (headers.get("upgrade") or "").lower() == "connect-udp"
