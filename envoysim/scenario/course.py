"""The beaten path of a stream: everything before the choice of a host, decided once.

Equal requests meet the same listener, chain, filters and route, unless something on the way asks chance, time or the
worker's memory. ``find_course`` walks a request there with a world and a state that refuse such questions; when nobody
asks, what it found holds for every request of the stream, and only the rest is played for each of them (``fast``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from ..lazy_dataclass import dataclass
from ..model.chance import Chance
from ..model.headers import HeaderMap, ResponseHeaderMap
from ..model.outcome import Outcome
from ..model.reply import Aborted, LocalReply, Response
from ..model.request import Request
from ..model.world import State, World
from ..simulate import conclude
from ..stages.attempts import Attempts
from ..stages.codec import decode_request
from ..stages.hash_policy import CookieHash, first_cookie
from ..stages.http_connection_manager import HttpConnectionManager, admit_request
from ..stages.http_filters.chain import ACTIVE, Active, chain_of
from ..stages.http_filters.router import RouterFilter
from ..stages.http_filters.stateful_session import OVERRIDE_HOST
from ..stages.internal_redirect import Recreated
from ..stages.listener import accept
from ..stages.load_balancer.policy import Maglev, OverrideHost, RingHash, Subset
from ..stages.network_filters import run_network_filters
from ..stages.retry import NO_RETRY
from ..stages.retry_state import NO, make_retry_state
from ..stages.route import Forward
from ..stages.route_configuration import resolve_route
from ..stages.router import SCRIPT, forward, prepare_attempts
from ..stages.stream import Stream, Telling
from ..stages.timeouts import StreamTimers
from ..stages.upgrade import admit_upgrade
from ..stages.upstream_script import Script
from .tally import answer_word, answered_well

if TYPE_CHECKING:
    from ..stages.cluster import Cluster
    from ..stages.proxy import Proxy
    from ..stages.stream import Story

T = TypeVar("T")
Answer = bool | int
NO_HOSTS_OF_ITS_OWN: Final = frozenset({"ORIGINAL_DST", "AGGREGATE", "DYNAMIC_FORWARD_PROXY", "CUSTOM"})


class NotPlain(Exception):
    """The answer hangs on chance, memory or time: every request has to be walked through every stage."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question to chance, as a stage asks it: a fraction or a pick, and its arguments."""

    fraction: tuple[int, int, str, str] | None = None
    weights: tuple[Sequence[float], str, str] | None = None

    def put_to(self, chance: Chance) -> Answer:
        """Ask."""
        if self.fraction is not None:
            return chance.fraction(*self.fraction)
        assert self.weights is not None
        return chance.pick(*self.weights)


class Undecided(NotPlain):
    """The way hangs on chance alone."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question


class _Scripted:
    """A Chance that has answers to the first questions; the next one is ``Undecided``.

    Where ``Sampled`` draws no number there is no question.
    """

    def __init__(self, answers: Sequence[Answer] = ()) -> None:
        self._answers = list(reversed(answers))

    def begin(self) -> None:
        """Nothing."""

    def fraction(self, numerator: int, denominator: int, label: str, variable: str = "") -> bool:
        """Answer what is known."""
        if not 0 < numerator < denominator:
            return numerator >= denominator
        if not self._answers:
            raise Undecided(Question(fraction=(numerator, denominator, label, variable)))
        return bool(self._answers.pop())

    def pick(self, weights: Sequence[float], label: str, variable: str = "") -> int:
        """Answer what is known."""
        if len(weights) == 1:
            return 0
        if not self._answers:
            raise Undecided(Question(weights=(weights, label, variable)))
        return int(self._answers.pop())

    def uniform(self, low: float, high: float, label: str) -> float:
        """Refuse."""
        raise NotPlain(label)


class _NoMemory(State):
    """A State that remembers nothing."""

    __slots__ = ()

    def slot(self, key: Hashable, make: Callable[[], T]) -> T:
        """Refuse."""
        raise NotPlain(str(key))


class Conclusion(NamedTuple):
    """What the client gets: for an upstream's answer with some status and nothing else in it, or from Envoy at once."""

    word: str
    ok: bool
    outcome: Outcome


