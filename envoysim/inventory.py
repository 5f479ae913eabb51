"""What is in a dump, as rows: one small record per resource, whatever its state."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import field
from typing import Any, Final

from .lazy_dataclass import dataclass
from .load import Dump, Resource
from .load.references import references
from .schema import Msg, any_type, enum_name, unpack

KINDS: Final = (
    ("listeners", "listener"),
    ("routes", "route_configuration"),
    ("scoped_routes", "scoped_route"),
    ("clusters", "cluster"),
    ("endpoints", "endpoint"),
    ("secrets", "secret"),
    ("ecds", "extension_config"),
    ("bootstrap", "bootstrap"),
)
"""What ``inspect`` calls a kind, and what ``Resource.kind`` calls it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One resource: ``state`` as in the dump, ``facts`` short values by heading, ``problem`` why it is not served."""

    kind: str
    name: str
    state: str
    version: str
    resource: Resource
    facts: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None


def rows(dump: Dump, kind: str | None = None, name: str | None = None) -> Iterator[Row]:
    """Yield a row per resource of ``kind`` (all kinds without) whose name contains ``name``; decodes what it shows."""
    for title, resource_kind in KINDS:
        if kind not in (None, title):
            continue
        for resource in dump.all_resources:
            if resource.kind == resource_kind and (name is None or name in resource.name):
                yield _row(dump, title, resource)


def missing(dump: Dump) -> list[str]:
    """Say what the dump does not have and a request may need."""
    found = []
    if not dump.has_endpoints:
        found.append("no endpoints section: take the dump with /config_dump?include_eds, or add /clusters?format=json")
    if dump.bootstrap is None:
        found.append("no bootstrap: node, runtime layers and the local cluster are unknown")
    if not dump.listeners:
        found.append("no listener: a request cannot be traced")
    found += [f"route configuration `{name}` is named by a listener and absent" for name in _absent_routes(dump)]
    return found + [line for record in dump.fetched for line in _fetch_lines(record)]


def _fetch_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """What ``envoysim fetch`` noted when it saved the dump."""
    if record.get("partial"):
        yield f"this dump is partial: {record['partial']}"
    for item in record.get("missing", ()):
        wanted = f", wanted by {', '.join(item['wanted_by'])}" if item.get("wanted_by") else ""
        yield f"{item.get('kind')} `{item.get('name')}` was asked for and never came{wanted}"
    for item in record.get("not_asked", ()):
        yield f"{item.get('kind')} `{item.get('name')}` was not asked for: {item.get('reason')}"


def _absent_routes(dump: Dump) -> list[str]:
    wanted: dict[str, None] = {}
    for resource in dump.listeners:
        for config in _filters(resource.message()):
            if config.DESCRIPTOR.name == "HttpConnectionManager" and config.WhichOneof("route_specifier") == "rds":
                wanted[config.rds.route_config_name] = None
    return [name for name in wanted if name not in dump.route_configurations]


def _filters(listener: Msg) -> Iterator[Msg]:
    chains = [*listener.filter_chains]
    if listener.HasField("default_filter_chain"):
        chains.append(listener.default_filter_chain)
    for chain in chains:
        for filter_ in chain.filters:
            config = unpack(filter_.typed_config)
            if config is not None:
                yield config


def _row(dump: Dump, title: str, resource: Resource) -> Row:
    describe = DESCRIBE.get(resource.kind)
    facts = describe(dump, resource) if describe is not None else {}
    problem = waiting(dump, resource) if resource.state == "warming" else resource.problem
    return Row(title, resource.name, resource.state, resource.version, resource, facts, problem)


def waiting(dump: Dump, resource: Resource) -> str | None:
    """Say what a warming resource waits for: what it names and the dump does not have."""
    have: dict[str, Container[str]] = {
        "route_configuration": dump.route_configurations,
        "endpoint": dump.load_assignments,
        "secret": dump.secrets,
        "extension_config": dump.extension_configs,
    }
    absent = {
        r: None for r in references(resource.kind, resource.message()) if r.name not in have.get(r.kind, (r.name,))
    }
    wanted = [f"{r.kind.replace('_', ' ')} `{r.name}` from {'ADS' if r.source == 'ads' else r.source}" for r in absent]
    return f"not ready: it waits for {', '.join(wanted)}" if wanted else resource.problem


def _listener(dump: Dump, resource: Resource) -> dict[str, Any]:
    message = resource.message()
    socket = message.address.socket_address
    chains = len(message.filter_chains) + message.HasField("default_filter_chain")
    every = [*message.filter_chains, message.default_filter_chain]
    kinds = {any_type(f.typed_config).rsplit(".", 1)[-1] for c in every for f in c.filters}
    return {
        "address": _address(socket),
        "direction": enum_name(message, "traffic_direction").lower(),
        "chains": chains,
        "filters": ", ".join(sorted(kinds)),
    }


def _address(socket: Msg) -> str:
    if not socket.address:
        return "-"
    host = f"[{socket.address}]" if ":" in socket.address else socket.address
    return f"{host}:{socket.port_value}"


def _routes(dump: Dump, resource: Resource) -> dict[str, Any]:
    hosts = [resource.virtual_host(i) for i in range(resource.virtual_host_count)]
    return {"virtual hosts": len(hosts), "routes": sum(len(h.routes) for h in hosts)}


def _cluster(dump: Dump, resource: Resource) -> dict[str, Any]:
    message = resource.message()
    service = message.eds_cluster_config.service_name or resource.name
    assignment = dump.load_assignments.get(service)
    endpoints = assignment.message() if assignment is not None else message.load_assignment
    known = assignment is not None or message.HasField("load_assignment")
    kind = message.cluster_type.name if message.HasField("cluster_type") else enum_name(message, "type")
    return {
        "type": kind,
        "lb": enum_name(message, "lb_policy"),
        "endpoints": _counts(endpoints) if known else "unknown" if kind == "EDS" else "-",
    }


def _endpoints(dump: Dump, resource: Resource) -> dict[str, Any]:
    return {"healthy/all": _counts(resource.message())}


def _counts(assignment: Msg) -> str:
    hosts = [h for locality in assignment.endpoints for h in locality.lb_endpoints]
    good = sum(enum_name(h, "health_status") in ("UNKNOWN", "HEALTHY") for h in hosts)
    return f"{good}/{len(hosts)}"


def _secret(dump: Dump, resource: Resource) -> dict[str, Any]:
    return {"type": resource.message().WhichOneof("type") or "-"}


def _bootstrap(dump: Dump, resource: Resource) -> dict[str, Any]:
    node = resource.message().node
    return {"node": node.id, "cluster": node.cluster}


DESCRIBE: dict[str, Callable[[Dump, Resource], dict[str, Any]]] = {
    "listener": _listener,
    "route_configuration": _routes,
    "cluster": _cluster,
    "endpoint": _endpoints,
    "secret": _secret,
    "bootstrap": _bootstrap,
}
