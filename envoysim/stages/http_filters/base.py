"""What an HTTP filter is to the simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import Aborted, LocalReply, Pause, Response
from ...schema import Msg

BODY_READ: Final = "body read"
"""``Stream.facts`` key: a filter waited for the request's end, or for something else while it came."""

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Story, Stream

Verdict: TypeAlias = "LocalReply | Pause | Aborted | Response | Story[LocalReply | Aborted | Response | None] | None"
"""``None``: go on to the next filter. A ``Response`` is an answer the filter encodes itself, past the local
reply's mappers and formats. A story is a filter that waits for something it asked, and then decides."""


class HttpFilter(Protocol):
    """A compiled HTTP filter: one frozen value per entry of ``http_filters``."""

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Handle the request. ``overrides`` are this filter's compiled per-route configurations,
        least specific first (route configuration, virtual host, route, weighted cluster).
        """

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Handle the response; runs in reverse order, for local replies too."""


@runtime_checkable
class Named(Protocol):
    """A filter that uses its configured name, for metadata or state of its own."""

    def with_name(self, name: str) -> HttpFilter:
        """Return the filter that knows its name."""


class DecoderOnly:
    """Base of filters that leave responses alone: the chain does not ask them."""

    __slots__ = ()

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Nothing."""
        return None


Compile: TypeAlias = Callable[[Msg, Ref, "Proxy"], HttpFilter]
CompileOverride: TypeAlias = Callable[[Msg, Ref, "Proxy"], object]


@dataclass(frozen=True, slots=True)
class FilterModule:
    """A row of the registry: how to compile the filter's configuration and its per-route one.

    ``override_types`` are the full names of per-route messages this filter accepts.
    """

    type_name: str
    compile: Compile
    override_types: tuple[str, ...] = ()
    compile_override: CompileOverride | None = None
