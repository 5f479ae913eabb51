"""Filter chains: what the real Envoy chose, case by case, and the tree against a plain sieve."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from envoysim.model.address import Address
from envoysim.stages.stream import Telling

from ..reference.filter_chain_sieve import Facts, Undecided
from ..reference.filter_chain_sieve import choose as sieve
from .listening import FakeProxy, choose, listener, meet


def proxy_with(chains: dict[str, dict[str, Any]], **more: Any) -> FakeProxy:
    found = [{"name": name, "filter_chain_match": match} for name, match in chains.items()]
    return FakeProxy([listener(filter_chains=found, **more)])


def cidr(*texts: str) -> list[dict[str, Any]]:
    return [{"address_prefix": t.split("/")[0], "prefix_len": int(t.split("/")[1])} for t in texts]


PORT_FIRST = {"port": {"destination_port": 80, "server_names": ["a.com"]}, "any": {}}
NAMES = {
    "www": {"server_names": ["www.foo.com"], "application_protocols": ["h2"]},
    "wild": {"server_names": ["*.foo.com"]},
}
DEEP = {
    "ab": {"server_names": ["*.b.foo.com"]},
    "foo": {"server_names": ["*.foo.com"]},
    "com": {"server_names": ["*.com"]},
}
ALPN = {"h2": {"application_protocols": ["h2"]}, "h1": {"application_protocols": ["http/1.1"]}, "any": {}}
IPS = {"32": {"prefix_ranges": cidr("10.1.2.3/32")}, "16": {"prefix_ranges": cidr("10.1.0.0/16")}, "any": {}}
SOURCES = {"local": {"source_type": "SAME_IP_OR_LOOPBACK"}, "external": {"source_type": "EXTERNAL"}}
LOCAL_ONLY = {"local": {"source_type": "SAME_IP_OR_LOOPBACK", "source_ports": [7]}, "any": {}}
DIRECT = {"proxy": {"direct_source_prefix_ranges": cidr("10.9.0.0/16")}, "any": {}}

CASES: list[tuple[str, dict[str, dict[str, Any]], dict[str, Any], str | None]] = [
    ("the port's chains are the only ones", PORT_FIRST, {}, None),
    ("another port has the general chain", PORT_FIRST, {"destination": Address("10.0.0.1", 81)}, "any"),
    ("an exact name wins", NAMES, {"server_name": "www.foo.com", "alpn": ("h2",)}, "www"),
    ("and there is no way back from it", NAMES, {"server_name": "www.foo.com"}, None),
    ("a wildcard takes deeper names", NAMES, {"server_name": "a.b.foo.com"}, "wild"),
    ("but not the bare domain", NAMES, {"server_name": "foo.com"}, None),
    ("the longest suffix wins", DEEP, {"server_name": "a.b.foo.com"}, "ab"),
    ("a shorter suffix", DEEP, {"server_name": "b.foo.com"}, "foo"),
    ("the shortest suffix", DEEP, {"server_name": "foo.com"}, "com"),
    ("without SNI no named chain", DEEP, {}, None),
    ("ALPN in the client's order", ALPN, {"alpn": ("http/1.1", "h2")}, "h1"),
    ("ALPN in the client's other order", ALPN, {"alpn": ("h2", "http/1.1")}, "h2"),
    ("unknown ALPN", ALPN, {"alpn": ("istio",)}, "any"),
    ("the longest range", IPS, {"destination": Address("10.1.2.3", 80)}, "32"),
    ("a wider range", IPS, {"destination": Address("10.1.2.4", 80)}, "16"),
    ("no range", IPS, {"destination": Address("10.2.0.0", 80)}, "any"),
    ("no range for IPv6", IPS, {"destination": Address("2001:db8::1", 80)}, "any"),
    ("loopback is local", SOURCES, {"source": Address("127.0.0.1", 9)}, "local"),
    ("127.0.0.2 is not", SOURCES, {"source": Address("127.0.0.2", 9)}, "external"),
    ("the destination's own address is local", SOURCES, {"source": Address("10.0.0.1", 9)}, "local"),
    ("a kind with chains is used alone", LOCAL_ONLY, {"source": Address("127.0.0.1", 9)}, None),
    ("a kind without chains is any", LOCAL_ONLY, {"source": Address("192.0.2.1", 9)}, "any"),
    ("the physical peer", DIRECT, {"direct_source": Address("10.9.1.1", 5)}, "proxy"),
    (
        "not the restored source",
        DIRECT,
        {"source": Address("10.9.1.1", 5), "direct_source": Address("1.1.1.1", 5)},
        "any",
    ),
]


@pytest.mark.parametrize(("chains", "connection", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_choice(chains: dict[str, dict[str, Any]], connection: dict[str, Any], expected: str | None) -> None:
    chosen = choose(meet(proxy_with(chains), **connection))
    assert (chosen.name if chosen else None) == expected


def test_default_chain_takes_what_is_left() -> None:
    proxy = proxy_with(PORT_FIRST, default_filter_chain={"name": "default"})
    chosen = choose(meet(proxy))
    assert chosen is not None
    assert chosen.name == "default"


def test_whole_range_beside_no_range_is_said_to_be_undecided() -> None:
    proxy = proxy_with({"whole": {"prefix_ranges": cidr("0.0.0.0/0")}, "none": {"transport_protocol": "raw_buffer"}})
    telling = Telling(explain=False)
    chosen = choose(meet(proxy), telling)
    assert chosen is not None
    assert chosen.name in ("whole", "none")
    assert any("differs from start to start" in note.text for note in telling.notes)


def test_port_decides_before_equal_ranges() -> None:
    proxy = proxy_with({"whole": {"prefix_ranges": cidr("0.0.0.0/0")}, "port": {"destination_port": 80}})
    telling = Telling(explain=False)
    chosen = choose(meet(proxy), telling)
    assert chosen is not None
    assert chosen.name == "port"
    assert not telling.notes


def test_losers_name_the_first_criterion_that_shut_them_out() -> None:
    chains: dict[str, dict[str, Any]] = {
        "other port": {"destination_port": 443},
        "wide": {"prefix_ranges": cidr("10.0.0.0/8")},
        "narrow": {"prefix_ranges": cidr("10.0.0.0/16"), "server_names": ["a.com"]},
        "winner": {"prefix_ranges": cidr("10.0.0.0/16")},
    }
    telling = Telling(explain=True)
    assert choose(meet(proxy_with(chains)), telling) is not None
    losers = telling.steps[-1].losers
    assert losers is not None
    assert [r.reason for r in losers()] == [
        "`other port`: `destination_port` 443, the connection has 80",
        "`wide`: `prefix_ranges` 10.0.0.0/8 is less specific than 10.0.0.0/16 of `narrow`",
        "`narrow`: `server_names` a.com, the connection has no SNI",
    ]


RANGES = st.lists(
    st.sampled_from(
        ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "127.0.0.0/8", "127.0.0.1/32", "2001:db8::/32", "0.0.0.0/0"]
    ),
    max_size=2,
    unique=True,
).map(lambda texts: cidr(*texts))


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


MATCHES = st.fixed_dictionaries(
    {
        "destination_port": optional(st.sampled_from([80, 443])),
        "prefix_ranges": RANGES,
        "server_names": st.lists(
            st.sampled_from(["a.com", "*.a.com", "b.a.com", "*.com", "*.b.a.com"]), max_size=2, unique=True
        ),
        "transport_protocol": optional(st.sampled_from(["tls", "raw_buffer"])),
        "application_protocols": st.lists(st.sampled_from(["h2", "http/1.1"]), max_size=2, unique=True),
        "direct_source_prefix_ranges": RANGES,
        "source_type": optional(st.sampled_from(["SAME_IP_OR_LOOPBACK", "EXTERNAL"])),
        "source_prefix_ranges": RANGES,
        "source_ports": st.lists(st.sampled_from([1000, 2000]), max_size=2, unique=True),
    }
).map(lambda match: {name: value for name, value in match.items() if value})
ADDRESSES = st.sampled_from(["10.1.2.3", "10.1.9.9", "10.9.9.9", "127.0.0.1", "127.0.0.2", "2001:db8::1", "::1"])
FACTS = st.builds(
    Facts,
    destination=ADDRESSES,
    port=st.sampled_from([80, 443, 81]),
    server_name=st.sampled_from(["", "a.com", "b.a.com", "c.b.a.com", "x.com", "com"]),
    transport=st.sampled_from(["tls", "raw_buffer"]),
    alpn=st.lists(st.sampled_from(["h2", "http/1.1", "istio"]), max_size=3, unique=True).map(tuple),
    direct_source=ADDRESSES,
    source=ADDRESSES,
    source_port=st.sampled_from([1000, 2000, 3000]),
)


def connection_of(proxy: FakeProxy, facts: Facts) -> Any:
    return meet(
        proxy,
        destination=Address(facts.destination, facts.port),
        source=Address(facts.source, facts.source_port),
        direct_source=Address(facts.direct_source, 1),
        server_name=facts.server_name,
        transport=facts.transport,
        alpn=facts.alpn,
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(MATCHES, min_size=1, max_size=6), FACTS)
def test_tree_agrees_with_the_sieve(matches: list[dict[str, Any]], facts: Facts) -> None:
    try:
        expected = sieve(matches, facts)
    except Undecided:
        reject()
    proxy = proxy_with({str(i): match for i, match in enumerate(matches)})
    telling = Telling(explain=True)
    chosen = choose(connection_of(proxy, facts), telling)
    assert (chosen.name if chosen else None) == (None if expected is None else str(expected))
    losers = telling.steps[-1].losers
    assert losers is not None
    lost = {r.ref for r in losers()}
    chains = proxy.listeners[0].chains.chains
    assert lost == {chain.ref for chain in chains if chain is not chosen}
