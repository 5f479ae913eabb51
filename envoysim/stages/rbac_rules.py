"""Permissions and principals of RBAC (``source/extensions/filters/common/rbac/matchers.cc``).

Each compiled ``Rule`` is a test on a ``Subject`` and a function that names the place and reason of a failure; the HTTP
filter and the network filter share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..lazy_dataclass import dataclass
from ..match.cidr_range import compile_cidr_range, parse_ip
from ..match.filter_state_matcher import compile_filter_state_matcher
from ..match.header_matcher import compile_header_matcher
from ..match.path_matcher import URI_TEMPLATE, compile_path_matcher, without_query
from ..match.string_matcher import compile_string_matcher
from ..match.uri_template import TemplateError, compile_uri_template
from ..match.value_matcher import compile_metadata_matcher
from ..model.headers import HeaderMap
from ..model.ref import Ref
from ..schema import Msg, any_type, enum_name, unpack

if TYPE_CHECKING:
    from ..model.address import Address
    from .stream import DownstreamConnection, Stream

PRINCIPALS: Final = "envoy.extensions.rbac.principals."
MATCHERS: Final = "envoy.extensions.rbac.matchers."


@dataclass(slots=True, eq=False)
class Subject:
    """What the rules look at: a request, or a connection (then without headers and route)."""

    data: Stream | DownstreamConnection
    connection: DownstreamConnection
    headers: HeaderMap
    remote: Address
    metadata: Mapping[str, Mapping[str, object]]
    filter_states: tuple[Mapping[str, object], ...]
    route_metadata: Mapping[str, object] | None = None


def request_subject(stream: Stream) -> Subject:
    """Make the subject of an HTTP request."""
    connection, route = stream.connection, stream.route
    return Subject(
        stream,
        connection,
        stream.headers,
        stream.remote,
        stream.metadata,
        (stream.filter_state, connection.filter_state),
        None if route is None else route.metadata,
    )


def connection_subject(connection: DownstreamConnection) -> Subject:
    """Make the subject of a network filter."""
    return Subject(
        connection, connection, HeaderMap(), connection.remote, connection.metadata, (connection.filter_state,)
    )


Failure = tuple[Ref, str]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A permission or principal: ``explain`` says where and why it does not match (asked only when it does not)."""

    ref: Ref
    matches: Callable[[Subject], bool]
    explain: Callable[[Subject], Failure]


Notes = list[tuple[Ref, str]]
"""What could not be modelled, with its place; filled while rules are compiled."""


