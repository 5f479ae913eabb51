"""The parts of an authority (``Http::HeaderUtility::getPortStart``)."""

from __future__ import annotations


def port_start(host: str) -> int:
    """Return where ``:port`` starts, -1 for none; the colons of an IPv6 address in brackets are none."""
    colon = host.rfind(":")
    return -1 if colon < host.rfind("]") else colon
