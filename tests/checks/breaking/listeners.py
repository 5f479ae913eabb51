"""How to break listeners and TLS."""

from __future__ import annotations

from typing import Final

from ..healthy import TYPE, Site, address, listener
from .table import breaks


@breaks("ESM201")
def _(s: Site) -> str:
    if any(x.get("use_original_dst") for x in s.listeners):
        for each in s.listeners:
            each.pop("use_original_dst", None)
    s.listener["bind_to_port"] = False
    return "/bind_to_port"


@breaks("ESM202")
def _(s: Site) -> str:
    s.listener.pop("listener_filters", None)
    s.chain["filter_chain_match"] = {"server_names": ["shop.example"]}
    return "/filter_chain_match/server_names"


@breaks("ESM203")
def _(s: Site) -> str:
    s.listener.pop("listener_filters", None)
    s.chain["filter_chain_match"] = {"application_protocols": ["h2c"]}
    return "/filter_chain_match/application_protocols"


EXPIRED: Final = """-----BEGIN CERTIFICATE-----
MIIBSzCB8qADAgECAgEHMAoGCCqGSM49BAMCMBgxFjAUBgNVBAMMDW90aGVyLmV4
YW1wbGUwHhcNMjAwMTAxMDAwMDAwWhcNMjEwMTAxMDAwMDAwWjAYMRYwFAYDVQQD
DA1vdGhlci5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3j7rzgiS
hoA6nF+n9R/GhwULtvdBS/OnjqICXCD7f2ia1dOAD+GhN9vB6IkUnHtPvqYC7VMW
Upo8XqaVUclOUqMtMCswKQYDVR0RBCIwIIINb3RoZXIuZXhhbXBsZYIPKi5vdGhl
ci5leGFtcGxlMAoGCCqGSM49BAMCA0gAMEUCIHRnLh87y0pVMhT4+/24kNve5hq6
ETS1K7S3Wy02a6f7AiEAtBmFoU3s2YxT30/u/5CkBiGNkGgCptgSl6csYVUV6UA=
-----END CERTIFICATE-----
"""
"""For `other.example` and `*.other.example`, valid in 2020."""


def _certify(s: Site) -> None:
    context = s.downstream_context()
    context.pop("require_client_certificate", None)
    common = context.setdefault("common_tls_context", {})
    common.pop("tls_certificate_sds_secret_configs", None)
    common["tls_certificates"] = [{"certificate_chain": {"inline_string": EXPIRED}}]


@breaks("ESM204")
def _(s: Site) -> str:
    _certify(s)
    s.tls[0]["filter_chain_match"] = {"server_names": ["a.other.example", "shop.example"]}
    return "/filter_chain_match/server_names/1"


@breaks("ESM205")
def _(s: Site) -> str:
    _certify(s)
    return "/tls_certificates/0/certificate_chain"


@breaks("ESM206")
def _(s: Site) -> str:
    s.chain.setdefault("filter_chain_match", {})["server_names"] = ["shop*.example"]
    return "/filter_chain_match/server_names/0"


@breaks("ESM207")
def _(s: Site) -> str:
    s.listener["filter_chains"].append(s.listener["filter_chains"][0])
    return "/filter_chain_match"


@breaks("ESM208")
def _(s: Site) -> str:
    s.listener.pop("default_filter_chain", None)
    for i, chain in enumerate(s.listener["filter_chains"]):
        chain["filter_chain_match"] = {"server_names": [f"shop{i}.example"]}
    return "/default_filter_chain"


@breaks("ESM209")
def _(s: Site) -> str:
    s.listener["filter_chains"].append({"filters": [], "filter_chain_match": {"destination_port": 7}})
    return "/filters"


@breaks("ESM210")
def _(s: Site) -> str:
    common = s.downstream_context()["common_tls_context"]
    common["alpn_protocols"] = ["h2"]
    common["tls_certificates"] = [{"certificate_chain": {"inline_string": EXPIRED}}]
    first = s.tls[0]
    first["filter_chain_match"] = {"server_names": ["a.other.example"]}
    other = listener("x", 1, "elsewhere", transport_socket=first["transport_socket"])["filter_chains"][0]
    other["filter_chain_match"] = {"server_names": ["b.other.example"]}
    owner = next(x for x in s.listeners if first in x.get("filter_chains", ()))
    owner["filter_chains"].append(other)
    return "/filter_chain_match/server_names"


@breaks("ESM211")
def _(s: Site) -> str:
    s.downstream_context()["common_tls_context"]["alpn_protocols"] = ["h2", "http/1.1"]
    s.tls[0]["filters"][-1]["typed_config"]["codec_type"] = "HTTP1"
    return "/codec_type"


@breaks("ESM212")
def _(s: Site) -> str:
    context = s.downstream_context()
    context.pop("require_client_certificate", None)
    context["common_tls_context"]["validation_context"] = {"trusted_ca": {"inline_string": EXPIRED}}
    return "/require_client_certificate"


