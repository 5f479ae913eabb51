"""The ``upstreams`` of a scenario: how endpoints behave, and when that changes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, get_args

from ..model.behaviour import Action
from .marked_yaml import Keys, Marked
from .settings import Capacity, Change, Conduct, ErrorLaw, LatencyLaw, State, UpstreamRule

STATES: Final = tuple(word for word in get_args(State) if word)
WORDS: Final = {
    "hang": "hangs: it accepts and never answers",
    "refuse": "refuses connections",
    "connect_timeout": "lets connections time out",
    "leave": "leaves",
    "draining": "is told to be draining",
    "unhealthy": "is told to be unhealthy",
    "degraded": "is told to be degraded",
    "healthy": "is told to be healthy",
}
Z99: Final = 2.3263478740408408
"""The standard normal's 99 % quantile: a lognormal may be given by its median and p99."""


def read_upstream_rules(marked: Marked, duration_ms: float) -> dict[str, UpstreamRule]:
    """Read the mapping from ``ip:port``, cluster name or ``*`` to behaviour."""
    return {key: _rule(key, value, duration_ms) for key, value in marked.mapping("`upstreams`").items()}


def _rule(key: str, marked: Marked, duration_ms: float) -> UpstreamRule:
    keys = Keys(marked, f"upstream `{key}`")
    conduct = _conduct(keys, Conduct())
    changes = keys.get("changes")
    keys.done()
    found = _changes(changes, conduct, duration_ms) if changes is not None else ()
    return UpstreamRule(key, conduct, found, marked.line)


def _conduct(keys: Keys, base: Conduct) -> Conduct:
    """Read latency, errors and capacity over what ``base`` says."""
    capacity = keys.get("capacity")
    return replace(
        base,
        latency=keys.take("latency", _latency, base.latency),
        errors=keys.take("errors", _errors, base.errors),
        capacity=base.capacity if capacity is None else None if capacity.value is None else _capacity(capacity),
    )


def _latency(marked: Marked, what: str) -> LatencyLaw:
    """Read ``20ms`` or ``{lognormal: {median: 20ms, p99: 200ms}}``."""
    if not isinstance(marked.value, dict):
        return LatencyLaw("fixed", marked.duration(what))
    kinds = ("fixed", "uniform", "normal", "exponential", "lognormal")
    if len(marked.value) != 1:
        marked.fail(f"{what} names one distribution", help="one of " + ", ".join(kinds))
    name, value = next(iter(marked.value.items()))
    Marked(name, marked.file, value.line).one_of("distribution", kinds)
    if name in ("fixed", "exponential") and not isinstance(value.value, dict):
        return LatencyLaw(name, value.duration(what))
    keys = Keys(value, f"`{name}`")

    def time(key: str) -> float:
        return keys.need(key).duration(f"`{key}` of `{name}`")

    match name:
        case "fixed":
            law = LatencyLaw("fixed", time("value"))
        case "uniform":
            law = LatencyLaw("uniform", time("low"), time("high"))
            if law.second < law.first:
                value.fail("`high` must not be below `low`")
        case "normal":
            law = LatencyLaw("normal", time("mean"), time("deviation"))
        case "exponential":
            law = LatencyLaw("exponential", time("mean"))
        case _:
            law = _lognormal(keys, value)
    keys.done()
    return law


def _lognormal(keys: Keys, marked: Marked) -> LatencyLaw:
    median = keys.need("median").duration("`median` of `lognormal`")
    p99, sigma = keys.get("p99"), keys.get("sigma")
    if (p99 is None) == (sigma is None):
        marked.fail("`lognormal` needs `median` and either `p99` or `sigma`")
    if median <= 0:
        marked.fail("`median` of `lognormal` must be longer than 0")
    if sigma is not None:
        return LatencyLaw("lognormal", median, sigma.number("`sigma`"))
    assert p99 is not None
    high = p99.duration("`p99` of `lognormal`")
    if high < median:
        p99.fail("`p99` must not be below `median`")
    return LatencyLaw("lognormal", median, math.log(high / median) / Z99)


def _errors(marked: Marked, what: str) -> tuple[ErrorLaw, ...]:
    if marked.value is None:
        return ()
    errors = tuple(_error(item) for item in marked.items(what))
    if sum(error.share for error in errors) > 1 + 1e-9:
        marked.fail(f"the shares of {what} add up to more than 1")
    return errors


