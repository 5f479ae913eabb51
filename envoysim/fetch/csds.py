"""Ask for client status: what gRPC applications, Envoys and control planes say that clients run."""

from __future__ import annotations

from ..schema import Msg
from .save import Fetched
from .target import Target


def fetch_csds(target: Target, node: Msg, *, seconds: float) -> Fetched:
    """To come."""
    raise NotImplementedError
