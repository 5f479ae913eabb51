"""CONNECT-UDP: the target in the path becomes the authority (``HeaderUtility::rewriteAuthorityForConnectUdp``)."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import unquote

UPGRADE: Final = "connect-udp"
PREFIX: Final = "/.well-known/masque/udp/"


def asks_for_udp(first: Mapping[str, str]) -> bool:
    """Tell whether the request headers ask for CONNECT-UDP."""
    return first.get("upgrade", "").lower() == UPGRADE


def udp_target(path: str) -> str | None:
    """Return ``host:port`` of ``/.well-known/masque/udp/{host}/{port}/``, ``None`` for any other path."""
    if not path.startswith(PREFIX) or not all("!" <= char <= "~" for char in path):
        return None
    host, _, rest = path[len(PREFIX) :].partition("/")
    port, slash, more = rest.partition("/")
    if not (host and port and slash) or more:
        return None
    host, port = unquote(host), unquote(port)
    if "%" in host:
        return None  # an IPv6 zone
    return f"[{host}]:{port}" if _is_ipv6(host) else f"{host}:{port}"


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True
