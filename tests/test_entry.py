"""Which listener, and which original destination, a URL stands for."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.entry import UNKNOWN_IP, find_entry
from envoysim.errors import OptionError
from envoysim.load import load
from envoysim.virtual_address import Service, match_services

Json = dict[str, Any]
NETWORK = "type.googleapis.com/envoy.extensions.filters.network."


def listener(name: str, ip: str, port: int, direction: str = "OUTBOUND", *chains: Json, **fields: Any) -> Json:
    address = {"socket_address": {"address": ip, "port_value": port}}
    return {
        "name": name,
        "address": address,
        "traffic_direction": direction,
        "filter_chains": list(chains) or [tcp(f"to-{name}")],
        **fields,
    }


def tcp(cluster: str, **fields: Any) -> Json:
    config = {"@type": NETWORK + "tcp_proxy.v3.TcpProxy", "stat_prefix": "s", "cluster": cluster}
    return {"filters": [{"name": "tcp", "typed_config": config}], **fields}


def http(*domains: str) -> Json:
    table = {"virtual_hosts": [{"name": "v", "domains": list(domains), "routes": []}]}
    kind = NETWORK + "http_connection_manager.v3.HttpConnectionManager"
    return {"filters": [{"name": "hcm", "typed_config": {"@type": kind, "route_config": table}}]}


BY_FILTER = {"listener_filters": [{"name": "envoy.filters.listener.original_dst"}]}
CAPTURE = listener("capture", "0.0.0.0", 15001, "OUTBOUND", use_original_dst=True)
CAPTURE_IN = listener("capture_in", "0.0.0.0", 15006, "INBOUND", use_original_dst=True)
VIP = {"filter_chain_match": {"prefix_ranges": [{"address_prefix": "10.5.0.7", "prefix_len": 32}]}}
OTHER = {"filter_chain_match": {"prefix_ranges": [{"address_prefix": "10.5.0.0", "prefix_len": 16}]}}
PORTED = {"filter_chain_match": {**VIP["filter_chain_match"], "destination_port": 81}}


def cases() -> list[tuple[str, list[Json], str, int, str, str | None]]:
    """(what it shows, listeners, host, port, listener, original destination)."""
    named = listener("mesh_web_80", "10.5.0.7", 80)
    by_cluster = listener("10.5.0.8_80", "10.5.0.8", 80, "OUTBOUND", tcp("outbound|80||db.prod.svc.cluster.local"))
    by_domain = listener("x_80", "10.5.0.9", 80, "OUTBOUND", http("shop.example.com"))
    inbound = listener("in_80", "10.5.0.1", 80, "INBOUND")
    own = listener("own", "0.0.0.0", 15001, "OUTBOUND", tcp("web.virtual.consul", **VIP), **BY_FILTER)
    wide = listener("own", "0.0.0.0", 15001, "OUTBOUND", tcp("web.virtual.consul", **OTHER), **BY_FILTER)
    ported = listener("own", "0.0.0.0", 15001, "OUTBOUND", tcp("web.virtual.consul", **PORTED), **BY_FILTER)
    everything = [CAPTURE, named, by_cluster, by_domain, inbound]
    return [
        ("the listener's name", everything, "web.mesh", 80, "capture", "10.5.0.7:80"),
        ("the cluster", everything, "db.prod", 80, "capture", "10.5.0.8:80"),
        ("a domain", everything, "shop.example.com", 80, "capture", "10.5.0.9:80"),
        ("a name on another port", everything, "web.mesh", 81, "capture", f"{UNKNOWN_IP}:81"),
        ("a stranger's first label is no service", everything, "web.example.org", 80, "capture", f"{UNKNOWN_IP}:80"),
        ("part of a word is no name", everything, "eb.mesh", 80, "capture", f"{UNKNOWN_IP}:80"),
        ("a chain of one address", [own], "web.virtual.consul", 80, "own", "10.5.0.7:80"),
        ("a chain of many addresses", [wide], "web.virtual.consul", 80, "own", f"{UNKNOWN_IP}:80"),
        ("a chain of another port", [ported], "web.virtual.consul", 80, "own", f"{UNKNOWN_IP}:80"),
        ("without a virtual listener", [named, by_cluster], "db.prod", 80, "10.5.0.8_80", None),
    ]


@pytest.mark.parametrize(
    ("listeners", "host", "port", "name", "destination"), [pytest.param(*c[1:], id=c[0]) for c in cases()]
)
def test_outbound(listeners: list[Json], host: str, port: int, name: str, destination: str | None) -> None:
    dump = load([{"static_resources": {"listeners": listeners}}])

    found = find_entry(dump, host, port, None)

    assert (found.listener, found.original_destination) == (name, destination)
    assert destination is None or f"`{host}` resolves to" in found.assumed[0]


def test_the_services_that_it_may_be_are_named() -> None:
    dump = load([{"static_resources": {"listeners": [CAPTURE, listener("web_80", "10.5.0.7", 80)]}}])

    found = find_entry(dump, "other.example.com", 80, None)

    (said,) = found.assumed
    assert found.doubt == "`other.example.com` taken for an address no listener owns"
    assert said.endswith("--resolve other.example.com:80:IP says otherwise, as for listener `web_80` (10.5.0.7)")


def test_several_listeners_on_a_port_have_to_be_told_apart() -> None:
    dump = load([{"static_resources": {"listeners": [listener("a", "10.5.0.7", 80), listener("b", "10.5.0.8", 80)]}}])

    with pytest.raises(OptionError, match="several listeners are on port 80"):
        find_entry(dump, "other.example.com", 80, None)


def test_inbound_reaches_the_workload_by_its_inbound_listener() -> None:
    dump = load([{"static_resources": {"listeners": [CAPTURE_IN, listener("in_80", "10.5.0.1", 80, "INBOUND")]}}])

    found = find_entry(dump, "web", 80, None, direction="inbound")

    assert (found.listener, found.original_destination) == ("capture_in", "10.5.0.1:80")


@pytest.mark.parametrize(
    ("host", "winners"),
    [
        ("reviews.default", ["a"]),
        ("reviews.default.svc", ["a"]),
        ("reviews", ["a", "b"]),
        ("reviews.other.svc.cluster.local", ["b"]),
        ("details", []),
    ],
)
def test_the_most_of_the_name_wins(host: str, winners: list[str]) -> None:
    services = [
        Service("a", "10.0.0.1", ("outbound|80||reviews.default.svc.cluster.local",)),
        Service("b", "10.0.0.2", ("outbound|80||reviews.other.svc.cluster.local",)),
    ]

    assert [service.title for service in match_services(host, services)] == winners


def test_a_listener_for_every_address_leaves_no_doubt() -> None:
    dump = load([{"static_resources": {"listeners": [CAPTURE, listener("all_80", "0.0.0.0", 80)]}}])

    assert find_entry(dump, "other.example.com", 80, None).doubt == ""


def test_a_listener_without_a_name_is_asked_too() -> None:
    unnamed = listener("", "10.5.0.7", 80, "OUTBOUND", tcp("outbound|80||db.prod.svc.cluster.local"))
    dump = load([{"static_resources": {"listeners": [CAPTURE, unnamed]}}])

    assert find_entry(dump, "db.prod", 80, None).original_destination == "10.5.0.7:80"
