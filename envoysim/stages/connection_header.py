"""Hop-by-hop headers that a request's Connection header nominates (``Utility::sanitizeConnectionHeader``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..model.headers import HeaderMap

MAX_NOMINATED: Final = 10
MAX_TE: Final = 256
NO_NOMINATION: Final = frozenset(("close", "http2-settings", "keep-alive", "upgrade"))
REFUSED: Final = frozenset(("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"))


def sanitize_connection_header(headers: HeaderMap) -> bool:
    """Remove what Connection nominates; false where the request must be refused."""
    value = headers.get("connection") or ""
    tokens = [t for t in value.split(",") if t]
    if len(tokens) >= MAX_NOMINATED:
        return False
    dropped: set[str] = set()
    for token in tokens:
        name = token.strip().lower()
        if name in NO_NOMINATION:
            continue
        if name == "connection":
            dropped.add(name)
        elif name in REFUSED or name.startswith(":"):
            return False
        elif not _keeps_te(headers, name):
            if name == "te" and len(headers.get("te") or "") >= MAX_TE:
                return False
            headers.remove(name)
            dropped.add(name)
    if dropped:
        kept = [t.strip() for t in tokens if t.strip().lower() not in dropped]
        if kept:
            headers.set("connection", ",".join(kept))
        else:
            headers.remove("connection")
    return True


def _keeps_te(headers: HeaderMap, name: str) -> bool:
    """A nominated TE survives as ``trailers`` where that is among its values."""
    if name != "te" or len(headers.get("te") or "") >= MAX_TE:
        return False
    values = [v.strip().lower() for v in (headers.get("te") or "").split(",")]
    if "trailers" not in values:
        return False
    headers.set("te", "trailers")
    return True
