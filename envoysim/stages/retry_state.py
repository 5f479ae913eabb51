"""One request's retries: what asks for one, what is left, how long to wait (``retry_state_impl.cc``)."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from .retry import GRPC_TOKENS, HTTP_TOKENS, ResetHeader, RetryPolicy, parse_retry_on, parse_uint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model.chance import Chance
    from ..model.headers import HeaderMap
    from ..model.ref import Ref
    from ..model.reply import Response
    from .circuit_breakers import ResourceManager
    from .stream import Stream

GRPC_STATUSES: Final = {1: 0x1000, 4: 0x2000, 8: 0x4000, 14: 0x8000, 13: 0x10000}
ANY_GRPC: Final = 0x1F000
FIVE_XX, GATEWAY_ERROR, CONNECT_FAILURE, RETRIABLE_4XX, REFUSED_STREAM = 0x1, 0x2, 0x4, 0x8, 0x10
STATUS_CODES, HEADERS, RATELIMITED, RESET, RESET_BEFORE_REQUEST = 0x20, 0x40, 0x80, 0x100, 0x200

CONNECT_FAILURES: Final = frozenset({"local connection failure", "remote connection failure", "connection timeout"})
TOO_EARLY: Final = 425
SERVER_ERROR: Final = 500
EPOCH_S: Final = 1_767_225_600
"""The wall clock at virtual time 0 (2026-01-01), for reset headers that hold a timestamp."""

CONSUMED: Final = frozenset(
    {
        "x-envoy-retry-on",
        "x-envoy-retry-grpc-on",
        "x-envoy-max-retries",
        "x-envoy-hedge-on-per-try-timeout",
        "x-envoy-retriable-header-names",
        "x-envoy-retriable-status-codes",
        "x-envoy-upstream-rq-per-try-timeout-ms",
    }
)
"""Request headers about retries: they go no further."""

NO, WITH_BACKOFF, IMMEDIATELY = "", "backoff", "now"
YES, NOT_WANTED, LIMIT_EXCEEDED, OVERFLOW, NO_RUNTIME = "yes", "no", "limit", "overflow", "runtime"


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


def spend_retry(
    stream: Stream, retry: RetryState, would: str, cause: object, resources: ResourceManager, *, is_retry: bool
) -> tuple[str, float]:
    """Spend a retry for ``cause`` if one is wanted and left; return what came of it and how long to wait.

    A wanted retry that cannot be made leaves its response flag: URX for the limit, UO for the breaker.
    """
    telling, now_ms, prefix = stream.telling, stream.state.now_ms, f"cluster.{stream.cluster}."
    allowed = would == NO or stream.proxy.runtime.enabled_percent("upstream.use_retry", 100, stream.world)
    status = retry.should_retry(would, resources, now_ms, allowed)
    ref = retry.policy.ref
    if status == YES:
        wait_ms = retry.back_off_ms(stream.world.chance) if would == WITH_BACKOFF else 0.0
        telling.step("retry", ref, "after {}: retry in {} ms, {} left", cause, wait_ms, retry.remaining)
        return YES, wait_ms
    if status == LIMIT_EXCEEDED:
        telling.count(prefix + "upstream_rq_retry_limit_exceeded")
        stream.flag("URX")
        at = ref.at("num_retries") if ref is not None else None
        telling.step("retry", at, "after {}: no retry, none is left (num_retries, 1 by default)", cause)
    elif status == OVERFLOW:
        telling.count(prefix + "upstream_rq_retry_overflow")
        stream.flag("UO")
        limit = resources.max_retries(now_ms)
        limits = resources.limits
        name = "max_retries" if limits.retry_budget is None else "retry_budget"
        at = limits.ref.at(name) if limits.ref is not None else _breakers_ref(stream)
        words = "after {}: no retry, only {} at once ({}; max_retries is 3 by default)"
        telling.step("circuit breakers", at, words, cause, limit, name)
    elif status == NO_RUNTIME:
        telling.step("retry", ref, "after {}: no retry, runtime `upstream.use_retry` is off", cause)
    elif is_retry:
        telling.count(prefix + "upstream_rq_retry_success")
    elif isinstance(cause, str) or (isinstance(cause, int) and cause >= SERVER_ERROR):
        at = ref.at("retry_on") if ref is not None else None
        telling.step("retry", at, "after {}: retry_on does not ask for a retry", cause)
    return status, 0.0


def _breakers_ref(stream: Stream) -> Ref | None:
    """Return where the cluster's breakers would stand: it has none, the defaults count."""
    cluster = stream.proxy.cluster(stream.cluster) if stream.cluster else None
    return cluster.ref.at("circuit_breakers") if cluster is not None else None


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
    given: dict[str, str] = {}
    if headers.has_any(CONSUMED):
        given = {name: value for name, value in reversed(headers.items) if name in CONSUMED}
        for name in given:
            headers.remove(name)
    asked, grpc_asked = given.get("x-envoy-retry-on"), given.get("x-envoy-retry-grpc-on")
    if not retry_on and asked is None and grpc_asked is None:
        return None
    if asked is not None:
        retry_on |= parse_retry_on(asked, HTTP_TOKENS)[0]
    if grpc_asked is not None:
        retry_on |= parse_retry_on(grpc_asked, GRPC_TOKENS)[0]
    if policy.retriable_request_headers and not any(m.matches(headers) for m in policy.retriable_request_headers):
        retry_on = 0
    base = policy.base_interval_ms
    longest = policy.max_interval_ms or base * 10
    state = RetryState(policy, retry_on, policy.num_retries, policy.retriable_status_codes, (), base, longest)
    if given:
        _take_wishes(state, given)
    return state


def _take_wishes(state: RetryState, given: Mapping[str, str]) -> None:
    """Let the request's own headers say how often to retry, and after which answers."""
    if state.retry_on:
        state.remaining = _first(parse_uint(given.get("x-envoy-max-retries")), state.remaining)
    state.status_codes += _parse_codes(given.get("x-envoy-retriable-status-codes"))
    names = given.get("x-envoy-retriable-header-names")
    if names:
        state.header_names = tuple(name.strip().lower() for name in names.split(","))


def _parse_codes(text: str | None) -> tuple[int, ...]:
    if not text:
        return ()
    return tuple(code for code in (parse_uint(part) for part in text.split(",")) if code is not None)


def grpc_status(headers: HeaderMap) -> int:
    """Return the ``grpc-status`` of response headers, -1 where there is none (or no number)."""
    status = parse_uint(headers.get("grpc-status"))
    return -1 if status is None else status


def _first(value: int | None, default: int) -> int:
    return default if value is None else value