@dataclass(slots=True, eq=False)
class Course:
    """What holds for every request of a stream, up to the choice of a host."""

    request: Request
    cluster: Cluster
    config: RouterFilter
    attempts: Attempts
    """As they stand before the first host is chosen; copied for a request that has to be played in full."""
    limit_ms: float
    """An answer that takes less meets no timer."""
    conclusions: dict[int, Conclusion | None]
    """By upstream status; ``None`` where it is not plain: retried, or changed on the way back."""
    quiet: Telling

    def conclusion(self, status: int) -> Conclusion | None:
        """Return what an answer with ``status`` comes to, where that is plain."""
        if status in self.conclusions:
            return self.conclusions[status]
        try:
            found = self._conclude(status)
        except NotPlain:
            found = None
        self.conclusions[status] = found
        return found

    def _conclude(self, status: int) -> Conclusion | None:
        world = replace(self.attempts.stream.world, chance=_Scripted())
        attempts = self.fresh(world, _NoMemory(), self.quiet)
        stream = attempts.stream
        retry = make_retry_state(self.cluster.retry_policy or attempts.forward.retry_policy or NO_RETRY, stream.headers)
        response = Response(status, ResponseHeaderMap())
        if retry is not None and retry.would_retry_headers(response, stream.headers) != NO:
            return None
        if not stream.proxy.runtime.enabled_percent("upstream.use_retry", 100, world):
            return None
        stream.details = "via_upstream"
        return _conclusion(stream, response)

    def fresh(self, world: World, state: State, telling: Telling) -> Attempts:
        """Return attempts of a stream of their own, which arrives now."""
        old = self.attempts
        stream = _copy_stream(old.stream, world, state, telling)
        script = stream.facts[SCRIPT] = Script(self.request, world, state)
        exchange = replace(old.exchange, stream=stream, script=script, timeouts=copy(old.timeouts))
        timers, now_ms = old.timers, state.now_ms
        over_ms = timers.over_ms - old.stream.start_ms + now_ms
        return Attempts(exchange, StreamTimers(over_ms, timers.idle_ms, now_ms + timers.idle_ms, timers.complete))


def _copy_stream(old: Stream, world: World, state: State, telling: Telling) -> Stream:
    stream = copy(old)
    stream.world, stream.state, stream.telling = world, state, telling
    stream.headers, stream.trailers = HeaderMap(old.headers.items), HeaderMap(old.trailers.items)
    stream.metadata, stream.filter_state, stream.facts = dict(old.metadata), dict(old.filter_state), dict(old.facts)
    stream.flags, stream.attempts, stream.mirrors = list(old.flags), [], []
    stream.start_ms = state.now_ms
    stream.connection = copy(old.connection)
    return stream


def _conclusion(stream: Stream, end: Response | LocalReply | Aborted) -> Conclusion:
    outcome = _now(conclude(stream, end))
    return Conclusion(answer_word(outcome), answered_well(outcome), outcome)


def find_course(
    proxy: Proxy,
    request: Request,
    answers: Sequence[Answer],
    world: World,
    state: State,
    telling: Telling,
) -> Course | Conclusion | Question | None:
    """Return the course of a request for which chance has given ``answers`` so far.

    A ``Question`` is what chance is asked next. A ``Conclusion`` is how all such requests end before the router has to
    choose a host. ``None``: they have to be walked through every stage.
    """
    blank = replace(world, chance=_Scripted(answers))
    try:
        return _find(proxy, request, blank, world, state, telling)
    except Undecided as undecided:
        return undecided.question
    except NotPlain:
        return None


