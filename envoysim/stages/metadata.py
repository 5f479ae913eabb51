"""``envoy.config.core.v3.Metadata`` as plain Python."""

from __future__ import annotations

from collections.abc import Mapping

from ..schema import Msg, to_python


def filter_metadata(msg: Msg) -> Mapping[str, object]:
    """Return ``msg.metadata.filter_metadata``, by filter name."""
    if not msg.HasField("metadata"):
        return {}
    return {name: to_python(value) for name, value in msg.metadata.filter_metadata.items()}
