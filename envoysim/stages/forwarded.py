"""Who sent the request, and which of its x-* headers are believed (``mutateRequestHeaders``)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ..model.address import Address
from ..model.reply import LocalReply
from .connection_header import is_upgrade

if TYPE_CHECKING:
    from ..model.headers import HeaderMap
    from .stream import Stream

STRIPPED_FROM_EXTERNAL: Final = frozenset(
    (
        "x-envoy-retriable-status-codes",
        "x-envoy-retriable-header-names",
        "x-envoy-retry-on",
        "x-envoy-retry-grpc-on",
        "x-envoy-max-retries",
        "x-envoy-upstream-alt-stat-name",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-upstream-rq-timeout-alt-response",
        "x-envoy-upstream-stream-duration-ms",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-force-trace",
        "x-envoy-ip-tags",
        "x-envoy-original-url",
        "x-envoy-hedge-on-per-try-timeout",
    )
)
STRIPPED_AT_EDGE: Final = STRIPPED_FROM_EXTERNAL | frozenset(
    (
        "x-envoy-decorator-operation",
        "x-envoy-downstream-service-cluster",
        "x-envoy-downstream-service-node",
        "x-envoy-original-path",
        "x-envoy-original-host",
    )
)
UUID_LENGTH: Final = 36
_HOP_BY_HOP: Final = frozenset(("x-envoy-internal", "keep-alive", "proxy-connection", "transfer-encoding"))
_CLEANED: Final = _HOP_BY_HOP | frozenset(("connection", "upgrade", "te", "referer"))
_REFERER_URL: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:\[[0-9A-Fa-f:.]+]|[A-Za-z0-9._-]+)(?::\d+)?([/?][^#]*)?\Z"
)
_REFERER_PATH: Final = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*\Z")


def mutate_request_headers(stream: Stream, first: Mapping[str, str]) -> LocalReply | None:
    """Set and strip the headers that say where a request comes from; sets ``stream.remote``/``internal``/``edge``.

    ``first`` has the first value of every header, as the request stands now.
    """
    hcm, headers = stream.hcm, stream.headers
    if hcm.early_mutations is not None:
        hcm.early_mutations(stream)
        first = dict(reversed(headers.items))
    if not _CLEANED.isdisjoint(first):
        _clean(headers, first)
    trusted = False
    if hcm.use_remote_address:
        remote: Address | None
        remote, trusted = _remote_address(stream, first)
    else:
        refused, remote, trusted = _detect(stream)
        if refused is not None:
            return refused
    _forwarded_proto(stream, first)
    stream.internal = trusted and remote is not None and hcm.is_internal(remote.ip)
    stream.remote = remote if remote is not None else stream.connection.remote
    stream.edge = not stream.internal and hcm.use_remote_address
    if stream.internal:
        headers.set("x-envoy-internal", "true")
    else:
        _strip(stream, first)
    _identify(stream, first)
    return None


def _clean(headers: HeaderMap, first: Mapping[str, str]) -> None:
    """Drop what concerns one hop only, and referers that are none; an upgrade keeps Connection, Upgrade and TE."""
    if not is_upgrade(headers):
        headers.remove("connection")
        headers.remove("upgrade")
        te = first.get("te")
        if te:
            if any(v.strip() == "trailers" for v in te.split(",")):
                headers.set("te", "trailers")
            else:
                headers.remove("te")
    headers.items = [p for p in headers.items if p[0] not in _HOP_BY_HOP]
    if "referer" in first:
        _sanitize_referer(headers)


def _sanitize_referer(headers: HeaderMap) -> None:
    values = headers.get_all("referer")
    if len(values) > 1 or not _valid_referer(values[0]):
        headers.remove("referer")


def _valid_referer(value: str) -> bool:
    """``Utility::isValidRefererValue``: an absolute URL without fragment and user, or a relative reference."""
    if _REFERER_URL.match(value):
        return True
    slash, colon = value.find("/"), value.find(":")
    if colon >= 0 and (slash < 0 or colon < slash):
        return False
    return _REFERER_PATH.match(value) is not None


def _put(headers: HeaderMap, first: Mapping[str, str], name: str, value: str) -> None:
    """Set a header; one that was not there needs no search."""
    if name in first:
        headers.set(name, value)
    else:
        headers.items.append((name, value))


def _remote_address(stream: Stream, first: Mapping[str, str]) -> tuple[Address, bool]:
    """``use_remote_address``: return the trusted client address, and whether it may count as internal."""
    hcm, headers, connection = stream.hcm, stream.headers, stream.connection
    remote: Address | None = None
    if hcm.xff_num_trusted_hops > 0:
        remote = address_from_xff(headers, hcm.xff_num_trusted_hops - 1)[0]
    if not hcm.skip_xff_append:
        append_xff(stream)
    if hcm.xff_num_trusted_hops == 0 or "x-forwarded-proto" not in first:
        _put(headers, first, "x-forwarded-proto", scheme_of(stream))
    if hcm.append_x_forwarded_port and (hcm.xff_num_trusted_hops == 0 or "x-forwarded-port" not in first):
        headers.set("x-forwarded-port", str(connection.local.port))
    return connection.remote if remote is None else remote, "x-forwarded-for" not in first


def _detect(stream: Stream) -> tuple[LocalReply | None, Address | None, bool]:
    """Ask the IP detection extensions: a refusal, the client's address, whether it may count as internal."""
    for detect in stream.hcm.ip_detection:
        found = detect(stream)
        if found.refusal is not None:
            return found.refusal, None, False
        if not found.skip_xff_append:
            append_xff(stream)
        if found.remote is not None:
            return None, found.remote, found.trusted
    return None, None, False


