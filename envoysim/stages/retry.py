"""Retries: which answers and resets are tried again, how often and after how long.

Follows ``source/common/router/retry_policy_impl.cc``; one request's state is in ``retry_state``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.header_matcher import HeaderMatcher, compile_header_matchers, parse_uint64
from ..model.ref import Ref
from ..schema import Msg, duration_ms
from .retry_host import HostPredicate, PreviousPriorities, compile_host_predicate, compile_retry_priority

if TYPE_CHECKING:
    from .proxy import Proxy

HTTP_TOKENS: Final = {
    "5xx": 0x1,
    "gateway-error": 0x2,
    "connect-failure": 0x4,
    "retriable-4xx": 0x8,
    "refused-stream": 0x10,
    "retriable-status-codes": 0x20,
    "retriable-headers": 0x40,
    "envoy-ratelimited": 0x80,
    "reset": 0x100,
    "reset-before-request": 0x200,
    "http3-post-connect-failure": 0x400,
}
GRPC_TOKENS: Final = {
    "cancelled": 0x1000,
    "deadline-exceeded": 0x2000,
    "resource-exhausted": 0x4000,
    "unavailable": 0x8000,
    "internal": 0x10000,
}
TOKENS: Final = HTTP_TOKENS | GRPC_TOKENS
"""What a route's ``retry_on`` may hold; the headers know one kind each."""
BASE_KEY: Final = "upstream.base_retry_backoff_ms"
DEFAULT_BASE_MS: Final = 25


@dataclass(frozen=True, slots=True)
class ResetHeader:
    """A response header that says when to come back: seconds from now, or a Unix time."""

    name: str
    unix_timestamp: bool


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """A compiled ``envoy.config.route.v3.RetryPolicy``; ``retry_on`` is a union of token bits."""

    ref: Ref | None = None
    retry_on: int = 0
    num_retries: int = 1
    per_try_timeout_ms: int = 0
    per_try_idle_timeout_ms: int = 0
    retriable_status_codes: tuple[int, ...] = ()
    retriable_headers: tuple[HeaderMatcher, ...] = ()
    retriable_request_headers: tuple[HeaderMatcher, ...] = ()
    base_interval_ms: int = DEFAULT_BASE_MS
    max_interval_ms: int | None = None
    reset_headers: tuple[ResetHeader, ...] = ()
    reset_max_interval_ms: int = 300_000
    host_predicates: tuple[HostPredicate, ...] = ()
    host_selection_max_attempts: int = 1
    retry_priority: PreviousPriorities | None = None
    notes: tuple[str, ...] = ()
    """What a trace has to say of it: what is not modelled, and what Envoy ignores."""


NO_RETRY: Final = RetryPolicy()
"""Routes without a policy: only the request's own headers can ask for retries."""


def compile_retry_policy(msg: Msg, ref: Ref, proxy: Proxy | None) -> RetryPolicy:
    """Compile ``msg``; unknown tokens of ``retry_on`` are ignored, as Envoy does without a word."""
    retry_on, unknown = parse_retry_on(msg.retry_on, TOKENS)
    base, maximum = _back_off(msg, proxy)
    rate_limited = msg.rate_limited_retry_back_off
    notes = [f"retry_on `{token}` is no condition that Envoy knows: it is ignored" for token in unknown]
    notes += [f"not modelled: retry_options_predicates: `{p.name}`" for p in msg.retry_options_predicates]
    if msg.refresh_cluster_on_retry:
        notes.append("not modelled: refresh_cluster_on_retry: retries stay in the cluster of the first attempt")
    predicates = []
    for index, predicate in enumerate(msg.retry_host_predicate):
        compiled = compile_host_predicate(predicate, ref.at("retry_host_predicate", index))
        if compiled is None:
            notes.append(f"not modelled: retry_host_predicate `{predicate.name}`")
        else:
            predicates.append(compiled)
    priority = compile_retry_priority(msg.retry_priority) if msg.HasField("retry_priority") else None
    if msg.HasField("retry_priority") and priority is None:
        notes.append(f"not modelled: retry_priority `{msg.retry_priority.name}`")
    return RetryPolicy(
        ref=ref,
        retry_on=retry_on,
        num_retries=msg.num_retries.value if msg.HasField("num_retries") else 1,
        per_try_timeout_ms=int(duration_ms(msg.per_try_timeout)),
        per_try_idle_timeout_ms=int(duration_ms(msg.per_try_idle_timeout)),
        retriable_status_codes=tuple(msg.retriable_status_codes),
        retriable_headers=compile_header_matchers(msg.retriable_headers, ref.at("retriable_headers")),
        retriable_request_headers=compile_header_matchers(
            msg.retriable_request_headers, ref.at("retriable_request_headers")
        ),
        base_interval_ms=base,
        max_interval_ms=maximum,
        reset_headers=tuple(ResetHeader(h.name.lower(), h.format == 1) for h in rate_limited.reset_headers),
        reset_max_interval_ms=max(1, int(duration_ms(rate_limited.max_interval)))
        if rate_limited.HasField("max_interval")
        else 300_000,
        host_predicates=tuple(predicates),
        host_selection_max_attempts=msg.host_selection_retry_max_attempts or 1,
        retry_priority=priority,
        notes=tuple(notes),
    )


def _back_off(msg: Msg, proxy: Proxy | None) -> tuple[int, int | None]:
    if not msg.HasField("retry_back_off"):
        runtime = proxy.runtime if proxy is not None else None
        return (runtime.integer(BASE_KEY, DEFAULT_BASE_MS) if runtime is not None else DEFAULT_BASE_MS), None
    back_off = msg.retry_back_off
    base = max(1, int(duration_ms(back_off.base_interval)))
    maximum = max(1, int(duration_ms(back_off.max_interval))) if back_off.HasField("max_interval") else None
    return base, maximum


def parse_retry_on(text: str, tokens: dict[str, int]) -> tuple[int, tuple[str, ...]]:
    """Return the bits of the known tokens of ``text``, and the unknown ones."""
    bits, unknown = 0, []
    for token in text.split(","):
        token = token.strip()
        bit = tokens.get(token)
        if bit is not None:
            bits |= bit
        elif token:
            unknown.append(token)
    return bits, tuple(unknown)


def parse_uint(text: str | None) -> int | None:
    """Read an unsigned number out of a header, ``None`` where it is missing or malformed."""
    return None if text is None else parse_uint64(text)
