"""Hosts named by headers or metadata first (``source/extensions/load_balancing_policies/override_host``)."""

from __future__ import annotations

from ..host import Host
from .context import Ask, Balancer
from .host_set import HostSet
from .policy import OverrideHost

STATE = "override_host_lb"
"""``Stream.facts``: the hosts a request asked for that are not yet tried."""


class OverrideHostBalancer:
    """Goes through the hosts the request names, attempt by attempt; then ``child`` chooses."""

    __slots__ = ("_by_endpoint", "_child", "_policy")

    def __init__(self, policy: OverrideHost, child: Balancer) -> None:
        self._policy = policy
        self._child = child
        self._by_endpoint: dict[str, Host] = {}

    def refresh(self, host_sets: tuple[HostSet, ...]) -> None:
        """Index hosts by address."""
        self._by_endpoint = {host.endpoint: host for host_set in host_sets for host in host_set.group.hosts}
        self._child.refresh(host_sets)

    def choose(self, ask: Ask) -> Host | None:
        """Return the next named host that the cluster has, else what the child chooses."""
        stream = ask.context.stream
        if stream is None:
            return self._child.choose(ask)
        wanted = None if ask.context.mirror else stream.facts.get(STATE)
        if not isinstance(wanted, list):
            wanted = self._named(ask)
            if not ask.context.mirror:
                stream.facts[STATE] = wanted
        while wanted:
            host = self._by_endpoint.get(wanted.pop(0))
            if host is not None:
                ask.how = "named by the request"
                return host
        return self._child.choose(ask)

    def _named(self, ask: Ask) -> list[str]:
        """Return the addresses of all sources in order (``getSelectedHosts``)."""
        stream = ask.context.stream
        assert stream is not None
        found: list[str] = []
        for header, namespace, path in self._policy.sources:
            text = stream.headers.get(header) if header else _metadata_text(stream.metadata, namespace, path)
            if text:
                found += [part.strip() for part in text.split(",") if part.strip()]
        return found


def _metadata_text(metadata: dict[str, dict[str, object]], namespace: str, path: tuple[str, ...]) -> str | None:
    value: object = metadata.get(namespace)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
