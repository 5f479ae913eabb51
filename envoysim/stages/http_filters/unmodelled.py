"""Filters that are known and not modelled: a literal table of what each may do.

They pass requests on, and a note says what the real filter might have done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...schema import Msg
from .base import DecoderOnly, FilterModule, Verdict
from .passthrough import Passthrough

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

PREFIX: Final = "envoy.extensions.filters.http."
CODE: Final = "runs code of its own: it may answer requests itself, change headers and bodies, or choose another route"
SLOW: Final = "slows bodies down: durations are shorter here"
LOAD: Final = "decides by load over time: it may answer 503 itself"

WASM: Final = PREFIX + "wasm.v3.Wasm"
BUILT_IN: Final[Mapping[str, str]] = {
    "envoy.wasm.metadata_exchange": "it exchanges peer metadata",
    "envoy.wasm.stackdriver": "it tells a service what happened",
    "envoy.wasm.stats": "it counts",
}
"""Istio's plugins that need no VM, and what they do: requests pass."""

UNMODELLED: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    (PREFIX + "a2a.v3.A2a", "reads agent messages into metadata and may refuse what is none", ()),
    (PREFIX + "adaptive_concurrency.v3.AdaptiveConcurrency", LOAD + " (`reached_concurrency_limit`)", ()),
    (PREFIX + "admission_control.v3.AdmissionControl", LOAD + " (`denied_by_admission_control`)", ()),
    (
        PREFIX + "ai_protocol_manager.v3.AiProtocolManager",
        "reads and rewrites requests to language models",
        (PREFIX + "ai_protocol_manager.v3.AiProtocolManagerPerRoute",),
    ),
    (
        PREFIX + "aws_lambda.v3.Config",
        "turns requests into Lambda invocations and signs them: method, path, headers and body change",
        (PREFIX + "aws_lambda.v3.PerRouteConfig",),
    ),
    (
        PREFIX + "aws_request_signing.v3.AwsRequestSigning",
        "signs requests: adds authorization and x-amz-* headers",
        (PREFIX + "aws_request_signing.v3.AwsRequestSigningPerRoute",),
    ),
    (PREFIX + "bandwidth_limit.v3.BandwidthLimit", SLOW, (PREFIX + "bandwidth_limit.v3.BandwidthLimit",)),
    (PREFIX + "bandwidth_share.v3.BandwidthShare", SLOW, ()),
    (PREFIX + "body_size_limit.v3.BodySizeLimit", "refuses bodies over a limit (413)", ()),
    (PREFIX + "cache.v3.CacheConfig", "may answer from its cache (RFCF)", ()),
    (PREFIX + "cache_v2.v3.CacheV2Config", "may answer from its cache (RFCF)", ()),
    (
        PREFIX + "connect_grpc_bridge.v3.FilterConfig",
        "turns Connect requests into gRPC ones: headers and body change",
        (),
    ),
    (
        PREFIX + "dynamic_modules.v3.DynamicModuleFilter",
        CODE,
        (PREFIX + "dynamic_modules.v3.DynamicModuleFilterPerRoute",),
    ),
    (PREFIX + "file_server.v3.FileServerConfig", "answers with files", ()),
    (
        PREFIX + "file_system_buffer.v3.FileSystemBufferFilterConfig",
        "keeps bodies back: it may refuse those that are too large (413)",
        (PREFIX + "file_system_buffer.v3.FileSystemBufferFilterConfig",),
    ),
    (PREFIX + "gcp_authn.v3.GcpAuthnFilterConfig", "adds an identity token to requests", ()),
    (PREFIX + "geoip.v3.Geoip", "adds headers with the client's place, from a database", ()),
    ("envoy.extensions.filters.http.golang.v3alpha.Config", CODE, ()),
    (
        PREFIX + "grpc_field_extraction.v3.GrpcFieldExtractionConfig",
        "reads gRPC messages into metadata and refuses those it cannot read",
        (),
    ),
    (
        PREFIX + "grpc_json_reverse_transcoder.v3.GrpcJsonReverseTranscoder",
        "turns gRPC requests into REST ones: method, path, headers and body change",
        (),
    ),
    (
        PREFIX + "grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "turns REST requests into gRPC ones: method, path, headers and body change, and the route may",
        (),
    ),
    (PREFIX + "lua.v3.Lua", CODE, (PREFIX + "lua.v3.LuaPerRoute",)),
    (PREFIX + "mcp.v3.Mcp", "reads MCP messages into metadata and may refuse what is none", ()),
    (PREFIX + "mcp_json_rest_bridge.v3.McpJsonRestBridge", "turns MCP calls into REST ones", ()),
    (PREFIX + "mcp_router.v3.McpRouter", "answers MCP calls from several backends", ()),
    (
        PREFIX + "oauth2.v3.OAuth2",
        "sends clients without valid cookies to the identity provider (302) or answers 401",
        (PREFIX + "oauth2.v3.OAuth2PerRoute",),
    ),
    (PREFIX + "proto_api_scrubber.v3.ProtoApiScrubberConfig", "removes fields and refuses methods", ()),
    (
        PREFIX + "proto_message_extraction.v3.ProtoMessageExtractionConfig",
        "reads gRPC messages into metadata and refuses those it cannot read",
        (),
    ),
    (
        PREFIX + "rate_limit_quota.v3.RateLimitQuotaFilterConfig",
        "follows quotas assigned by a service: it may answer 429",
        (PREFIX + "rate_limit_quota.v3.RateLimitQuotaOverride",),
    ),
    (PREFIX + "sse_to_metadata.v3.SseToMetadata", "reads responses into metadata", ()),
    (PREFIX + "thrift_to_metadata.v3.ThriftToMetadata", "reads Thrift messages into metadata", ()),
    (PREFIX + "transform.v3.TransformConfig", "rewrites headers and bodies", ()),
    (WASM, CODE, ()),
    (
        "istio.envoy.config.filter.http.authn.v2alpha1.FilterConfig",
        "checks peers and tokens: it may answer 401",
        (),
    ),
)
"""(type of the configuration, what the filter does, its per-route types)."""


@dataclass(frozen=True, slots=True)
class Unmodelled(DecoderOnly):
    """A filter that passes requests on and says that the real one does more."""

    ref: Ref
    note: str

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Say it and go on."""
        stream.telling.note(self.ref, self.note)
        return None


def _row(type_name: str, what: str, override_types: tuple[str, ...]) -> FilterModule:
    note = f"{type_name.removeprefix(PREFIX)} is not modelled: the filter {what}"

    def make(msg: Msg, ref: Ref, proxy: Proxy) -> Unmodelled | Passthrough:
        built_in = BUILT_IN.get(_built_in(msg)) if type_name == WASM else None
        return Passthrough(ref, built_in) if built_in is not None else Unmodelled(ref, note)

    return FilterModule(type_name, make, override_types)


def _built_in(msg: Msg) -> str:
    """Name the plugin that is compiled into the proxy, "" for code of somebody else."""
    vm = msg.config.vm_config
    return vm.code.local.inline_string if vm.runtime == "envoy.wasm.runtime.null" else ""


MODULES: Final = tuple(_row(*row) for row in UNMODELLED)
