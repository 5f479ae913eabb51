"""Redirects and direct responses: actions answered by the proxy (``Http::Utility::newUri``, ``http/utility.cc``)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.path_matcher import PathSpecifier
from ..model.ref import Ref
from ..schema import Msg, enum_name
from .data_source import inline_text
from .path_rewrite import PathRewrite, compile_path_rewrite
from .substitution_format import BodyFormat, compile_body_format

if TYPE_CHECKING:
    from ..model.headers import HeaderMap
    from .stream import Stream

STATUSES: Final = {
    "MOVED_PERMANENTLY": 301,
    "FOUND": 302,
    "SEE_OTHER": 303,
    "TEMPORARY_REDIRECT": 307,
    "PERMANENT_REDIRECT": 308,
}


@dataclass(frozen=True, slots=True)
class Redirect:
    """A compiled ``RedirectAction``; ``tls`` marks the redirect that ``require_tls`` makes."""

    ref: Ref
    status: int = 301
    scheme: str = ""
    host: str = ""
    port: str = ""
    path: str = ""
    rewrite: PathRewrite | None = None
    strip_query: bool = False
    tls: bool = False


@dataclass(frozen=True, slots=True)
class DirectResponse:
    """A compiled ``DirectResponseAction``; ``unknown_body`` says which file or variable holds the body."""

    ref: Ref
    status: int
    body: str = ""
    body_format: BodyFormat | None = None
    content_type: str = ""
    unknown_body: str = ""


def compile_redirect(msg: Msg, match: PathSpecifier, ref: Ref) -> Redirect:
    """Compile ``msg``."""
    return Redirect(
        ref,
        STATUSES.get(enum_name(msg, "response_code"), 301),
        msg.scheme_redirect or ("https" if msg.https_redirect else ""),
        msg.host_redirect,
        f":{msg.port_redirect}" if msg.port_redirect else "",
        msg.path_redirect,
        compile_path_rewrite(msg, match, ref),
        msg.strip_query,
    )


def compile_direct_response(msg: Msg, ref: Ref) -> DirectResponse:
    """Compile ``msg``; a body in a file or in the environment is not in a dump."""
    body = inline_text(msg.body) if msg.HasField("body") else ""
    unknown = ""
    if body is None:
        kind = msg.body.WhichOneof("specifier")
        unknown = f"the body is in {kind.replace('_', ' ')} `{getattr(msg.body, kind)}`, which the dump does not hold"
        body = ""
    if not msg.HasField("body_format"):
        return DirectResponse(ref, msg.status, body, unknown_body=unknown)
    content_type = msg.body_format.content_type
    if not content_type and msg.body_format.WhichOneof("format") == "json_format":
        content_type = "application/json"
    compiled = compile_body_format(msg.body_format, ref.at("body_format"))
    return DirectResponse(ref, msg.status, body, compiled, content_type, unknown)


def new_uri(redirect: Redirect | None, stream: Stream) -> str:
    """Build the ``location`` of a redirect, or of a direct response that carries one (``redirect`` ``None``)."""
    headers = stream.headers
    if redirect is None:
        redirect = _PLAIN
    elif redirect.tls:
        return f"https://{headers.get(':authority') or ''}{headers.get(':path') or ''}"
    elif redirect.rewrite is not None and redirect.rewrite.formatter is not None:
        path = redirect.rewrite.formatter.format(stream, None)
        redirect = replace(redirect, path=path, rewrite=None) if path else redirect
    scheme = redirect.scheme or headers.get(":scheme") or ""
    host = redirect.host or _request_host(headers, scheme, redirect.port)
    path = headers.get(":path") or ""
    if redirect.path:
        _, mark, query = path.partition("?")
        path = redirect.path if "?" in redirect.path else redirect.path + mark + query
    if not path.startswith("/"):
        path = "/" + path
    if redirect.strip_query and "?" not in redirect.path:
        path = path.partition("?")[0]
    return f"{scheme}://{host}{redirect.port}{path}"


_PLAIN: Final = Redirect(Ref(0, ()))


def _request_host(headers: HeaderMap, scheme: str, port: str) -> str:
    """Return the request's host, less a port that is replaced or unfit for a new scheme (``processRequestHost``)."""
    host = headers.get(":authority") or ""
    end = host.rfind("]:") + 1 if host.startswith("[") else host.rfind(":")
    if end <= 0 and not (end == 0 and host.startswith(":")):
        return host
    protocol = headers.get("x-forwarded-proto") or ""
    default = {"https": ":443", "http": ":80"}.get(protocol)
    if port or (scheme != protocol and host[end:] == default):
        return host[:end]
    return host
