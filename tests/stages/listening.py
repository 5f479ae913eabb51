"""Listeners and connections without the rest of a proxy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from envoysim.load.resource import Notes, Resource
from envoysim.model.address import Address
from envoysim.model.ref import Ref
from envoysim.model.reply import Aborted
from envoysim.model.request import Connection, Request
from envoysim.model.world import State, World
from envoysim.stages.filter_chain import FilterChain, choose_filter_chain
from envoysim.stages.listener import ListenerTable, accept, compile_listener
from envoysim.stages.stream import DownstreamConnection, Telling

DESTINATION = Address("10.0.0.1", 80)
SOURCE = Address("192.0.2.1", 1000)
LISTENER = "type.googleapis.com/envoy.extensions.filters.listener."


def listener_filter(kind: str, **config: Any) -> dict[str, Any]:
    """Return an entry of ``listener_filters``: ``tls_inspector``, ``proxy_protocol``, ..."""
    message = "".join(word.title() for word in kind.split("_"))
    return {"name": kind, "typed_config": {"@type": f"{LISTENER}{kind}.v3.{message}", **config}}


def listener(name: str = "l", ip: str = "0.0.0.0", port: int = 80, **more: Any) -> dict[str, Any]:
    """Return a Listener in proto JSON with one address and, if nothing else is said, one chain."""
    return {
        "name": name,
        "address": {"socket_address": {"address": ip, "port_value": port}},
        "filter_chains": [{"name": f"{name}-chain"}],
        **more,
    }


@dataclass
class FakeProxy:
    """A proxy that has nothing but listeners and a dump's lookups."""

    raw: Iterable[dict[str, Any]]
    extension_configs: dict[str, Resource] = field(default_factory=dict)
    secrets: dict[str, Resource] = field(default_factory=dict)
    listeners: ListenerTable = field(init=False)
    dump: Any = field(init=False)

    def __post_init__(self) -> None:
        self.dump = SimpleNamespace(
            extension_configs=self.extension_configs, secrets=self.secrets, all_resources=(), notes=[]
        )
        self.listeners = ListenerTable(
            compile_listener(resource("listener", raw, i), self)  # type: ignore[arg-type]
            for i, raw in enumerate(self.raw)
        )


def resource(kind: str, raw: dict[str, Any], index: int = 0) -> Resource:
    """Return a static resource."""
    return Resource(kind, raw["name"], Ref(0, (kind, index)), "static", raw, Notes())


@dataclass
class Arrival:
    """Where a connection ended up."""

    connection: DownstreamConnection | Aborted
    telling: Telling

    @property
    def owner(self) -> str | None:
        return None if isinstance(self.connection, Aborted) else self.connection.listener.name

    def open(self) -> DownstreamConnection:
        assert isinstance(self.connection, DownstreamConnection)
        return self.connection


def arrive(proxy: FakeProxy, body: str = "", **connection: Any) -> Arrival:
    """Let a client connect; ``connection`` are fields of the contract's connection."""
    telling = Telling(explain=True)
    request = Request(connection=Connection(**connection), body=body)
    return Arrival(accept(proxy, request, State(), telling), telling)  # type: ignore[arg-type]


def choose(connection: DownstreamConnection, telling: Telling | None = None) -> FilterChain | None:
    """Choose the connection's filter chain."""
    return choose_filter_chain(connection, World(), State(), telling or Telling(explain=True))


def meet(
    proxy: FakeProxy,
    *,
    destination: Address = DESTINATION,
    source: Address = SOURCE,
    direct_source: Address | None = None,
    server_name: str = "",
    transport: str = "raw_buffer",
    alpn: tuple[str, ...] = (),
) -> DownstreamConnection:
    """Return a connection as listener filters could have left it, at the proxy's first listener."""
    return DownstreamConnection(
        listener=proxy.listeners[0],
        direct_local=destination,
        direct_remote=direct_source or source,
        local=destination,
        remote=source,
        speaks="HTTP/1.1",
        transport_protocol=transport,
        server_name=server_name,
        application_protocols=alpn,
    )
