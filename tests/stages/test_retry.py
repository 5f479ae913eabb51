"""What is retried, how often, after how long."""

from __future__ import annotations

import pytest

from envoysim.load.decode import decode_message
from envoysim.model.chance import Sampled
from envoysim.model.headers import HeaderMap
from envoysim.model.ref import NOWHERE
from envoysim.model.reply import Response
from envoysim.stages.circuit_breakers import ResourceManager, RetryBudget, Thresholds
from envoysim.stages.retry import NO_RETRY, RetryPolicy, compile_retry_policy
from envoysim.stages.retry_state import (
    IMMEDIATELY,
    LIMIT_EXCEEDED,
    NO,
    NOT_WANTED,
    OVERFLOW,
    WITH_BACKOFF,
    YES,
    RetryState,
    make_retry_state,
)


def policy(**fields: object) -> RetryPolicy:
    msg = decode_message("envoy.config.route.v3.RetryPolicy", fields, NOWHERE, [])
    return compile_retry_policy(msg, NOWHERE, None)


def state(retry_on: str = "", **fields: object) -> RetryState:
    made = make_retry_state(policy(retry_on=retry_on, **fields), HeaderMap())
    assert made is not None
    return made


# retry_on, status, response headers, wanted
ANSWERS = [
    ("5xx", 500, (), WITH_BACKOFF),
    ("5xx", 599, (), WITH_BACKOFF),
    ("5xx", 499, (), NO),
    ("gateway-error", 502, (), WITH_BACKOFF),
    ("gateway-error", 500, (), NO),
    ("retriable-4xx", 409, (), WITH_BACKOFF),
    ("retriable-4xx", 404, (), NO),
    ("retriable-status-codes", 418, (), WITH_BACKOFF),
    ("5xx", 418, (), NO),
    ("retriable-status-codes", 425, (), IMMEDIATELY),
    ("retriable-headers", 200, (("x-retry", "yes"),), WITH_BACKOFF),
    ("retriable-headers", 200, (("x-retry", "no"),), NO),
    ("5xx", 503, (("x-envoy-ratelimited", "true"),), NO),
    ("5xx,envoy-ratelimited", 200, (("x-envoy-ratelimited", ""),), WITH_BACKOFF),
    ("unavailable", 200, (("grpc-status", "14"),), WITH_BACKOFF),
    ("unavailable", 200, (("grpc-status", "13"),), NO),
    ("cancelled,internal", 200, (("grpc-status", "13"),), WITH_BACKOFF),
    ("bogus , 5xx", 503, (), WITH_BACKOFF),
]


@pytest.mark.parametrize(("retry_on", "status", "headers", "wanted"), ANSWERS)
def test_answers(retry_on: str, status: int, headers: tuple[tuple[str, str], ...], wanted: str) -> None:
    retry = state(
        retry_on,
        retriable_status_codes=[418, 425],
        retriable_headers=[{"name": "x-retry", "string_match": {"exact": "yes"}}],
    )
    assert retry.would_retry_headers(Response(status, HeaderMap(headers)), HeaderMap()) == wanted


# retry_on, reset reason, request went out, wanted
RESETS = [
    ("5xx", "connection termination", True, WITH_BACKOFF),
    ("5xx", "overflow", False, NO),
    ("reset", "protocol error", True, WITH_BACKOFF),
    ("gateway-error", "local reset", True, WITH_BACKOFF),
    ("connect-failure", "remote connection failure", False, WITH_BACKOFF),
    ("connect-failure", "connection timeout", False, WITH_BACKOFF),
    ("connect-failure", "connection termination", True, NO),
    ("reset-before-request", "connection termination", True, NO),
    ("reset-before-request", "remote connection failure", False, WITH_BACKOFF),
    ("refused-stream", "remote refused stream reset", True, WITH_BACKOFF),
    ("refused-stream", "remote reset", True, NO),
    ("retriable-4xx", "remote reset", True, NO),
]


@pytest.mark.parametrize(("retry_on", "reason", "started", "wanted"), RESETS)
def test_resets(retry_on: str, reason: str, started: bool, wanted: str) -> None:
    assert state(retry_on).would_retry_reset(reason, started=started) == wanted


