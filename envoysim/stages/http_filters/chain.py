"""A connection manager's filter chain: who is in it, in which order, with which per-route configuration.

``source/common/http/filter_chain_helper.cc`` (creation), ``filter_manager.cc`` (iteration),
``source/common/router/per_filter_config.cc`` (overrides).
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...load.retired import type_of_name
from ...model.ref import Ref
from ...model.reply import Aborted, LocalReply, Pause, Response
from ...schema import Msg, any_type, new, unpack
from ..attempts import CLIENT_LEFT
from ..cluster_specifier import CLUSTER_CHOICE
from ..internal_redirect import Recreated
from ..local_reply import make_local_response
from ..route import Forward, Redirect
from ..route_action import routed_cluster
from ..route_configuration import resolve_route
from ..router import forward
from ..timeouts import MAX_DURATION, STREAM_IDLE, stream_idle_ms
from . import find_filter
from .base import BODY_READ, DecoderOnly, FilterModule, HttpFilter, Named
from .router import RouterFilter
from .unknown import UNKNOWN, MissingFilter, unknown_filter

if TYPE_CHECKING:
    from ..cluster_specifier import PerFilterConfig, WeightedCluster
    from ..proxy import Proxy
    from ..route import Route
    from ..stream import Story, Stream

FILTER_CONFIG: Final = "envoy.config.route.v3.FilterConfig"
ACTIVE: Final = "http_filters"
"""``Stream.facts`` key: the ``Active`` filters of the request."""

End = LocalReply | Response | Aborted | Recreated
Verdict = LocalReply | Response | Aborted | None
"""What a filter that took time has decided; ``None`` lets the request go on."""


@dataclass(frozen=True, slots=True, eq=False)
class FilterEntry:
    """One entry of ``http_filters``. Per-route configuration finds it by ``name``, the configured one."""

    name: str
    ref: Ref
    type_name: str
    filter: HttpFilter
    module: FilterModule
    disabled: bool = False
    encodes: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What a route makes of the chain: the overrides of each entry, and who is created for a new stream."""

    route: Route | None
    weighted: WeightedCluster | None
    overrides: tuple[tuple[object, ...], ...]
    created: tuple[int, ...]
    skipped: tuple[tuple[str, Ref], ...]
    """Entries that are disabled: their names, and the places that say so."""


