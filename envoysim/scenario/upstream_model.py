"""Upstreams whose answers are drawn: latency, errors, and what the scenario does to them meanwhile."""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from ..model.behaviour import ECHO, Behaviour
from .settings import Capacity, Conduct, ErrorLaw, LatencyLaw, UpstreamRule

Draw = Callable[[], float]
PLAIN: Final = UpstreamRule("*", Conduct())
ANSWER: Final = ErrorLaw(1.0)
"""What happens where no error is drawn."""
HANGS: Final = ErrorLaw(1.0, action="hang")


def law_draw(law: LatencyLaw, source: random.Random) -> Draw:
    """Return a function that draws times in ms."""
    first, second = law.first, law.second
    uniform = source.random
    match law.kind:
        case "fixed":
            return lambda: first
        case "uniform":
            return lambda: first + (second - first) * uniform()
        case "normal":
            return lambda: max(0.0, source.gauss(first, second))
        case "exponential":
            return lambda: -math.log(1.0 - uniform()) * first
        case _:
            return lambda: first * math.exp(second * source.gauss(0.0, 1.0))


class Servers:
    """An endpoint that serves a few requests at once, in the order they came: when is each done?"""

    __slots__ = ("_capacity", "_free", "_starts")

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._free = [0.0] * capacity.concurrency
        """When each server is free again: a heap."""
        self._starts: deque[float] = deque()
        """When those that wait will be served."""

    @property
    def when_full(self) -> ErrorLaw:
        """What a request is answered that finds the queue full."""
        return ErrorLaw(1.0, self._capacity.when_full)

    def resize(self, capacity: Capacity) -> None:
        """Add servers, or take away those that are free first."""
        more = capacity.concurrency - self._capacity.concurrency
        self._capacity = capacity
        for _ in range(more):
            heapq.heappush(self._free, 0.0)
        for _ in range(-more):
            heapq.heappop(self._free)

    def wait_ms(self, now_ms: float, service_ms: float) -> float | None:
        """Take one more request and return how long until it is served to its end; ``None``: the queue is full."""
        free, starts = self._free, self._starts
        while starts and starts[0] <= now_ms:
            starts.popleft()
        start = free[0]
        if start > now_ms:
            queue = self._capacity.queue
            if queue is not None and len(starts) >= queue:
                return None
            starts.append(start)
        else:
            start = now_ms
        heapq.heapreplace(free, start + service_ms)
        return start + service_ms - now_ms


class EndpointModel:
    """One endpoint of one cluster; it has random numbers of its own, so that others do not disturb it."""

    __slots__ = ("_checks", "_conduct", "_draw", "_errors", "_latency", "_servers", "_source", "rule")

    def __init__(self, rule: LiveRule, seed: str) -> None:
        self.rule = rule
        self._source = random.Random(seed)
        self._checks = random.Random(f"{seed}/checks")
        self._draw = self._source.random
        self._servers: Servers | None = None
        self._conduct: Conduct | None = None
        self._errors: tuple[tuple[float, ErrorLaw, Draw], ...] = ()
        self._latency: Draw = float

    def _follow(self, conduct: Conduct) -> None:
        """Take on new conduct; requests that wait at the endpoint stay in its queue."""
        self._conduct = conduct
        self._latency = law_draw(conduct.latency, self._source)
        edge, errors = 0.0, []
        for law in conduct.errors:
            edge += law.share
            errors.append((edge, law, law_draw(law.latency, self._source) if law.latency else self._latency))
        self._errors = tuple(errors)
        if conduct.capacity is None:
            self._servers = None
        elif self._servers is None:
            self._servers = Servers(conduct.capacity)
        else:
            self._servers.resize(conduct.capacity)

    def state(self) -> str:
        """Return what the scenario has done to the endpoint, "" for nothing."""
        return self.rule.conduct.state

    def check(self) -> ErrorLaw:
        """Draw what a health check meets: the errors of requests, but neither their numbers nor their queue."""
        point = self._checks.random()
        for error in self.rule.conduct.errors:
            point -= error.share
            if point < 0:
                return error
        return ANSWER

    def answer(self, now_ms: float) -> tuple[ErrorLaw, float]:
        """Draw what a request that arrives now meets, and after how long."""
        conduct = self.rule.conduct
        if conduct is not self._conduct:
            self._follow(conduct)
        if conduct.state == "hang":
            return HANGS, 0.0
        law, latency = ANSWER, self._latency
        if self._errors:
            point = self._draw()
            for edge, error, draw in self._errors:
                if point < edge:
                    law, latency = error, draw
                    break
        delay_ms = latency()
        if self._servers is not None:
            served_ms = self._servers.wait_ms(now_ms, delay_ms)
            if served_ms is None:
                return self._servers.when_full, 0.0
            delay_ms = served_ms
        return law, delay_ms


class LiveRule:
    """A rule as it stands now."""

    __slots__ = ("conduct", "rule")

    def __init__(self, rule: UpstreamRule) -> None:
        self.rule = rule
        self.conduct = rule.conduct


class DrawnUpstreams:
    """The ``World.upstream_model`` of a scenario: the endpoint's rule, else its cluster's, else that of ``*``."""

    def __init__(self, rules: Mapping[str, UpstreamRule], seed: int) -> None:
        self.rules = {key: LiveRule(rule) for key, rule in rules.items()}
        self._default = LiveRule(PLAIN)
        self._seed = seed
        self._endpoints: dict[tuple[str, str], EndpointModel] = {}

    def endpoint(self, endpoint: str, cluster: str) -> EndpointModel:
        """Return the model of one endpoint; it is one server, whichever cluster it is reached by."""
        model = self._endpoints.get((endpoint, cluster))
        if model is None:
            rules = self.rules
            own = rules.get(endpoint)
            rule = own or rules.get(cluster) or rules.get("*") or self._default
            key = (endpoint, "") if own else (endpoint, cluster)
            model = self._endpoints.get(key)
            if model is None:
                model = self._endpoints[key] = EndpointModel(rule, f"{self._seed}/upstream/{key[0]}/{key[1]}")
            self._endpoints[endpoint, cluster] = model
        return model

    def meets_connection(self, endpoint: str, cluster: str, now_ms: float) -> Behaviour | None:
        """Refuse connections, or never accept them, while the scenario says so."""
        state = self.endpoint(endpoint, cluster).state()
        if state in ("refuse", "leave"):
            return Behaviour("refuse")
        return Behaviour("connect_timeout") if state == "connect_timeout" else None

    def meets_request(self, endpoint: str, cluster: str, now_ms: float) -> Behaviour:
        """Draw an answer."""
        return behaviour(*self.endpoint(endpoint, cluster).answer(now_ms))


def behaviour(law: ErrorLaw, delay_ms: float) -> Behaviour:
    """Return what the stages know a drawn answer as."""
    if law is ANSWER:
        return Behaviour(delay_ms=delay_ms)
    body = ECHO if law.status == 200 else ""
    return Behaviour(law.action, law.status, body=body, grpc_status=law.grpc_status, delay_ms=delay_ms)