def compile_permission(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    """Compile ``envoy.config.rbac.v3.Permission``."""
    kind = msg.WhichOneof("rule")
    if kind in ("and_rules", "or_rules"):
        inner = [compile_permission(m, ref.at(kind, "rules", i), notes) for i, m in enumerate(getattr(msg, kind).rules)]
        return all_of(ref, inner) if kind == "and_rules" else one_of(ref, inner)
    if kind == "not_rule":
        return negate(ref, compile_permission(msg.not_rule, ref.at(kind), notes))
    return _compile_leaf(kind, msg, ref, notes)


def compile_principal(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    """Compile ``envoy.config.rbac.v3.Principal``."""
    kind = msg.WhichOneof("identifier")
    if kind in ("and_ids", "or_ids"):
        inner = [compile_principal(m, ref.at(kind, "ids", i), notes) for i, m in enumerate(getattr(msg, kind).ids)]
        return all_of(ref, inner) if kind == "and_ids" else one_of(ref, inner)
    if kind == "not_id":
        return negate(ref, compile_principal(msg.not_id, ref.at(kind), notes))
    return _compile_leaf(kind, msg, ref, notes)


def all_of(ref: Ref, rules: Iterable[Rule]) -> Rule:
    """All rules have to match; the first that does not is the reason."""
    inner = tuple(rules)
    return Rule(
        ref, lambda s: all(r.matches(s) for r in inner), lambda s: next(r.explain(s) for r in inner if not r.matches(s))
    )


def one_of(ref: Ref, rules: Iterable[Rule]) -> Rule:
    """One rule has to match; the reason lists why each does not."""
    inner = tuple(rules)
    if len(inner) == 1:
        return inner[0]

    def explain(subject: Subject) -> Failure:
        return ref, "; and ".join(rule.explain(subject)[1] for rule in inner) or "there is nothing to match"

    return Rule(ref, lambda s: any(r.matches(s) for r in inner), explain)


def negate(ref: Ref, rule: Rule) -> Rule:
    """The rule must not match."""
    return Rule(ref, lambda s: not rule.matches(s), lambda s: (ref, "matches what must not match"))


def _leaf(ref: Ref, matches: Callable[[Subject], bool], words: Callable[[Subject], str]) -> Rule:
    return Rule(ref, matches, lambda s: (ref, words(s)))


def _compile_leaf(kind: str | None, msg: Msg, ref: Ref, notes: Notes) -> Rule:
    compile_ = _LEAVES.get(kind or "")
    if compile_ is None:
        return _unmodelled(ref, f"RBAC rule `{kind}` is not modelled: it matches nothing", notes)
    return compile_(getattr(msg, kind or ""), ref.at(kind or ""), notes)


def _unmodelled(ref: Ref, note: str, notes: Notes) -> Rule:
    notes.append((ref, note))
    return _leaf(ref, lambda s: False, lambda s: note)


def _any(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    return _leaf(ref, lambda s: True, lambda s: "")


def _header(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    matcher = compile_header_matcher(msg, ref)
    if matcher.note:
        notes.append((ref, matcher.note))
    return _leaf(ref, lambda s: matcher.matches(s.headers), lambda s: matcher.explain(s.headers))


def _url_path(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    matcher = compile_path_matcher(msg, ref)

    def matches(subject: Subject) -> bool:
        path = subject.headers.get(":path")
        return path is not None and matcher.matches(path)

    def words(subject: Subject) -> str:
        path = subject.headers.get(":path")
        if path is None:
            return "there is no path"
        return matcher.explain(path) + (" (slashes are not merged)" if "//" in without_query(path) else "")

    return _leaf(ref, matches, words)


def _uri_template(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    config = unpack(msg.typed_config)
    if config is None or any_type(msg.typed_config) != URI_TEMPLATE:
        return _unmodelled(ref, f"path matcher `{msg.name}` is not modelled: it matches nothing", notes)
    try:
        matcher = compile_uri_template(config.path_template)
    except TemplateError as problem:
        return _unmodelled(ref, str(problem), notes)

    def matches(subject: Subject) -> bool:
        return matcher.matches(without_query(subject.headers.get(":path") or ""))

    return _leaf(
        ref, matches, lambda s: f"path `{s.headers.get(':path')}` does not match template `{matcher.template}`"
    )


def _ip_of(what: str, read: Callable[[Subject], str]) -> Callable[[Msg, Ref, Notes], Rule]:
    def compile_(msg: Msg, ref: Ref, notes: Notes) -> Rule:
        cidr = compile_cidr_range(msg)
        return _leaf(
            ref, lambda s: cidr.contains(read(s)), lambda s: f"{what} must be in `{cidr.text}`, is `{read(s)}`"
        )

    return compile_


def _destination_port(port: int, ref: Ref, notes: Notes) -> Rule:
    return _leaf(
        ref,
        lambda s: s.connection.local.port == port,
        lambda s: f"destination port must be {port}, is {s.connection.local.port}",
    )


def _destination_port_range(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    start, end = msg.start, msg.end
    return _leaf(
        ref,
        lambda s: start <= s.connection.local.port < end,
        lambda s: f"destination port must be in [{start}, {end}), is {s.connection.local.port}",
    )


def _metadata(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    matcher = compile_metadata_matcher(msg, ref)
    return _leaf(ref, lambda s: matcher.matches(s.metadata), lambda s: matcher.explain(s.metadata))


def _sourced_metadata(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    if enum_name(msg, "metadata_source") != "ROUTE":
        return _metadata(msg.metadata_matcher, ref.at("metadata_matcher"), notes)
    matcher = compile_metadata_matcher(msg.metadata_matcher, ref.at("metadata_matcher"))

    def matches(subject: Subject) -> bool:
        return subject.route_metadata is not None and matcher.matches(subject.route_metadata)

    def words(subject: Subject) -> str:
        route = subject.route_metadata
        return "there is no route with metadata" if route is None else "of the route: " + matcher.explain(route)

    return _leaf(ref, matches, words)


def _requested_server_name(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    matcher = compile_string_matcher(msg, ref)
    return _leaf(
        ref,
        lambda s: matcher.matches(s.connection.server_name),
        lambda s: f"server name {matcher.explain(s.connection.server_name)}",
    )


def _filter_state(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    matcher = compile_filter_state_matcher(msg, ref)
    return _leaf(ref, lambda s: matcher.matches(*s.filter_states), lambda s: matcher.explain(*s.filter_states))


def _authenticated(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    """URI SANs, DNS SANs, then the subject; with no name asked for, any TLS connection will do."""
    if not msg.HasField("principal_name"):
        return _leaf(ref, lambda s: s.connection.tls, lambda s: "the connection is plaintext, not TLS")
    matcher = compile_string_matcher(msg.principal_name, ref.at("principal_name"))

    def matches(subject: Subject) -> bool:
        return subject.connection.tls and any(map(matcher.matches, _principals(subject)))

    def words(subject: Subject) -> str:
        if not subject.connection.tls:
            return f"peer identity must be {matcher.wanted}; the connection is plaintext, without client certificate"
        if subject.connection.peer_certificate is None:
            return f"peer identity must be {matcher.wanted}; there is no validated client certificate"
        names = ", ".join(f"`{name}`" for name in _principals(subject))
        return f"peer identity must be {matcher.wanted}, is {names}"

    return _leaf(ref, matches, words)


def _principals(subject: Subject) -> tuple[str, ...]:
    certificate = subject.connection.peer_certificate
    if certificate is None:
        return ("",)
    return (*certificate.uri_sans, *certificate.dns_sans, certificate.subject)


def _custom_principal(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    kind, config = any_type(msg.typed_config), unpack(msg.typed_config)
    if config is None or kind != PRINCIPALS + "mtls_authenticated.v3.Config":
        return _unmodelled(ref, f"principal `{msg.name}` is not modelled: it matches nothing", notes)
    if not config.HasField("san_matcher"):
        return _leaf(ref, _has_valid_certificate, lambda s: "there is no validated client certificate")
    san = config.san_matcher
    matcher = compile_string_matcher(san.matcher, ref.at("typed_config", "san_matcher", "matcher"))
    san_type = enum_name(san, "san_type")
    if san_type not in ("URI", "DNS"):
        return _unmodelled(ref, f"SAN type {san_type} is not modelled: it matches nothing", notes)

    def sans(subject: Subject) -> tuple[str, ...]:
        certificate = subject.connection.peer_certificate
        if certificate is None or not subject.connection.tls:
            return ()
        return certificate.uri_sans if san_type == "URI" else certificate.dns_sans

    return _leaf(
        ref,
        lambda s: any(map(matcher.matches, sans(s))),
        lambda s: f"a {san_type} SAN must be {matcher.wanted}, there are {list(sans(s))}",
    )


def _has_valid_certificate(subject: Subject) -> bool:
    return subject.connection.tls and subject.connection.peer_certificate is not None


def _custom_matcher(msg: Msg, ref: Ref, notes: Notes) -> Rule:
    kind, config = any_type(msg.typed_config), unpack(msg.typed_config)
    if config is None or kind != MATCHERS + "upstream_ip_port.v3.UpstreamIpPortMatcher":
        return _unmodelled(ref, f"RBAC matcher `{msg.name}` is not modelled: it matches nothing", notes)
    cidr = compile_cidr_range(config.upstream_ip) if config.HasField("upstream_ip") else None
    ports = (config.upstream_port_range.start, config.upstream_port_range.end)
    has_ports = config.HasField("upstream_port_range")

    def matches(subject: Subject) -> bool:
        value = _upstream_address(subject)
        if value is None:
            return False
        ip, port = value
        if cidr is not None and not cidr.contains(ip):
            return False
        return not has_ports or ports[0] <= port <= ports[1]  # both ends belong to it, unlike other port ranges

    return _leaf(ref, matches, lambda s: f"upstream address is {_upstream_address(s)}")


def _upstream_address(subject: Subject) -> tuple[str, int] | None:
    """Read what a filter before (dynamic forward proxy) left in the filter state."""
    value: Any = next((s[UPSTREAM_ADDRESS] for s in subject.filter_states if UPSTREAM_ADDRESS in s), None)
    if value is None:
        return None
    ip, _, port = str(value).rpartition(":")
    ip = ip.strip("[]")
    return (ip, int(port)) if parse_ip(ip) is not None and port.isdigit() else None


UPSTREAM_ADDRESS: Final = "envoy.stream.upstream_address"

_LEAVES: Final[Mapping[str, Callable[[Any, Ref, Notes], Rule]]] = {
    "any": _any,
    "header": _header,
    "url_path": _url_path,
    "uri_template": _uri_template,
    "destination_ip": _ip_of("destination address", lambda s: s.connection.local.ip),
    "destination_port": _destination_port,
    "destination_port_range": _destination_port_range,
    "metadata": _metadata,
    "sourced_metadata": _sourced_metadata,
    "requested_server_name": _requested_server_name,
    "matcher": _custom_matcher,
    "authenticated": _authenticated,
    "source_ip": _ip_of("source address", lambda s: s.connection.remote.ip),
    "direct_remote_ip": _ip_of("direct remote address", lambda s: s.connection.direct_remote.ip),
    "remote_ip": _ip_of("remote address", lambda s: s.remote.ip),
    "filter_state": _filter_state,
    "custom": _custom_principal,
}
"""Field of ``Permission`` or ``Principal`` -> how to compile it."""
