"""What a ``DataSource`` holds, where the dump has it (``source/common/config/datasource.cc``)."""

from __future__ import annotations

from typing import Final

from ...schema import Msg

REDACTED: Final = "[redacted]"
"""What the admin endpoint prints instead of a sensitive value."""


def read_data_source(source: Msg) -> str | None:
    """Return the text; ``None`` for what only the proxy's own machine has, and for redacted values."""
    kind = source.WhichOneof("specifier")
    if kind == "inline_string":
        return None if source.inline_string == REDACTED else str(source.inline_string)
    if kind == "inline_bytes":
        data = bytes(source.inline_bytes)
        # The dump redacts bytes with the base64 of the same word.
        return None if data == REDACTED.encode() else data.decode("utf-8", "replace")
    return "" if kind is None else None
