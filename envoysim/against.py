"""What a control plane sends beside what a proxy runs: which resources differ, and why.

Two dumps are compared resource by resource: one that ``envoysim fetch --ads`` (or any control plane's export) made, and
the proxy's own. A proxy differs because it is stale, because it rejected the update, or because what it got waits for
something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .inventory import KINDS, waiting
from .lazy_dataclass import dataclass
from .load.decode import decode_message
from .load.dump import Dump
from .load.encode import to_json
from .load.redact import redact
from .load.resource import TYPES, Resource
from .model.ref import NOWHERE

TITLES: Final = {kind: title for title, kind in KINDS if kind != "bootstrap"}
NO_TRACE: Final = frozenset(
    {"cluster", "route_configuration", "endpoint", "scoped_route", "extension_config", "secret"}
)
"""Kinds whose rejected updates a config_dump does not show: only listeners have an ``error_state``."""
SHOWN_CHANGES: Final = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """``state`` is ``stale``, ``rejected``, ``warming``, ``absent``, ``draining``, ``left over``, ``never came``."""

    kind: str
    name: str
    state: str
    reason: str
    sent_version: str = ""
    run_version: str = ""
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs, and how many resources are equal."""

    differences: tuple[Difference, ...]
    equal: int


def compare(plane: Dump, proxy: Dump) -> Comparison:
    """Compare what ``plane`` sends with what ``proxy`` runs; the proxy's static resources are its own affair."""
    found: list[Difference] = []
    equal = 0
    rejections = _rejections(proxy)
    for kind, title in TITLES.items():
        sent = {r.name: r for r in plane.all_resources if r.kind == kind and r.state in ("active", "warming")}
        run = _by_state(proxy, kind)
        for name, resource in sent.items():
            difference = _difference(title, resource, run.pop(name, {}), proxy, rejections)
            if difference is None:
                equal += 1
            else:
                found.append(difference)
        for name, states in run.items():
            found += _left_over(title, name, states)
    found += _never_came(plane)
    return Comparison(tuple(found), equal)


def in_order(first: Dump, second: Dump) -> tuple[Dump, Dump]:
    """Return (control plane, proxy): told by how they were fetched, else in the order given."""
    if _is_proxy(first) and not _is_proxy(second):
        return second, first
    return first, second


def _is_proxy(dump: Dump) -> bool:
    return any(record.get("by") == "admin" for record in dump.fetched)


def _by_state(proxy: Dump, kind: str) -> dict[str, dict[str, Resource]]:
    """Name -> state -> resource, without what is static."""
    found: dict[str, dict[str, Resource]] = {}
    for resource in proxy.all_resources:
        if resource.kind == kind and resource.state != "static":
            found.setdefault(resource.name, {}).setdefault(resource.state, resource)
    return found


def _difference(
    title: str, sent: Resource, run: Mapping[str, Resource], proxy: Dump, rejections: Mapping[tuple[str, str], int]
) -> Difference | None:
    active, warming, error = run.get("active"), run.get("warming"), run.get("error")
    if active is not None and sent.plain() == active.plain():  # to the letter, as nearly always
        return None
    wanted = _content(sent)
    changes = tuple(_changes(wanted, _content(active))) if active is not None else ()
    if active is not None and not changes:
        return None
    versions: dict[str, Any] = {
        "sent_version": sent.version,
        "run_version": active.version if active is not None else "",
    }
    if warming is not None and _content(warming) == wanted:
        reason = waiting(proxy, warming) or "not ready"
        return Difference(title, sent.name, "warming", _still(active, reason), **versions, changes=changes)
    if sent.state == "warming" and active is None:
        reason = "what it names never comes from the control plane either"
        return Difference(title, sent.name, "warming", reason, **versions)
    if error is not None:
        reason = _still(active, error.problem or "rejected")
        return Difference(title, sent.name, "rejected", reason, **versions, changes=changes)
    count = rejections.get((sent.kind, sent.name), 0) or rejections.get((sent.kind, ""), 0)
    if count:
        times = "an update" if count == 1 else f"{count} updates"
        reason = f"the proxy has rejected {times} (its log says why)"
        reason = _still(active, reason) if active is not None else reason
        return Difference(title, sent.name, "rejected", reason, **versions, changes=changes)
    unsure = "" if sent.kind not in NO_TRACE or rejections else REJECTED_OR
    if active is None:
        return Difference(title, sent.name, "absent", f"the proxy does not have it{unsure}", **versions)
    return Difference(title, sent.name, "stale", _stale(sent, active) + unsure, **versions, changes=changes)


REJECTED_OR: Final = ", or it rejected it (a config_dump does not show that; `envoysim fetch` asks for the counters)"


def _stale(sent: Resource, active: Resource) -> str:
    if sent.version and active.version and sent.version != active.version:
        return f"the proxy runs version {active.version}, the control plane sends {sent.version}"
    return "the proxy runs something else under the same version"


