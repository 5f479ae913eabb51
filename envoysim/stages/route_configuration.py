"""Route tables: where they come from, and how a request finds its route in them (``RouteMatcher::route``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from ..lazy_dataclass import dataclass
from ..match.authority import port_start
from ..match.string_matcher import ascii_lower
from ..model.ref import Ref
from ..schema import Msg
from .cluster_specifier import CLUSTER_CHOICE, NamedCluster, compile_level, per_filter_config, specify
from .domains import DomainIndex, Owner
from .metadata import filter_metadata
from .mirror import compile_mirror_policies
from .route import Forward
from .scoped_routes import FragmentBuilder, Key, Scope, compile_fragment, compute_key, scope_key, scopes_by_key
from .virtual_host import VirtualHost, compile_virtual_host

if TYPE_CHECKING:
    from ..load.resource import Resource
    from ..model.headers import HeaderMap
    from .proxy import Proxy
    from .stream import Stream


ROUTES_UNKNOWN: Final = "routes_unknown"
"""``Stream.facts`` key: says that the dump has no route tables at all, so no route does not mean 404."""


class HostTable(Protocol):
    """Virtual hosts that are decoded one at a time; a dump's ``Resource`` is one."""

    @property
    def virtual_host_count(self) -> int:
        """How many virtual hosts there are."""

    def virtual_host_domains(self, index: int) -> list[str]:
        """Return the domains of one, without decoding it."""

    def virtual_host(self, index: int) -> Msg:
        """Return one, decoded."""


@dataclass(frozen=True, slots=True)
class _DecodedHosts:
    """The virtual hosts of a message that is decoded already."""

    message: Msg

    @property
    def virtual_host_count(self) -> int:
        """How many there are."""
        return len(self.message.virtual_hosts)

    def virtual_host_domains(self, index: int) -> list[str]:
        """Return the domains of one."""
        return list(self.message.virtual_hosts[index].domains)

    def virtual_host(self, index: int) -> Msg:
        """Return one."""
        return self.message.virtual_hosts[index]


class RouteConfiguration:
    """A compiled ``RouteConfiguration``; virtual hosts are compiled when a request first reaches them."""

    def __init__(self, head: Msg, hosts: HostTable, ref: Ref, proxy: Proxy) -> None:
        self.ref = ref
        self.name: str = head.name
        self.request_mutations = compile_level(
            head.request_headers_to_add, head.request_headers_to_remove, ref, "request_headers_to_add"
        )
        self.response_mutations = compile_level(
            head.response_headers_to_add, head.response_headers_to_remove, ref, "response_headers_to_add"
        )
        self.most_specific_header_mutations_wins: bool = head.most_specific_header_mutations_wins
        self.internal_only_headers = tuple(name.lower() for name in head.internal_only_headers)
        self.typed_per_filter_config = per_filter_config(head, ref)
        self.metadata: Mapping[str, object] = filter_metadata(head)
        self._head = head
        self._hosts = hosts
        self._proxy = proxy
        self._ignore_port: bool = head.ignore_port_in_host_matching
        self._host_header: str = head.vhost_header.lower() or ":authority"
        self._cut_parameters: bool = head.ignore_path_parameters_in_path_matching
        self._compiled: dict[int, VirtualHost] = {}
        self._domain_refs: dict[Owner, Ref] = {}

    @cached_property
    def domains(self) -> DomainIndex:
        """The domains of all virtual hosts."""
        hosts = self._hosts
        return DomainIndex(hosts.virtual_host_domains(i) for i in range(hosts.virtual_host_count))

    @property
    def virtual_host_count(self) -> int:
        """How many virtual hosts there are."""
        return self._hosts.virtual_host_count

    def virtual_host(self, index: int) -> VirtualHost:
        """Return the compiled virtual host at ``index``."""
        host = self._compiled.get(index)
        if host is None:
            ref = self.ref.at("virtual_hosts", index)
            head = self._head
            host = self._compiled[index] = compile_virtual_host(
                self._hosts.virtual_host(index),
                ref,
                self._proxy,
                mirrors=compile_mirror_policies(head.request_mirror_policies, self.ref.at("request_mirror_policies")),
                plugins={p.extension.name: p for p in head.cluster_specifier_plugins},
                cut_parameters=self._cut_parameters,
            )
        return host

    def find_virtual_host(self, stream: Stream) -> VirtualHost | None:
        """Choose the virtual host by the request's host."""
        domains, telling = self.domains, stream.telling
        template = "`{}` matches `{}`"
        if domains.only_default:
            host, owner, template = "", domains.default, "`{}` is the only domain"
        else:
            value = self._host(stream.headers)
            if value is None:
                telling.step("virtual host", self.ref, "no virtual host: `{}` is missing", self._host_header)
                return None
            host = ascii_lower(value)
            owner = domains.find(host)
        losers = (lambda: domains.explain(host, owner, self.ref)) if telling.explain and host else None
        if owner is None:
            telling.step("virtual host", self.ref, "no domain matches `{}`", host, losers=losers)
            if self._head.HasField("vhds"):
                telling.note(self.ref.at("vhds"), "virtual hosts may be fetched on demand (VHDS): none assumed")
            return None
        ref = self._domain_refs.get(owner)
        if ref is None:
            ref = self._domain_refs[owner] = self.ref.at("virtual_hosts", owner[0], "domains", owner[1])
        telling.step("virtual host", ref, template, domains.domain(owner), host, losers=losers)
        return self._compiled.get(owner[0]) or self.virtual_host(owner[0])

    def _host(self, headers: HeaderMap) -> str | None:
        value = headers.get(self._host_header)
        if value is not None and self._ignore_port:
            port = port_start(value)
            return value if port < 0 else value[:port]
        return value