def _find(
    proxy: Proxy,
    request: Request,
    blank: World,
    world: World,
    state: State,
    telling: Telling,
) -> Course | Conclusion | None:
    if request.connection.reuse is not None or request.upstream or request.upstream_by_endpoint:
        return None
    memory = _NoMemory(state.now_ms)
    connection = accept(proxy, request, memory, telling)
    if isinstance(connection, Aborted):
        return None
    hcm = _now(run_network_filters(proxy, connection, request, blank, memory, telling))
    if not isinstance(hcm, HttpConnectionManager):
        return None
    stream, end = decode_request(hcm, connection, request, proxy, blank, memory, telling)
    if end is not None or admit_request(stream) is not None:
        return None
    resolve_route(stream)
    if admit_upgrade(stream) is not None or stream.upgrade:
        return None
    config = _through_filters(stream)
    if not isinstance(config, RouterFilter):
        return None if config is None else _conclusion(stream, config)
    if stream.route is None or not isinstance(stream.route.action, Forward):
        reply = _now(forward(stream, config))
        return None if isinstance(reply, Recreated) else _conclusion(stream, reply)
    if "x-envoy-upstream-stream-duration-ms" in stream.headers or OVERRIDE_HOST in stream.facts:
        return None
    stream.state = state  # the breakers' counters are the first thing to be remembered
    attempts = prepare_attempts(stream, stream.route.action, config)
    if isinstance(attempts, LocalReply):
        stream.state = memory
        return _conclusion(stream, attempts)
    if not isinstance(attempts, Attempts) or not _is_plain(attempts):
        return None
    stream.world = world
    cluster = attempts.cluster
    course = Course(request, cluster, config, attempts, _limit_ms(attempts, world), {}, telling)
    return course if course.conclusion(200) is not None else None


def _through_filters(stream: Stream) -> RouterFilter | LocalReply | None:
    """Let the filters see the request (``decode_through_filters``); return the router's, or the reply of another."""
    chain = chain_of(stream)
    plan = chain.plan(stream)
    created = plan.created
    stream.facts[ACTIVE] = Active(chain, created)
    for index in created:
        if stream.route_stale:
            resolve_route(stream)
            plan = chain.plan(stream)
        filter_ = chain.entries[index].filter
        if isinstance(filter_, RouterFilter):
            return filter_
        verdict = filter_.decode(stream, plan.overrides[index])
        if isinstance(verdict, LocalReply):
            return verdict
        if verdict is not None:
            return None
    return None


def _is_plain(attempts: Attempts) -> bool:
    """Tell whether an attempt is a plain request to one of the cluster's own hosts."""
    exchange, cluster, forward = attempts.exchange, attempts.cluster, attempts.forward
    return (
        cluster.type.discovery not in NO_HOSTS_OF_ITS_OWN
        and not cluster.endpoints.unknown
        and not (cluster.mirrors or forward.mirrors)
        and not cluster.connection_pool_per_downstream_connection
        and cluster.error_matcher is None
        and not _makes_cookies(attempts)
        and not exchange.raw_tcp
        and exchange.complete
    )


def _makes_cookies(attempts: Attempts) -> bool:
    """Tell whether a hash policy would make a cookie for the client: it lacks one that it shall have."""
    cluster, headers = attempts.cluster, attempts.stream.headers
    policies = [attempts.forward.hash_policy, cluster.hash_policy]
    policy = cluster.policy
    while isinstance(policy, Subset | OverrideHost):
        policy = policy.child
    if isinstance(policy, RingHash | Maglev):
        policies.append(policy.hashing.hash_policy)
    return any(
        isinstance(method, CookieHash) and method.ttl_s is not None and not first_cookie(headers, method.name)
        for known in policies
        if known is not None
        for method, _ in known.methods
    )


def _limit_ms(attempts: Attempts, world: World) -> float:
    timeouts, timers = attempts.timeouts, attempts.timers
    longest = attempts.cluster.max_stream_duration_ms
    limits = (timeouts.global_ms, timeouts.per_try_ms, timeouts.per_try_idle_ms, longest)
    own = (timers.over_ms - attempts.stream.start_ms, timers.idle_ms, world.patience_ms)
    return min(math.inf, *(limit for limit in limits if limit), *own)


def _now(story: Story[T]) -> T:
    """Return the end of a story that takes no time."""
    try:
        next(story)
    except StopIteration as end:
        value: T = end.value
        return value
    story.close()
    raise NotPlain("it takes time")