def _still(active: Resource | None, reason: str) -> str:
    if active is None:
        return reason
    return f"{reason}; it still runs version {active.version}" if active.version else f"{reason}; it runs the old one"


def _left_over(title: str, name: str, states: Mapping[str, Resource]) -> Iterator[Difference]:
    for state, resource in states.items():
        if state == "draining":
            yield Difference(title, name, "draining", resource.problem or "", run_version=resource.version)
        elif state == "error":
            yield Difference(title, name, "rejected", resource.problem or "", run_version=resource.version)
        elif state == "active":
            reason = "the control plane does not send it (any more)"
            yield Difference(title, name, "left over", reason, run_version=resource.version)
        else:
            reason = "it waits, and the control plane does not send it (any more)"
            yield Difference(title, name, "left over", reason, run_version=resource.version)


def _never_came(plane: Dump) -> Iterator[Difference]:
    for record in plane.fetched:
        for item in record.get("missing", ()):
            kind = str(item.get("kind", "")).replace(" ", "_")
            who = ", ".join(item.get("wanted_by", ()))
            reason = str(item.get("reason") or "the control plane never sends it")
            yield Difference(
                TITLES.get(kind, kind),
                str(item.get("name")),
                "never came",
                reason + (f"; wanted by {who}" if who else ""),
            )


# --- contents ---------------------------------------------------------------------------------------------------------


def _content(resource: Resource) -> Any:
    """One spelling of the same content: decoded and printed again, secrets taken out on both sides."""
    if resource.kind == "secret":
        return {"name": resource.name}  # neither side shows what counts
    message = decode_message(TYPES[resource.kind], redact(resource.plain()), NOWHERE, [])
    return _hosts(to_json(message)) if resource.kind == "endpoint" else to_json(message)


def _hosts(assignment: Mapping[str, Any]) -> dict[str, Any]:
    """Endpoints by address: the order and what checks found out belong to the proxy."""
    found: dict[str, Any] = {}
    for group in assignment.get("endpoints", ()):
        locality = "/".join(group.get("locality", {}).get(part, "") for part in ("region", "zone", "sub_zone"))
        for host in group.get("lb_endpoints", ()):
            socket = host.get("endpoint", {}).get("address", {}).get("socket_address", {})
            address = f"{socket.get('address')}:{socket.get('port_value')}" if socket else str(host.get("endpoint"))
            found[address] = {
                "locality": locality.rstrip("/"),
                "priority": group.get("priority", 0),
                "weight": host.get("load_balancing_weight", 1),
                "metadata": host.get("metadata", {}),
            }
    return found


def _changes(sent: Any, run: Any, path: str = "") -> Iterator[str]:
    """Yield the first places that differ, as ``/place: run -> sent``."""
    for count, text in enumerate(_all_changes(sent, run, path)):
        if count == SHOWN_CHANGES:
            yield "…"
            return
        yield text


def _all_changes(sent: Any, run: Any, path: str) -> Iterator[str]:
    if isinstance(sent, dict) and isinstance(run, dict):
        for key in dict.fromkeys((*run, *sent)):
            if sent.get(key) != run.get(key):
                yield from _all_changes(sent.get(key), run.get(key), f"{path}/{key}")
    elif isinstance(sent, list) and isinstance(run, list) and len(sent) == len(run):
        for index, (new, old) in enumerate(zip(sent, run, strict=True)):
            if new != old:
                yield from _all_changes(new, old, f"{path}/{index}")
    elif sent != run:
        yield f"{path}: {_short(run)} -> {_short(sent)}"


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"{len(value)} elements"
    if isinstance(value, dict):
        return "an object"
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


# --- rejections that only counters tell -------------------------------------------------------------------------------


def _rejections(proxy: Dump) -> dict[tuple[str, str], int]:
    """``update_rejected`` by (kind, name), name "" for all of a kind; from a dump that ``envoysim fetch`` saved."""
    found: dict[tuple[str, str], int] = {}
    for name, value in proxy.counters.items():
        if not name.endswith(".update_rejected"):
            continue
        parts = name.removesuffix(".update_rejected").split(".")
        if name.startswith("cluster_manager.cds."):
            found["cluster", ""] = value
        elif name.startswith("listener_manager.lds."):
            found["listener", ""] = value
        elif "rds" in parts and parts[0] == "http":
            found["route_configuration", ".".join(parts[parts.index("rds") + 1 :])] = value
        elif "scoped_rds" in parts:
            found["scoped_route", ""] = value
        elif parts[0] == "cluster":
            for service in _services(proxy, ".".join(parts[1:])):
                found["endpoint", service] = value
        elif "extension_config_discovery" in parts:
            found["extension_config", parts[-1]] = value
    return found


def _services(proxy: Dump, cluster: str) -> Iterator[str]:
    resource = proxy.clusters.get(cluster)
    yield cluster
    if resource is not None and resource.message().eds_cluster_config.service_name:
        yield resource.message().eds_cluster_config.service_name
