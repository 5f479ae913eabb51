"""What one Envoy runs: the dump's resources, compiled on first use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from ..load.dump import Dump
from ..model.ref import Ref
from ..schema import Msg
from .cluster import Cluster, compile_cluster
from .known_way import KnownWays
from .listener import ListenerTable, compile_listener
from .route_configuration import RouteConfiguration, compile_route_configuration
from .runtime import Runtime, compile_runtime

if TYPE_CHECKING:
    from collections.abc import Mapping


class Proxy:
    """A compiled dump. Everything in it is immutable; what changes lives in ``State``."""

    def __init__(self, dump: Dump, runtime: Mapping[str, str] | None = None, local_address: str | None = None) -> None:
        self.dump = dump
        self._local_address = local_address
        self._overrides = dict(runtime or {})
        self.known_ways = KnownWays()
        self._clusters: dict[str, Cluster | None] = {}
        self._route_configurations: dict[str, RouteConfiguration | None] = {}

    @cached_property
    def listeners(self) -> ListenerTable:
        """The active listeners, in the dump's order."""
        return ListenerTable(compile_listener(resource, self) for resource in self.dump.listeners)

    @cached_property
    def runtime(self) -> Runtime:
        """The runtime layers with overrides on top."""
        return compile_runtime(self.dump.bootstrap, self._overrides)

    @cached_property
    def node(self) -> Msg | None:
        """The bootstrap's ``envoy.config.core.v3.Node``, if the dump has one."""
        bootstrap = self.dump.bootstrap
        return bootstrap.message().node if bootstrap is not None else None

    @cached_property
    def local_address(self) -> str | None:
        """The node's own IP address, which a dump does not tell unless the node id holds it (``sidecar~IP~...``)."""
        if self._local_address is not None:
            return self._local_address
        parts = self.node.id.split("~") if self.node is not None else []
        return parts[1] if len(parts) == 4 else None

    def route_configuration(self, name: str) -> RouteConfiguration | None:
        """Return the RDS route configuration called ``name`` (dynamic before static)."""
        if name not in self._route_configurations:
            resource = self.dump.route_configurations.get(name)
            self._route_configurations[name] = (
                compile_route_configuration(resource, self) if resource is not None else None
            )
        return self._route_configurations[name]

    def cluster(self, name: str) -> Cluster | None:
        """Return the active cluster called ``name``."""
        if name not in self._clusters:
            resource = self.dump.clusters.get(name)
            self._clusters[name] = (
                compile_cluster(resource.message(), resource.ref, self) if resource is not None else None
            )
        return self._clusters[name]

    def pointer(self, ref: Ref | None) -> str | None:
        """Return the JSON pointer of ``ref`` in SOURCE."""
        return None if ref is None else self.dump.pointer(ref)
