"""How a cluster gets its hosts: discovery types and cluster extensions (``source/extensions/clusters``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..schema import Msg, any_type, enum_name, unpack

if TYPE_CHECKING:
    from ..model.ref import Ref

CLUSTERS: Final = "envoy.extensions.clusters."
EXTENSIONS: Final = {
    CLUSTERS + "aggregate.v3.ClusterConfig": "AGGREGATE",
    CLUSTERS + "dynamic_forward_proxy.v3.ClusterConfig": "DYNAMIC_FORWARD_PROXY",
    CLUSTERS + "composite.v3.ClusterConfig": "COMPOSITE",
    CLUSTERS + "redis.v3.RedisClusterConfig": "STRICT_DNS",
    CLUSTERS + "dns.v3.DnsCluster": "STRICT_DNS",
}
NAMES: Final = {
    "envoy.clusters.aggregate": "AGGREGATE",
    "envoy.clusters.dynamic_forward_proxy": "DYNAMIC_FORWARD_PROXY",
    "envoy.cluster.static": "STATIC",
    "envoy.cluster.eds": "EDS",
    "envoy.cluster.strict_dns": "STRICT_DNS",
    "envoy.cluster.logical_dns": "LOGICAL_DNS",
    "envoy.cluster.original_dst": "ORIGINAL_DST",
    "envoy.clusters.dns": "STRICT_DNS",
}
DEFAULT_HEADER: Final = "x-envoy-original-dst-host"


@dataclass(frozen=True, slots=True)
class OriginalDst:
    """Where an ORIGINAL_DST cluster takes the address from (``OriginalDstLbConfig``)."""

    use_http_header: bool = False
    http_header_name: str = DEFAULT_HEADER
    port_override: int | None = None
    metadata_key: str = ""
    metadata_path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterType:
    """``discovery`` is the type's name in Envoy's words, or a type of our own for cluster extensions."""

    discovery: str
    name: str
    members: tuple[str, ...] = ()
    """Clusters an aggregate cluster puts together, in order."""
    original_dst: OriginalDst | None = None
    note: str = ""


def compile_cluster_type(msg: Msg, ref: Ref) -> ClusterType:
    """Compile ``cluster_discovery_type`` with what belongs to it."""
    if msg.WhichOneof("cluster_discovery_type") != "cluster_type":
        name = enum_name(msg, "type")
        original = _original_dst(msg) if name == "ORIGINAL_DST" else None
        return ClusterType(name, name, original_dst=original)
    custom = msg.cluster_type
    config = unpack(custom.typed_config)
    kind = EXTENSIONS.get(any_type(custom.typed_config)) or NAMES.get(custom.name, "")
    if config is not None and config.DESCRIPTOR.name == "DnsCluster" and config.all_addresses_in_single_endpoint:
        kind = "LOGICAL_DNS"
    if kind == "AGGREGATE":
        members = tuple(config.clusters) if config is not None else ()
        return ClusterType(kind, custom.name, members)
    if kind == "DYNAMIC_FORWARD_PROXY":
        return ClusterType(kind, custom.name)
    if kind == "ORIGINAL_DST":
        return ClusterType(kind, custom.name, original_dst=_original_dst(msg))
    if kind and kind != "COMPOSITE":
        return ClusterType(kind, custom.name)
    return ClusterType("CUSTOM", custom.name, note=f"cluster type `{custom.name}` is not modelled")


def _original_dst(msg: Msg) -> OriginalDst:
    config = msg.original_dst_lb_config
    return OriginalDst(
        config.use_http_header,
        config.http_header_name.lower() or DEFAULT_HEADER,
        config.upstream_port_override.value if config.HasField("upstream_port_override") else None,
        config.metadata_key.key if config.HasField("metadata_key") else "",
        tuple(segment.key for segment in config.metadata_key.path) if config.HasField("metadata_key") else (),
    )