@lru_cache(4096)
def parse_address(text: str) -> Address | None:
    """Read an IP address; ``None`` for anything else."""
    try:
        return Address(str(ipaddress.ip_address(text)), 0)
    except ValueError:
        return None


def address_from_xff(headers: HeaderMap, skip: int) -> tuple[Address | None, bool]:
    """``Utility::getLastAddressFromXFF``: the address ``skip`` from the right, and whether it is the only one."""
    value = headers.get("x-forwarded-for")
    if value is None:
        return None, False
    for _ in range(skip):
        comma = value.rfind(",")
        if comma < 0:
            return None, False
        value = value[:comma]
    comma = value.rfind(",")
    text = value[comma + 1 :] if comma >= 0 and comma + 1 < len(value) else value
    address = parse_address(text.strip())
    return address, address is not None and comma < 0 and skip == 0


def append_xff(stream: Stream) -> None:
    """Append the peer; a loopback peer appends the node's own address."""
    remote = stream.connection.remote.ip
    if remote in ("127.0.0.1", "::1"):  # Envoy's idea of loopback is these two alone
        own = stream.proxy.local_address
        remote = own if own is not None else remote
    stream.headers.append("x-forwarded-for", remote)


def scheme_of(stream: Stream) -> str:
    """``getSchemeFromProxyProtocolOrConnection``."""
    hcm, connection = stream.hcm, stream.connection
    if connection.restored and (hcm.https_ports or hcm.http_ports):
        if connection.local.port in hcm.https_ports:
            return "https"
        if connection.local.port in hcm.http_ports:
            return "http"
    return "https" if connection.tls else "http"


def _forwarded_proto(stream: Stream, first: Mapping[str, str]) -> None:
    hcm, headers = stream.hcm, stream.headers
    proto = first.get("x-forwarded-proto")
    if hcm.use_remote_address:
        proto = headers.get("x-forwarded-proto")
    if proto is None:
        proto = scheme_of(stream)
        headers.items.append(("x-forwarded-proto", proto))
    if hcm.append_x_forwarded_port and "x-forwarded-port" not in headers:
        headers.set("x-forwarded-port", str(stream.connection.local.port))
    scheme = first.get(":scheme")
    if hcm.scheme_to_set:
        scheme = hcm.scheme_to_set
        headers.set("x-forwarded-proto", scheme)
    elif scheme is None:
        scheme = proto.lower()
        if scheme not in ("http", "https"):
            scheme = "https" if stream.connection.tls else "http"
    _put(headers, first, ":scheme", scheme.lower())


def _strip(stream: Stream, first: Mapping[str, str]) -> None:
    dropped = STRIPPED_AT_EDGE if stream.edge else STRIPPED_FROM_EXTERNAL
    if not dropped.isdisjoint(first):
        stream.headers.items = [p for p in stream.headers.items if p[0] not in dropped]
    table = stream.hcm.routes.table
    if table is not None and table.internal_only_headers:
        for name in table.internal_only_headers:
            stream.headers.remove(name)


def _identify(stream: Stream, first: Mapping[str, str]) -> None:
    """User agent, Via, external address, request id."""
    hcm, headers = stream.hcm, stream.headers
    if hcm.add_user_agent:
        node = stream.proxy.node
        cluster = node.cluster if node is not None else ""
        headers.set("x-envoy-downstream-service-cluster", cluster)
        if not first.get("user-agent"):
            headers.set("user-agent", cluster)
        if node is not None and node.id:
            headers.set("x-envoy-downstream-service-node", node.id)
    if hcm.via:
        append_via(headers, hcm.via)
    if stream.edge:
        _put(headers, first, "x-envoy-external-address", stream.remote.ip)
    if hcm.generate_request_id:
        current = first.get("x-request-id")
        if not current or (stream.edge and not hcm.preserve_external_request_id):
            _put(headers, first, "x-request-id", "*")  # it depends on chance
        elif stream.edge and len(current) == UUID_LENGTH:  # its trace reason is not believed
            headers.set("x-request-id", f"{current[:14]}4{current[15:]}")


def append_via(headers: HeaderMap, via: str) -> None:
    """Append to Via, joined with ``, ``."""
    headers.append("via", via, ", ")
