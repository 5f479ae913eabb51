"""Absolute URLs and CONNECT targets as Envoy reads them (``http_parser_parse_url``, ``Utility::Url``)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from .cidr_range import parse_ip

# Scanners of the protocol, not of the configuration.
_ABSOLUTE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?]+)(.*)\Z", re.S)
_AUTHORITY: Final = re.compile(
    r"(?:[A-Za-z0-9\-_.!~*'()%;:&=+$,]*@)?"
    r"(?P<host>[A-Za-z0-9.\-]+|\[(?P<v6>[0-9A-Fa-f:.]+)(?:%[A-Za-z0-9%.\-_~]+)?\])(?P<port>:\d+)?\Z"
)


class Url(NamedTuple):
    """``rest`` is everything after the authority, "" for nothing."""

    scheme: str
    authority: str
    rest: str


def parse_url(text: str, *, connect: bool) -> Url | None:
    """Parse ``text``; a CONNECT target is host and port, nothing else."""
    scheme, authority, rest = "", text, ""
    if not connect:
        match = _ABSOLUTE.match(text)
        if match is None:
            return None
        scheme, authority, rest = match.groups()
    found = _AUTHORITY.match(authority)
    if found is None or (found["v6"] is not None and parse_ip(found["v6"]) is None):
        return None
    port = found["port"]
    if port is None:
        return None if connect else Url(scheme, found["host"], rest)
    if int(port[1:]) > 65535 or (connect and "@" in authority):
        return None
    return Url(scheme, found["host"] + port, rest)
