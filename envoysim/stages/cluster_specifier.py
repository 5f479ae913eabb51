"""How a route names its cluster: by name, by header, by weight (``weighted_cluster_specifier.cc``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.header_matcher import parse_uint64
from ..model.ref import Ref
from ..schema import Msg, any_type, to_python, unpack
from .hash_policy import compute_hash
from .headers import HeaderMutations, compile_mutations
from .matcher_inputs import HTTP_INPUTS
from .matcher_tree import MatcherTree, compile_matcher_tree

if TYPE_CHECKING:
    from .proxy import Proxy
    from .route_forward import Forward
    from .stream import Stream

LB_NAMESPACE: Final = "envoy.lb"
LUA_PLUGIN: Final = "envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig"
MATCHER_PLUGIN: Final = "envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier"
CLUSTER_CHOICE: Final = "cluster_choice"
"""``Stream.facts`` key: the ``Forward`` and the ``ClusterChoice`` made when the route was resolved."""
PerFilterConfig = Mapping[str, tuple[Msg, Ref]]
"""``typed_per_filter_config`` as configured: the Any and its place, by filter name."""


@dataclass(frozen=True, slots=True)
class WeightedCluster:
    """One entry of ``weighted_clusters``."""

    ref: Ref
    name: str
    cluster_header: str
    weight: int
    metadata_match: dict[str, object] | None
    """The route's criteria with the entry's merged over them."""
    request_mutations: HeaderMutations | None
    response_mutations: HeaderMutations | None
    typed_per_filter_config: PerFilterConfig
    host_rewrite: str


@dataclass(frozen=True, slots=True)
class ClusterChoice:
    """The cluster a request goes to ("" for none), and the weighted entry that won."""

    name: str
    entry: WeightedCluster | None
    metadata_match: dict[str, object] | None = None
    unknown: str = ""
    """What would have to be known to tell the cluster."""


@dataclass(frozen=True, slots=True)
class NamedCluster:
    """``cluster``: known when the route is compiled."""

    choice: ClusterChoice


@dataclass(frozen=True, slots=True)
class HeaderCluster:
    """``cluster_header``: the first value of a request header."""

    header: str


@dataclass(frozen=True, slots=True)
class WeightedClusters:
    """``weighted_clusters``; weights already follow the runtime."""

    ref: Ref
    entries: tuple[WeightedCluster, ...]
    weights: tuple[int, ...]
    header_name: str
    use_hash_policy: bool
    choices: tuple[ClusterChoice, ...]
    label: str
    """What chance is asked about, in words."""


@dataclass(frozen=True, slots=True)
class MatchedCluster:
    """The ``MatcherClusterSpecifier`` plugin: a matcher tree names the cluster."""

    tree: MatcherTree[str]


@dataclass(frozen=True, slots=True)
class UnmodelledCluster:
    """A cluster specifier plugin: what it would choose is unknown; one the proxy may lack can be optional."""

    ref: Ref
    note: str
    is_optional: bool = False


ClusterSpecifier = NamedCluster | HeaderCluster | WeightedClusters | MatchedCluster | UnmodelledCluster


def compile_cluster_specifier(msg: Msg, ref: Ref, proxy: Proxy, plugins: Mapping[str, Msg]) -> ClusterSpecifier:
    """Compile the cluster specifier of a ``RouteAction``; ``plugins`` are the route configuration's, by name."""
    kind = msg.WhichOneof("cluster_specifier")
    metadata = lb_metadata(msg)
    if kind == "cluster_header":
        return HeaderCluster(msg.cluster_header.lower())
    if kind == "weighted_clusters":
        return _compile_weighted(msg.weighted_clusters, ref.at("weighted_clusters"), proxy, metadata)
    if kind in ("cluster_specifier_plugin", "inline_cluster_specifier_plugin"):
        plugin = msg.inline_cluster_specifier_plugin if kind[0] == "i" else plugins.get(msg.cluster_specifier_plugin)
        return _compile_plugin(plugin, msg.cluster_specifier_plugin, ref.at(kind))
    return NamedCluster(ClusterChoice(msg.cluster, None, metadata))


def _compile_plugin(plugin: Msg | None, name: str, ref: Ref) -> ClusterSpecifier:
    config = plugin.extension.typed_config if plugin is not None else None
    kind = any_type(config) if config is not None else ""
    if config is not None and kind == MATCHER_PLUGIN and (inner := unpack(config)) is not None:
        at = ref.at("extension", "typed_config", "cluster_matcher")
        return MatchedCluster(compile_matcher_tree(inner.cluster_matcher, at, HTTP_INPUTS, _cluster_action))
    name = plugin.extension.name if plugin is not None else name
    text = f"cluster specifier plugin `{name}` is not modelled: the cluster it chooses is unknown"
    return UnmodelledCluster(ref, text, plugin is not None and plugin.is_optional and kind != LUA_PLUGIN)


def _cluster_action(config: Msg, ref: Ref) -> str:
    inner = unpack(config.typed_config)
    return str(inner.cluster) if inner is not None else ""