@breaks("ESM213")
def _(s: Site) -> str:
    context = s.downstream_context()
    context["require_client_certificate"] = True
    for name in ("validation_context", "validation_context_sds_secret_config", "combined_validation_context"):
        context["common_tls_context"].pop(name, None)
    return "/common_tls_context"


@breaks("ESM214")
def _(s: Site) -> str:
    s.downstream_context()["common_tls_context"]["tls_params"] = {"tls_minimum_protocol_version": "TLSv1_0"}
    return "/tls_minimum_protocol_version"


@breaks("ESM215")
def _(s: Site) -> str:
    s.listener["address"] = address("0.0.0.0", 8081)
    s.add_listener(listener("second", 8081, "web"))
    return "/address"


@breaks("ESM216")
def _(s: Site) -> str:
    inspector = {"@type": TYPE + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}
    s.listener["listener_filters"] = [{"name": "tls_inspector", "typed_config": inspector}]
    s.listener.pop("continue_on_listener_filters_timeout", None)
    proxy = {"@type": TYPE + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "tcp"}
    proxy["cluster"] = s.cluster["name"]
    s.chain["filters"] = [{"name": "tcp", "typed_config": proxy}]
    s.chain.pop("transport_socket", None)
    s.chain.pop("filter_chain_match", None)
    return "/listener_filters"


@breaks("ESM217")
def _(s: Site) -> str:
    for each in s.listeners:
        each.pop("use_original_dst", None)
    kind = {"@type": TYPE + "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"}
    s.listener["listener_filters"] = [{"name": "original_dst", "typed_config": kind}]
    s.listener.pop("bind_to_port", None)
    s.add_listener({**listener("inner", 9002, "web"), "bind_to_port": False})
    return "/listener_filters/0"


@breaks("ESM218")
def _(s: Site) -> str:
    s.listener.pop("default_filter_chain", None)
    chain = {k: v for k, v in s.chain.items() if k != "filter_chain_match"}
    closer = {"server_names": ["a.shop.example"], "application_protocols": ["h2"]}
    wider = {"server_names": ["*.shop.example"]}
    s.listener["filter_chains"] = [{**chain, "filter_chain_match": m, "name": str(m)} for m in (closer, wider)]
    return "/filter_chains/0/filter_chain_match/application_protocols"


@breaks("ESM219")
def _(s: Site) -> str:
    kind = TYPE + "envoy.extensions.filters.listener."
    s.listener["listener_filters"] = [
        {"name": "tls_inspector", "typed_config": {"@type": kind + "tls_inspector.v3.TlsInspector"}},
        {"name": "proxy_protocol", "typed_config": {"@type": kind + "proxy_protocol.v3.ProxyProtocol"}},
    ]
    return "/listener_filters/0"


def _mutual(s: Site) -> None:
    """Make the first TLS chain the first of its listener, for TLS with a client certificate."""
    s.downstream_context()["require_client_certificate"] = True
    s.tls[0]["filter_chain_match"] = {"transport_protocol": "tls"}


@breaks("ESM220")
def _(s: Site) -> str:
    _mutual(s)
    owner = next(x for x in s.listeners if s.tls[0] in x.get("filter_chains", ()))
    plain = {k: v for k, v in s.tls[0].items() if k != "transport_socket"}
    owner["filter_chains"].append({**plain, "filter_chain_match": {"transport_protocol": "raw_buffer"}})
    return "/filter_chain_match/transport_protocol"


@breaks("ESM221")
def _(s: Site) -> str:
    _mutual(s)
    owner = next(x for x in s.listeners if s.tls[0] in x.get("filter_chains", ()))
    owner.pop("default_filter_chain", None)
    owner["filter_chains"] = [s.tls[0]]
    return "/filter_chains"


@breaks("ESM222")
def _(s: Site) -> str:
    for name in ("listener_filters", "use_original_dst", "bind_to_port"):
        s.listener.pop(name, None)
    s.chain["filter_chain_match"] = {"destination_port": 7}
    return "/filter_chain_match/destination_port"


@breaks("ESM223")
def _(s: Site) -> str:
    kind = {"@type": TYPE + "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"}
    s.listener["listener_filters"] = [{"name": "proxy_protocol", "typed_config": kind}]
    return "/listener_filters/0"


@breaks("ESM224")
def _(s: Site) -> str:
    kind = TYPE + "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit"
    config = {"@type": kind, "stat_prefix": "limit", "max_connections": 10}
    s.chain["filters"].insert(0, {"name": "limit", "typed_config": config})
    return "/filters/0/typed_config/max_connections"


@breaks("ESM225")
def _(s: Site) -> str:
    s.chain.pop("transport_socket", None)
    s.manager["codec_type"] = "HTTP2"
    return "/codec_type"
