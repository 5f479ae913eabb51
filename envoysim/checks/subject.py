"""A dump as the checks see it: its messages in order, each with its place and what it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar

from ..lazy_dataclass import dataclass
from ..load.dump import Dump
from ..model.ref import Ref
from ..schema import Msg, any_type, to_python, unpack
from ..stages.proxy import Proxy

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


class Packed:
    """A message as bytes: thousands of virtual hosts and clusters fit into memory so; parsing takes microseconds.

    The message of each kind that was asked for last is kept, because a rule asks an item several times before it goes
    on to the next.
    """

    __slots__ = ("_bytes", "_kind")
    _last: ClassVar[dict[type, tuple[Packed, Msg]]] = {}

    def __init__(self, message: Msg) -> None:
        self._kind = type(message)
        self._bytes = message.SerializeToString()

    def message(self) -> Msg:
        """Parse it, or return it if it was the last."""
        last = Packed._last.get(self._kind)
        if last is not None and last[0] is self:
            return last[1]
        message = self._kind.FromString(self._bytes)
        Packed._last[self._kind] = (self, message)
        return message


@dataclass(frozen=True, slots=True, eq=False)
class ListenerItem:
    """A serving listener."""

    name: str
    msg: Msg
    ref: Ref


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A filter chain; ``default`` for the default one."""

    listener: ListenerItem
    msg: Msg
    ref: Ref
    default: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Manager:
    """An HTTP connection manager; ``ref`` is its ``typed_config``."""

    chain: Chain
    msg: Msg
    ref: Ref

    @property
    def listener(self) -> ListenerItem:
        """The listener it stands in."""
        return self.chain.listener


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A route configuration and the managers that use it (none: nobody does); ``msg`` has no virtual hosts."""

    name: str
    msg: Msg
    ref: Ref
    managers: tuple[Manager, ...]
    hosts: tuple[Packed, ...]


@dataclass(frozen=True, slots=True, eq=False)
class HostItem:
    """A virtual host."""

    table: Table
    packed: Packed
    ref: Ref

    @property
    def msg(self) -> Msg:
        """The virtual host with its routes."""
        return self.packed.message()


@dataclass(frozen=True, slots=True, eq=False)
class RouteItem:
    """A route; ``index`` is its position in its virtual host."""

    host: HostItem
    index: int
    ref: Ref

    @property
    def msg(self) -> Msg:
        """The route."""
        return self.host.msg.routes[self.index]

    @property
    def label(self) -> str:
        """How a person calls it."""
        return self.msg.name or f"number {self.index}"


@dataclass(frozen=True, slots=True, eq=False)
class ClusterItem:
    """A serving cluster. ``by_endpoint``: its transport sockets are chosen by ``transport_socket_matches``."""

    name: str
    packed: Packed
    ref: Ref
    endpoints: Packed | None
    assignment_ref: Ref
    by_endpoint: bool

    @property
    def msg(self) -> Msg:
        """The cluster without its ``transport_socket_matches``, which are most of it, and its network filters."""
        return self.packed.message()

    @property
    def assignment(self) -> Msg | None:
        """Its endpoints; ``None`` where the dump does not tell."""
        return self.endpoints.message() if self.endpoints is not None else None


@dataclass(frozen=True, slots=True, eq=False)
class FilterItem:
    """An HTTP filter of a manager; ``config`` is ``None`` where its type is not known."""

    manager: Manager
    name: str
    type_name: str
    config: Msg | None
    ref: Ref


class Subject:
    """A dump under inspection."""

    def __init__(self, dump: Dump) -> None:
        self.dump = dump
        self.proxy = Proxy(dump)
        self.memory: dict[str, Any] = {}
        """What checks share of their work, by the name of what was computed."""

    @cached_property
    def listeners(self) -> tuple[ListenerItem, ...]:
        """The listeners that serve."""
        return tuple(ListenerItem(r.name, r.message(), r.ref) for r in self.dump.listeners)

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """Every filter chain."""
        found: list[Chain] = []
        for listener in self.listeners:
            place = listener.ref.at("filter_chains")
            found += [Chain(listener, m, place.at(i)) for i, m in enumerate(listener.msg.filter_chains)]
            if listener.msg.HasField("default_filter_chain"):
                place = listener.ref.at("default_filter_chain")
                found.append(Chain(listener, listener.msg.default_filter_chain, place, True))
        return tuple(found)

    @cached_property
    def managers(self) -> tuple[Manager, ...]:
        """Every HTTP connection manager."""
        found: list[Manager] = []
        for chain in self.chains:
            for i, filter_ in enumerate(chain.msg.filters):
                if any_type(filter_.typed_config) == HCM:
                    place = chain.ref.at("filters", i, "typed_config")
                    found.append(Manager(chain, unpack(filter_.typed_config), place))
        return tuple(found)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """Every route configuration, inline or by name, once."""
        users: dict[str, list[Manager]] = {}
        found: list[Table] = []
        for manager in self.managers:
            kind = manager.msg.WhichOneof("route_specifier")
            if kind == "route_config":
                table, place = manager.msg.route_config, manager.ref.at("route_config")
                hosts = tuple(map(Packed, table.virtual_hosts))
                head: Msg = type(table).FromString(table.SerializeToString())
                head.ClearField("virtual_hosts")
                found.append(Table(table.name, head, place, (manager,), hosts))
            elif kind == "rds":
                users.setdefault(manager.msg.rds.route_config_name, []).append(manager)
        inline = {table.name for table in found}
        for name, resource in self.dump.route_configurations.items():
            if name in users or (name not in inline or resource.state != "static"):
                hosts = tuple(Packed(resource.virtual_host(i)) for i in range(resource.virtual_host_count))
                head = resource.route_config_head()
                found.append(Table(name, head, resource.ref, tuple(users.get(name, ())), hosts))
        return tuple(found)

    @cached_property
    def hosts(self) -> tuple[HostItem, ...]:
        """Every virtual host."""
        return tuple(
            HostItem(table, packed, table.ref.at("virtual_hosts", i))
            for table in self.tables
            for i, packed in enumerate(table.hosts)
        )

    @cached_property
    def routes(self) -> tuple[RouteItem, ...]:
        """Every route."""
        return tuple(
            RouteItem(host, i, host.ref.at("routes", i)) for host in self.hosts for i in range(len(host.msg.routes))
        )

    @cached_property
    def forwards(self) -> tuple[RouteItem, ...]:
        """Every route that forwards to a cluster."""
        return tuple(route for route in self.routes if route.msg.WhichOneof("action") == "route")

    @cached_property
    def routes_by_host(self) -> list[tuple[HostItem, list[RouteItem]]]:
        """The virtual hosts that have routes, with them."""
        found: dict[int, tuple[HostItem, list[RouteItem]]] = {}
        for route in self.routes:
            found.setdefault(id(route.host), (route.host, []))[1].append(route)
        return list(found.values())

    @cached_property
    def clusters(self) -> dict[str, ClusterItem]:
        """Serving clusters by name, with their endpoints."""
        return {name: self._cluster(name) for name in self.dump.clusters}

    def _cluster(self, name: str) -> ClusterItem:
        resource = self.dump.clusters[name]
        msg = resource.head("transport_socket_matches", "filters")
        by_endpoint = any(key in resource.raw for key in ("transport_socket_matches", "transportSocketMatches"))
        found = self.dump.load_assignments.get(msg.eds_cluster_config.service_name or name)
        own = resource.ref.at("load_assignment")
        packed = None
        if found is not None:
            packed, own = Packed(found.head()), found.ref
        elif msg.HasField("load_assignment"):
            packed = Packed(msg.load_assignment)
        return ClusterItem(name, Packed(msg), resource.ref, packed, own, by_endpoint)

    @cached_property
    def http_filters(self) -> tuple[FilterItem, ...]:
        """Every HTTP filter of every manager."""
        found: list[FilterItem] = []
        for manager in self.managers:
            for i, entry in enumerate(manager.msg.http_filters):
                config, place = entry.typed_config, manager.ref.at("http_filters", i)
                resource = self.dump.extension_configs.get(entry.name)
                if entry.WhichOneof("config_type") == "config_discovery" and resource is not None:
                    config, place = resource.message().typed_config, resource.ref
                found.append(
                    FilterItem(manager, entry.name, any_type(config), unpack(config), place.at("typed_config"))
                )
        return tuple(found)

    def cluster_names(self, route: RouteItem) -> Iterator[tuple[str, Ref]]:
        """Yield the clusters a route may choose by name, with the place that names each."""
        if route.msg.WhichOneof("action") != "route":
            return
        action, place = route.msg.route, route.ref.at("route")
        kind = action.WhichOneof("cluster_specifier")
        if kind == "cluster":
            yield action.cluster, place.at("cluster")
        elif kind == "weighted_clusters":
            for i, entry in enumerate(action.weighted_clusters.clusters):
                if entry.name:
                    yield entry.name, place.at("weighted_clusters", "clusters", i, "name")


def origin_of(msg: Msg) -> str | None:
    """Name the object a control plane made a resource from, where its metadata tells (Istio, Envoy Gateway)."""
    if not msg.HasField("metadata"):
        return None
    fields = msg.metadata.filter_metadata
    if "istio" in fields:
        value = to_python(fields["istio"]).get("config")
        if isinstance(value, str):
            return value
    if "envoy-gateway" in fields:
        resources = to_python(fields["envoy-gateway"]).get("resources")
        if isinstance(resources, list) and resources and isinstance(resources[0], dict):
            first = resources[0]
            return f"{first.get('kind', '')} {first.get('namespace', '')}/{first.get('name', '')}"
    return None