def test_request_headers_add_conditions_and_replace_the_number() -> None:
    headers = HeaderMap(
        [
            ("x-envoy-retry-on", "reset"),
            ("x-envoy-max-retries", "7"),
            ("x-envoy-retriable-status-codes", "404, x,405"),
            ("x-envoy-retriable-header-names", "X-Again"),
        ]
    )
    made = make_retry_state(policy(retry_on="retriable-status-codes,retriable-headers"), headers)
    assert made is not None
    assert made.remaining == 7
    assert made.status_codes == (404, 405)
    assert made.would_retry_reset("connection termination", started=True) == WITH_BACKOFF
    assert made.would_retry_headers(Response(200, HeaderMap([("x-again", "")])), HeaderMap()) == WITH_BACKOFF
    assert headers.items == []


def test_a_policy_without_retry_on_retries_nothing() -> None:
    assert make_retry_state(policy(num_retries=3), HeaderMap()) is None
    assert make_retry_state(NO_RETRY, HeaderMap([("x-envoy-max-retries", "3")])) is None


def test_retriable_request_headers_limit_the_policy() -> None:
    limited = policy(retry_on="5xx", retriable_request_headers=[{"name": "x-can", "present_match": True}])
    without, with_it = make_retry_state(limited, HeaderMap()), make_retry_state(limited, HeaderMap([("x-can", "1")]))
    assert without is not None
    assert with_it is not None
    assert without.retry_on == 0
    assert with_it.retry_on != 0


def test_the_limit_comes_before_the_breaker() -> None:
    resources = ResourceManager(Thresholds(max_retries=1))
    first, second = state("5xx"), state("5xx")
    assert first.should_retry(WITH_BACKOFF, resources, 0.0, True) == YES
    assert second.should_retry(WITH_BACKOFF, resources, 0.0, True) == OVERFLOW
    assert second.should_retry(WITH_BACKOFF, resources, 0.0, True) == LIMIT_EXCEEDED
    assert first.should_retry(NO, resources, 0.0, True) == NOT_WANTED
    assert resources.retries == 0


def test_a_budget_replaces_max_retries() -> None:
    budget = RetryBudget(percent=50.0, min_concurrency=0)
    resources = ResourceManager(Thresholds(max_retries=0, retry_budget=budget))
    assert not resources.can_retry(0.0)
    resources.requests = 2
    assert resources.can_retry(0.0)


class High:
    """Always the greatest number."""

    def uniform(self, low: float, high: float, label: str) -> float:
        return high - 1e-9


def test_back_off_doubles_to_ten_times_the_base() -> None:
    retry = state("5xx")
    assert [retry.back_off_ms(High()) for _ in range(6)] == [24, 49, 99, 199, 249, 249]  # type: ignore[arg-type]


def test_back_off_is_below_the_interval() -> None:
    retry = state("5xx", retry_back_off={"base_interval": "0.001s", "max_interval": "0.003s"})
    assert all(0 <= retry.back_off_ms(Sampled(seed)) < 3 for seed in range(20))


@pytest.mark.parametrize(("value", "low", "high"), [("2", 2000, 3000), ("400", 0, 25), ("soon", 0, 25), ("0", 0, 25)])
def test_reset_headers_decide_the_back_off(value: str, low: float, high: float) -> None:
    retry = state("5xx", rate_limited_retry_back_off={"reset_headers": [{"name": "Retry-After"}]})
    retry.note_reset_header(HeaderMap([("retry-after", value)]), 0.0)
    assert low <= retry.back_off_ms(Sampled(1)) <= high


def test_host_predicates_are_compiled() -> None:
    kinds = [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            },
        },
        {
            "name": "m",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig",
                "metadata_match": {"filter_metadata": {"envoy.lb": {"old": True}}},
            },
        },
    ]
    compiled = policy(retry_on="5xx", retry_host_predicate=kinds, host_selection_retry_max_attempts=4)
    assert [p.kind for p in compiled.host_predicates] == ["previous_hosts", "omit_host_metadata"]
    assert compiled.host_predicates[1].labels == (("old", True),)
    assert compiled.host_selection_max_attempts == 4


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"retry_on": "5xx,gateway-error,unavailable"}, []),
        ({"retry_on": "5XX, gateway_error"}, ["`5XX`", "`gateway_error`"]),
        ({"retry_on": "5xx", "refresh_cluster_on_retry": True}, ["refresh_cluster_on_retry"]),
    ],
)
def test_what_is_ignored_or_not_modelled_is_said(fields: dict[str, object], said: list[str]) -> None:
    notes = policy(**fields).notes

    assert len(notes) == len(said)
    assert all(word in note for word, note in zip(said, notes, strict=True))
