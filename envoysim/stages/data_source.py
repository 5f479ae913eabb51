"""Text that a ``DataSource`` carries inline (``source/common/config/datasource.cc``)."""

from __future__ import annotations

from ..schema import Msg


def inline_text(source: Msg) -> str | None:
    """Return the text; "" where nothing is set, ``None`` for what is in a file or the environment of the proxy."""
    kind = source.WhichOneof("specifier")
    if kind == "inline_string":
        return str(source.inline_string)
    if kind == "inline_bytes":
        return text_of(source.inline_bytes)
    return "" if kind is None else None


def text_of(data: bytes) -> str:
    """Decode bytes; those that are not text become one character each."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
