"""Several filter chains: SNI, ALPN, transport protocol, addresses and ports of a PROXY header, hand-off."""

from __future__ import annotations

from typing import Any

from .build import (
    HTTP_INSPECTOR,
    PROXY_PROTOCOL,
    TLS_INSPECTOR,
    TYPE,
    Bench,
    Json,
    ProxyProtocol,
    Tls,
    downstream_tls,
    hcm,
)

NAMES = ("foo.com", "a.foo.com", "b.a.foo.com", "bar.org")
DESTINATIONS = ("10.0.0.1", "10.0.1.1", "10.1.0.1", "192.168.0.1")
SOURCES = ("1.2.3.4", "10.0.0.1", "127.0.0.1")


def _range(bench: Bench, addresses: tuple[str, ...]) -> Json:
    bits = bench.one(8, 16, 24, 32)  # with 0, Envoy goes by the order of a hash map
    octets = bench.one(*addresses).split(".")
    kept = bits // 8
    return {"address_prefix": ".".join(octets[:kept] + ["0"] * (4 - kept)), "prefix_len": bits}


def _match(bench: Bench) -> Json:
    match: Json = {}
    if bench.chance(0.35):
        match["server_names"] = list({bench.one(*NAMES, "*.foo.com", "*.com") for _ in range(bench.one(1, 2))})
    if bench.chance(0.25):
        match["transport_protocol"] = bench.one("tls", "raw_buffer")
    if bench.chance(0.2):
        match["application_protocols"] = [bench.one("h2", "http/1.1", "http/1.0", "h2c")]
    if bench.chance(0.3):
        match["destination_port"] = bench.one(80, 443, 8080)
    if bench.chance(0.3):
        match["prefix_ranges"] = [_range(bench, DESTINATIONS)]
    if bench.chance(0.2):
        match["source_prefix_ranges"] = [_range(bench, SOURCES)]
    if bench.chance(0.15):
        match["direct_source_prefix_ranges"] = [_range(bench, ("127.0.0.1", "10.0.0.1"))]
    if bench.chance(0.15):
        match["source_ports"] = [bench.one(1000, 2000)]
    if bench.chance(0.15):
        match["source_type"] = bench.one("SAME_IP_OR_LOOPBACK", "EXTERNAL", "ANY")
    return match


def _chain(bench: Bench, name: str) -> Json:
    match = _match(bench)
    direct = {
        "name": f"of-{name}",
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": name}},
    }
    table = {"name": f"rc-{name}", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [direct]}]}
    chain: Json = {"name": name, "filters": [hcm(table)]}
    if match:
        chain["filter_chain_match"] = match
    if match.get("transport_protocol") == "tls" or (match.get("transport_protocol") is None and bench.chance(0.3)):
        chain["transport_socket"] = downstream_tls(*bench.one((), ("h2", "http/1.1"), ("http/1.1",)))
    return chain


def _unlike(chains: list[Json]) -> list[Json]:
    """Envoy refuses equal criteria."""
    seen: list[Any] = []
    kept = []
    for chain in chains:
        match = chain.get("filter_chain_match", {})
        if match not in seen:
            seen.append(match)
            kept.append(chain)
    return kept


def make(bench: Bench) -> None:
    """One or three listeners of several chains each; connections from many places."""
    inspectors = [PROXY_PROTOCOL, TLS_INSPECTOR]
    if bench.chance(0.4):
        inspectors.append(HTTP_INSPECTOR)
    fields: Json = {"listener_filters": inspectors}
    if bench.chance(0.4):
        fields["default_filter_chain"] = _chain(bench, "default")
        fields["default_filter_chain"].pop("filter_chain_match", None)
    hands_off = bench.chance(0.4)
    if hands_off:
        fields["use_original_dst"] = True
    destination = bench.listener(_unlike([_chain(bench, f"f{i}") for i in range(bench.one(1, 3, 4, 6))]), **fields)
    if hands_off:
        for i, (ip, port) in enumerate((("10.0.0.1", 80), ("0.0.0.0", 8080), ("10.0.1.1", 443))):
            bench.listeners.append(
                {
                    "name": f"virtual{i}",
                    "address": {"socket_address": {"address": ip, "port_value": port}},
                    "bind_to_port": False,
                    "filter_chains": _unlike([_chain(bench, f"v{i}-{k}") for k in range(bench.one(1, 2))]),
                    "listener_filters": [TLS_INSPECTOR],
                }
            )
    _connect(bench, destination)


def _connect(bench: Bench, destination: str) -> None:
    """Connections from many places."""
    for _ in range(40):
        source = f"{bench.one(*SOURCES)}:{bench.one(1000, 2000, 3000)}"
        target = f"{bench.one(*DESTINATIONS)}:{bench.one(80, 443, 8080, 9000)}"
        hello = None
        if bench.chance(0.6):
            hello = Tls(
                bench.one(*NAMES, "x.foo.com", "FOO.com", None),
                bench.one((), ("h2",), ("http/1.1",), ("h2", "http/1.1")),
            )
        h2 = (hello is not None and hello.alpn[:1] == ("h2",)) or (hello is None and bench.chance(0.2))
        bench.send(
            destination,
            tls=hello,
            proxy_protocol=ProxyProtocol(source, target),
            protocol="HTTP/2" if h2 else "HTTP/1.1",
        )