class HttpFilterChain:
    """The compiled ``http_filters`` of a connection manager or of one of its upgrades."""

    def __init__(self, entries: Iterable[FilterEntry], proxy: Proxy) -> None:
        self.entries = tuple(entries)
        self._proxy = proxy
        self._plans: dict[tuple[int, int], Plan] = {}

    def __iter__(self) -> Iterator[FilterEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def plan(self, stream: Stream) -> Plan:
        """Return the plan for the stream's route and, where it drew one, its weighted cluster."""
        route = stream.route
        weighted = None
        if route is not None:
            choice = stream.facts.get(CLUSTER_CHOICE)
            if choice is not None and choice[0] is route.action:  # type: ignore[index]  # set by resolve_route
                weighted = choice[1].entry  # type: ignore[index]
        key = (id(route), id(weighted))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._make_plan(stream, weighted)  # the plan keeps both alive: ids stay theirs
        return plan

    def _make_plan(self, stream: Stream, weighted: WeightedCluster | None) -> Plan:
        levels = _levels(stream, weighted)
        overrides, created, skipped = [], [], []
        for index, entry in enumerate(self.entries):
            found, disabled_by = self._resolve(entry, levels)
            overrides.append(found)
            if disabled_by is None:
                created.append(index)
            else:
                skipped.append((entry.name, disabled_by))
        return Plan(stream.route, weighted, tuple(overrides), tuple(created), tuple(skipped))

    def _resolve(self, entry: FilterEntry, levels: Sequence[PerFilterConfig]) -> tuple[tuple[object, ...], Ref | None]:
        """Compile the overrides of ``entry``, least specific first; the most specific level decides who is disabled."""
        found: list[object] = []
        disabled_by = entry.ref.at("disabled") if entry.disabled else None
        for level in levels:
            configured = level.get(entry.name)
            if configured is None:
                continue
            config, ref = configured
            disabled_by = None
            wrapper = unpack(config) if any_type(config) == FILTER_CONFIG else None
            if wrapper is not None:
                disabled_by = ref.at("disabled") if wrapper.disabled else None
                config, ref = wrapper.config, ref.at("config")
            if disabled_by is None and config.type_url:
                override = compile_override(entry, config, ref, self._proxy)
                if override is not None:
                    found.append(override)
        return tuple(found), disabled_by


@dataclass(slots=True, eq=False)
class Active:
    """The filters created for one stream; who is in does not change with the route any more."""

    chain: HttpFilterChain
    created: tuple[int, ...]


def _levels(stream: Stream, weighted: WeightedCluster | None) -> tuple[PerFilterConfig, ...]:
    """Return ``typed_per_filter_config`` of every level; without a route, or with the one of ``require_tls``, none."""
    route = stream.route
    if route is None or (isinstance(route.action, Redirect) and not route.rewrites_location):
        return ()
    levels = []
    if stream.route_configuration is not None:
        levels.append(stream.route_configuration.typed_per_filter_config)
    if stream.virtual_host is not None:
        levels.append(stream.virtual_host.typed_per_filter_config)
    levels.append(route.typed_per_filter_config)
    if weighted is not None and isinstance(route.action, Forward):
        levels.append(weighted.typed_per_filter_config)
    return tuple(level for level in levels if level)


def compile_override(entry: FilterEntry, config: Msg, ref: Ref, proxy: Proxy) -> object | None:
    """Compile one per-route configuration; one of a type that is not the filter's counts for nothing."""
    kind, message = any_type(config), unpack(config)
    module = entry.module
    if message is None or module.compile_override is None or kind not in module.override_types:
        return None
    return module.compile_override(message, ref, proxy)


def compile_http_filters(msgs: Sequence[Msg], ref: Ref, proxy: Proxy) -> HttpFilterChain:
    """Compile a list of ``HttpFilter``; ``ref`` points to the list.

    Of several entries whose configuration is missing (ECDS) only the first answers.
    """
    entries: list[FilterEntry] = []
    for index, msg in enumerate(msgs):
        entry = _compile_entry(msg, ref.at(index), proxy)
        if entry is not None:
            entries.append(entry)
    return HttpFilterChain(entries, proxy)


def _compile_entry(msg: Msg, ref: Ref, proxy: Proxy) -> FilterEntry | None:
    config, at = msg.typed_config, ref.at("typed_config")
    if msg.WhichOneof("config_type") == "config_discovery":
        delivered = proxy.dump.extension_configs.get(msg.name)
        if delivered is not None:
            config, at = delivered.message().typed_config, delivered.ref.at("typed_config")
        elif msg.config_discovery.HasField("default_config"):
            config, at = msg.config_discovery.default_config, ref.at("config_discovery", "default_config")
        else:
            return FilterEntry(msg.name, ref, "", MissingFilter(ref, msg.name), UNKNOWN, msg.disabled, encodes=False)
    kind, message = any_type(config), unpack(config)
    if not kind and (kind := type_of_name(msg.name)):
        message = new(kind)  # old proxies went by the name
    module = find_filter(kind)
    if module is None and msg.is_optional and not kind.startswith("envoy."):
        return None
    return make_entry(msg.name, kind, message, ref, at, proxy, disabled=msg.disabled)


def make_entry(
    name: str, kind: str, message: Msg | None, ref: Ref, at: Ref, proxy: Proxy, *, disabled: bool = False
) -> FilterEntry:
    """Compile the filter of type ``kind``; ``at`` is the place of its configuration."""
    module = find_filter(kind)
    if module is None or message is None:
        return FilterEntry(name, ref, kind, unknown_filter(kind, name, ref), UNKNOWN, disabled, encodes=False)
    made = module.compile(message, at, proxy)
    if isinstance(made, Named):
        made = made.with_name(name)
    encodes = not isinstance(made, DecoderOnly | RouterFilter)
    return FilterEntry(name, ref, kind, made, module, disabled, encodes)


def decode_through_filters(stream: Stream) -> Story[End]:
    """Let the filters see the request, in order; the router, the last one, answers it."""
    chain = chain_of(stream)
    plan = chain.plan(stream)
    entries, created = chain.entries, plan.created
    stream.facts[ACTIVE] = Active(chain, created)
    for name, ref in plan.skipped:
        stream.telling.step("http filter", ref, "filter `{}` is disabled", name)
    for index in created:
        if stream.route_stale:
            resolve_route(stream)
            plan = chain.plan(stream)
        filter_ = entries[index].filter
        if isinstance(filter_, RouterFilter):
            return (yield from forward(stream, filter_))
        verdict = filter_.decode(stream, plan.overrides[index])
        if verdict is None:
            continue
        end: LocalReply | Aborted | Response | None
        if isinstance(verdict, Pause):
            end = yield from _while_client_waits(stream, _hold(stream, verdict))
            stream.facts[BODY_READ] = True
        elif isinstance(verdict, LocalReply | Response | Aborted):
            end = verdict
        else:
            end = yield from _while_client_waits(stream, verdict)
            stream.telling.now_ms = stream.state.now_ms
            stream.facts[BODY_READ] = True
        if end is not None:
            if isinstance(end, Response):
                stream.cluster = known_cluster(stream)
            return end
    stream.telling.note(entries[-1].ref if entries else None, "the filter chain has no router: nothing answers")
    return Aborted("eof")


def _while_client_waits(stream: Stream, story: Story[Verdict]) -> Story[Verdict]:
    """Let a filter take its time; the client may leave before it is done."""
    leaves_ms = stream.start_ms + stream.world.patience_ms
    if leaves_ms == math.inf:
        return (yield from story)
    while True:
        try:
            due_ms = next(story)
        except StopIteration as done:
            end: Verdict = done.value
            return end
        if due_ms >= leaves_ms:
            yield max(leaves_ms, stream.state.now_ms)
            story.close()
            stream.cluster = known_cluster(stream)
            return CLIENT_LEFT
        yield due_ms


def chain_of(stream: Stream) -> HttpFilterChain:
    """Return the chain for the stream: an upgrade may have one of its own."""
    hcm = stream.hcm
    own = hcm.upgrades.filters.get(stream.upgrade) if stream.upgrade else None
    return hcm.http_filters if own is None else own


def known_cluster(stream: Stream) -> str | None:
    """Return the cluster of the stream's route where it exists: what the access log says of answers before routing."""
    name = routed_cluster(stream)
    return name if name and stream.proxy.cluster(name) is not None else None


def _hold(stream: Stream, pause: Pause) -> Story[LocalReply | None]:
    """Let time pass; the stream's idle timer and its maximal duration go on meanwhile."""
    state, hcm, route = stream.state, stream.hcm, stream.route
    action = route.action if route is not None else None
    idle_ms = stream_idle_ms(stream, action) if isinstance(action, Forward) else hcm.stream_idle_timeout_ms or math.inf
    over_ms = stream.start_ms + (hcm.max_stream_duration_ms or math.inf)
    due_ms = min(state.now_ms + pause.ms, state.now_ms + idle_ms, over_ms)
    reply = pause.then
    if due_ms < state.now_ms + pause.ms:
        reply = MAX_DURATION if due_ms == over_ms else STREAM_IDLE
    yield due_ms
    stream.telling.now_ms = state.now_ms
    return reply


def encode_through_filters(stream: Stream, response: Response) -> Story[Response]:
    """Let the created filters see the response, in reverse order; answers of Envoy's own too.

    A filter that answers instead ends it: its local reply goes to the codec directly.
    """
    if stream.route_stale:
        resolve_route(stream)
    active = stream.facts.get(ACTIVE)
    if not isinstance(active, Active):  # refused before the filters: they see the answer all the same
        active = Active((chain := chain_of(stream)), chain.plan(stream).created)
    chain = active.chain
    entries = chain.entries
    plan: Plan | None = None
    for index in reversed(active.created):
        entry = entries[index]
        if not entry.encodes:
            continue
        if plan is None:
            plan = chain.plan(stream)
        verdict = entry.filter.encode(stream, response, plan.overrides[index])
        if isinstance(verdict, Generator):
            verdict = yield from verdict
        if isinstance(verdict, Pause):
            reply = yield from _hold(stream, verdict)
            if reply is not None:
                return make_local_response(stream, reply)
        elif isinstance(verdict, LocalReply):
            return make_local_response(stream, verdict)
        elif isinstance(verdict, Response):
            response = verdict
    return response
