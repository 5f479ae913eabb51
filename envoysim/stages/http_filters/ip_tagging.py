"""Tags by client address (``source/extensions/filters/http/ip_tagging/ip_tagging_filter.cc``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.cidr_range import IpList, compile_ip_list
from ...model.ref import Ref
from ...schema import Msg, enum_name
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.ip_tagging.v3.IPTagging"
HEADER: Final = "x-envoy-ip-tags"


@dataclass(frozen=True, slots=True)
class IpTagging(DecoderOnly):
    """The compiled filter; ``header`` is "" for ``x-envoy-ip-tags``."""

    ref: Ref
    request_type: str
    tags: tuple[tuple[str, IpList], ...]
    header: str
    sanitize: bool
    note: str

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Put the tags of the client's address into a header; the route may depend on them."""
        if self.note:
            stream.telling.note(self.ref, self.note)
            return None
        headers = stream.headers
        internal = headers.get("x-envoy-internal") == "true"
        if self.request_type == ("EXTERNAL" if internal else "INTERNAL"):
            return None
        if not stream.proxy.runtime.enabled_percent("ip_tagging.http_filter_enabled", 100, stream.world):
            return None
        ip = stream.remote.ip
        tags = ",".join(name for name, ranges in self.tags if ranges.contains(ip))
        stream.telling.step("http filter", self.ref, "tags of `{}`: `{}`", ip, tags)
        if not tags:
            if self.header and self.sanitize and headers.remove(self.header):
                stream.clear_route_cache()
            return None
        if self.header and self.sanitize:
            headers.replace(self.header, tags)
        else:
            headers.append(self.header or HEADER, tags)
        stream.clear_route_cache()
        return None


def compile_ip_tagging(msg: Msg, ref: Ref, proxy: Proxy) -> IpTagging:
    """Compile ``envoy.extensions.filters.http.ip_tagging.v3.IPTagging``."""
    header = msg.ip_tag_header
    from_file = not msg.ip_tags
    return IpTagging(
        ref,
        enum_name(msg, "request_type"),
        tuple((tag.ip_tag_name, compile_ip_list(tag.ip_list)) for tag in msg.ip_tags),
        header.header.lower(),
        enum_name(header, "action") == "SANITIZE",
        "IP tags come from a file that is not in the dump: no request is tagged" if from_file else "",
    )


MODULE: Final = FilterModule(TYPE, compile_ip_tagging)
