"""One way to break a healthy proxy for every rule: a table of edits, by code.

An edit changes a ``Site`` and returns the end of the pointer at which the rule has to say so. It works on any document
that has the places it touches (LookupError where it has not), so the same table serves the small healthy dump and the
dumps of the real Envoy.
"""

from __future__ import annotations

from . import clusters, dump, listeners, policy, routes, time
from .table import EDITS

__all__ = ["EDITS", "clusters", "dump", "listeners", "policy", "routes", "time"]