def make_criteria(bench: Bench) -> None:
    """What the order of criteria decides: the longest range, the name before the transport, the client's protocols."""
    criteria: dict[str, Json] = {
        "wide": {"prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]},
        "narrow": {"prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 24}]},
        "named": {"server_names": ["foo.com"], "transport_protocol": "raw_buffer"},
        "h1": {"destination_port": 443, "application_protocols": ["http/1.1"]},
        "h2": {"destination_port": 443, "application_protocols": ["h2"]},
        "rest": {},
    }
    chains = []
    for name, match in criteria.items():
        body = {"inline_string": name}
        direct = {"name": f"of-{name}", "match": {"prefix": "/"}, "direct_response": {"status": 200, "body": body}}
        table = {"name": f"rc-{name}", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [direct]}]}
        chain: Json = {"name": name, "filter_chain_match": match, "filters": [hcm(table)]}
        if name in ("h1", "h2"):
            chain["transport_socket"] = downstream_tls("h2", "http/1.1")
        chains.append(chain)
    destination = bench.listener(chains, listener_filters=[PROXY_PROTOCOL, TLS_INSPECTOR])
    for ip, port, hello in (
        ("10.0.0.5", 80, None),
        ("10.9.0.5", 80, None),
        ("192.168.0.1", 80, None),
        ("192.168.0.1", 80, Tls("foo.com", ("http/1.1",))),
        ("192.168.0.1", 443, Tls("bar.org", ("h2", "http/1.1"))),
        ("192.168.0.1", 443, Tls("bar.org", ("http/1.1", "h2"))),
        ("192.168.0.1", 443, Tls("bar.org", ())),
    ):
        protocol = "HTTP/2" if hello is not None and hello.alpn[:1] == ("h2",) else "HTTP/1.1"
        bench.send(
            destination, tls=hello, proxy_protocol=ProxyProtocol("1.2.3.4:1000", f"{ip}:{port}"), protocol=protocol
        )


_INPUTS = {
    "DestinationPortInput": ("80", "443", "8080", "9000"),
    "DestinationIPInput": DESTINATIONS,
    "SourceIPInput": SOURCES,
    "SourcePortInput": ("1000", "2000", "3000"),
    "DirectSourceIPInput": ("127.0.0.1", "10.0.0.1"),
    "SourceTypeInput": ("local",),
    "ServerNameInput": (*NAMES, "x.foo.com"),
    "TransportProtocolInput": ("tls", "raw_buffer"),
    "ApplicationProtocolInput": ("'h2'", "'http/1.1'", "'h2','http/1.1'"),
}


def _input(name: str) -> Json:
    return {"name": "i", "typed_config": {"@type": f"{TYPE}envoy.extensions.matching.common_inputs.network.v3.{name}"}}


def _single(bench: Bench) -> Json:
    name = bench.one(*_INPUTS)
    kind = bench.one("exact", "exact", "prefix", "suffix", "contains")
    return {"single_predicate": {"input": _input(name), "value_match": {kind: bench.one(*_INPUTS[name])}}}


def _predicate(bench: Bench) -> Json:
    kind = bench.one("single", "single", "and_matcher", "or_matcher", "not_matcher")
    if kind == "single":
        return _single(bench)
    return {kind: _single(bench) if kind == "not_matcher" else {"predicate": [_single(bench), _single(bench)]}}


def _matcher(bench: Bench, names: list[str], depth: int = 0) -> Json:
    def on_match() -> Json:
        if depth < 2 and bench.chance(0.25):
            return {"matcher": _matcher(bench, names, depth + 1)}
        name = {"@type": TYPE + "google.protobuf.StringValue", "value": bench.one(*names, *names, *names, "absent")}
        return {"action": {"name": "chain", "typed_config": name}}

    tree: Json
    if bench.chance(0.4):
        matchers = [{"predicate": _predicate(bench), "on_match": on_match()} for _ in range(bench.one(1, 2, 3))]
        tree = {"matcher_list": {"matchers": matchers}}
    else:
        name = bench.one(*_INPUTS)
        kind = bench.one("exact_match_map", "prefix_match_map")
        keys = {bench.one(*_INPUTS[name]) for _ in range(2)}
        tree = {"matcher_tree": {"input": _input(name), kind: {"map": {key: on_match() for key in sorted(keys)}}}}
    if bench.chance(0.5):
        tree["on_no_match"] = on_match()
    return tree


def make_matched(bench: Bench) -> None:
    """A listener whose chains a matcher tree chooses by name."""
    chains = [_chain(bench, f"f{i}") for i in range(bench.one(2, 3, 4))]
    fields: Json = {"listener_filters": [PROXY_PROTOCOL, TLS_INSPECTOR]}
    if bench.chance(0.4):
        fields["default_filter_chain"] = _chain(bench, "default")
        fields["default_filter_chain"].pop("filter_chain_match", None)
    for chain in chains:
        if bench.chance(0.7):
            chain.pop("filter_chain_match", None)  # where it stays it counts for nothing
    fields["filter_chain_matcher"] = _matcher(bench, [chain["name"] for chain in chains])
    _connect(bench, bench.listener(chains, **fields))
