"""Which listener takes a connection, listener filters, and the hand-off by original destination."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.model.reply import Aborted
from envoysim.model.request import ProxyProtocol, Tls

from .listening import FakeProxy, arrive, choose, listener, listener_filter, resource

BOUND = [
    listener("exact", "10.0.0.1", 80),
    listener("wild", "0.0.0.0", 80),
    listener("six", "::", 81),
    listener("dual", address={"socket_address": {"address": "::", "port_value": 82, "ipv4_compat": True}}),
    listener("dual-too", address={"socket_address": {"address": "::", "port_value": 80, "ipv4_compat": True}}),
    listener("unbound", "0.0.0.0", 83, bind_to_port=False),
    listener(
        "two",
        "10.0.0.2",
        84,
        additional_addresses=[{"address": {"socket_address": {"address": "10.0.0.3", "port_value": 85}}}],
    ),
]


@pytest.mark.parametrize(
    ("destination", "owner"),
    [
        ("10.0.0.1:80", "exact"),
        ("10.0.0.9:80", "wild"),
        ("[2001:db8::1]:80", "dual-too"),
        ("[2001:db8::1]:81", "six"),
        ("10.0.0.1:81", None),
        ("10.0.0.1:82", "dual"),
        ("10.0.0.1:83", None),
        ("10.0.0.2:84", "two"),
        ("10.0.0.3:85", "two"),
        ("10.0.0.2:85", None),
    ],
)
def test_owner(destination: str, owner: str | None) -> None:
    arrival = arrive(FakeProxy(BOUND), destination=destination)
    assert arrival.owner == owner
    if owner is None:
        assert arrival.connection == Aborted("refused")


def test_no_such_listener() -> None:
    arrival = arrive(FakeProxy(BOUND), listener="nobody")
    assert arrival.connection == Aborted("refused")
    assert arrival.telling.notes


def test_only_listener_is_assumed() -> None:
    arrival = arrive(FakeProxy([listener("one", "127.0.0.1", 80), listener("unbound", port=81, bind_to_port=False)]))
    assert arrival.owner == "one"
    assert arrival.telling.assumed


VIRTUAL = [
    listener("virtual", "0.0.0.0", 15001, use_original_dst=True),
    listener("exact", "10.0.0.1", 80, bind_to_port=False),
    listener("wild", "0.0.0.0", 80, bind_to_port=False),
    listener("tls", "0.0.0.0", 443, bind_to_port=False, listener_filters=[listener_filter("tls_inspector")]),
    listener("chained", "0.0.0.0", 90, bind_to_port=False, use_original_dst=True),
]


@pytest.mark.parametrize(
    ("original", "owner", "local"),
    [
        ("10.0.0.1:80", "exact", "10.0.0.1:80"),
        ("10.0.0.2:80", "wild", "10.0.0.2:80"),
        ("10.0.0.2:81", "virtual", "10.0.0.2:81"),
        ("10.0.0.2:90", "chained", "10.0.0.2:90"),
        ("[2001:db8::1]:80", "virtual", "[2001:db8::1]:80"),
        (None, "virtual", "127.0.0.1:15001"),
    ],
)
def test_hand_off(original: str | None, owner: str, local: str) -> None:
    arrival = arrive(FakeProxy(VIRTUAL), destination="127.0.0.1:15001", original_destination=original)
    assert arrival.owner == owner
    assert str(arrival.open().local) == local
    assert str(arrival.open().direct_local) == "127.0.0.1:15001"


def test_filter_alone_restores_without_hand_off() -> None:
    raw = [listener("filter", port=15006, listener_filters=[listener_filter("original_dst")]), VIRTUAL[1]]
    arrival = arrive(FakeProxy(raw), destination="127.0.0.1:15006", original_destination="10.0.0.1:80")
    assert arrival.owner == "filter"
    assert str(arrival.open().local) == "10.0.0.1:80"


def test_new_owner_runs_its_own_filters() -> None:
    arrival = arrive(
        FakeProxy(VIRTUAL),
        destination="127.0.0.1:15001",
        original_destination="10.0.0.1:443",
        tls=Tls("WWW.Foo.com", ("h2",)),
    )
    connection = arrival.open()
    assert (connection.transport_protocol, connection.server_name) == ("tls", "www.foo.com")
    assert connection.application_protocols == ("h2",)


HEADER = ProxyProtocol("192.0.2.7:5555", "10.0.0.1:80")


def test_proxy_header_names_the_destination_for_hand_off() -> None:
    raw = [listener("front", port=1, use_original_dst=True, listener_filters=[listener_filter("proxy_protocol")])]
    arrival = arrive(FakeProxy([*raw, VIRTUAL[1]]), destination="127.0.0.1:1", proxy_protocol=HEADER)
    connection = arrival.open()
    assert arrival.owner == "exact"
    assert (str(connection.remote), connection.direct_remote.ip) == ("192.0.2.7:5555", "127.0.0.1")


@pytest.mark.parametrize(
    ("optional", "header", "closed"), [(False, None, True), (True, None, False), (False, HEADER, False)]
)
def test_proxy_header_is_needed(optional: bool, header: ProxyProtocol | None, closed: bool) -> None:
    entry = listener_filter("proxy_protocol", allow_requests_without_proxy_protocol=optional)
    arrival = arrive(FakeProxy([listener(listener_filters=[entry])]), destination="127.0.0.1:80", proxy_protocol=header)
    assert isinstance(arrival.connection, Aborted) is closed


def test_unread_proxy_header_hides_what_follows() -> None:
    filters = [listener_filter("tls_inspector"), listener_filter("http_inspector")]
    arrival = arrive(
        FakeProxy([listener(listener_filters=filters)]),
        destination="127.0.0.1:80",
        proxy_protocol=HEADER,
        tls=Tls("foo.com", ("h2",)),
    )
    connection = arrival.open()
    assert (connection.transport_protocol, connection.server_name) == ("raw_buffer", "")
    assert (connection.client_tls, connection.speaks) == (False, "TCP")
    assert arrival.telling.notes


@pytest.mark.parametrize(
    ("protocol", "tls", "filters", "seen"),
    [
        ("HTTP/1.1", None, ["http_inspector"], ("http/1.1",)),
        ("HTTP/1.0", None, ["http_inspector"], ("http/1.0",)),
        ("HTTP/2", None, ["http_inspector"], ("h2c",)),
        ("TCP", None, ["http_inspector"], ()),
        ("HTTP/1.1", Tls("a", ("h2", "http/1.1")), ["http_inspector"], ()),
        ("HTTP/1.1", Tls("a", ("h2", "http/1.1")), ["tls_inspector", "http_inspector"], ("h2", "http/1.1")),
        ("HTTP/1.1", Tls("a"), ["http_inspector", "tls_inspector"], ()),
        ("HTTP/1.1", None, ["tls_inspector"], ()),
    ],
)
def test_inspectors(protocol: str, tls: Tls | None, filters: list[str], seen: tuple[str, ...]) -> None:
    proxy = FakeProxy([listener(listener_filters=[listener_filter(kind) for kind in filters])])
    arrival = arrive(proxy, "bytes", destination="127.0.0.1:80", protocol=protocol, tls=tls)
    assert arrival.open().application_protocols == seen


RANGE = {"destination_port_range": {"start": 80, "end": 82}}


@pytest.mark.parametrize(
    ("predicate", "runs"),
    [
        (RANGE, False),
        ({"not_match": RANGE}, True),
        ({"any_match": True}, False),
        ({"destination_port_range": {"start": 70, "end": 80}}, True),
        ({"or_match": {"rules": [{"destination_port_range": {"start": 1, "end": 2}}, RANGE]}}, False),
        ({"and_match": {"rules": [{"any_match": True}, {"not_match": RANGE}]}}, True),
    ],
)
def test_disabled_filter(predicate: dict[str, Any], runs: bool) -> None:
    entry = {**listener_filter("tls_inspector"), "filter_disabled": predicate}
    arrival = arrive(FakeProxy([listener(listener_filters=[entry])]), destination="127.0.0.1:80", tls=Tls("foo.com"))
    assert (arrival.open().transport_protocol == "tls") is runs


@pytest.mark.parametrize(("goes_on", "closed"), [(False, True), (True, False)])
def test_silent_client(goes_on: bool, closed: bool) -> None:
    raw = listener(
        listener_filters=[listener_filter("tls_inspector")],
        listener_filters_timeout="2s",
        continue_on_listener_filters_timeout=goes_on,
    )
    arrival = arrive(FakeProxy([raw]), destination="127.0.0.1:80", protocol="TCP")
    assert isinstance(arrival.connection, Aborted) is closed
    if not closed:
        assert arrival.open().waited_ms == 2000


def test_discovered_filters() -> None:
    entry = {"name": "found", "config_discovery": {}}
    known = {"found": resource("extension_config", listener_filter("tls_inspector") | {"name": "found"})}
    tls = Tls("foo.com")
    arrival = arrive(FakeProxy([listener(listener_filters=[entry])], known), destination="127.0.0.1:80", tls=tls)
    assert arrival.open().transport_protocol == "tls"
    arrival = arrive(FakeProxy([listener(listener_filters=[entry])]), destination="127.0.0.1:80", tls=tls)
    assert isinstance(arrival.connection, Aborted)


def test_unknown_filter_is_noted() -> None:
    entry = {"name": "x", "typed_config": {"@type": "type.googleapis.com/acme.Filter"}}
    arrival = arrive(FakeProxy([listener(listener_filters=[entry])]), destination="127.0.0.1:80")
    assert "acme.Filter" in arrival.telling.notes[0].text


NAMED = "type.googleapis.com/google.protobuf.StringValue"
PORTS = "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.DestinationPortInput"


@pytest.mark.parametrize(
    ("port", "chain"),
    [(80, "a"), (81, None), (82, "default")],
)
def test_filter_chain_matcher(port: int, chain: str | None) -> None:
    def names(name: str) -> dict[str, Any]:
        return {"action": {"name": "chain", "typed_config": {"@type": NAMED, "value": name}}}

    tree = {
        "input": {"name": "port", "typed_config": {"@type": PORTS}},
        "exact_match_map": {"map": {"80": names("a"), "81": names("no such chain")}},
    }
    raw = listener(
        filter_chain_matcher={"matcher_tree": tree},
        filter_chains=[{"name": "a", "filter_chain_match": {"destination_port": 1}}, {"name": "b"}],
        default_filter_chain={"name": "default"},
    )
    connection = arrive(FakeProxy([raw]), listener="l", destination=f"127.0.0.1:{port}").open()
    chosen = choose(connection)
    assert (chosen.name if chosen else None) == chain
