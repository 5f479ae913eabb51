"""The address Envoy takes for its own: the first that is not loopback (``Utility::getLocalAddress``)."""

from __future__ import annotations

import socket
import struct

SIOCGIFADDR = 0x8915
"""Linux: ask an interface for its IPv4 address."""


def local_address() -> str | None:
    """Return the machine's first IPv4 address that is not loopback, ``None`` where it cannot be told."""
    try:
        import fcntl
    except ImportError:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sock.fileno(), SIOCGIFADDR, struct.pack("256s", name[:15].encode()))
            except OSError:
                continue
            ip = socket.inet_ntoa(answer[20:24])
            if not ip.startswith("127."):
                return ip
    return None
