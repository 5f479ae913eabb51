"""The attempts of one request: timers, answers, resets, retries, hedging (``Filter::onUpstream*`` in ``router.cc``).

``next_ms`` says when something is due, ``handle`` lets it happen; an answer, a local reply or ``Recreated`` ends it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from ..model.reply import Aborted, LocalReply, Response
from .attempt_words import per_try_ref, tell_global_timeout, tell_max_duration, tell_reset
from .code_stats import charge_response
from .exchange import Exchange, Reset
from .host_reports import report, report_answer
from .internal_redirect import Recreated, follow_redirect
from .load_balancer import Host, NoHost, Unknown
from .retry_state import LIMIT_EXCEEDED, NO, OVERFLOW, WITH_BACKOFF, YES, RetryState, spend_retry
from .route_action import finalize_response
from .timeouts import MANAGERS_OWN, UPSTREAM_MAX_DURATION, StreamTimers, set_timeout_headers, timeout_reply
from .upstream_request import UpstreamRequest

NEVER: Final = math.inf
End = Response | LocalReply | Aborted | Recreated
CLIENT_LEFT: Final = Aborted("eof", ("DC",), "downstream_remote_disconnect")
SPENT: Final = frozenset({LIMIT_EXCEEDED, OVERFLOW})
"""A retry was wanted and could not be made."""


class Attempts:
    """One request's attempts in flight and its timers."""

    __slots__ = (
        "_body_kept",
        "_count",
        "_global_due",
        "_pending",
        "_requests",
        "_response",
        "_sent_anything",
        "_started_ms",
        "cluster",
        "exchange",
        "forward",
        "retry",
        "stream",
        "timeouts",
        "timers",
    )

    def __init__(self, exchange: Exchange, timers: StreamTimers) -> None:
        self.exchange, self.timers = exchange, timers
        self.stream, self.cluster, self.forward = exchange.stream, exchange.cluster, exchange.forward
        timeouts = self.timeouts = exchange.timeouts
        self.retry: RetryState | None = None
        self._body_kept = True
        self._requests: list[UpstreamRequest] = []
        self._pending: list[tuple[float, bool]] = []
        """Retries that wait: when, and whether a timeout asked for them."""
        self._count = 1
        self._response: Response | None = None
        """The answer whose headers have gone downstream and whose body is not complete."""
        self._sent_anything = False
        now_ms = self._started_ms = self.stream.state.now_ms
        runs = timeouts.global_ms and (exchange.complete or self.stream.upgrade == "websocket")
        self._global_due = now_ms + timeouts.global_ms if runs else NEVER
        self.stream.facts["attempt_count"] = 1

    def give_up_buffering(self) -> None:
        """The body does not fit the buffer: no retry, no internal redirect."""
        self._body_kept = False
        if self.retry is not None:
            self.retry = None
            self.stream.telling.step("retry", self.forward.ref, "no retry: the body is longer than the buffer limit")

    def start(self, host: Host) -> None:
        """Send one attempt to ``host``."""
        stream = self.stream
        stream.upstream_host = host.endpoint
        stream.upstream_transport_failure = None
        stream.telling.attempt = self._count
        cluster = self.cluster
        if host.cluster_name != cluster.name:
            cluster = stream.proxy.cluster(host.cluster_name) or cluster
        request = UpstreamRequest(self.exchange, host, cluster, self._count)
        self._requests.append(request)
        request.begin(stream.state.now_ms)
        if self.retry is not None and not request.no_host:
            self.retry.attempted.append(host)

    @property
    def overflowed(self) -> bool:
        """The circuit breakers refused the attempt at once."""
        ticket = self._requests[-1].ticket if self._requests else None
        return ticket is not None and ticket.failure == "overflow" and ticket.at_once

    def no_host(self, why: NoHost | Unknown) -> LocalReply | Aborted:
        """Answer that no host could be chosen (flags set before stay), or that the dump cannot tell."""
        self.stream.upstream_host = None
        self._clean_up()
        if isinstance(why, Unknown):
            return Aborted("unknown", details=why.what)
        charge_response(self.stream, self.cluster.name, 503)
        return LocalReply(503, "no_healthy_upstream", "no healthy upstream", ("UH",), self._reply_headers())

    # ---- the clock

    def next_ms(self) -> float:
        """Return when something happens next."""
        due = min(self.timers.next_ms, self._global_due)
        for request in self._requests:
            due = min(due, request.due_ms, request.timer_ms)
        for at_ms, _ in self._pending:
            due = min(due, at_ms)
        return due

    def handle(self, now_ms: float) -> End | None:
        """Let the first thing that is due happen; timers go before news of the same moment."""
        fired = self.timers.fired(now_ms)
        if fired is not None:
            self.timers.tell(self.stream, self.forward, fired)
            return self._end(fired)
        if self._global_due <= now_ms:
            return self._on_global_timeout(now_ms)
        for request in self._requests:
            if request.timer_ms <= now_ms:
                return self._on_attempt_timer(request, now_ms)
        for waiting in self._pending:
            if waiting[0] <= now_ms:
                self._pending.remove(waiting)
                return self._do_retry(after_timeout=waiting[1])
        for request in self._requests:
            if request.due_ms <= now_ms:
                news = request.advance(now_ms)
                if news is None:
                    return None
                if isinstance(news, Reset):
                    return self._on_reset(request, news)
                if isinstance(news, LocalReply):  # a refused websocket: the codec's own answer
                    self._clean_up()
                    return news
                return self._on_headers(request, news, now_ms)
        return None

    # ---- timers

    def _on_global_timeout(self, now_ms: float) -> Response | LocalReply:
        for request in self._requests:
            self.exchange.count("upstream_rq_timeout")
            if request.awaiting_headers:
                if not request.timeout_reported:
                    report(self.stream, request.cluster, request.host, "timeout", self.timeouts.response_code)
                charge_response(self.stream, self.cluster.name, self.timeouts.response_code)
            request.abandon(now_ms, "timeout")
        self._requests.clear()
        tell_global_timeout(self)
        return self._end(timeout_reply("response_timeout", self.timeouts))

    def _on_attempt_timer(self, request: UpstreamRequest, now_ms: float) -> Response | LocalReply | None:
        if request.max_duration_due_ms <= now_ms:
            return self._on_max_stream_duration(request, now_ms)
        if request.per_try_due_ms <= now_ms:
            request.disarm_per_try()
            if self._response is not None:
                return None  # once an answer has begun only the other timers count
            limit, details, stat = self.timeouts.per_try_ms, "upstream_per_try_timeout", "upstream_rq_per_try_timeout"
            at = per_try_ref(self, "per_try_timeout")
        else:
            request.disarm_per_try()
            limit, stat = self.timeouts.per_try_idle_ms, "upstream_rq_per_try_idle_timeout"
            details, at = "upstream_per_try_idle_timeout", per_try_ref(self, "per_try_idle_timeout")
        telling = self.stream.telling
        if self.timeouts.hedge:
            words = "attempt {}: {} ms per try are over, it goes on while another is made"
            telling.step("timeouts", at, words, request.number, limit)
            self._on_soft_timeout(request)
            return None
        telling.step("timeouts", at, "attempt {}: {} ms per try are over", request.number, limit)
        self.exchange.count(stat)
        request.abandon(now_ms, "per_try_timeout")
        report(self.stream, request.cluster, request.host, "timeout", self.timeouts.response_code)
        if self._retry_reset("local reset", request, after_timeout=True):
            return None
        charge_response(self.stream, self.cluster.name, self.timeouts.response_code)
        self._requests.remove(request)
        return self._end(timeout_reply(details, self.timeouts))

    def _on_soft_timeout(self, request: UpstreamRequest) -> None:
        """Hedge: keep the attempt and make another, whatever ``retry_on`` says."""
        report(self.stream, request.cluster, request.host, "timeout", self.timeouts.response_code)
        request.timeout_reported = True
        if self._response is not None or self.retry is None:
            return
        if self._spend_retry(WITH_BACKOFF, "a hedged retry", after_timeout=True) == YES:
            request.retried = True

    def _on_max_stream_duration(self, request: UpstreamRequest, now_ms: float) -> Response | LocalReply | None:
        self.exchange.count("upstream_rq_max_duration_reached")
        request.abandon(now_ms, "timeout")
        tell_max_duration(self, request)
        if self._retry_reset("local reset", request, after_timeout=False):
            return None
        self._requests.remove(request)
        return self._end(UPSTREAM_MAX_DURATION)

    # ---- news from upstream

    def _on_reset(self, request: UpstreamRequest, reset: Reset) -> Response | LocalReply | None:
        stream, reason = self.stream, reset.reason
        self._sent_anything = self._sent_anything or request.sent
        dropped = reason == "overflow"
        if reset.transport_failure:
            stream.upstream_transport_failure = reset.transport_failure.replace(" ", "_")
        if dropped:
            self.exchange.count("upstream_rq_pending_overflow" if request.no_host else "upstream_rq_active_overflow")
            if request.no_host:
                stream.upstream_host = None
        else:
            report(stream, request.cluster, request.host, "connect_failed")
        tell_reset(self, request, reset)
        if self._retry_reset(reason, request, after_timeout=False):
            return None
        self._requests.remove(request)
        if self._response is None:
            charge_response(stream, self.cluster.name, reset.status)
        if self._others_may_answer():
            return None
        reply = self.exchange.reset_reply(reset, started=self._response is not None, again=self._count > 1)
        return self._end(reply)

    def _on_headers(
        self, request: UpstreamRequest, response: Response, now_ms: float
    ) -> Response | LocalReply | Recreated | None:
        stream = self.stream
        self._sent_anything = True
        report_answer(stream, request.cluster, request.host, response, grpc=self.exchange.grpc)
        could_not_retry = False
        if self.retry is not None:
            would = self.retry.would_retry_headers(response, stream.headers)
            if request.retried:
                could_not_retry = would != NO
            else:
                if would == WITH_BACKOFF and self.retry.policy.reset_headers:
                    self.retry.note_reset_header(response.headers, now_ms)
                status = self._spend_retry(would, response.status, after_timeout=False)
                if status == YES:
                    request.abandon(now_ms, str(response.status))
                    self._requests.remove(request)
                    return None
                could_not_retry = status in SPENT
        redirect = self.forward.internal_redirect_policy
        if redirect is not None and response.status in redirect.response_codes:
            recreated = follow_redirect(stream, redirect, response, body_kept=self._body_kept)
            if recreated is not None:
                request.abandon(now_ms, str(response.status))
                self.exchange.count("upstream_internal_redirect_succeeded_total")
                self._abandon_all(now_ms)
                self._clean_up()
                return recreated
            self.exchange.count("upstream_internal_redirect_failed_total")
        if could_not_retry and self._others_may_answer(besides=request):
            request.abandon(now_ms, str(response.status))
            self._requests.remove(request)
            return None
        return self._accept(request, response, now_ms)

    def _accept(self, request: UpstreamRequest, response: Response, now_ms: float) -> Response | LocalReply | None:
        """Give this answer to the client; other attempts are reset."""
        stream = self.stream
        for other in self._requests:
            if other is not request:
                other.abandon(now_ms, "reset")
        self._requests = [request]
        self._pending.clear()
        self._release_retry()
        self.retry = None
        if self.exchange.envoy_headers and self.exchange.complete:
            response.headers.set("x-envoy-upstream-service-time", "*")
        charge_response(stream, self.cluster.name, response.status)
        stream.upstream_host = request.host.endpoint
        stream.details = "via_upstream"
        for cookie in self._set_cookies():
            response.headers.items.append(("set-cookie", cookie))
        stream.telling.step(
            "response", None, "attempt {}: {} from {}", request.number, response.status, request.host.endpoint
        )
        finalize_response(stream, response)
        if self.forward.include_attempt_count_in_response:
            response.headers.set("x-envoy-attempt-count", str(self._count))
        if not response.cut:
            self._clean_up()
            return response
        self._response = response
        self.timers.touch(now_ms)
        return None

    def _set_cookies(self) -> tuple[str, ...]:
        cookies = self.stream.facts.get("set_cookies", ())
        assert isinstance(cookies, (list, tuple))
        return tuple(cookies)

    # ---- retries

    def _retry_reset(self, reason: str, request: UpstreamRequest, *, after_timeout: bool) -> bool:
        """Retry after a reset if that is wanted and possible (``maybeRetryReset``)."""
        if self._response is not None or self.retry is None or request.retried:
            return False
        self._sent_anything = self._sent_anything or request.sent
        would = self.retry.would_retry_reset(reason, started=self._sent_anything)
        if self._spend_retry(would, reason, after_timeout=after_timeout) != YES:
            return False
        self._requests.remove(request)
        return True

    def _spend_retry(self, would: str, cause: object, *, after_timeout: bool) -> str:
        retry, stream = self.retry, self.stream
        assert retry is not None
        status, wait_ms = spend_retry(stream, retry, would, cause, self.exchange.resources, is_retry=self._count > 1)
        if status == YES:
            self._pending.append((stream.state.now_ms + wait_ms, after_timeout))
        return status

    def _do_retry(self, *, after_timeout: bool) -> LocalReply | Aborted | None:
        stream, headers = self.stream, self.stream.headers
        self._count += 1
        stream.facts["attempt_count"] = self._count
        self.exchange.count("upstream_rq_retry")
        stream.telling.attempt = self._count
        host = self.exchange.choose_host(self.retry)
        if not isinstance(host, Host):
            return self.no_host(host)
        if self.forward.include_request_attempt_count:
            headers.set("x-envoy-attempt-count", str(self._count))
        if self.forward.include_is_timeout_retry_header:
            headers.set("x-envoy-is-timeout-retry", "true" if after_timeout else "false")
        set_timeout_headers(
            int(stream.state.now_ms - self._started_ms),
            self.timeouts,
            self.forward,
            headers,
            grpc=self.exchange.grpc,
            envoy_headers=self.exchange.envoy_headers,
        )
        self.start(host)
        return None

    def _others_may_answer(self, besides: UpstreamRequest | None = None) -> bool:
        return bool(self._pending) or any(r.awaiting_headers and not r.done for r in self._requests if r is not besides)

    # ---- ends

    def client_left(self) -> Response | Aborted:
        """Stop everything: the client has lost patience, perhaps after an answer has begun (which is cut then)."""
        stream = self.stream
        self._abandon_all(stream.state.now_ms)
        self._clean_up()
        stream.telling.step("response", None, "the client leaves without a whole answer")
        stream.details = CLIENT_LEFT.details
        response = self._response
        if response is None:
            return CLIENT_LEFT
        stream.flag(*CLIENT_LEFT.flags)
        response.details = CLIENT_LEFT.details or ""
        return response

    def _end(self, reply: LocalReply) -> Response | LocalReply:
        """Answer with ``reply``, or cut the answer that has begun (``onUpstreamAbort``)."""
        self._abandon_all(self.stream.state.now_ms)
        self._clean_up()
        response = self._response
        if response is not None:
            self.stream.flag(*reply.flags)
            response.details = self.stream.details = reply.details
            return response
        if reply.details in MANAGERS_OWN:
            return reply  # without the router's headers
        return replace(reply, headers=reply.headers + self._reply_headers())

    def _reply_headers(self) -> tuple[tuple[str, str], ...]:
        if not self.forward.include_attempt_count_in_response:
            return ()
        return (("x-envoy-attempt-count", str(self._count)),)

    def _abandon_all(self, now_ms: float) -> None:
        for request in self._requests:
            request.abandon(now_ms, "reset")
        self._requests.clear()

    def _release_retry(self) -> None:
        if self.retry is not None:
            self.retry.release(self.exchange.resources)

    def _clean_up(self) -> None:
        self._release_retry()
        self._pending.clear()
        self._global_due = NEVER
