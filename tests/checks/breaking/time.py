"""How to break timeouts and retries."""

from __future__ import annotations

from ..healthy import TCP_PROXY, Site
from .table import breaks, give_retries


@breaks("ESM601")
def _(s: Site) -> str:
    s.add_route(match={"path": "/untimed"}, route={"cluster": s.cluster["name"]})
    return "/routes/0/route/timeout"


@breaks("ESM602")
def _(s: Site) -> str:
    give_retries(s, per_try_timeout="5s")
    return "/retry_policy/per_try_timeout"


@breaks("ESM603")
def _(s: Site) -> str:
    give_retries(s, retry_on="connection-failure")
    return "/retry_policy/retry_on"


@breaks("ESM604")
def _(s: Site) -> str:
    give_retries(s, retriable_status_codes=[409])
    return "/retry_policy/retriable_status_codes"


@breaks("ESM605")
def _(s: Site) -> str:
    give_retries(s, retry_on="5xx")
    s.route["match"] = {"prefix": "/"}
    return "/retry_policy/retry_on"


@breaks("ESM606")
def _(s: Site) -> str:
    give_retries(s, num_retries=10)
    return "/retry_policy/num_retries"


@breaks("ESM607")
def _(s: Site) -> str:
    s.action.pop("retry_policy", None)
    s.action["hedge_policy"] = {"hedge_on_per_try_timeout": True}
    return "/route/hedge_policy"


@breaks("ESM608")
def _(s: Site) -> str:
    give_retries(s, retry_back_off={"base_interval": "20s"})
    return "/retry_back_off/base_interval"


@breaks("ESM609")
def _(s: Site) -> str:
    s.manager.pop("stream_idle_timeout", None)
    s.action.pop("idle_timeout", None)
    s.action["timeout"] = "600s"
    return "/route/idle_timeout"


@breaks("ESM610")
def _(s: Site) -> str:
    s.action.pop("max_stream_duration", None)
    s.action["timeout"] = "60s"
    s.manager["common_http_protocol_options"] = {"max_stream_duration": "30s"}
    return "/route/timeout"


@breaks("ESM611")
def _(s: Site) -> str:
    s.action.update(timeout="5s", max_stream_duration={"grpc_timeout_header_max": "60s"})
    return "/route/max_stream_duration"


@breaks("ESM612")
def _(s: Site) -> str:
    s.action["max_grpc_timeout"] = "0s"
    return "/route/max_grpc_timeout"


@breaks("ESM613")
def _(s: Site) -> str:
    s.action.pop("max_stream_duration", None)
    s.action.update(timeout="0s", idle_timeout="0s")
    return "/route/timeout"


@breaks("ESM614")
def _(s: Site) -> str:
    s.add_route(match={"prefix": "/chat.Chat/", "grpc": {}}, route={"cluster": s.cluster["name"]})
    return "/routes/0/route/timeout"


@breaks("ESM615")
def _(s: Site) -> str:
    s.action["retry_policy"] = {"num_retries": 3}
    return "/retry_policy/retry_on"


@breaks("ESM616")
def _(s: Site) -> str:
    s.cluster["connect_timeout"] = "9s"
    give_retries(s)
    return "/connect_timeout"


@breaks("ESM617")
def _(s: Site) -> str:
    give_retries(s)
    s.cluster["circuit_breakers"] = {"thresholds": [{"max_retries": 0}]}
    return "/thresholds/0/max_retries"


@breaks("ESM618")
def _(s: Site) -> str:
    s.options(common_http_protocol_options={"idle_timeout": "0s"})
    return "/cluster"


@breaks("ESM619")
def _(s: Site) -> str:
    s.manager.pop("stream_idle_timeout", None)
    s.add_route(match={"path": "/events"}, route={"cluster": s.cluster["name"], "timeout": "0s"})
    return "/routes/0/route/idle_timeout"


@breaks("ESM620")
def _(s: Site) -> str:
    s.cluster.pop("typed_extension_protocol_options", None)
    s.cluster.pop("common_http_protocol_options", None)
    s.action.pop("retry_policy", None)
    s.host.pop("retry_policy", None)
    return "/common_http_protocol_options"


@breaks("ESM621")
def _(s: Site) -> str:
    proxy = {"@type": TCP_PROXY, "stat_prefix": "tcp", "cluster": s.cluster["name"]}
    s.chain["filters"] = [{"name": "tcp", "typed_config": proxy}]
    return "/filters/0/typed_config/idle_timeout"


@breaks("ESM622")
def _(s: Site) -> str:
    s.manager["request_timeout"] = "2s"
    s.action["timeout"] = "300s"
    return "/request_timeout"


@breaks("ESM623")
def _(s: Site) -> str:
    s.action["max_grpc_timeout"] = "2s"
    return "/route/max_grpc_timeout"


@breaks("ESM624")
def _(s: Site) -> str:
    s.cluster["connect_timeout"] = "0.25s"
    return "/connect_timeout"
