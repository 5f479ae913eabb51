"""The HTTP connection manager: admission of requests, and what it puts on responses.

Source: ``source/common/http/conn_manager_impl.cc`` (``decodeHeaders``, ``encodeHeaders``) and
``source/extensions/filters/network/http_connection_manager/config.cc``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.cidr_range import CidrRange, cidr_range, compile_cidr_range
from ..match.string_matcher import StringMatcher, compile_string_matcher
from ..model.behaviour import ECHO
from ..model.reply import Aborted, LocalReply, Response
from ..schema import Msg, duration_ms, enum_name
from .access_log import AccessLogger, compile_access_loggers
from .client_cert import ForwardClientCert, compile_forward_client_cert, forward_client_cert
from .codec import CODEC_ERROR
from .connect_udp import asks_for_udp, udp_target
from .connection_header import is_upgrade
from .forwarded import append_via, mutate_request_headers
from .http_filters.base import BODY_READ
from .http_filters.chain import HttpFilterChain, compile_http_filters
from .ip_detection import Detect, compile_ip_detection
from .local_reply import LocalReplyConfig, compile_local_reply
from .path_normalization import (
    canonical_path,
    merge_slashes,
    split_query,
    strip_port,
    strip_trailing_dot,
    unescape_slashes,
)
from .proxy_status import ProxyStatus, compile_proxy_status
from .route_action import known_cluster
from .route_configuration import RouteSource, compile_route_source, resolve_route
from .timeouts import is_grpc
from .upgrade import UpgradeConfigs, compile_upgrades
from .virtual_host import NOT_ADMITTED

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .proxy import Proxy
    from .stream import Stream

UPGRADING: Final = frozenset(("connection", "upgrade"))
LENGTHS: Final = frozenset(("transfer-encoding", "content-length"))
HOP_BY_HOP: Final = UPGRADING | {"transfer-encoding", "keep-alive", "proxy-connection"}
"""What a response does not carry from one connection to the next."""
PRIVATE_RANGES: Final = tuple(
    cidr_range(*pair)
    for pair in (
        ("10.0.0.0", 8),
        ("172.16.0.0", 12),
        ("192.168.0.0", 16),
        ("127.0.0.1", 32),
        ("fd00::", 8),
        ("::1", 128),
    )
)
"""Internal addresses where ``internal_address_config`` is set without ranges."""

SLASHES_ACTION: Final = "path_with_escaped_slashes_action"
ESCAPED_SLASH: Final = f"the path has an escaped slash, and {SLASHES_ACTION} is {{}}"
ABSOLUTE_URL: Final = ("http_protocol_options", "allow_absolute_url")
DEFAULT_HOST: Final = ("http_protocol_options", "default_host_for_http_10")
PATH_REFUSED: Final = LocalReply(400, "path_normalization_failed")
UDP_PATH: Final = LocalReply(404, "invalid_path", "The path is incorrect for CONNECT-UDP")
ESCAPED_SLASHES: Final = {2: "REJECT_REQUEST", 3: "UNESCAPE_AND_REDIRECT", 4: "UNESCAPE_AND_FORWARD"}
"""What the runtime may choose where the configuration does not."""


@dataclass(frozen=True, slots=True, eq=False)
class HttpConnectionManager:
    """A compiled HttpConnectionManager; times in ms, 0 for off."""

    ref: Ref
    stat_prefix: str
    codec_type: str
    routes: RouteSource
    http_filters: HttpFilterChain
    upgrades: UpgradeConfigs
    local_replies: LocalReplyConfig
    access_loggers: tuple[AccessLogger, ...]
    ip_detection: tuple[Detect, ...]
    early_mutations: Callable[[Stream], None] | None
    forward_client_cert: ForwardClientCert
    proxy_status: ProxyStatus | None
    use_remote_address: bool
    xff_num_trusted_hops: int
    skip_xff_append: bool
    append_x_forwarded_port: bool
    internal_ranges: tuple[CidrRange, ...] | None
    https_ports: frozenset[int]
    http_ports: frozenset[int]
    scheme_to_set: str
    via: str
    server_name: str
    server_header: str
    add_user_agent: bool
    generate_request_id: bool
    preserve_external_request_id: bool
    always_set_request_id_in_response: bool
    normalize_path: bool
    merge_slashes: bool
    escaped_slashes: str
    strip_trailing_dot: bool
    strip_port: str
    """``any``, ``matching`` or ""."""
    proxy_100_continue: bool
    max_request_headers_kb: int
    max_headers_count: int
    underscores: str
    accept_http_10: bool
    default_host_for_http_10: str
    allow_absolute_url: bool
    validates_scheme: bool
    """An ``https`` URL on a plaintext connection is refused."""
    allow_custom_methods: bool
    allow_chunked_length: bool
    ignored_upgrades: tuple[StringMatcher, ...]
    http1_trailers: bool
    http2_allow_connect: bool
    http2_stream_errors: bool
    """An invalid message ends its stream, not the connection."""
    stream_idle_timeout_ms: float
    request_timeout_ms: float
    """How long a client may take to send its request; 0 for ever."""
    max_stream_duration_ms: float | None
    max_requests_per_connection: int
    """0 for no limit."""

    def is_internal(self, ip: str) -> bool:
        """Tell whether an address counts as internal; without ``internal_address_config`` none does."""
        return self.internal_ranges is not None and any(r.contains(ip) for r in self.internal_ranges)


def compile_http_connection_manager(msg: Msg, ref: Ref, proxy: Proxy) -> HttpConnectionManager:
    """Compile ``envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager``."""
    common, http1, http2 = msg.common_http_protocol_options, msg.http_protocol_options, msg.http2_protocol_options
    normalize = msg.normalize_path.value
    if not msg.HasField("normalize_path"):
        normalize = proxy.runtime.integer("http_connection_manager.normalize_path", 0) >= 100
    escaped = enum_name(msg, "path_with_escaped_slashes_action")
    if escaped == "IMPLEMENTATION_SPECIFIC_DEFAULT":
        wanted = proxy.runtime.integer("http_connection_manager.path_with_escaped_slashes_action", 0)
        escaped = ESCAPED_SLASHES.get(wanted, "KEEP_UNCHANGED")
    transformation = msg.scheme_header_transformation
    ports = msg.forward_proto_config if "forward_proto_config" in msg.DESCRIPTOR.fields_by_name else None
    return HttpConnectionManager(
        ref=ref,
        stat_prefix=msg.stat_prefix,
        codec_type=enum_name(msg, "codec_type"),
        routes=compile_route_source(msg, ref, proxy),
        http_filters=compile_http_filters(list(msg.http_filters), ref.at("http_filters"), proxy),
        upgrades=compile_upgrades(msg.upgrade_configs, ref.at("upgrade_configs"), proxy),
        local_replies=compile_local_reply(msg.local_reply_config, ref.at("local_reply_config")),
        access_loggers=compile_access_loggers(list(msg.access_log), ref.at("access_log")),
        ip_detection=compile_ip_detection(msg, ref),
        early_mutations=_early_mutations(msg, ref, proxy),
        forward_client_cert=compile_forward_client_cert(msg, ref),
        proxy_status=compile_proxy_status(msg, proxy),
        use_remote_address=msg.use_remote_address.value,
        xff_num_trusted_hops=msg.xff_num_trusted_hops,
        skip_xff_append=msg.skip_xff_append,
        append_x_forwarded_port=msg.append_x_forwarded_port,
        internal_ranges=_internal_ranges(msg),
        https_ports=frozenset(ports.https_destination_ports) if ports is not None else frozenset(),
        http_ports=frozenset(ports.http_destination_ports) if ports is not None else frozenset(),
        scheme_to_set=transformation.scheme_to_overwrite,
        via=msg.via,
        server_name=msg.server_name or "envoy",
        server_header=enum_name(msg, "server_header_transformation"),
        add_user_agent=msg.add_user_agent.value,
        generate_request_id=msg.generate_request_id.value if msg.HasField("generate_request_id") else True,
        preserve_external_request_id=msg.preserve_external_request_id,
        always_set_request_id_in_response=msg.always_set_request_id_in_response,
        normalize_path=normalize,
        merge_slashes=msg.merge_slashes,
        escaped_slashes=escaped,
        strip_trailing_dot=msg.strip_trailing_host_dot,
        strip_port="any" if msg.strip_any_host_port else "matching" if msg.strip_matching_host_port else "",
        proxy_100_continue=msg.proxy_100_continue,
        max_request_headers_kb=msg.max_request_headers_kb.value if msg.HasField("max_request_headers_kb") else 60,
        max_headers_count=common.max_headers_count.value if common.HasField("max_headers_count") else 100,
        underscores=enum_name(common, "headers_with_underscores_action"),
        accept_http_10=http1.accept_http_10,
        default_host_for_http_10=http1.default_host_for_http_10,
        allow_absolute_url=http1.allow_absolute_url.value if http1.HasField("allow_absolute_url") else True,
        validates_scheme=msg.use_remote_address.value and msg.xff_num_trusted_hops == 0,
        allow_custom_methods=http1.allow_custom_methods,
        allow_chunked_length=http1.allow_chunked_length,
        ignored_upgrades=tuple(
            compile_string_matcher(m, ref.at("http_protocol_options", "ignore_http_11_upgrade", i))
            for i, m in enumerate(http1.ignore_http_11_upgrade)
        ),
        http1_trailers=http1.enable_trailers,
        http2_allow_connect=http2.allow_connect,
        http2_stream_errors=http2.override_stream_error_on_invalid_http_message.value
        if http2.HasField("override_stream_error_on_invalid_http_message")
        else msg.stream_error_on_invalid_http_message.value,
        stream_idle_timeout_ms=duration_ms(msg.stream_idle_timeout)
        if msg.HasField("stream_idle_timeout")
        else 300_000.0,
        request_timeout_ms=duration_ms(msg.request_timeout),
        max_stream_duration_ms=duration_ms(common.max_stream_duration)
        if common.HasField("max_stream_duration")
        else None,
        max_requests_per_connection=common.max_requests_per_connection.value,
    )


def _internal_ranges(msg: Msg) -> tuple[CidrRange, ...] | None:
    if not msg.HasField("internal_address_config"):
        return None
    ranges = tuple(compile_cidr_range(r) for r in msg.internal_address_config.cidr_ranges)
    return ranges or PRIVATE_RANGES


def _early_mutations(msg: Msg, ref: Ref, proxy: Proxy) -> Callable[[Stream], None] | None:
    """``early_header_mutation_extensions``: header mutations before anything else reads the headers."""
    if not msg.early_header_mutation_extensions:
        return None
    from .early_header_mutation import compile_early_mutations

    return compile_early_mutations(list(msg.early_header_mutation_extensions), ref, proxy)


def admit_request(stream: Stream) -> LocalReply | Aborted | None:
    """Check and normalize the request headers in Envoy's order; ``None`` lets the request on."""
    hcm, headers = stream.hcm, stream.headers
    first = dict(reversed(headers.items))
    _note_close(stream, first)
    if "expect" in first and not hcm.proxy_100_continue and first["expect"].lower() == "100-continue":
        headers.remove("expect")  # answered here, it goes no further
    authority, path = first.get(":authority"), first.get(":path")
    if authority is None:
        reply = LocalReply(400, "missing_host_header", close=True)
        if stream.protocol != "HTTP/1.0":
            return _refused(stream, reply)
        return _refused(stream, reply, *DEFAULT_HOST, why="HTTP/1.0 without host, and there is no default host")
    if not path and (path is not None or first.get(":method") != "CONNECT"):
        return _refused(stream, LocalReply(404, "missing_path_rejected"))
    if asks_for_udp(first):
        target = udp_target(path or "")
        if target is None:
            return _refused(stream, UDP_PATH, why="the path names no target for CONNECT-UDP")
        headers.set(":authority", target)
        authority = first[":authority"] = target
    if path:
        if path[0] != "/":
            why = "the path does not begin with `/`"
            return _refused(stream, LocalReply(404, "absolute_path_rejected"), *ABSOLUTE_URL, why=why)
        if first.get(":method") == "QUERY" and not first.get("content-type"):
            return _refused(stream, LocalReply(400, "query_missing_content_type"))
        unwanted = _normalize_path(stream, path)
        if unwanted is not None:
            return _refused(stream, unwanted.reply, *unwanted.setting, why=unwanted.why)
    if hcm.strip_port or hcm.strip_trailing_dot:
        _normalize_host(stream, authority)
    refused = mutate_request_headers(stream, first)
    if refused is not None:
        return _refused(stream, refused, "original_ip_detection_extensions", why="no original address was found")
    forward_client_cert(stream, first)
    if hcm.request_timeout_ms and stream.body:
        words = "request_timeout {} ms: the client is taken to send its whole request at once"
        stream.telling.note(hcm.ref, words.format(f"{hcm.request_timeout_ms:g}"))
    return None


