"""The client's address without ``use_remote_address``: from XFF or a header (``http/original_ip_detection``)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from ..lazy_dataclass import dataclass
from ..match.cidr_range import CidrRange, compile_cidr_range
from ..model.address import Address
from ..model.reply import LocalReply
from ..schema import Msg, any_type, unpack
from .forwarded import address_from_xff

if TYPE_CHECKING:
    from ..model.ref import Ref
    from .stream import Stream

XFF: Final = "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig"
MAX_ENTRIES: Final = 20
"""A longer XFF is not read where ranges are trusted."""
CUSTOM_HEADER: Final = "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig"


@dataclass(frozen=True, slots=True)
class Detected:
    """What an extension found: the address (if any), whether it may be internal, whether XFF stays as it is."""

    remote: Address | None = None
    trusted: bool = False
    refusal: LocalReply | None = None
    skip_xff_append: bool = True


NOTHING: Final = Detected()
Detect: TypeAlias = Callable[["Stream"], Detected]


def compile_ip_detection(msg: Msg, ref: Ref) -> tuple[Detect, ...]:
    """Compile ``original_ip_detection_extensions``; without any, XFF with the manager's trusted hops."""
    found: list[Detect] = []
    for index, extension in enumerate(msg.original_ip_detection_extensions):
        name, config = any_type(extension.typed_config), unpack(extension.typed_config)
        place = ref.at("original_ip_detection_extensions", index)
        if name == XFF and config is not None:
            found.append(_xff(config))
        elif name == CUSTOM_HEADER and config is not None:
            found.append(_custom_header(config))
        else:
            found.append(_unmodelled(extension.name, place))
    if not found and not msg.use_remote_address.value:
        hops = msg.xff_num_trusted_hops

        def default(stream: Stream) -> Detected:
            remote, trusted = address_from_xff(stream.headers, hops)
            return NOTHING if remote is None else Detected(remote, trusted)

        found.append(default)
    return tuple(found)


def _xff(config: Msg) -> Detect:
    skip = config.skip_xff_append.value if config.HasField("skip_xff_append") else True
    if config.xff_trusted_cidrs.cidrs:
        return _by_range(tuple(compile_cidr_range(r) for r in config.xff_trusted_cidrs.cidrs), skip_xff_append=skip)
    hops = config.xff_num_trusted_hops

    def by_hops(stream: Stream) -> Detected:
        remote, trusted = address_from_xff(stream.headers, hops)
        return Detected(remote, trusted, skip_xff_append=skip)

    return by_hops


def _by_range(ranges: tuple[CidrRange, ...], *, skip_xff_append: bool) -> Detect:
    """The last address outside the trusted ranges, where the peer is within (``getLastNonTrustedAddressFromXFF``)."""

    def trusted(ip: str) -> bool:
        return any(r.contains(ip) for r in ranges)

    def detect(stream: Stream) -> Detected:
        if not trusted(stream.connection.remote.ip):
            return Detected(skip_xff_append=False)
        entries = (stream.headers.get("x-forwarded-for") or "").split(",")
        remote: Address | None = None
        for text in reversed(entries) if len(entries) <= MAX_ENTRIES else ():
            try:
                ip = str(ipaddress.ip_address(text.strip()))
            except ValueError:
                return Detected(skip_xff_append=skip_xff_append)
            remote = Address(ip, 0)
            if not trusted(ip):
                break
        return Detected(remote, len(entries) == 1, skip_xff_append=skip_xff_append)

    return detect


def _custom_header(config: Msg) -> Detect:
    name, trusted = config.header_name.lower(), config.allow_extension_to_set_address_as_trusted
    refusal = None
    if config.HasField("reject_with_status"):
        code = config.reject_with_status.code
        status = code if 400 <= code < 512 else 403
        refusal = LocalReply(status, "rejecting_because_detection_failed")

    def detect(stream: Stream) -> Detected:
        value = stream.headers.get(name)
        try:
            remote = Address(str(ipaddress.ip_address((value or "").strip())), 0)
        except ValueError:
            return Detected(refusal=refusal)
        return Detected(remote, trusted)

    return detect


def _unmodelled(name: str, ref: Ref) -> Detect:
    def detect(stream: Stream) -> Detected:
        stream.telling.note(ref, f"original IP detection `{name}` is not modelled: the peer's address is assumed")
        return Detected()

    return detect
