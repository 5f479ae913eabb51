"""Loops between CDNs (``source/extensions/filters/http/cdn_loop/filter.cc``, RFC 8586)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import LocalReply
from ...schema import Msg
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.cdn_loop.v3.CdnLoopConfig"
TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED: Final = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
CDN_ID: Final = rf"(?:{TOKEN}|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?"
PARAMETER: Final = rf"[ \t]*;[ \t]*{TOKEN}=(?:{TOKEN}|{QUOTED})"
CDN_INFO: Final = re.compile(rf"[ \t]*(?:({CDN_ID})(?:{PARAMETER})*)?[ \t]*(?:,|$)")
INVALID: Final = LocalReply(400, "invalid_cdn_loop_header", "Invalid CDN-Loop header in request.")
LOOP: Final = LocalReply(502, "cdn_loop_detected", "The server has detected a loop between CDNs.")


@dataclass(frozen=True, slots=True)
class CdnLoop(DecoderOnly):
    """The compiled filter."""

    ref: Ref
    cdn_id: str
    max_allowed: int

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Count how often the request was here, and add this CDN to the header."""
        value = stream.headers.get("cdn-loop")
        if value is not None:
            ids = parse_cdn_ids(value)
            if ids is None:
                stream.telling.step("http filter", self.ref, "CDN-Loop `{}` is invalid: 400", value)
                return INVALID
            if ids.count(self.cdn_id) > self.max_allowed:
                at, words = self.ref.at("max_allowed_occurrences"), "`{}` was here more than {} times: 502"
                stream.telling.step("http filter", at, words, self.cdn_id, self.max_allowed)
                return LOOP
        stream.headers.append("cdn-loop", self.cdn_id)
        return None


def parse_cdn_ids(value: str) -> list[str] | None:
    """Return the CDN ids of a header; ``None`` if it does not follow the grammar."""
    ids, position = [], 0
    while position < len(value):
        match = CDN_INFO.match(value, position)
        if match is None or match.end() == position:
            return None
        if match[1]:
            ids.append(match[1])
        position = match.end()
    return ids


def compile_cdn_loop(msg: Msg, ref: Ref, proxy: Proxy) -> CdnLoop:
    """Compile ``envoy.extensions.filters.http.cdn_loop.v3.CdnLoopConfig``."""
    return CdnLoop(ref, msg.cdn_id, msg.max_allowed_occurrences)


MODULE: Final = FilterModule(TYPE, compile_cdn_loop)