def _note_close(stream: Stream, first: Mapping[str, str]) -> None:
    """Note whether an HTTP/1 client wants the connection closed (``HeaderUtility::shouldCloseConnection``)."""
    if stream.protocol == "HTTP/1.0":
        stream.closes = "keep-alive" not in _tokens(first.get("connection"))
    elif stream.protocol != "HTTP/1.1":
        return
    elif "connection" in first:
        stream.closes = "close" in _tokens(first["connection"])
    if "proxy-connection" in first and "close" in _tokens(first["proxy-connection"]):
        stream.closes = True


def _tokens(value: str | None) -> list[str]:
    return [token.strip().lower() for token in (value or "").split(",")]


def _refused(stream: Stream, reply: LocalReply, *setting: str, why: str = "") -> LocalReply:
    """End a request here; ``setting`` is the path of the field that decided, ``why`` its words."""
    at, words = stream.hcm.ref.at(*setting), "refused: {} `{}`: {}" if why else "refused: {} `{}`"
    stream.telling.step("connection manager", at, words, reply.status, reply.details, why)
    stream.facts[NOT_ADMITTED] = True
    resolve_route(stream)  # every local reply has a route to log and to take headers from, if one is found
    return reply


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A path that is refused or redirected, and the field of the connection manager that wants it so."""

    reply: LocalReply
    setting: tuple[str, ...]
    why: str


def _normalize_path(stream: Stream, path: str) -> Unwanted | None:
    hcm = stream.hcm
    if "#" in path:
        return Unwanted(PATH_REFUSED, (), "the path has a fragment (`#`)")
    new, redirect = path, False
    if hcm.escaped_slashes != "KEEP_UNCHANGED" and "%" in split_query(path)[0]:
        new = unescape_slashes(path)
        if new != path:
            if hcm.escaped_slashes == "REJECT_REQUEST":
                return Unwanted(PATH_REFUSED, (SLASHES_ACTION,), ESCAPED_SLASH.format(hcm.escaped_slashes))
            redirect = hcm.escaped_slashes == "UNESCAPE_AND_REDIRECT"
    changed_by = SLASHES_ACTION if new != path else ""
    if hcm.normalize_path:
        canonical = canonical_path(new)
        if canonical is None:
            return Unwanted(PATH_REFUSED, ("normalize_path",), "normalize_path cannot normalize the path")
        changed_by, new = changed_by or ("normalize_path" if canonical != new else ""), canonical
    if hcm.merge_slashes:
        merged = merge_slashes(new)
        changed_by, new = changed_by or ("merge_slashes" if merged != new else ""), merged
    if new != path:
        stream.headers.set(":path", new)
        at = hcm.ref.at(changed_by)
        stream.telling.step("connection manager", at, "path `{}` becomes `{}` ({})", path, new, changed_by)
    if redirect:
        why = ESCAPED_SLASH.format(hcm.escaped_slashes)
        if is_grpc(stream.headers.get("content-type")):
            return Unwanted(PATH_REFUSED, (SLASHES_ACTION,), why)
        reply = LocalReply(307, "path_normalization_failed", headers=(("location", new),))
        return Unwanted(reply, (SLASHES_ACTION,), why)
    return None


def _normalize_host(stream: Stream, authority: str) -> None:
    hcm, host = stream.hcm, authority
    if hcm.strip_trailing_dot:
        host = strip_trailing_dot(host)
    port = None
    if hcm.strip_port:
        host, port = strip_port(host, stream.connection.local.port if hcm.strip_port == "matching" else None)
    if host != authority:
        stream.headers.set(":authority", host)
        if port is None:
            setting = "strip_trailing_host_dot"
        else:
            setting = "strip_any_host_port" if hcm.strip_port == "any" else "strip_matching_host_port"
        at = hcm.ref.at(setting)
        stream.telling.step("connection manager", at, "host `{}` becomes `{}` ({})", authority, host, setting)
        if port is not None and stream.headers.get(":method") == "CONNECT":
            stream.facts["original_connect_port"] = port


def encode_response(stream: Stream, response: Response) -> None:
    """Put what the connection manager adds on the response headers, and decide whether the connection is closed."""
    hcm, headers = stream.hcm, response.headers
    if stream.cluster is None:
        stream.cluster = known_cluster(stream)
    names = {name for name, _ in headers.items}
    if hcm.server_header == "OVERWRITE" or (hcm.server_header == "APPEND_IF_ABSENT" and "server" not in names):
        headers.set("server", hcm.server_name)
    upgraded = False
    if not HOP_BY_HOP.isdisjoint(names):
        upgraded = is_upgrade(headers) and is_upgrade(stream.headers)
        if upgraded and names.isdisjoint(LENGTHS) and response.status // 100 != 1:
            headers.set("content-length", "0")
        dropped = HOP_BY_HOP - UPGRADING if upgraded else HOP_BY_HOP
        headers.items = [pair for pair in headers.items if pair[0] not in dropped]
    if hcm.always_set_request_id_in_response or (stream.internal and "x-envoy-force-trace" in stream.headers):
        request_id = stream.headers.get("x-request-id")
        if request_id is not None:
            headers.set("x-request-id", request_id)
    if hcm.via:
        append_via(headers, hcm.via)
    if hcm.proxy_status is not None:
        hcm.proxy_status(stream, response)
    stream.response_code = response.status
    if stream.protocol in ("HTTP/1.0", "HTTP/1.1"):
        # A request that was not read to its end leaves the connection unusable.
        answered_early = response.local and not stream.attempts and BODY_READ not in stream.facts
        unread = answered_early and bool(stream.request.body)
        response.close = response.close or stream.closes or unread or stream.connection.draining
        if stream.protocol == "HTTP/1.0" and "content-length" not in headers and response.body != ECHO:
            response.close = True  # nothing else tells where the answer ends
        if response.close and not upgraded:
            headers.items.append(("connection", "close"))
    if CODEC_ERROR in stream.facts:
        stream.flag("DPE")