def _error(marked: Marked) -> ErrorLaw:
    keys = Keys(marked, "an error")
    share = keys.need("share").number("`share` of an error", most=1.0)
    status, action, grpc = keys.get("status"), keys.get("action"), keys.get("grpc_status")
    if status is None and action is None and grpc is None:
        marked.fail("an error needs `status`, `action` or `grpc_status`")
    code = 200 if status is None else status.whole("`status` of an error", least=200)
    if code > 599:
        (status or marked).fail(f"`status` of an error must be 200 to 599: {code}")
    law = ErrorLaw(
        share,
        code,
        "reply" if action is None else action.one_of("action", get_args(Action)),  # type: ignore[arg-type]
        None if grpc is None else grpc.whole("`grpc_status` of an error"),
        keys.take("latency", _latency, None),
    )
    keys.done()
    if law.action in ("refuse", "connect_timeout"):
        (action or marked).fail(
            f"`{law.action}` is not drawn for each request", help=f"write a change with `state: {law.action}`"
        )
    return law


def _capacity(marked: Marked) -> Capacity:
    keys = Keys(marked, "`capacity`")
    queue = keys.get("queue")
    capacity = Capacity(
        keys.need("concurrency").whole("`concurrency`", least=1),
        None if queue is None else queue.whole("`queue`"),
        keys.take("when_full", Marked.whole, 503),
    )
    keys.done()
    return capacity


# ---- changes


def _changes(marked: Marked, base: Conduct, duration_ms: float) -> tuple[Change, ...]:
    """Read changes in the order of time; each starts from ``base`` and lasts until the next, or until ``until``."""
    found: list[Change] = []
    last_ms = -1.0
    for item in marked.items("`changes`"):
        keys = Keys(item, "a change")
        at_ms = keys.need("at").duration("`at` of a change")
        until_ms = keys.take("until", Marked.duration, math.inf)
        factor = keys.take("latency_factor", Marked.number, None)
        state = keys.get("state")
        word = state.one_of("state", (*STATES, "recover")) if state is not None else ""
        conduct = _conduct(keys, base)
        keys.done()
        if at_ms < last_ms:
            item.fail(f"changes overlap or are out of order: {at_ms / 1000:g} s is before {last_ms / 1000:g} s")
        if until_ms <= at_ms:
            item.fail("`until` of a change must be after `at`")
        if at_ms > duration_ms:
            item.fail(f"the change comes after the scenario's end at {duration_ms / 1000:g} s")
        if factor is not None:
            conduct = replace(conduct, latency=_slower(conduct.latency, factor))
        if word == "recover":
            conduct = base
        elif word:
            conduct = replace(conduct, state=word)  # type: ignore[arg-type]  # one of STATES
        elif conduct == base:
            item.fail("a change changes nothing", help="say `state`, `latency`, `latency_factor`, `errors`, `capacity`")
        found.append(Change(at_ms, conduct, _words(word, conduct, base)))
        last_ms = at_ms
        if until_ms <= duration_ms:
            found.append(Change(until_ms, base, "recovers"))
            last_ms = until_ms
    return tuple(found)


def _slower(law: LatencyLaw, factor: float) -> LatencyLaw:
    """Multiply a latency: every parameter but the lognormal's sigma is a time."""
    return LatencyLaw(law.kind, law.first * factor, law.second * (1.0 if law.kind == "lognormal" else factor))


def _words(state: str, conduct: Conduct, base: Conduct) -> str:
    """Say what changes, for the list of moments."""
    if state:
        return "recovers" if state == "recover" else WORDS[state]
    said = []
    if conduct.latency != base.latency:
        said.append(f"answers in {law_words(conduct.latency)}")
    if conduct.errors != base.errors:
        said.append(f"fails {sum(error.share for error in conduct.errors):.0%} of its requests")
    if conduct.capacity != base.capacity:
        limit = conduct.capacity
        said.append(f"serves {limit.concurrency} at once" if limit is not None else "serves any number at once")
    return " and ".join(said)


def law_words(law: LatencyLaw) -> str:
    """Say a latency in words."""
    match law.kind:
        case "fixed":
            return f"{law.first:g} ms"
        case "uniform":
            return f"{law.first:g} to {law.second:g} ms"
        case "normal":
            return f"{law.first:g} ms (deviation {law.second:g} ms)"
        case "exponential":
            return f"{law.first:g} ms on average (exponential)"
        case _:
            return f"{law.first:g} ms at the median (lognormal, sigma {law.second:.2f})"