def _compile_weighted(msg: Msg, ref: Ref, proxy: Proxy, metadata: dict[str, object] | None) -> WeightedClusters:
    entries = tuple(_compile_entry(m, ref.at("clusters", i), metadata) for i, m in enumerate(msg.clusters))
    weights = tuple(entry.weight for entry in entries)
    if msg.runtime_key_prefix:
        prefix = msg.runtime_key_prefix
        weights = tuple(proxy.runtime.integer(f"{prefix}.{e.name}", e.weight) for e in entries)
    hashes = msg.HasField("use_hash_policy") and msg.use_hash_policy.value
    choices = tuple(ClusterChoice(e.name, e, e.metadata_match) for e in entries)
    label = f"weighted cluster of {ref}"
    return WeightedClusters(ref, entries, weights, msg.header_name.lower(), hashes, choices, label)


def _compile_entry(msg: Msg, ref: Ref, route_metadata: dict[str, object] | None) -> WeightedCluster:
    own = lb_metadata(msg)
    merged = route_metadata if own is None else {**(route_metadata or {}), **own}
    return WeightedCluster(
        ref,
        msg.name,
        msg.cluster_header.lower(),
        msg.weight.value,
        merged,
        compile_level(msg.request_headers_to_add, msg.request_headers_to_remove, ref, "request_headers_to_add"),
        compile_level(msg.response_headers_to_add, msg.response_headers_to_remove, ref, "response_headers_to_add"),
        per_filter_config(msg, ref),
        msg.host_rewrite_literal,
    )


def lb_metadata(msg: Msg) -> dict[str, object] | None:
    """Return the subset criteria of ``metadata_match``: its ``envoy.lb`` values."""
    if not msg.HasField("metadata_match") or LB_NAMESPACE not in msg.metadata_match.filter_metadata:
        return None
    value = to_python(msg.metadata_match.filter_metadata[LB_NAMESPACE])
    return value if isinstance(value, dict) else None


def compile_level(to_add: Msg, to_remove: Msg, ref: Ref, field_name: str) -> HeaderMutations | None:
    """Compile the header mutations of one level; ``None`` where there are none."""
    if not to_add and not to_remove:
        return None
    return compile_mutations(to_add, to_remove, ref.at(field_name))


def per_filter_config(msg: Msg, ref: Ref) -> PerFilterConfig:
    """Return ``typed_per_filter_config`` with the place of each entry."""
    table = msg.typed_per_filter_config
    return {name: (table[name], ref.at("typed_per_filter_config", name)) for name in table} if table else NO_CONFIG


NO_CONFIG: Final[PerFilterConfig] = {}


def specify(stream: Stream, forward: Forward) -> ClusterChoice:
    """Name the cluster, as Envoy does when it resolves the route (``ClusterSpecifierPlugin::route``)."""
    specifier = forward.cluster_specifier
    if isinstance(specifier, NamedCluster):
        return specifier.choice
    if isinstance(specifier, HeaderCluster):
        name = stream.headers.get(specifier.header) or ""
        stream.telling.step("route action", forward.ref, "cluster `{}` from header `{}`", name, specifier.header)
        return ClusterChoice(name, None, forward.metadata_match)
    if isinstance(specifier, UnmodelledCluster):
        stream.telling.note(specifier.ref, specifier.note)
        return ClusterChoice("", None, forward.metadata_match, specifier.note)
    if isinstance(specifier, MatchedCluster):
        for ref, note in specifier.tree.notes:
            stream.telling.note(ref, note)
        found = specifier.tree.match(stream)
        name = found.action if found is not None else ""
        at = found.ref if found is not None else specifier.tree.ref
        stream.telling.step("route action", at, "cluster `{}` from the matcher", name)
        return ClusterChoice(name, None, forward.metadata_match)
    return _pick(stream, forward, specifier)


def _pick(stream: Stream, forward: Forward, clusters: WeightedClusters) -> ClusterChoice:
    weights, total = clusters.weights, sum(clusters.weights)
    number = _given_number(stream, forward, clusters)
    if number is None:
        index = stream.world.chance.pick(weights, clusters.label, "stream") if total else 0
        template = "weighted cluster `{}`: {} of {}"
    else:
        index, point = 0, number % total
        while point >= weights[index]:
            point -= weights[index]
            index += 1
        template = "weighted cluster `{}`: {} of {}, number given by the request"
    choice = clusters.choices[index]
    entry = clusters.entries[index]
    if not entry.name:
        choice = ClusterChoice(stream.headers.get(entry.cluster_header) or "", entry, entry.metadata_match)
    stream.telling.step("route action", entry.ref, template, choice.name, weights[index], total)
    return choice


def _given_number(stream: Stream, forward: Forward, clusters: WeightedClusters) -> int | None:
    """Return the number that decides instead of the stream's: from a header sent once, or the hash policy."""
    number: int | None = None
    if clusters.header_name:
        values = stream.headers.get_all(clusters.header_name)
        number = parse_uint64(values[0]) if len(values) == 1 else None
        if number is not None:
            return number
    if clusters.use_hash_policy and forward.hash_policy:
        number = compute_hash(stream, forward.hash_policy)
    return number
