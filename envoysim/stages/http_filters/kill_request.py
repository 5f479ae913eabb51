"""Requests that crash Envoy on purpose (``source/extensions/filters/http/kill_request/kill_request_filter.cc``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.fraction import Fraction, compile_fraction
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import Aborted
from ...schema import Msg, enum_name
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.kill_request.v3.KillRequest"
TRUE: Final = frozenset({"true", "t", "yes", "y", "1"})


@dataclass(frozen=True, slots=True)
class KillRequest(DecoderOnly):
    """A compiled ``KillRequest``: the filter's own, or a route's."""

    ref: Ref
    probability: Fraction
    header: str
    on_request: bool

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """End the proxy: the client's connection goes with it."""
        if not _is_true(stream.headers, self.header):
            return None
        settings = overrides[-1] if overrides else self
        assert isinstance(settings, KillRequest)
        if not settings.on_request:
            stream.telling.note(settings.ref, "the answer's headers may crash the proxy")
            return None
        numerator, denominator = settings.probability
        if not stream.world.chance.fraction(numerator, denominator, f"kill request of {settings.ref}"):
            return None
        stream.telling.step("http filter", settings.ref, "header `{}` crashes the proxy", self.header)
        return Aborted("eof")


def _is_true(headers: HeaderMap, name: str) -> bool:
    return (headers.get(name) or "").lower() in TRUE


def compile_kill_request(msg: Msg, ref: Ref, proxy: Proxy) -> KillRequest:
    """Compile ``envoy.extensions.filters.http.kill_request.v3.KillRequest``."""
    header = msg.kill_request_header.lower() or "x-envoy-kill-request"
    return KillRequest(ref, compile_fraction(msg.probability), header, enum_name(msg, "direction") == "REQUEST")


MODULE: Final = FilterModule(TYPE, compile_kill_request, (TYPE,), compile_kill_request)
