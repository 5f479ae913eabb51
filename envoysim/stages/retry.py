"""Retries: which answers and resets are tried again, how often and after how long.

Follows ``source/common/router/retry_policy_impl.cc`` (the policy) and ``retry_state_impl.cc`` (one request's state).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..match.header_matcher import HeaderMatcher, compile_header_matchers, parse_uint64
from ..model.ref import Ref
from ..schema import Msg, duration_ms
from .retry_host import HostPredicate, PreviousPriorities, compile_host_predicate, compile_retry_priority

if TYPE_CHECKING:
    from ..model.chance import Chance
    from ..model.headers import HeaderMap
    from ..model.reply import Response
    from .circuit_breakers import ResourceManager
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
GRPC_STATUSES: Final = {1: 0x1000, 4: 0x2000, 8: 0x4000, 14: 0x8000, 13: 0x10000}
ANY_GRPC: Final = 0x1F000
FIVE_XX, GATEWAY_ERROR, CONNECT_FAILURE, RETRIABLE_4XX, REFUSED_STREAM = 0x1, 0x2, 0x4, 0x8, 0x10
STATUS_CODES, HEADERS, RATELIMITED, RESET, RESET_BEFORE_REQUEST = 0x20, 0x40, 0x80, 0x100, 0x200

CONNECT_FAILURES: Final = frozenset({"local connection failure", "remote connection failure", "connection timeout"})
TOO_EARLY: Final = 425
EPOCH_S: Final = 1_767_225_600
"""The wall clock at virtual time 0 (2026-01-01), for reset headers that hold a timestamp."""

NO, WITH_BACKOFF, IMMEDIATELY = "", "backoff", "now"
YES, NOT_WANTED, LIMIT_EXCEEDED, OVERFLOW, NO_RUNTIME = "yes", "no", "limit", "overflow", "runtime"


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
    base_interval_ms: int | None = None
    max_interval_ms: int | None = None
    reset_headers: tuple[ResetHeader, ...] = ()
    reset_max_interval_ms: int = 300_000
    host_predicates: tuple[HostPredicate, ...] = ()
    host_selection_max_attempts: int = 1
    retry_priority: PreviousPriorities | None = None
    refresh_cluster_on_retry: bool = False
    unknown_tokens: tuple[str, ...] = ()
    unmodelled: tuple[str, ...] = ()


NO_RETRY: Final = RetryPolicy()
"""Routes without a policy: only the request's own headers can ask for retries."""


def compile_retry_policy(msg: Msg, ref: Ref, proxy: Proxy | None) -> RetryPolicy:
    """Compile ``msg``; unknown tokens of ``retry_on`` are ignored, as Envoy does with a warning."""
    http_bits, _ = parse_retry_on(msg.retry_on, HTTP_TOKENS)
    grpc_bits, _ = parse_retry_on(msg.retry_on, GRPC_TOKENS)
    _, unknown = parse_retry_on(msg.retry_on, {**HTTP_TOKENS, **GRPC_TOKENS})
    base, maximum = _back_off(msg)
    rate_limited = msg.rate_limited_retry_back_off
    notes: list[str] = [f"retry_options_predicates: `{p.name}`" for p in msg.retry_options_predicates]
    predicates = []
    for index, predicate in enumerate(msg.retry_host_predicate):
        compiled = compile_host_predicate(predicate, ref.at("retry_host_predicate", index))
        if compiled is None:
            notes.append(f"retry_host_predicate `{predicate.name}`")
        else:
            predicates.append(compiled)
    priority = compile_retry_priority(msg.retry_priority) if msg.HasField("retry_priority") else None
    if msg.HasField("retry_priority") and priority is None:
        notes.append(f"retry_priority `{msg.retry_priority.name}`")
    return RetryPolicy(
        ref=ref,
        retry_on=http_bits | grpc_bits,
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
        refresh_cluster_on_retry=getattr(msg, "refresh_cluster_on_retry", False),
        unknown_tokens=unknown,
        unmodelled=tuple(notes),
    )


def _back_off(msg: Msg) -> tuple[int | None, int | None]:
    if not msg.HasField("retry_back_off"):
        return None, None
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


