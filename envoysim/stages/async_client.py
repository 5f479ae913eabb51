"""Requests that Envoy makes itself, while it serves another one (``source/common/http/async_client_impl.cc``).

They go through the router like any request: cluster, load balancing, breakers, timeouts and retries are the same. The
endpoint meets its standing behaviours; those scripted for the client's request stay for that one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..model.behaviour import ECHO
from ..model.headers import HeaderMap, ResponseHeaderMap
from ..model.ref import Ref
from ..model.reply import LocalReply, Response
from ..model.request import Request
from ..schema import Msg, new
from .route import Route, compile_route
from .route_forward import Forward, Inherited
from .router import forward
from .stream import Stream

if TYPE_CHECKING:
    from .http_filters.router import RouterFilter
    from .proxy import Proxy
    from .stream import Story

NO_REQUEST: Final = Request()


@dataclass(frozen=True, slots=True, eq=False)
class AsyncService:
    """A service that is asked over HTTP: its cluster, and the route that leads there."""

    cluster: str
    route: Route
    router: RouterFilter


def compile_async_service(
    cluster: str, timeout_ms: int, ref: Ref, proxy: Proxy, retry_policy: Msg | None = None
) -> AsyncService:
    """Make the route to ``cluster``; ``retry_policy`` is an ``envoy.config.core.v3.RetryPolicy``."""
    from .http_filters.router import RouterFilter

    msg = new("envoy.config.route.v3.Route")
    msg.match.prefix = "/"
    action = msg.route
    action.cluster = cluster
    action.timeout.seconds, action.timeout.nanos = timeout_ms // 1000, timeout_ms % 1000 * 1_000_000
    if retry_policy is not None:
        _convert_retry_policy(retry_policy, action.retry_policy)
    route = compile_route(msg, ref, Inherited(), proxy)
    assert isinstance(route.action, Forward)
    # No connection manager: none of its timers runs for such a request.
    untimed = replace(route.action, idle_timeout_ms=0.0, max_stream_duration_ms=0.0)
    return AsyncService(cluster, replace(route, action=untimed), RouterFilter(ref))


def _convert_retry_policy(core: Msg, route: Msg) -> None:
    """Take over what a core policy has (``convertCoreToRouteRetryPolicy``)."""
    route.retry_on = core.retry_on
    if core.HasField("num_retries"):
        route.num_retries.value = core.num_retries.value
    if core.HasField("retry_back_off"):
        route.retry_back_off.base_interval.CopyFrom(core.retry_back_off.base_interval)
        if core.retry_back_off.HasField("max_interval"):
            route.retry_back_off.max_interval.CopyFrom(core.retry_back_off.max_interval)


def ask(stream: Stream, service: AsyncService, headers: HeaderMap, body: str) -> Story[Response | None]:
    """Send a request to the service and return its answer, Envoy's own answer where there is none.

    ``None``: the dump does not tell which host would answer.
    """
    headers.set("x-envoy-internal", "true")
    own = Stream(
        stream.proxy,
        stream.world,
        stream.state,
        stream.telling,
        NO_REQUEST,
        stream.connection,
        stream.hcm,
        "HTTP/1.1",
        headers,
        HeaderMap(),
        body,
        stream.remote,
        route=service.route,
        start_ms=stream.state.now_ms,
    )
    end = yield from forward(own, service.router)
    stream.telling.attempt = 0
    stream.telling.now_ms = stream.state.now_ms
    if isinstance(end, Response):
        return end
    if isinstance(end, LocalReply):
        return Response(end.status, ResponseHeaderMap(), end.body, local=True, details=end.details)
    return None


def is_default_answer(response: Response) -> bool:
    """Tell whether nobody scripted the answer: it is the one every upstream gives by default."""
    return response.body == ECHO