def compile_route_configuration(resource: Resource, proxy: Proxy) -> RouteConfiguration:
    """Compile a route configuration of the dump, virtual hosts later."""
    return RouteConfiguration(resource.route_config_head(), resource, resource.ref, proxy)


def compile_inline_route_configuration(msg: Msg, ref: Ref, proxy: Proxy) -> RouteConfiguration:
    """Compile the route configuration inside a connection manager."""
    return RouteConfiguration(msg, _DecodedHosts(msg), ref, proxy)


class RouteSource(Protocol):
    """A connection manager's ``route_specifier``."""

    @property
    def table(self) -> RouteConfiguration | None:
        """The route table, where it does not depend on the request."""

    def resolve(self, stream: Stream) -> RouteConfiguration | None:
        """Return the route table of a request, or tell why there is none."""


@dataclass(frozen=True, slots=True)
class InlineRoutes:
    """``route_config``."""

    configuration: RouteConfiguration

    @property
    def table(self) -> RouteConfiguration | None:
        """The one there is."""
        return self.configuration

    def resolve(self, stream: Stream) -> RouteConfiguration | None:
        """Return the one there is."""
        return self.configuration


class RdsRoutes:
    """``rds``: a route configuration by name, looked up when it is first needed."""

    def __init__(self, name: str, ref: Ref, proxy: Proxy) -> None:
        self.name = name
        self.ref = ref
        self._proxy = proxy

    @cached_property
    def table(self) -> RouteConfiguration | None:
        """The route configuration of that name, if the dump has it."""
        return self._proxy.route_configuration(self.name)

    def resolve(self, stream: Stream) -> RouteConfiguration | None:
        """Return the route configuration; one that is not in the dump may still be in the proxy."""
        if self.table is None:
            stream.telling.step("route configuration", self.ref, "no route configuration `{}`", self.name)
            text = f"route configuration `{self.name}` is not in the dump"
            if self._proxy.dump.route_configurations:
                stream.telling.note(self.ref, f"{text}: Envoy has not received it, so nothing is routed")
            else:
                stream.facts[ROUTES_UNKNOWN] = f"{text}, nor is any other: a dump with its routes would tell"
        return self.table


