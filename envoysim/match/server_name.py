"""Server names as filter chains match them (``FilterChainManagerImpl::findFilterChainForServerName``)."""

from __future__ import annotations

from collections.abc import Iterator


def server_name_candidates(server_name: str) -> Iterator[str]:
    """Yield what may match an SNI, the most specific first: itself, ``*.`` suffixes label by label, ``""``.

    ``*.foo.com`` covers ``a.b.foo.com`` but not ``foo.com``; both sides are compared in lower case.
    """
    name = server_name.lower()
    yield name
    position = name.find(".", 1)
    while 0 < position < len(name) - 1:
        yield "*" + name[position:]
        position = name.find(".", position + 1)
    if name:
        yield ""
