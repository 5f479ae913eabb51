"""The story of one request, told once: every stage in Envoy's order. Read this first.

``play`` is a generator in virtual time: it yields the absolute millisecond at which it wants to go on,
so that ``run`` and ``scenario`` can interleave many requests. ``simulate`` plays a single one.
"""

from __future__ import annotations

from .model.outcome import Outcome
from .model.reply import Aborted, LocalReply, Response
from .model.request import Request
from .model.trace import Trace
from .model.world import State, World
from .stages.access_log import write_access_log
from .stages.codec import decode_request
from .stages.connection_reuse import end_request
from .stages.http_connection_manager import HttpConnectionManager, admit_request, encode_response
from .stages.http_filters.chain import decode_through_filters, encode_through_filters
from .stages.internal_redirect import Recreated
from .stages.listener import accept
from .stages.local_reply import make_local_response
from .stages.network_filters import TcpEnd, run_network_filters
from .stages.outcome import tell_closed, tell_stream, tell_tcp
from .stages.proxy import Proxy
from .stages.route_configuration import resolve_route
from .stages.stream import DownstreamConnection, Story, Stream, Telling
from .stages.upgrade import admit_upgrade


def simulate(proxy: Proxy, request: Request, world: World | None = None, state: State | None = None) -> Trace:
    """Play one request to its end and say how it ended, and why."""
    state = state or State()
    story = play(proxy, request, world or World(), state)
    try:
        while True:
            state.now_ms = next(story)
    except StopIteration as end:
        trace: Trace = end.value
        return trace


def play(proxy: Proxy, request: Request, world: World, state: State) -> Story[Trace]:
    """Walk ``request`` through Envoy's stages."""
    world.chance.begin()
    telling = Telling(world.explain, now_ms=state.now_ms)
    start_ms = state.now_ms
    outcome = yield from tell(proxy, request, world, state, telling)
    outcome.id = request.id
    outcome.duration_ms = round(state.now_ms - start_ms, 3)
    outcome.stats = telling.stats
    outcome.notes = tuple(telling.notes)
    return Trace(request, outcome, tuple(telling.steps), tuple(telling.notes), tuple(telling.assumed))


def tell(proxy: Proxy, request: Request, world: World, state: State, telling: Telling) -> Story[Outcome]:
    """Walk ``request`` through Envoy's stages, which say to ``telling`` what they decide."""
    known = proxy.known_ways.take(request, telling)
    if known is not None and known.hcm is not None:
        return (yield from _serve_http(proxy, known.hcm, known, request, world, state, telling))
    connection = accept(proxy, request, state, telling)
    if isinstance(connection, Aborted):
        return tell_closed(None, connection)
    end = yield from run_network_filters(proxy, connection, request, world, state, telling)
    if isinstance(end, Aborted):
        return tell_closed(connection, end)
    if isinstance(end, TcpEnd):
        return tell_tcp(connection, end)
    proxy.known_ways.keep(request, connection, telling)
    return (yield from _serve_http(proxy, end, connection, request, world, state, telling))


def _serve_http(
    proxy: Proxy,
    hcm: HttpConnectionManager,
    connection: DownstreamConnection,
    request: Request,
    world: World,
    state: State,
    telling: Telling,
) -> Story[Outcome]:
    end: LocalReply | Response | Aborted | None
    stream, end = decode_request(hcm, connection, request, proxy, world, state, telling)
    if end is None:
        end = admit_request(stream)
    while end is None:
        resolve_route(stream)
        end = admit_upgrade(stream)
        if end is None:
            result = yield from decode_through_filters(stream)
            end = None if isinstance(result, Recreated) else result
    return (yield from conclude(stream, end))


def conclude(stream: Stream, end: LocalReply | Response | Aborted) -> Story[Outcome]:
    """Send what the filters ended with downstream, and tell the outcome."""
    last = end if isinstance(end, Aborted) else (yield from _answer(stream, end))
    access_log = write_access_log(stream, last)
    end_request(stream.connection, last)
    return tell_stream(stream, last, access_log)


def _answer(stream: Stream, end: LocalReply | Response) -> Story[Response]:
    response = make_local_response(stream, end) if isinstance(end, LocalReply) else end
    response = yield from encode_through_filters(stream, response)
    encode_response(stream, response)
    return response
