"""What a route does to a request and its response: cluster, rewrites, header mutations, redirects.

``RouteEntryImplBase`` in ``source/common/router/config_impl.cc``; local answers as the router filter gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..match.authority import port_start
from ..model.ref import Ref
from ..model.reply import LocalReply, Response
from .cluster_specifier import CLUSTER_CHOICE, ClusterChoice, NamedCluster, specify
from .path_rewrite import update_authority
from .redirect import DirectResponse, Redirect, new_uri

if TYPE_CHECKING:
    from .headers import HeaderMutations
    from .path_rewrite import PathRewrite
    from .route import Forward
    from .stream import Stream

CONNECT_PORT: Final = "original_connect_port"
"""``Stream.facts`` key: the port that was stripped from a CONNECT request's authority."""
DETAILS: Final = "direct_response"
LOOKED_UP: Final = "internal_redirect_target"
"""``Stream.facts`` key: the route of an internal redirect that is not followed, until the answer is made."""


def choose_cluster(stream: Stream, forward: Forward) -> ClusterChoice:
    """Return the cluster chosen when the route was resolved."""
    specifier = forward.cluster_specifier
    if isinstance(specifier, NamedCluster):
        return specifier.choice
    made = stream.facts.get(CLUSTER_CHOICE)
    if isinstance(made, tuple) and made[0] is forward:
        choice: ClusterChoice = made[1]
        return choice
    choice = specify(stream, forward)
    stream.facts[CLUSTER_CHOICE] = (forward, choice)
    return choice


def routed_cluster(stream: Stream) -> str | None:
    """Return the cluster the stream is routed to (``RouteEntry::clusterName``); ``None`` where it is not forwarded."""
    route = stream.route
    if route is None or isinstance(route.action, Redirect | DirectResponse):
        return None
    return choose_cluster(stream, route.action).name


def known_cluster(stream: Stream) -> str | None:
    """Return the cluster the stream is routed to, if there is one of that name: what access logs show."""
    name = routed_cluster(stream)
    return name if name and stream.proxy.cluster(name) is not None else None


def finalize_request(stream: Stream, forward: Forward, cluster_name: str, *, envoy_headers: bool = True) -> None:
    """Turn the request into what the upstream shall get (``finalizeRequestHeaders``): once, before a host is chosen.

    Header mutations come first, then host, then path. ``envoy_headers`` keeps the old values in
    ``x-envoy-original-host`` and ``x-envoy-original-path``.
    """
    headers = stream.headers
    stream.facts["attempt_count"] = 1
    if stream.virtual_host is not None:
        stream.virtual_cluster = stream.virtual_host.virtual_cluster(headers)
    entry = choose_cluster(stream, forward).entry
    if entry is not None:
        if entry.request_mutations is not None:
            entry.request_mutations.apply(headers, stream, None)
        if entry.host_rewrite:
            headers.set(":authority", entry.host_rewrite)
    for mutations in _levels(stream, "request_mutations"):
        mutations.apply(headers, stream, None)
    port = stream.facts.get(CONNECT_PORT)
    if port is not None and port_start(headers.get(":authority") or "") < 0:
        headers.set(":authority", f"{headers.get(':authority') or ''}:{port}")
    if forward.host_rewrite is not None:
        host = forward.host_rewrite.apply(stream)
        if host:
            stream.telling.step("route action", forward.ref, "host rewritten to `{}`", host)
            update_authority(
                headers, host, append_x_forwarded_host=forward.append_x_forwarded_host, keep_old=envoy_headers
            )
    if forward.path_rewrite is not None:
        for note in forward.notes:
            stream.telling.note(forward.ref, note)
        _rewrite_path(stream, forward.path_rewrite, forward.ref, envoy_headers)


def _rewrite_path(stream: Stream, rewrite: PathRewrite, ref: Ref, keep_old: bool) -> None:
    headers = stream.headers
    old = headers.get(":path")
    if old is None:
        return
    new = rewrite.apply(old, stream)
    if new:
        if keep_old:
            headers.set("x-envoy-original-path", old)
        headers.set(":path", new)
        stream.telling.step("route action", ref, "path `{}` rewritten to `{}`", old, new)


def rewrite_host_after_choice(stream: Stream, forward: Forward, hostname: str, *, envoy_headers: bool = True) -> None:
    """Apply ``auto_host_rewrite`` once the endpoint is known: its hostname, where it has one."""
    if forward.auto_host_rewrite and hostname:
        update_authority(
            stream.headers, hostname, append_x_forwarded_host=forward.append_x_forwarded_host, keep_old=envoy_headers
        )


def finalize_response(stream: Stream, response: Response) -> None:
    """Apply the response header mutations of weighted cluster, route, virtual host and route configuration."""
    route = stream.route
    if route is None or route.match is None:
        return  # no route, or the redirect of require_tls: nobody's headers
    levels = _levels(stream, "response_mutations")
    made = stream.facts.get(CLUSTER_CHOICE)
    if isinstance(made, tuple) and made[0] is route.action and made[1].entry is not None:
        mutations = made[1].entry.response_mutations
        if mutations is not None:
            levels.insert(0, mutations)
    if LOOKED_UP in stream.facts:
        _show_looked_up(stream)
    for mutations in levels:
        mutations.apply(response.headers, stream, response)
    action = route.action
    if isinstance(action, DirectResponse) and action.content_type and response.details == DETAILS:
        response.headers.set("content-type", action.content_type)  # the format's, whatever the mutations say


def _show_looked_up(stream: Stream) -> None:
    """Make the route of a redirect that is not followed the stream's: formats and the log see it from here on."""
    looked_up = stream.facts.pop(LOOKED_UP)
    assert isinstance(looked_up, tuple)
    stream.route_configuration, stream.virtual_host, stream.route = looked_up
    stream.cluster = known_cluster(stream)


def _levels(stream: Stream, name: str) -> list[HeaderMutations]:
    """Return the mutations of all levels in the order they run: the last one has the last word."""
    configuration = stream.route_configuration
    present: list[HeaderMutations] = []
    for level in (stream.route, stream.virtual_host, configuration):
        mutations = getattr(level, name, None)
        if mutations is not None:
            present.append(mutations)
    if present and configuration is not None and configuration.most_specific_header_mutations_wins:
        present.reverse()
    return present


def redirect_reply(stream: Stream, redirect: Redirect, *, envoy_headers: bool = True) -> LocalReply:
    """Answer with a redirect; a rewrite of the path changes the request's own path too."""
    if redirect.rewrite is not None and redirect.rewrite.formatter is None:
        _rewrite_path(stream, redirect.rewrite, redirect.ref, envoy_headers)
    location = new_uri(redirect, stream) if ":path" in stream.headers else ""
    stream.telling.step("route action", redirect.ref, "redirect {} to `{}`", redirect.status, location)
    return LocalReply(redirect.status, DETAILS, headers=(("location", location),) if location else ())


def direct_reply(stream: Stream, direct: DirectResponse) -> LocalReply:
    """Answer with a direct response; 201 and 3xx carry the request's own URL as ``location``."""
    if direct.unknown_body:
        stream.telling.note(direct.ref, direct.unknown_body)
    body = direct.body
    if direct.body_format is not None:
        body = direct.body_format.format(stream, None, local_reply_body=body)
    headers: tuple[tuple[str, str], ...] = ()
    if (direct.status == 201 or 300 <= direct.status < 400) and ":path" in stream.headers:
        headers = (("location", new_uri(None, stream)),)
    stream.telling.step("route action", direct.ref, "direct response {}", direct.status)
    return LocalReply(direct.status, DETAILS, body, headers=headers)
