"""Filter chains and the choice among them (``FilterChainManagerImpl::findFilterChain``).

The criteria are walked in ``filter_chain_tree``; ``filter_chain_losers`` says why the others lost.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..schema import Msg
from .downstream_tls import DownstreamTransport, compile_downstream_transport
from .filter_chain_losers import Candidate, rejections, seen
from .filter_chain_matcher import FilterChainMatcher, compile_filter_chain_matcher
from .filter_chain_tree import ChainTree, compile_chain_match
from .metadata import filter_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..model.ref import Ref
    from ..model.trace import Rejected
    from ..model.world import State, World
    from .network_filters import Entry
    from .proxy import Proxy
    from .stream import DownstreamConnection, Telling

STAGE = "filter chain"


class FilterChain:
    """A filter chain; its transport and network filters are compiled when a connection first takes it."""

    def __init__(self, msg: Msg, ref: Ref, proxy: Proxy) -> None:
        self._msg = msg
        self._proxy = proxy
        self.name: str = msg.name
        self.ref = ref
        self.match = compile_chain_match(msg.filter_chain_match)

    @cached_property
    def metadata(self) -> Mapping[str, object]:
        """``metadata.filter_metadata`` as plain Python."""
        return filter_metadata(self._msg)

    @cached_property
    def transport(self) -> DownstreamTransport:
        """The transport socket: plaintext or TLS."""
        return compile_downstream_transport(self._msg, self.ref, self._proxy)

    @cached_property
    def filters(self) -> tuple[Entry, ...]:
        """The network filters in order."""
        from .network_filters import compile_network_filters  # which needs this module

        return compile_network_filters(self._msg.filters, self.ref.at("filters"), self._proxy)

    def __repr__(self) -> str:
        return f"FilterChain({self.name!r})"


@dataclass(frozen=True, slots=True)
class FilterChains:
    """The chains of a listener: a tree of criteria or a matcher that replaces it, and the default."""

    ref: Ref
    chains: tuple[FilterChain, ...]
    default: FilterChain | None
    tree: ChainTree
    matcher: FilterChainMatcher | None
    by_name: dict[str, FilterChain]


def compile_filter_chains(listener: Msg, ref: Ref, proxy: Proxy) -> FilterChains:
    """Compile ``filter_chains``, ``default_filter_chain`` and ``filter_chain_matcher`` of a Listener."""
    chains = tuple(FilterChain(m, ref.at("filter_chains", i), proxy) for i, m in enumerate(listener.filter_chains))
    default = None
    if listener.HasField("default_filter_chain"):
        default = FilterChain(listener.default_filter_chain, ref.at("default_filter_chain"), proxy)
    matcher, tree = None, ChainTree()
    if listener.HasField("filter_chain_matcher"):
        matcher = compile_filter_chain_matcher(listener.filter_chain_matcher, ref.at("filter_chain_matcher"), proxy)
    else:
        for chain in chains:
            tree.insert(chain)
    return FilterChains(ref, chains, default, tree, matcher, {chain.name: chain for chain in reversed(chains)})


def choose_filter_chain(
    connection: DownstreamConnection, world: World, state: State, telling: Telling
) -> FilterChain | None:
    """Return the chain for the connection; ``None`` ends it with ``filter_chain_not_found``."""
    chains = connection.listener.chains
    if chains.matcher is not None:
        return _by_matcher(chains, chains.matcher, connection, telling)
    for first, second in chains.tree.overlaps:
        telling.note(second, f"the criteria overlap those of {first}: Envoy refuses such a listener")

    def pick(count: int) -> int:
        telling.note(
            chains.ref.at("filter_chains"),
            "0.0.0.0/0 (or ::/0) in one chain and no ranges in another are the same to Envoy: which of them is used "
            "differs from start to start",
        )
        order = ("filter chain order", chains.ref, count)
        return state.slot(order, lambda: world.chance.pick((1.0,) * count, "the order of equal filter chains"))

    found = chains.tree.find(connection, pick)
    losers = _losers(chains, connection) if telling.explain else None
    if found is not None:
        if found.name:
            telling.step(STAGE, found.ref, "`{}` of {}", found.name, len(chains.chains), losers=losers)
        else:
            number = chains.chains.index(found) + 1
            telling.step(STAGE, found.ref, "chain {} of {}", number, len(chains.chains), losers=losers)
        return found
    return _default(chains, telling, "no filter chain matches", losers)


def _by_matcher(
    chains: FilterChains, matcher: FilterChainMatcher, connection: DownstreamConnection, telling: Telling
) -> FilterChain | None:
    name = matcher.choose(connection, telling)
    if name is None:
        return _default(chains, telling, "the filter chain matcher matches nothing", None)
    found = chains.by_name.get(name)
    if found is None:
        telling.step(STAGE, matcher.ref, "the filter chain matcher names `{}`, and there is no such chain", name)
        return None
    telling.step(STAGE, found.ref, "`{}`, named by the filter chain matcher", name)
    return found


def _default(
    chains: FilterChains, telling: Telling, why: str, losers: Callable[[], tuple[Rejected, ...]] | None
) -> FilterChain | None:
    default = chains.default
    if default is None:
        telling.step(STAGE, chains.ref.at("filter_chains"), "{}, and there is no default chain", why, losers=losers)
        return None
    telling.step(STAGE, default.ref, "{}: the default chain `{}`", why, default.name, losers=losers)
    return default


def _losers(chains: FilterChains, connection: DownstreamConnection) -> Callable[[], tuple[Rejected, ...]]:
    candidates = tuple(Candidate(c.ref, c.name, c.match) for c in chains.chains)
    return partial(rejections, candidates, seen(connection))
