"""Filters that leave every request and every answer as they are: a literal table, and why.

What they do instead (count, tell others, pick a source address) is not part of an outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...schema import Msg
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

PREFIX: Final = "envoy.extensions.filters.http."

PASSTHROUGH: Final[tuple[tuple[str, str], ...]] = (
    (PREFIX + "alternate_protocols_cache.v3.FilterConfig", "it remembers upstreams' alt-svc headers"),
    (PREFIX + "aws_eventstream_parser.v3.AwsEventstreamParser", "it reads event streams into metadata"),
    (PREFIX + "grpc_stats.v3.FilterConfig", "it counts gRPC messages"),
    (PREFIX + "on_demand.v3.OnDemand", "it fetches what the dump, if complete, already holds"),
    (PREFIX + "original_src.v3.OriginalSrc", "it connects upstream from the client's address"),
    (PREFIX + "tap.v3.Tap", "it copies requests elsewhere"),
    (PREFIX + "upstream_codec.v3.UpstreamCodec", "it hands requests to the upstream's codec"),
    ("io.istio.http.connect_authority.Config", "it tells tunnels apart within the proxy"),
    ("io.istio.http.connect_baggage.Config", "it reads peer metadata"),
    ("io.istio.http.peer_metadata.Config", "it reads peer metadata"),
    ("istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig", "it chooses what ALPN offers upstreams"),
    ("stats.PluginConfig", "it counts"),
)
"""(type of the configuration, what the filter does)."""


@dataclass(frozen=True, slots=True)
class Passthrough(DecoderOnly):
    """A filter that changes nothing."""

    ref: Ref
    what: str

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Go on."""
        if stream.telling.explain:
            stream.telling.step("http filter", self.ref, "nothing changes: {}", self.what)
        return None


def _row(type_name: str, what: str) -> FilterModule:
    def make(msg: Msg, ref: Ref, proxy: Proxy) -> Passthrough:
        return Passthrough(ref, what)

    return FilterModule(type_name, make)


MODULES: Final = tuple(_row(type_name, what) for type_name, what in PASSTHROUGH)
