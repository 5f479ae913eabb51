"""Witnesses: a request, and the ``envoysim trace`` line that plays it."""

from __future__ import annotations

import shlex

from ..model.finding import Witness
from ..model.request import Connection, Request, Tls
from ..schema import Msg
from .subject import HostItem, ListenerItem, Manager, RouteItem, Subject


def request_for(
    host: HostItem,
    *,
    path: str = "/",
    method: str = "GET",
    headers: tuple[tuple[str, str], ...] = (),
    authority: str | None = None,
) -> Witness | None:
    """A request to a virtual host through the first manager that serves it; ``None`` where nobody does."""
    if not host.table.managers or not path.startswith("/"):
        return None
    manager = host.table.managers[0]
    return witness(manager, authority or authority_of(host.msg), path, method, headers)


def route_request(route: RouteItem, *, path: str | None = None, method: str = "GET") -> Witness | None:
    """A request with the path a route asks for."""
    return request_for(route.host, path=path or path_of(route.msg.match), method=method)


def witness(
    manager: Manager, authority: str, path: str = "/", method: str = "GET", headers: tuple[tuple[str, str], ...] = ()
) -> Witness:
    """Make the request and its command line."""
    listener, chain = manager.listener, manager.chain
    tls = None
    if chain.msg.HasField("transport_socket"):
        names = list(chain.msg.filter_chain_match.server_names)
        tls = Tls(names[0].replace("*", "any") if names else authority.split(":")[0], ("http/1.1",))
    request = Request(
        connection=Connection(listener=listener.name, destination=destination_of(listener), tls=tls),
        method=method,
        authority=authority,
        path=path,
        headers=headers,
    )
    return Witness(request, command_line(request))


def command_line(request: Request) -> str:
    """Write a request as the arguments of ``envoysim trace SOURCE``."""
    scheme = "https" if request.connection.tls is not None else "http"
    words = [f"{scheme}://{request.authority}{request.path}", "--listener", request.connection.listener or ""]
    if request.method != "GET":
        words += ["-X", request.method]
    for name, value in request.headers:
        words += ["-H", f"{name}: {value}"]
    return " ".join(shlex.quote(word) for word in words)


def destination_of(listener: ListenerItem) -> str | None:
    """The listener's own address, where it has one."""
    socket = listener.msg.address.socket_address
    if not socket.address or ":" in socket.address:
        return None
    ip = "127.0.0.1" if socket.address == "0.0.0.0" else socket.address
    return f"{ip}:{socket.port_value}"


def authority_of(host: Msg) -> str:
    """An authority one of the host's domains matches."""
    for domain in host.domains:
        if domain == "*":
            return "example.com"
        return str(domain.replace("*", "any"))
    return "example.com"


def served_authority(subject: Subject, manager: Manager) -> str:
    """A host that the manager has routes for; without a route, some things end as 404 before they can be seen."""
    hosts = (h.msg for h in subject.hosts if manager in h.table.managers and h.msg.routes)
    return next(map(authority_of, hosts), "example.com")


def path_of(match: Msg) -> str:
    """A path the match takes, as far as it can be told without a regex."""
    kind = match.WhichOneof("path_specifier")
    if kind in ("path", "prefix", "path_separated_prefix"):
        return getattr(match, kind) or "/"
    return "/"
