"""Witnesses: a request, and the ``envoysim trace`` line that plays it."""

from __future__ import annotations

import shlex

from ..model.finding import Witness
from ..model.request import Certificate, Connection, Request, Tls
from ..schema import Msg, any_type, enum_name, unpack
from .subject import Chain, HostItem, ListenerItem, Manager, RouteItem, Subject

DOWNSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
CLIENT = "spiffe://cluster.local/ns/default/sa/client"
"""Who a client says it is where a certificate is required."""
OWN_ADDRESS = "10.0.0.1"


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
        name = names[0].replace("*", "any") if names else authority.split(":")[0]
        alpn = tuple(chain.msg.filter_chain_match.application_protocols) or ("http/1.1",)
        tls = Tls(name, alpn, _client_certificate(chain))
    request = Request(
        connection=Connection(
            listener=listener.name, destination=destination_of(listener), original_destination=_restored(chain), tls=tls
        ),
        method=method,
        authority=authority,
        path=path,
        headers=headers,
    )
    return Witness(request, command_line(request))


def command_line(request: Request) -> str:
    """Write a request as the arguments of ``envoysim trace SOURCE``."""
    scheme = "https" if request.connection.tls is not None else "http"
    restored = request.connection.original_destination
    words = [
        f"{scheme}://{restored or request.authority}{request.path}",
        "--listener",
        request.connection.listener or "",
    ]
    if restored is not None:
        words += ["-H", f"Host: {request.authority}"]
    if request.method != "GET":
        words += ["-X", request.method]
    tls = request.connection.tls
    if tls is not None and tls.certificate is not None:
        words += ["--cert-uri", tls.certificate.uri_sans[0]] if tls.certificate.uri_sans else []
        words += ["--cert-dns", tls.certificate.dns_sans[0]] if tls.certificate.dns_sans else []
    shown = restored or request.authority or ""
    if tls is not None and tls.server_name not in (None, shown.split(":")[0]):
        words += ["--sni", tls.server_name or ""]
    if tls is not None and tls.alpn != ("http/1.1",):
        words += ["--alpn", ",".join(tls.alpn)]
    for name, value in request.headers:
        words += ["-H", f"{name}: {value}"]
    return " ".join(shlex.quote(word) for word in words)


def _client_certificate(chain: Chain) -> Certificate | None:
    """A certificate the chain takes, where it requires one: with a name that its validation asks for."""
    config = chain.msg.transport_socket.typed_config
    context = unpack(config) if any_type(config) == DOWNSTREAM_TLS else None
    if context is None or not context.require_client_certificate.value:
        return None
    common = context.common_tls_context
    for validation in (common.validation_context, common.combined_validation_context.default_validation_context):
        for name in validation.match_typed_subject_alt_names:
            text = name.matcher.exact or (name.matcher.prefix and f"{name.matcher.prefix}client")
            if text and enum_name(name, "san_type") == "DNS":
                return Certificate(dns_sans=(text,))
            if text:
                return Certificate((text,))
    return Certificate((CLIENT,))


def _restored(chain: Chain) -> str | None:
    """The original destination that a chain's match asks for; ``None`` where any will do."""
    match = chain.msg.filter_chain_match
    if not match.prefix_ranges and not match.HasField("destination_port"):
        return None
    ip = match.prefix_ranges[0].address_prefix if match.prefix_ranges else OWN_ADDRESS
    own = chain.listener.msg.address.socket_address.port_value
    port = match.destination_port.value if match.HasField("destination_port") else own
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


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
