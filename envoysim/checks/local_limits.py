"""Local rate limits of filters and routes, and the descriptors that ``rate_limits`` actions can make."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg
from .filter_walk import per_filter_messages
from .subject import RouteItem, Subject, Table

LIMIT: Final = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
Entry = tuple[str, str | None]
"""A key, and its value where it is the same for every request."""
FIXED_KEYS: Final = ("source_cluster", "destination_cluster", "remote_address", "masked_remote_address")
DEFAULT_KEYS: Final = {
    "generic_key": "generic_key",
    "header_value_match": "header_match",
    "query_parameter_value_match": "query_match",
    "remote_address_match": "remote_address_match",
}
TOLD_KEYS: Final = ("request_headers", "query_parameters", "metadata", "dynamic_metadata")


@dataclass(frozen=True, slots=True, eq=False)
class LocalLimit:
    """A ``LocalRateLimit``, the tables whose requests it may see, and the only ``route`` where it stands on one."""

    config: Msg
    ref: Ref
    where: str
    tables: tuple[Table, ...]
    route: RouteItem | None


def local_limits(subject: Subject) -> Iterator[LocalLimit]:
    """Yield those of connection managers, then those of route tables."""
    for item in subject.http_filters:
        if item.type_name == LIMIT and item.config is not None:
            tables = tuple(t for t in subject.tables if item.manager in t.managers)
            yield LocalLimit(item.config, item.ref, f"filter `{item.name}`", tables, None)
    for entry, config in per_filter_messages(subject, LIMIT):
        where = f"route `{entry.route.label}`" if entry.route is not None else f"route table `{entry.table.name}`"
        yield LocalLimit(config, entry.ref, where, (entry.table,), entry.route)


def policies(subject: Subject, limit: LocalLimit) -> list[Msg]:
    """Return every ``rate_limits`` entry that may make descriptors for a limit."""
    if limit.config.rate_limits:
        return list(limit.config.rate_limits)
    found: list[Msg] = []
    tables = set(map(id, limit.tables))
    own = limit.route
    for host in subject.hosts:
        if id(host.table) in tables and (own is None or own.host is host):
            found += host.msg.rate_limits
    for route in [own] if own is not None else subject.forwards:
        if id(route.host.table) in tables:
            found += route.msg.route.rate_limits
    return [policy for policy in found if policy.stage.value == limit.config.stage]


def descriptors(policy: Msg) -> list[tuple[Entry, ...]] | None:
    """Return what a policy can make of requests; ``None`` where that cannot be told."""
    choices: list[Sequence[tuple[Entry, ...]]] = []
    for action in policy.actions:
        kind = action.WhichOneof("action_specifier") or ""
        inner: Msg = getattr(action, kind, None)
        if kind in FIXED_KEYS:
            choices.append([((kind, None),)])
        elif kind in TOLD_KEYS:
            made = ((inner.descriptor_key or "query_param", None),)
            choices.append([made, ()] if getattr(inner, "skip_if_absent", False) else [made])
        elif kind in DEFAULT_KEYS:
            value = inner.descriptor_value
            fixed = None if "%" in value or not value else value
            choices.append([((inner.descriptor_key or DEFAULT_KEYS[kind], fixed),)])
        else:
            return None
    return [tuple(entry for part in chosen for entry in part) for chosen in product(*choices)]
