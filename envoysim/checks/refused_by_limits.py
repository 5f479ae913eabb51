"""Requests that the connection manager refuses for their form or size.

## What it finds
A connection manager that refuses escaped slashes (`%2F`) or header names with underscores, or drops those
headers, or that allows smaller or fewer request headers than the default (60 KiB, 100 headers); a buffer filter,
and authorization that reads the body, with their limits.

## Why it matters
The request never reaches a route: 400 for the form (`path_normalization_failed`, `http1.unexpected_underscore`),
431 for headers, 413 for a body that is too large (`request_payload_too_large`).

## Example
`headers_with_underscores_action: REJECT_REQUEST`; `max_request_headers_kb: 8` and large cookies; `Buffer:
{max_request_bytes: 1024}` and uploads.

## When it is harmless
Refusing is what is wanted.

## Fix
Raise the limit, or allow the form, where clients need it.

## Source
`source/common/http/path_utility.cc`, `source/common/http/http1/codec_impl.cc`,
`source/extensions/filters/http/buffer/buffer_filter.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..model.ref import Ref
from ..schema import Msg, enum_name
from .base import Check
from .filter_walk import per_filter_messages
from .subject import Manager, Subject

HEADERS_KB = 60
HEADERS = 100
BUFFER = "envoy.extensions.filters.http.buffer.v3.Buffer"
BUFFER_PER_ROUTE = "envoy.extensions.filters.http.buffer.v3.BufferPerRoute"
EXT_AUTHZ = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
SLASHES = {
    "REJECT_REQUEST": "refuses paths with escaped slashes (%2F): 400 path_normalization_failed",
    "UNESCAPE_AND_REDIRECT": "redirects paths with escaped slashes (%2F): 307 path_normalization_failed",
}
UNDERSCORES = {
    "REJECT_REQUEST": "refuses requests with an underscore in a header name: 400 unexpected_underscore",
    "DROP_HEADER": "drops headers with an underscore in the name: upstreams do not see them",
}


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per setting of a manager, and per filter that limits bodies."""
    for manager in subject.managers:
        for place, what in _settings(manager):
            yield CHECK.finding(place, f"listener `{manager.listener.name}` {what}", fold=what)
    for item in subject.http_filters:
        if item.type_name == BUFFER and item.config is not None:
            yield _body(item.ref.at("max_request_bytes"), f"filter `{item.name}`", item.config.max_request_bytes.value)
        if item.type_name == EXT_AUTHZ and item.config is not None and item.config.HasField("with_request_body"):
            limit = item.config.with_request_body
            if not limit.allow_partial_message:
                place = item.ref.at("with_request_body", "max_request_bytes")
                yield _body(place, f"filter `{item.name}` (ext_authz with_request_body)", limit.max_request_bytes)
    for entry, config in per_filter_messages(subject, BUFFER_PER_ROUTE):
        if config.HasField("buffer"):
            where = f"route `{entry.route.label}`" if entry.route is not None else f"route table `{entry.table.name}`"
            place = entry.ref.at("buffer", "max_request_bytes")
            yield _body(place, f"the buffer of {where}", config.buffer.max_request_bytes.value)


def _settings(manager: Manager) -> Iterator[tuple[Ref, str]]:
    msg: Msg = manager.msg
    common = msg.common_http_protocol_options
    slashes = SLASHES.get(enum_name(msg, "path_with_escaped_slashes_action"))
    if slashes:
        yield manager.ref.at("path_with_escaped_slashes_action"), slashes
    underscores = UNDERSCORES.get(enum_name(common, "headers_with_underscores_action"))
    if underscores:
        yield manager.ref.at("common_http_protocol_options", "headers_with_underscores_action"), underscores
    if msg.HasField("max_request_headers_kb") and msg.max_request_headers_kb.value < HEADERS_KB:
        kb = msg.max_request_headers_kb.value
        yield manager.ref.at("max_request_headers_kb"), f"refuses request headers (cookies) over {kb} KiB: 431"
    if common.HasField("max_headers_count") and common.max_headers_count.value < HEADERS:
        most = common.max_headers_count.value
        yield manager.ref.at("common_http_protocol_options", "max_headers_count"), f"refuses over {most} headers: 431"


def _body(ref: Ref, who: str, limit: int) -> Finding:
    message = f"{who} refuses request bodies (uploads) over {limit} bytes: 413 request_payload_too_large"
    return CHECK.finding(ref, message)


CHECK = Check(
    code="ESM332",
    name="refused-by-limits",
    severity="info",
    title="Requests refused for their form or size",
    fix="raise the limit, or allow the form, where clients need it",
    find=find,
)
