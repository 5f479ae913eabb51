"""Rewrites of path and host, shared by forwarding routes and redirects (``config_impl.cc``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..match.path_matcher import PathSpecifier, without_query
from ..match.regex import Regex, compile_regex
from ..match.uri_template import UriTemplateRewrite, compile_uri_template_rewrite
from ..model.ref import Ref
from ..schema import Msg, unpack
from .substitution_format import Format, compile_format

if TYPE_CHECKING:
    from ..model.headers import HeaderMap
    from .stream import Stream


@dataclass(frozen=True, slots=True)
class PathRewrite:
    """How a path changes; at most one of the rewrites is set. ``match`` is the route's path condition."""

    match: PathSpecifier
    prefix: str = ""
    regex: Regex | None = None
    substitution: str = ""
    template: UriTemplateRewrite | None = None
    formatter: Format | None = None
    note: str = ""

    def apply(self, path: str, stream: Stream) -> str:
        """Return the new path with the old query, or "" where nothing is rewritten."""
        path_only = without_query(path)
        rest = path[len(path_only) :]
        if self.formatter is not None:
            new = self.formatter.format(stream, None)
            return new + rest if new else ""
        if self.template is not None and self.match.template is not None:
            new = self.template.rewrite(path_only, self.match.template) or ""
            return new + rest if new else ""
        if self.prefix:
            # What matched is cut off by length: the whole path on regex and CONNECT routes.
            plain = self.match.kind in ("prefix", "path", "path_separated_prefix")
            return self.prefix + path[len(self.match.original if plain else path_only) :]
        if self.regex is not None:
            new = self.regex.replace_all(path_only, self.substitution)
            return new + rest if new else ""
        return ""


def compile_path_rewrite(msg: Msg, match: PathSpecifier, ref: Ref) -> PathRewrite | None:
    """Compile the rewrite fields of a ``RouteAction`` or ``RedirectAction``; ``None`` where none is set."""
    fields = msg.DESCRIPTOR.fields_by_name
    if "path_rewrite" in fields and msg.path_rewrite:
        return PathRewrite(match, formatter=compile_format(msg.path_rewrite, ref.at("path_rewrite")))
    if "path_rewrite_policy" in fields and msg.HasField("path_rewrite_policy"):
        inner = unpack(msg.path_rewrite_policy.typed_config)
        if inner is None or not hasattr(inner, "path_template_rewrite"):
            return PathRewrite(match, note=f"path rewrite `{msg.path_rewrite_policy.name}` is not modelled")
        return PathRewrite(match, template=compile_uri_template_rewrite(inner.path_template_rewrite))
    if msg.prefix_rewrite:
        return PathRewrite(match, prefix=msg.prefix_rewrite)
    if msg.HasField("regex_rewrite"):
        rewrite = msg.regex_rewrite
        return PathRewrite(match, regex=compile_regex(rewrite.pattern.regex), substitution=rewrite.substitution)
    return None


@dataclass(frozen=True, slots=True)
class HostRewrite:
    """How the authority changes before a host is chosen; the first field that is set counts."""

    literal: str = ""
    header: str = ""
    path_regex: Regex | None = None
    substitution: str = ""
    formatter: Format | None = None

    def apply(self, stream: Stream) -> str:
        """Return the new authority, or "" where it stays."""
        if self.literal:
            return self.literal
        if self.header:
            return stream.headers.get(self.header) or ""
        if self.path_regex is not None:
            path = without_query(stream.headers.get(":path") or "")
            return self.path_regex.replace_all(path, self.substitution)
        return self.formatter.format(stream, None) if self.formatter is not None else ""


def compile_host_rewrite(msg: Msg, ref: Ref) -> HostRewrite | None:
    """Compile the host rewrite of a ``RouteAction``; ``None`` for none and for ``auto_host_rewrite``."""
    if msg.host_rewrite_literal:
        return HostRewrite(literal=msg.host_rewrite_literal)
    if msg.host_rewrite_header:
        return HostRewrite(header=msg.host_rewrite_header.lower())
    if msg.HasField("host_rewrite_path_regex"):
        rewrite = msg.host_rewrite_path_regex
        return HostRewrite(path_regex=compile_regex(rewrite.pattern.regex), substitution=rewrite.substitution)
    if "host_rewrite" in msg.DESCRIPTOR.fields_by_name and msg.host_rewrite:
        return HostRewrite(formatter=compile_format(msg.host_rewrite, ref.at("host_rewrite"), omit_empty=False))
    return None


def update_authority(headers: HeaderMap, hostname: str, *, append_x_forwarded_host: bool, keep_old: bool) -> None:
    """Replace the authority and keep a trace of the old one (``Http::Utility::updateAuthority``)."""
    old = headers.get(":authority")
    if old:
        if keep_old:
            headers.set("x-envoy-original-host", old)
        if append_x_forwarded_host:
            hosts = [host for host in (headers.get("x-forwarded-host") or "").split(",") if host.strip()]
            if not hosts or hosts[-1] != old:
                headers.append("x-forwarded-host", old)
    headers.set(":authority", hostname)
