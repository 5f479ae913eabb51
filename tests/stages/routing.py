"""A stream in front of a route table, without anything that comes before or after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from envoysim.load.decode import decode_message
from envoysim.model.address import Address
from envoysim.model.chance import Sampled
from envoysim.model.headers import HeaderMap
from envoysim.model.outcome import Note
from envoysim.model.ref import NOWHERE
from envoysim.model.request import Request
from envoysim.model.world import State, World
from envoysim.stages.route_configuration import (
    InlineRoutes,
    RouteConfiguration,
    compile_inline_route_configuration,
    resolve_route,
)
from envoysim.stages.runtime import Runtime, compile_runtime
from envoysim.stages.stream import DownstreamConnection, Stream, Telling

LOCAL = Address("127.0.0.1", 80)


@dataclass
class FakeProxy:
    """What route tables ask of a proxy."""

    runtime: Runtime = field(default_factory=lambda: compile_runtime(None, {}))
    tables: dict[str, RouteConfiguration] = field(default_factory=dict)
    dump: Any = None

    def route_configuration(self, name: str) -> RouteConfiguration | None:
        return self.tables.get(name)


def decode(name: str, fields: dict[str, Any]) -> Any:
    """Decode a message; unknown fields fail the test."""
    notes: list[Note] = []
    message = decode_message(name, fields, NOWHERE, notes)
    assert not notes, notes
    return message


def table(fields: dict[str, Any], proxy: Any = None) -> RouteConfiguration:
    """Compile a route configuration from its JSON."""
    message = decode("envoy.config.route.v3.RouteConfiguration", fields)
    given: Any = proxy or FakeProxy()
    return compile_inline_route_configuration(message, NOWHERE, given)


def one_host(*routes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A route configuration with one virtual host for everybody."""
    return {"name": "rc", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": list(routes), **fields}]}


def ask(
    configuration: RouteConfiguration,
    path: str | None = "/",
    authority: str | None = "foo.com",
    *,
    method: str = "GET",
    scheme: str = "http",
    headers: dict[str, str] | list[tuple[str, str]] = (),  # type: ignore[assignment]
    random_value: int | None = None,
    explain: bool = False,
    proxy: Any = None,
    resolve: bool = True,
) -> Stream:
    """Resolve the route of a request as the connection manager left it."""
    pseudo = {":method": method, ":scheme": scheme, ":authority": authority, ":path": path}
    lines = [(name, value) for name, value in pseudo.items() if value is not None]
    extra = list(headers.items()) if isinstance(headers, dict) else list(headers)
    if not any(name == "x-forwarded-proto" for name, _ in extra):
        extra.append(("x-forwarded-proto", scheme))
    hcm: Any = SimpleNamespace(routes=InlineRoutes(configuration))
    listener: Any = None
    given: Any = proxy or FakeProxy()
    stream = Stream(
        given,
        World(chance=Sampled(value=random_value), explain=explain),
        State(),
        Telling(explain),
        Request(),
        DownstreamConnection(listener, LOCAL, LOCAL, LOCAL, LOCAL, "HTTP/1.1"),
        hcm,
        "HTTP/1.1",
        HeaderMap(lines + extra),
        HeaderMap(),
        "",
        LOCAL,
    )
    stream.world.chance.begin()
    if resolve:
        resolve_route(stream)
    return stream


def name_of(stream: Stream) -> str | None:
    """Return the matched route's name."""
    return stream.route.name if stream.route is not None else None
