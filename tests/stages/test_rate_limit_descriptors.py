"""What rate limit actions make of a request."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.model.ref import NOWHERE
from envoysim.stages.rate_limit_descriptors import compile_policies, describe_request

from .routing import FakeProxy, ask, decode, one_host, table

ROUTE: dict[str, Any] = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}


def header(name: str, **more: Any) -> dict[str, Any]:
    return {"request_headers": {"header_name": name, "descriptor_key": "h", **more}}


def described(*actions: dict[str, Any], path: str = "/p?q=1%202", **fields: Any) -> list[str]:
    message = decode("envoy.config.route.v3.RateLimit", {"actions": list(actions), **fields})
    proxy: Any = FakeProxy()
    proxy.node = None
    policies = compile_policies([message], NOWHERE, proxy)
    stream = ask(table(one_host(ROUTE)), path, headers={"x-a": "1"})
    return [str(descriptor) for descriptor in describe_request(policies, stream)]


FORMAT = {"generic_key": {"descriptor_value": "%REQ(x-a)%"}}
CASES = [
    ([{"generic_key": {"descriptor_value": "v"}}], ["generic_key=v"]),
    ([{"generic_key": {"descriptor_value": "v", "descriptor_key": "k"}}], ["k=v"]),
    ([FORMAT], ["generic_key=1"]),
    ([{"generic_key": {"descriptor_value": "%REQ(no)%"}}], []),
    ([{"generic_key": {"descriptor_value": "%REQ(no)%", "default_value": "d"}}], ["generic_key=d"]),
    ([{"source_cluster": {}}], ["source_cluster="]),
    ([{"destination_cluster": {}}], ["destination_cluster=c"]),
    ([{"remote_address": {}}], ["remote_address=127.0.0.1"]),
    ([{"masked_remote_address": {"v4_prefix_mask_len": 24}}], ["masked_remote_address=127.0.0.0/24"]),
    ([header("x-a")], ["h=1"]),
    ([header("x-no"), FORMAT], []),
    ([header("x-no", skip_if_absent=True), FORMAT], ["generic_key=1"]),
    ([{"query_parameters": {"query_parameter_name": "q", "descriptor_key": "k"}}], ["k=1 2"]),
    ([{"header_value_match": {"descriptor_value": "m", "headers": [{"name": "x-a"}]}}], ["header_match=m"]),
    ([{"header_value_match": {"descriptor_value": "m", "headers": [{"name": "x-no"}]}}], []),
    (
        [{"header_value_match": {"descriptor_value": "m", "expect_match": False, "headers": [{"name": "x-no"}]}}],
        ["header_match=m"],
    ),
]


@pytest.mark.parametrize(("actions", "expected"), CASES, ids=str)
def test_actions(actions: list[dict[str, Any]], expected: list[str]) -> None:
    assert described(*actions) == expected


def test_what_is_for_the_end_of_the_stream_is_left_out() -> None:
    assert described(FORMAT, apply_on_stream_done=True) == []
