"""A list of routes: compiled one by one when they are first candidates; the first match wins."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ..match.header_matcher import exact_headers
from ..match.path_matcher import compile_path_specifier, without_parameters, without_query
from ..model.headers import HeaderMap
from ..model.ref import Ref
from ..model.trace import Rejected
from ..schema import Msg
from .cluster_specifier import UnmodelledCluster
from .route import Forward, Route, compile_route
from .route_index import RouteIndex
from .route_match import Asked, is_connect

if TYPE_CHECKING:
    from .proxy import Proxy
    from .route_forward import Inherited
    from .stream import Stream


class RouteList:
    """The routes of a virtual host, or of a ``RouteList`` action of its matcher."""

    __slots__ = ("__dict__", "_compiled", "_cut_parameters", "_inherited", "_messages", "_proxy", "_refs")

    def __init__(
        self, messages: Sequence[Msg], refs: Sequence[Ref], inherited: Inherited, cut_parameters: bool, proxy: Proxy
    ) -> None:
        self._messages = messages
        self._refs = refs
        self._inherited = inherited
        self._cut_parameters = cut_parameters
        self._proxy = proxy
        self._compiled: list[Route | None] = [None] * len(messages)

    def __len__(self) -> int:
        return len(self._messages)

    def route(self, position: int) -> Route:
        """Return the compiled route at ``position``."""
        route = self._compiled[position]
        if route is None:
            route = compile_route(self._messages[position], self._refs[position], self._inherited, self._proxy)
            self._compiled[position] = route
        return route

    @cached_property
    def _index(self) -> RouteIndex:
        matches = [message.match for message in self._messages]
        return RouteIndex([compile_path_specifier(m) for m in matches], [exact_headers(m.headers) for m in matches])

    def find(self, stream: Stream) -> tuple[int, Route] | None:
        """Return position and route of the first route that matches (``VirtualHostImpl::getRouteFromRoutes``)."""
        headers = stream.headers
        path, template_path = self.paths(headers)
        index = self._index
        connect = index.takes_connect and is_connect(headers)
        for position in index.candidates(path, template_path, headers, connect=connect):
            route = self._compiled[position] or self.route(position)
            match = route.match
            assert match is not None
            if match.note:
                stream.telling.note(match.ref, match.note)
            if (match.unconditional or match.passes(stream)) and not _null_cluster(route, stream):
                return position, route
        return None

    def paths(self, headers: HeaderMap) -> tuple[str | None, str | None]:
        """Return the path as path conditions see it, and as URI templates do: without query, with parameters."""
        path = headers.get(":path")
        if path is None:
            return None, None
        path = without_query(path)
        return (without_parameters(path) if self._cut_parameters and ";" in path else path), path

    def explain(self, asked: Asked, end: int) -> tuple[Rejected, ...]:
        """Say of each route before ``end`` why it does not match; the one that came closest is marked."""
        path, template_path = self.paths(asked.headers)
        connect = is_connect(asked.headers)
        reasons: list[tuple[Ref, str]] = []
        best, nearest = (-1, -1), -1
        for position in range(end):
            match = self.route(position).match
            assert match is not None
            seen = template_path if match.path.kind == "path_match_policy" else path
            reasons.append((self._refs[position], match.explain(asked, seen, connect=connect)))
            closeness = _closeness(match.path.original, match.path.matches(seen or ""), seen or "")
            if closeness > best:
                best, nearest = closeness, position
        return tuple(
            Rejected(ref, f"{reason} (nearest miss)" if i == nearest else reason)
            for i, (ref, reason) in enumerate(reasons)
        )


def _closeness(text: str, path_matches: bool, path: str) -> tuple[int, int]:
    """Rank a miss: a route whose path matches is nearer than any other, then the longest common beginning."""
    common = 0
    for ours, theirs in zip(text, path, strict=False):
        if ours != theirs:
            break
        common += 1
    return (1 if path_matches else 0), common


def _null_cluster(route: Route, stream: Stream) -> bool:
    """An optional cluster specifier that the proxy does not know makes its route match nothing."""
    action = route.action
    if not isinstance(action, Forward):
        return False
    specifier = action.cluster_specifier
    if isinstance(specifier, UnmodelledCluster) and specifier.is_optional:
        stream.telling.note(specifier.ref, f"{specifier.note}; it is optional: the route is passed over")
        return True
    return False
