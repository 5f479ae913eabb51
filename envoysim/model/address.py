"""An IP address with a port, as Envoy prints it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Address(NamedTuple):
    """``ip`` in canonical text form without brackets; ``port`` 0 to 65535."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address:
    """Read ``ip:port`` or ``[ip6]:port``; raise ``ValueError`` for anything else."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535 or not host:
        raise ValueError(f"`{text}` is not an `ip:port`")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"`{text}` is not an `ip:port`: an IPv6 address needs brackets")
    return Address(host, int(port))
