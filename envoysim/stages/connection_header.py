"""What a Connection header says: upgrades, and hop-by-hop headers it nominates (``source/common/http/utility.cc``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..model.headers import HeaderMap

MAX_NOMINATED: Final = 10
MAX_TE: Final = 256
NO_NOMINATION: Final = frozenset(("close", "http2-settings", "keep-alive", "upgrade"))
REFUSED: Final = frozenset(("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"))


def is_upgrade(headers: HeaderMap) -> bool:
    """Tell whether Upgrade is set and Connection names it (``Utility::isUpgrade``)."""
    connection = headers.get("connection")
    if connection is None or "upgrade" not in headers:
        return False
    return any(token.strip().lower() == "upgrade" for token in connection.split(","))


def remove_tokens(headers: HeaderMap, name: str, tokens: frozenset[str]) -> None:
    """Take ``tokens`` out of a comma-separated header; one that becomes empty goes."""
    value = headers.get(name)
    if value is not None:
        kept = [token.strip() for token in value.split(",") if token.strip().lower() not in tokens]
        if any(kept):
            headers.set(name, ",".join(kept))
        else:
            headers.remove(name)


def sanitize_connection_header(headers: HeaderMap) -> bool:
    """Remove what Connection nominates (``sanitizeConnectionHeader``); false where the request must be refused."""
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
            headers.remove(":authority" if name == "host" else name)
            dropped.add(name)
    if dropped:
        remove_tokens(headers, "connection", frozenset(dropped))
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
