"""Free ports on loopback."""

from __future__ import annotations

import random
import socket
from itertools import count as counting
from itertools import islice

from ..errors import OptionError

FIRST, LAST = 12_000, 32_000
"""Below the ports that systems give to outgoing connections, so that no client takes one in between."""

_next = counting(random.SystemRandom().randrange(LAST - FIRST))


def free_ports(count: int) -> list[int]:
    """Return ``count`` TCP ports that were free a moment ago, none of them among the last this process was given.

    Two endpoints at one address would be one host to Envoy, so a port is not given twice even when nobody listens
    on it yet. Raises OptionError when too few ports are free.
    """
    candidates = (FIRST + next(_next) % (LAST - FIRST) for _ in range(LAST - FIRST))
    found = list(islice(filter(_is_free, candidates), count))
    if len(found) < count:
        raise OptionError(f"too few free ports on 127.0.0.1: {count} asked for between {FIRST} and {LAST}")
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
