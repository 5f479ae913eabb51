"""The table of edits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..healthy import Site

Edit = Callable[[Site], str]
EDITS: Final[dict[str, Edit]] = {}


def breaks(code: str) -> Callable[[Edit], Edit]:
    """Enter an edit into the table."""

    def enter(edit: Edit) -> Edit:
        assert code not in EDITS
        EDITS[code] = edit
        return edit

    return enter


def give_retries(s: Site, **fields: object) -> None:
    """Give the route a retry policy."""
    s.action["timeout"] = "5s"
    s.action.pop("max_stream_duration", None)
    s.action["retry_policy"] = {"retry_on": "connect-failure", **fields}