@dataclass(slots=True)
class RetryState:
    """What one request may still do (``RetryStateImpl``)."""

    policy: RetryPolicy
    retry_on: int
    remaining: int
    status_codes: tuple[int, ...]
    header_names: tuple[str, ...]
    next_interval_ms: int
    max_interval_ms: int
    rate_limited_ms: int = 0
    attempted: list[object] = field(default_factory=list)
    """The hosts tried so far, in order (``onHostAttempted``)."""
    reserved: int = 0
    """Retries of this request that hold a slot of the retry breaker."""

    def would_retry_headers(self, response: Response, request_headers: HeaderMap) -> str:
        """Tell whether an answer asks for a retry (``wouldRetryFromHeaders``)."""
        on, headers = self.retry_on, response.headers
        if "x-envoy-ratelimited" in headers:
            return WITH_BACKOFF if on & RATELIMITED else NO
        status = response.status
        if on & FIVE_XX and 500 <= status < 600:
            return WITH_BACKOFF
        if on & GATEWAY_ERROR and status in (502, 503, 504):
            return WITH_BACKOFF
        if on & RETRIABLE_4XX and status == 409:
            return WITH_BACKOFF
        if on & STATUS_CODES and status in self.status_codes:
            if status != TOO_EARLY:
                return WITH_BACKOFF
            if "early-data" not in request_headers:
                return IMMEDIATELY
        if on & HEADERS and self._matches_headers(headers):
            return WITH_BACKOFF
        if on & ANY_GRPC and on & GRPC_STATUSES.get(grpc_status(headers), 0):
            return WITH_BACKOFF
        return NO

    def _matches_headers(self, headers: HeaderMap) -> bool:
        return any(m.matches(headers) for m in self.policy.retriable_headers) or any(
            name in headers for name in self.header_names
        )

    def would_retry_reset(self, reason: str, *, started: bool) -> str:
        """Tell whether a reset asks for a retry; ``started``: request bytes went upstream (``wouldRetryFromReset``)."""
        on = self.retry_on
        if reason in ("overflow", "remote reset (no error)"):
            return NO
        if on & CONNECT_FAILURE and reason in CONNECT_FAILURES:
            return WITH_BACKOFF
        if on & RESET_BEFORE_REQUEST and not started:
            return WITH_BACKOFF
        if on & (RESET | FIVE_XX | GATEWAY_ERROR):
            return WITH_BACKOFF
        if on & REFUSED_STREAM and reason == "remote refused stream reset":
            return WITH_BACKOFF
        return NO

    def should_retry(self, would: str, resources: ResourceManager, now_ms: float, allowed: bool) -> str:
        """Spend a retry if there is one (``shouldRetry``): the limit first, then the breaker, then the runtime."""
        self.release(resources)
        if would == NO:
            return NOT_WANTED
        if self.remaining == 0:
            return LIMIT_EXCEEDED
        self.remaining -= 1
        if not resources.can_retry(now_ms):
            return OVERFLOW
        if not allowed:
            return NO_RUNTIME
        resources.retries += 1
        self.reserved += 1
        return YES

    def release(self, resources: ResourceManager) -> None:
        """Give the breaker's slots back: a retry holds one until the next decision (``resetRetry``)."""
        resources.retries -= self.reserved
        self.reserved = 0

    def back_off_ms(self, chance: Chance) -> float:
        """Draw the time to wait (``enableBackoffTimer``)."""
        if self.rate_limited_ms:
            low, self.rate_limited_ms = self.rate_limited_ms, 0
            return chance.uniform(low, low + max(1, low // 2), "rate limited back-off")
        interval = self.next_interval_ms
        doubles = interval < self.max_interval_ms / 2
        self.next_interval_ms = interval * 2 if doubles else self.max_interval_ms
        return float(int(chance.uniform(0, interval, "retry back-off")))

    def note_reset_header(self, headers: HeaderMap, now_ms: float) -> None:
        """Take the delay of a reset header for the next back-off (``parseResetInterval``)."""
        for header in self.policy.reset_headers:
            interval = _reset_interval_ms(header, headers, now_ms)
            if interval is not None and interval <= self.policy.reset_max_interval_ms:
                if interval > 1:
                    self.rate_limited_ms = interval
                return


def _reset_interval_ms(header: ResetHeader, headers: HeaderMap, now_ms: float) -> int | None:
    seconds = parse_uint(headers.get(header.name))
    if seconds is None:
        return None
    if header.unix_timestamp:
        seconds -= EPOCH_S + int(now_ms // 1000)
        if seconds < 0:
            return None
    return seconds * 1000


def make_retry_state(policy: RetryPolicy, headers: HeaderMap) -> RetryState | None:
    """Return the state of a request that may be retried, and strip the x-envoy-* headers that ask for it.

    ``RetryStateImpl::create``: the headers are honoured wherever they are still there; the connection
    manager has removed them from requests that are not internal.
    """
    retry_on = policy.retry_on
    asked, grpc_asked = headers.get("x-envoy-retry-on"), headers.get("x-envoy-retry-grpc-on")
    if not retry_on and asked is None and grpc_asked is None:
        _strip(headers)
        return None
    if asked is not None:
        retry_on |= parse_retry_on(asked, HTTP_TOKENS)[0]
    if grpc_asked is not None:
        retry_on |= parse_retry_on(grpc_asked, GRPC_TOKENS)[0]
    if policy.retriable_request_headers and not any(m.matches(headers) for m in policy.retriable_request_headers):
        retry_on = 0
    remaining = policy.num_retries
    if retry_on:
        remaining = _first(parse_uint(headers.get("x-envoy-max-retries")), remaining)
    codes = headers.get("x-envoy-retriable-status-codes")
    names = headers.get("x-envoy-retriable-header-names")
    base = policy.base_interval_ms or 25
    state = RetryState(
        policy,
        retry_on,
        remaining,
        policy.retriable_status_codes + _parse_codes(codes),
        tuple(name.strip().lower() for name in names.split(",")) if names else (),
        base,
        policy.max_interval_ms or base * 10,
    )
    _strip(headers)
    return state


def _strip(headers: HeaderMap) -> None:
    for name in (
        "x-envoy-retry-on",
        "x-envoy-retry-grpc-on",
        "x-envoy-max-retries",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-retriable-header-names",
        "x-envoy-retriable-status-codes",
        "x-envoy-upstream-rq-per-try-timeout-ms",
    ):
        headers.remove(name)


def _parse_codes(text: str | None) -> tuple[int, ...]:
    if not text:
        return ()
    return tuple(code for code in (parse_uint(part) for part in text.split(",")) if code is not None)


def parse_uint(text: str | None) -> int | None:
    """Read an unsigned number out of a header, ``None`` where it is missing or malformed."""
    return None if text is None else parse_uint64(text)


def grpc_status(headers: HeaderMap) -> int:
    """Return the ``grpc-status`` of response headers, -1 where there is none (or no number)."""
    status = parse_uint(headers.get("grpc-status"))
    return -1 if status is None else status


def _first(value: int | None, default: int) -> int:
    return default if value is None else value
