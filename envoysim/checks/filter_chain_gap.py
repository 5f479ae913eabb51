"""A more specific filter chain takes a connection away from the one that would serve it.

## What it finds
A filter chain with a server name and an application or transport protocol, where no chain of the same server name
takes the other protocols, but a chain without (or with a wider) server name would.

## Why it matters
Criteria are walked in a fixed order without a way back: destination port, address, server name, transport
protocol, application protocol. Once the server name is found, the wider chain is out of reach: a client that
offers another protocol is closed, `filter_chain_not_found`.

## Example
`[{server_names: [www.foo.com], application_protocols: [h2]}, {server_names: [*.foo.com]}]`: a client of
www.foo.com without ALPN `h2`.

## When it is harmless
Clients of that name always offer the protocol.

## Fix
Repeat the wider chain for the server name without the protocol.

## Source
`FilterChainManagerImpl::findFilterChain` in `source/common/listener_manager/filter_chain_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..match.server_name import server_name_candidates
from ..model.finding import Finding, Related
from ..schema import Msg
from .base import Check
from .subject import Chain, Subject


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per server name whose chains all ask for an application protocol."""
    listeners: dict[int, list[Chain]] = {}
    for chain in subject.chains:
        if not chain.default and not chain.listener.msg.HasField("filter_chain_matcher"):
            listeners.setdefault(id(chain.listener), []).append(chain)
    for chains in listeners.values():
        if not chains[0].listener.msg.HasField("default_filter_chain"):
            yield from _gaps(chains)


def _gaps(chains: list[Chain]) -> Iterator[Finding]:
    named: dict[tuple[bytes, str], list[Chain]] = {}
    for chain in chains:
        match = chain.msg.filter_chain_match
        for name in match.server_names or ("",):
            named.setdefault((_destination(match), name.lower()), []).append(chain)
    for (destination, name), group in named.items():
        if not name or not all(c.msg.filter_chain_match.application_protocols for c in group):
            continue
        wider = (named.get((destination, n), []) for n in server_name_candidates(name.replace("*", "any")) if n != name)
        hidden = next((c for some in wider for c in some if not c.msg.filter_chain_match.application_protocols), None)
        if hidden is None:
            continue
        asked = sorted({p for c in group for p in c.msg.filter_chain_match.application_protocols})
        yield CHECK.finding(
            group[0].ref.at("filter_chain_match", "application_protocols"),
            f"filter chain for SNI `{name}` of listener `{group[0].listener.name}` takes only ALPN "
            f"{', '.join(f'`{p}`' for p in asked)}: a client that offers another is closed, filter_chain_not_found "
            "(NR), though a more general chain would take it",
            related=(Related(hidden.ref, "the chain that is not tried"),),
        )


def _destination(match: Msg) -> bytes:
    """What is compared before the server name."""
    ranges = b"".join(sorted(r.SerializeToString(deterministic=True) for r in match.prefix_ranges))
    return b"%d " % match.destination_port.value + ranges


CHECK = Check(
    code="ESM218",
    name="filter-chain-gap",
    severity="warning",
    title="Filter chain that hides a more general one",
    fix="repeat the wider chain for the server name without the protocol",
    find=find,
)
