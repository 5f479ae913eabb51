"""What a saved dump says of itself: where it came from, what never came, what was refused."""

from __future__ import annotations

import datetime
from typing import Any

from ..load.references import ON_DEMAND
from ..schema import Msg
from .holdings import Holdings


def now() -> str:
    """Return the time of day, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def missing(holdings: Holdings) -> list[dict[str, Any]]:
    """Return what was asked for and never came, who wants it, and why it did not come when that is known."""
    found = []
    for kind, name, who in holdings.missing():
        item: dict[str, Any] = {"kind": kind.replace("_", " "), "name": name, "wanted_by": who[:5]}
        if (kind, name) in holdings.rejected:
            item["reason"] = holdings.rejected[kind, name].reason
        elif (kind, name) in holdings.told_absent:
            item["reason"] = "the control plane says that it does not exist"
        found.append(item)
    return found


def not_asked(holdings: Holdings) -> list[dict[str, str]]:
    """Return what would be asked for at an address that the user did not name."""
    return [
        {"kind": kind.replace("_", " "), "name": name, "reason": _reason(reference.source)}
        for (kind, name), reference in sorted(holdings.elsewhere.items())
    ]


def _reason(source: str) -> str:
    return f"it comes from {source}" if source not in ("ads", ON_DEMAND) else "requests ask for it, on demand"


def rejected(holdings: Holdings) -> list[dict[str, str]]:
    """Return what came and cannot be used."""
    return [
        {"kind": item.kind.replace("_", " "), "name": item.name, "version": item.version, "reason": item.reason}
        for _, item in sorted(holdings.rejected.items())
    ]


def node_words(node: Msg) -> dict[str, str]:
    """Return who was asked as."""
    return {"id": node.id, **({"cluster": node.cluster} if node.cluster else {})}
