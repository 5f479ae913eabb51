"""Subsets: hosts parted by their metadata, each part with a load balancer of its own (``subset_lb.cc``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import Final, Protocol

from ...lazy_dataclass import dataclass
from ..host import Host
from .context import Ask
from .host_set import HostSet
from .policy import Selector, Subset
from .values import Frozen, freeze, label_matches

FALLBACK_LIST: Final = "fallback_list"
NAMESPACE: Final = "envoy.lb"
Criteria = Mapping[str, object]
Key = tuple[tuple[str, Frozen], ...]


class _Child(Protocol):
    def refresh(self, host_sets: tuple[HostSet, ...]) -> None: ...

    def choose(self, ask: Ask) -> Host | None: ...


@dataclass(slots=True)
class _Part:
    """One subset: its hosts, and the balancer over them (made when first asked for)."""

    hosts: frozenset[Host]
    sets: tuple[HostSet, ...] = ()
    child: _Child | None = None
    single: Host | None = None


ANY: Final[Key] = (("*", ("any",)),)
DEFAULT: Final[Key] = (("*", ("default",)),)


def fallbacks_by_keys(selectors: Iterable[Selector]) -> dict[tuple[str, ...], Selector]:
    """Return the selector whose fallback counts for a set of keys (``initSubsetSelectorMap``).

    Selectors make a tree of their sorted keys. Only the one that creates a node sets its fallback: after a
    selector on ``a`` and ``b``, one on ``a`` alone has none of its own.
    """
    nodes: set[tuple[str, ...]] = set()
    found: dict[tuple[str, ...], Selector] = {}
    for selector in selectors:
        for length in range(1, len(selector.keys) + 1):
            node = selector.keys[:length]
            if node not in nodes:
                nodes.add(node)
                if length == len(selector.keys):
                    found[node] = selector
    return found


class SubsetBalancer:
    """One worker's subsets."""

    __slots__ = ("_fallbacks", "_make_child", "_parts", "_policy", "host_sets")

    def __init__(self, policy: Subset, make_child: Callable[[], _Child]) -> None:
        self._policy = policy
        self._make_child = make_child
        self._fallbacks = fallbacks_by_keys(policy.selectors)
        self._parts: dict[Key, _Part] = {}
        self.host_sets: tuple[HostSet, ...] = ()

    # ---- hosts

    def refresh(self, host_sets: tuple[HostSet, ...]) -> None:
        """Part the hosts anew; subsets that live on keep their balancers."""
        old_hosts = [host_set.group.hosts for host_set in self.host_sets]
        self.host_sets = host_sets
        if old_hosts != [host_set.group.hosts for host_set in host_sets]:
            known, self._parts = self._parts, self._part()
            for key, part in self._parts.items():
                if key in known:
                    part.child, part.sets = known[key].child, known[key].sets
        for part in self._parts.values():
            if part.child is not None:
                self._refresh(part)

    def _part(self) -> dict[Key, _Part]:
        """Group the hosts of every priority by the values of each selector's keys (``processSubsets``)."""
        members: dict[Key, list[Host]] = {}
        singles: dict[Key, Host] = {}
        everyone = [host for host_set in self.host_sets for host in host_set.group.hosts]
        for host in everyone:
            for selector in self._policy.selectors:
                for key in self._keys_of(host, selector.keys):
                    if selector.single_host and key not in members:
                        singles.setdefault(key, host)
                    elif key not in singles:
                        members.setdefault(key, []).append(host)
        parts = {key: _Part(frozenset(hosts)) for key, hosts in members.items()}
        parts |= {key: _Part(frozenset({host}), single=host) for key, host in singles.items()}
        parts[ANY] = _Part(frozenset(everyone))
        parts[DEFAULT] = _Part(frozenset(host for host in everyone if self._in_default(host)))
        return parts

    def _keys_of(self, host: Host, keys: tuple[str, ...]) -> list[Key]:
        """Return the subsets of one selector that a host is in (``extractSubsetMetadata``)."""
        labels = host.metadata.get(NAMESPACE, {})
        values: list[list[tuple[str, Frozen]]] = []
        for key in keys:
            if key not in labels:
                return []
            value = labels[key]
            items = value if self._policy.list_as_any and isinstance(value, list) else [value]
            values.append([(key, freeze(item)) for item in items])
        return [tuple(choice) for choice in product(*values)]

    def _in_default(self, host: Host) -> bool:
        labels = host.metadata.get(NAMESPACE, {})
        lists = self._policy.list_as_any
        return all(
            key in labels and label_matches(labels[key], value, lists) for key, value in self._policy.default_subset
        )

    def _refresh(self, part: _Part) -> None:
        """Give a subset's balancer its hosts; priorities that did not change keep their identity."""
        sets = []
        for index, host_set in enumerate(self.host_sets):
            filtered = self._filter(host_set, part.hosts)
            known = part.sets[index] if index < len(part.sets) else None
            sets.append(known if known is not None and known == filtered else filtered)
        new = tuple(sets)
        if new != part.sets or part.child is None:
            part.sets = new
            if part.child is None:
                part.child = self._make_child()
            part.child.refresh(new)

    def _filter(self, host_set: HostSet, hosts: frozenset[Host]) -> HostSet:
        localities = tuple(group.keep(hosts.__contains__) for group in host_set.localities)
        weights: tuple[int, ...] = ()
        if self._policy.locality_weight_aware:
            weights = host_set.weights
            if self._policy.scale_locality_weight:
                weights = tuple(
                    math.floor(weight * len(kept.hosts) / len(whole.hosts) + 0.5) if whole.hosts else 0
                    for weight, kept, whole in zip(weights, localities, host_set.localities, strict=True)
                )
        return replace(host_set, group=host_set.group.keep(hosts.__contains__), localities=localities, weights=weights)

    # ---- choice

    def choose(self, ask: Ask) -> Host | None:
        """Choose a subset by the request's criteria, then a host in it; fall back as configured."""
        criteria = ask.context.metadata_match
        if not self._policy.metadata_fallback or not criteria or FALLBACK_LIST not in criteria:
            return self._choose(criteria, ask)
        overrides = criteria[FALLBACK_LIST]
        rest = {key: value for key, value in criteria.items() if key != FALLBACK_LIST}
        if not isinstance(overrides, list) or not overrides:
            return self._choose(rest, ask)
        for override in overrides:
            host = self._choose({**rest, **override} if isinstance(override, dict) else rest, ask)
            if host is not None:
                return host
        return None

    def _choose(self, criteria: Criteria | None, ask: Ask) -> Host | None:
        policy = self._policy
        if criteria and policy.allow_redundant_keys:
            criteria = self._without_redundant(criteria)
        if criteria:
            key: Key = tuple((name, freeze(criteria[name])) for name in sorted(criteria))
            part = self._parts.get(key)
            if part is not None and part.hosts:
                ask.count("lb_subsets_selected")
                ask.how = _words(criteria)
                return self._from(part, ask)
            selector = self._fallbacks.get(tuple(name for name, _ in key))
            if selector is not None and selector.fallback:
                return self._selector_fallback(selector, criteria, ask)
        if policy.fallback == "NO_FALLBACK":
            words = _words(criteria) if criteria else "the route has no metadata_match"
            ask.reason = f"{words}: no such subset, and the fallback policy is NO_FALLBACK"
            ask.missing = criteria or {}
            return None
        host = self._from_fallback(policy.fallback, ask)
        if host is not None:
            ask.count("lb_subsets_fallback")
            return host
        if policy.panic_mode_any:
            host = self._from_fallback("ANY_ENDPOINT", ask)
            if host is not None:
                ask.count("lb_subsets_fallback_panic")
        return host

    def _without_redundant(self, criteria: Criteria) -> Criteria:
        """Keep the keys of the first selector that the criteria have all keys of (``filterCriteriaBySelectors``)."""
        for selector in self._policy.selectors:
            if all(key in criteria for key in selector.keys):
                return {key: criteria[key] for key in selector.keys}
        return criteria

    def _selector_fallback(self, selector: Selector, criteria: Criteria, ask: Ask) -> Host | None:
        if selector.fallback == "KEYS_SUBSET":
            fewer = {key: value for key, value in criteria.items() if key in selector.fallback_keys}
            return self._choose(fewer, ask)
        if selector.fallback == "NO_FALLBACK":
            ask.reason = f"{_words(criteria)}: no such subset, and its selector's fallback policy is NO_FALLBACK"
            ask.missing = criteria
            return None
        return self._from_fallback(selector.fallback, ask)

    def _from_fallback(self, fallback: str, ask: Ask) -> Host | None:
        ask.how = f"fallback {fallback}"
        return self._from(self._parts[ANY if fallback == "ANY_ENDPOINT" else DEFAULT], ask)

    def _from(self, part: _Part, ask: Ask) -> Host | None:
        if part.single is not None:
            ask.candidates = 1
            return part.single
        if part.child is None:
            self._refresh(part)
        assert part.child is not None
        how, ask.how = ask.how, ""
        host = part.child.choose(ask)
        ask.how = f"{how}, {ask.how}" if ask.how else how
        if host is None and not part.hosts:
            ask.reason = f"{how} has no host"
        return host


def _words(criteria: Criteria) -> str:
    return "subset " + ", ".join(f"{key}={criteria[key]}" for key in sorted(criteria))