class ScopedRoutes:
    """``scoped_routes``: the route configuration whose scope has the request's key."""

    def __init__(self, ref: Ref, fragments: Sequence[FragmentBuilder], scopes: Sequence[Scope]) -> None:
        self.ref = ref
        self._fragments = tuple(fragments)
        self._scopes: Mapping[Key, Scope] = scopes_by_key(scopes)
        self.table: RouteConfiguration | None = None

    def resolve(self, stream: Stream) -> RouteConfiguration | None:
        """Compute the key and look it up."""
        telling = stream.telling
        key = compute_key(self._fragments, stream.headers)
        scope = self._scopes.get(key) if key is not None else None
        if key is None:
            wanted = ", ".join(fragment.describe() for fragment in self._fragments)
            telling.step("route configuration", self.ref, "no scope key: {} is incomplete", wanted)
        elif scope is None:
            telling.step("route configuration", self.ref, "no scope has the key `{}`", "/".join(key))
        elif scope.routes is None:
            telling.note(scope.ref, f"route configuration `{scope.route_configuration_name}` is not in the dump")
        else:
            telling.step("route configuration", scope.ref, "scope `{}`", scope.name)
            return scope.routes
        return None


@dataclass(frozen=True, slots=True)
class NoRoutes:
    """A connection manager without route specifier."""

    table: RouteConfiguration | None = None

    def resolve(self, stream: Stream) -> RouteConfiguration | None:
        """There is none."""
        return None


def compile_route_source(hcm: Msg, ref: Ref, proxy: Proxy) -> RouteSource:
    """Compile the route specifier of an ``HttpConnectionManager``."""
    kind = hcm.WhichOneof("route_specifier")
    if kind == "route_config":
        return InlineRoutes(compile_inline_route_configuration(hcm.route_config, ref.at(kind), proxy))
    if kind == "rds":
        return RdsRoutes(hcm.rds.route_config_name, ref.at(kind, "route_config_name"), proxy)
    if kind == "scoped_routes":
        return _compile_scoped(hcm.scoped_routes, ref.at(kind), proxy)
    return NoRoutes()


def _compile_scoped(msg: Msg, ref: Ref, proxy: Proxy) -> ScopedRoutes:
    fragments = [compile_fragment(fragment) for fragment in msg.scope_key_builder.fragments]
    if msg.WhichOneof("config_specifier") == "scoped_route_configurations_list":
        at = ref.at("scoped_route_configurations_list", "scoped_route_configurations")
        listed = msg.scoped_route_configurations_list.scoped_route_configurations
        found = [(m, at.at(i)) for i, m in enumerate(listed)]
    else:
        found = [(r.message(), r.ref) for r in proxy.dump.scoped_routes.get(msg.name, ())]
    return ScopedRoutes(ref, fragments, [_compile_scope(m, at, proxy) for m, at in found])


def _compile_scope(msg: Msg, ref: Ref, proxy: Proxy) -> Scope:
    if msg.HasField("route_configuration"):
        routes: RouteConfiguration | None = compile_inline_route_configuration(
            msg.route_configuration, ref.at("route_configuration"), proxy
        )
    else:
        routes = proxy.route_configuration(msg.route_configuration_name)
    return Scope(ref, msg.name, scope_key(msg), routes, msg.route_configuration_name)


def resolve_route(stream: Stream) -> None:
    """Set the stream's route configuration, virtual host and route (``refreshCachedRoute``).

    The route is ``None`` where nothing matched; the virtual host may be known even then. The cluster of a route that
    chooses among several is chosen here too, as Envoy does: by the headers of this moment.
    """
    stream.route_stale = False
    stream.virtual_host = stream.route = None
    configuration = stream.route_configuration = stream.hcm.routes.resolve(stream)
    if configuration is None:
        return
    host = stream.virtual_host = configuration.find_virtual_host(stream)
    if host is None:
        return
    route = stream.route = host.find_route(stream)
    if route is not None and isinstance(route.action, Forward):
        forward = route.action
        if not isinstance(forward.cluster_specifier, NamedCluster):
            stream.facts[CLUSTER_CHOICE] = (forward, specify(stream, forward))
