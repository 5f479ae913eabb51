"""The request's URI as authentication challenges name it (``Http::Utility::buildOriginalUri``)."""

from __future__ import annotations

from typing import Final

from ...model.headers import HeaderMap

MAX_PATH: Final = 256


def original_uri(headers: HeaderMap) -> str:
    """Return scheme, host and path (cut to 256 bytes); the path before a rewrite where there was one."""
    path = headers.get(":path")
    if path is None:
        return ""
    path = headers.get("x-envoy-original-path") or path
    return f"{headers.get(':scheme') or ''}://{headers.get(':authority') or ''}{path[:MAX_PATH]}"
