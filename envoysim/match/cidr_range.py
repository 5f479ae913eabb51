"""``envoy.config.core.v3.CidrRange`` (``source/common/network/cidr_range.cc``)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from ..lazy_dataclass import dataclass
from ..schema import Msg


@lru_cache(maxsize=8192)
def parse_ip(text: str) -> tuple[int, int] | None:
    """Return ``(version, number)`` of an address, ``None`` for text that is none."""
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return None
    return address.version, int(address)


@dataclass(frozen=True, slots=True)
class CidrRange:
    """A network; ``shift`` is the number of host bits. An invalid range contains nothing (``version`` 0)."""

    version: int
    network: int
    shift: int
    text: str

    def contains(self, ip: str) -> bool:
        """Tell whether the address lies in the range; IPv4 and IPv6 never meet."""
        parsed = parse_ip(ip)
        return parsed is not None and parsed[0] == self.version and parsed[1] >> self.shift == self.network

    @property
    def prefix_len(self) -> int:
        """The length of the prefix in bits."""
        return (32 if self.version == 4 else 128) - self.shift


def compile_cidr_range(msg: Msg) -> CidrRange:
    """Compile an ``envoy.config.core.v3`` or ``xds.core.v3`` range; a missing length is 0."""
    return cidr_range(msg.address_prefix, msg.prefix_len.value)


def cidr_range(address: str, prefix_len: int) -> CidrRange:
    """Make a range; a length beyond the address's is cut to it."""
    parsed = parse_ip(address)
    text = f"{address}/{prefix_len}"
    if parsed is None:
        return CidrRange(0, 0, 0, text)
    version, number = parsed
    shift = max(0, (32 if version == 4 else 128) - prefix_len)
    return CidrRange(version, number >> shift, shift, text)


@dataclass(frozen=True, slots=True)
class IpList:
    """Several ranges: an address is in the list if it is in one of them."""

    ranges: tuple[CidrRange, ...]

    def contains(self, ip: str) -> bool:
        """Tell whether one of the ranges contains the address."""
        return any(r.contains(ip) for r in self.ranges)

    def explain(self, ip: str) -> str:
        """Say why ``ip`` is not in the list; "" if it is."""
        if self.contains(ip):
            return ""
        return f"`{ip}` is in none of {', '.join(f'`{r.text}`' for r in self.ranges)}"


def compile_ip_list(msgs: Iterable[Msg]) -> IpList:
    """Compile a repeated ``CidrRange`` field."""
    return IpList(tuple(compile_cidr_range(m) for m in msgs))
