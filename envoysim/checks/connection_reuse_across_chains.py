"""HTTP/2 clients reuse a connection for a host that another filter chain serves.

## What it finds
Two filter chains of a listener that select different server names (SNI), both offer HTTP/2 (ALPN `h2`), present the
same certificate and lead to different route tables.

## Why it matters
A browser that has a connection to one host reuses it for another host on the same address that the certificate
covers (RFC 9113, 9.1.1). The connection stays in the chain its SNI chose, and the second host is not in that
chain's route table: 404 `NR`, or 421.

## Example
Two Gateways with one wildcard certificate, one chain per host.

## When it is harmless
Clients speak HTTP/1.1, or each chain has a certificate for its own host alone.

## Fix
Serve the hosts from one chain (`*.shop.example`) with one route table, use a certificate per host, or answer 421
for foreign hosts.

## Source
istio/istio#9429.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding, Related
from ..schema import Msg, any_type, unpack
from ..simulate import simulate
from .base import Check
from .subject import Chain, Manager, Subject
from .witness import witness

NOT_FOUND = 404
TLS = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per pair of chains, the first of each group against every other."""
    managers = {id(m.chain): m for m in subject.managers}
    groups: dict[tuple[int, bytes], list[tuple[Chain, Manager]]] = {}
    for chain in subject.chains:
        manager, certificate = managers.get(id(chain)), _certificate(chain.msg)
        if manager is not None and certificate is not None and chain.msg.filter_chain_match.server_names:
            groups.setdefault((id(chain.listener), certificate), []).append((chain, manager))
    for group in groups.values():
        first, manager = group[0]
        for other, other_manager in group[1:]:
            if _routes(manager.msg) == _routes(other_manager.msg):
                continue
            mine, theirs = first.msg.filter_chain_match.server_names[0], other.msg.filter_chain_match.server_names[0]
            shown = witness(manager, theirs.replace("*", "any"))
            lost = simulate(subject.proxy, shown.request).outcome.status == NOT_FOUND
            yield CHECK.finding(
                first.ref.at("filter_chain_match", "server_names"),
                f"filter chains for SNI `{mine}` and `{theirs}` share a certificate and speak HTTP/2 (h2): a "
                f"client reuses the connection, and `{theirs}` is looked up in the route table of `{mine}`"
                f"{': 404 NR' if lost else ', which serves it in its own way'}",
                related=(Related(other.ref.at("filter_chain_match", "server_names"), "the chain that is passed by"),),
                witness=shown,
            )


def _certificate(chain: Msg) -> bytes | None:
    """What identifies the chain's certificate, where it offers h2."""
    if any_type(chain.transport_socket.typed_config) != TLS:
        return None
    context: Msg = unpack(chain.transport_socket.typed_config)
    common = context.common_tls_context
    if "h2" not in common.alpn_protocols:
        return None
    parts = [c.certificate_chain.SerializeToString() for c in common.tls_certificates]
    parts += [s.name.encode() for s in common.tls_certificate_sds_secret_configs]
    return b"|".join(parts) or None


def _routes(hcm: Msg) -> object:
    return hcm.rds.route_config_name if hcm.WhichOneof("route_specifier") == "rds" else hcm.route_config.name


CHECK = Check(
    code="ESM210",
    name="connection-reuse-across-chains",
    severity="warning",
    title="One certificate for several SNI chains with HTTP/2",
    fix="serve the hosts from one filter chain and route table, or give each chain a certificate of its own",
    find=find,
)
