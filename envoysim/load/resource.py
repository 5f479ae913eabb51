"""One resource of a dump: a place, a state, and a message that is decoded when it is touched."""

from __future__ import annotations

from typing import Any, Final

from ..errors import SourceError
from ..model.outcome import Note
from ..model.ref import Ref
from ..schema import Msg
from .decode import decode_message
from .lazy import Node, elements, get, is_list, plain, text

TYPES: Final = {
    "listener": "envoy.config.listener.v3.Listener",
    "route_configuration": "envoy.config.route.v3.RouteConfiguration",
    "scoped_route": "envoy.config.route.v3.ScopedRouteConfiguration",
    "cluster": "envoy.config.cluster.v3.Cluster",
    "endpoint": "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "secret": "envoy.extensions.transport_sockets.tls.v3.Secret",
    "extension_config": "envoy.config.core.v3.TypedExtensionConfig",
    "bootstrap": "envoy.config.bootstrap.v3.Bootstrap",
    "virtual_host": "envoy.config.route.v3.VirtualHost",
}
"""The message type of each kind; a virtual host alone (a fragment) serves nothing, but can be shown and checked."""


class Notes(list[Note]):
    """What was found on the way, and the names of the sources, for errors."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []


SERVING: Final = ("active", "static")
"""States that serve traffic; the first wins where a name is there twice."""


class Resource:
    """A resource as it stands in a source.

    ``state`` is ``static``, ``active``, ``warming``, ``draining`` or ``error``; ``problem`` says why it is not served.
    Decoding happens once; what is unknown is added to the dump's notes then.
    """

    __slots__ = (
        "_around",
        "_domains",
        "_head",
        "_hosts",
        "_message",
        "_notes",
        "group",
        "kind",
        "name",
        "problem",
        "raw",
        "ref",
        "state",
    )

    def __init__(
        self,
        kind: str,
        name: str,
        ref: Ref,
        state: str,
        raw: Node,
        notes: Notes,
        *,
        around: Node = None,
        problem: str | None = None,
        group: str = "",
    ) -> None:
        self.kind = kind
        self.name = name
        self.ref = ref
        self.state = state
        self.raw = raw
        self._around = around
        self.problem = problem
        self.group = group
        """For scoped routes: the HCM's ``scoped_routes.name``."""
        self._notes = notes
        self._message: Msg | None = None
        self._head: Msg | None = None
        self._hosts: list[Node] | None = None
        self._domains: dict[int, list[str]] = {}

    @property
    def version(self) -> str:
        """The version that xDS gave, "" when the source does not say."""
        return "" if self._around is None else text(self._around, "version_info")

    def message(self) -> Msg:
        """Return the decoded message; raises SourceError for a value of the wrong kind."""
        if self._message is None:
            self._message = self._decode(TYPES[self.kind], self.plain(), self.ref)
        return self._message

    def _decode(self, full_name: str, obj: Any, ref: Ref) -> Msg:
        try:
            return decode_message(full_name, obj, ref, self._notes)
        except SourceError as error:
            sources = self._notes.sources
            source = sources[ref.source] if ref.source < len(sources) else "source"
            raise SourceError(error.message, place=f"{source}#{error.place or ''}", help=error.help) from None

    def plain(self) -> Any:
        """Return the JSON as plain Python, without the Any's ``@type`` removed."""
        return plain(self.raw)

    def head(self, *without: str) -> Msg:
        """Return the message without the (large) fields ``without``; not cached, its notes are not kept."""
        from .lazy import camel

        skipped = {*without, *(camel(name) for name in without)}
        kept = {key: plain(self.raw[key]) for key in self.raw if key not in skipped}
        return decode_message(TYPES[self.kind], kept, self.ref, [])

    def listener_head(self) -> Msg:
        """Return a listener without its filter chains, which are most of it."""
        if self._head is None:
            self._head = self.head("filter_chains", "default_filter_chain", "access_log")
        return self._head

    # --- route configurations: one virtual host at a time ---------------------------------------------------------

    def route_config_head(self) -> Msg:
        """Return a route configuration without its virtual hosts; unknown fields of it are noted."""
        kept = {key: plain(self.raw[key]) for key in self.raw if key not in ("virtual_hosts", "virtualHosts")}
        return self._decode(TYPES[self.kind], kept, self.ref)

    def _virtual_hosts(self) -> list[Node]:
        if self._hosts is None:
            self._hosts = [host for _, host in elements(self.raw, "virtual_hosts")]
        return self._hosts

    @property
    def virtual_host_count(self) -> int:
        """How many virtual hosts a route configuration has."""
        return len(self._virtual_hosts())

    def virtual_host_domains(self, index: int) -> list[str]:
        """Return the domains of virtual host ``index`` without decoding it."""
        found = self._domains.get(index)
        if found is None:
            domains = get(self._virtual_hosts()[index], "domains")
            found = [d for d in plain(domains) if isinstance(d, str)] if is_list(domains) else []
            self._domains[index] = found
        return found

    def virtual_host(self, index: int) -> Msg:
        """Decode virtual host ``index``; its place is ``ref.at("virtual_hosts", index)``."""
        ref = self.ref.at("virtual_hosts", index)
        return self._decode("envoy.config.route.v3.VirtualHost", plain(self._virtual_hosts()[index]), ref)

    def __repr__(self) -> str:
        return f"Resource({self.kind} {self.name!r} {self.state} at {self.ref})"
