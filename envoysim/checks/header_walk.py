"""Header mutations of the levels of a route table."""

from __future__ import annotations

from collections.abc import Iterator

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg
from .subject import RouteItem, Subject


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A route, its virtual host or its route configuration, with what it does to headers."""

    name: str
    msg: Msg
    ref: Ref

    def added(self, side: str) -> list[str]:
        """The headers it adds, in lower case."""
        return [option.header.key.lower() for option in getattr(self.msg, f"{side}_headers_to_add")]

    def overwritten(self, side: str) -> list[str]:
        """The headers it sets whatever was there."""
        options = getattr(self.msg, f"{side}_headers_to_add")
        return [
            o.header.key.lower()
            for o in options
            if o.append_action == 2 or (o.HasField("append") and not o.append.value)
        ]

    def removed(self, side: str) -> list[str]:
        """The headers it removes."""
        return [name.lower() for name in getattr(self.msg, f"{side}_headers_to_remove")]


def mutation_levels(subject: Subject) -> Iterator[tuple[RouteItem, list[Level]]]:
    """Yield each route that changes headers, with its levels in the order in which Envoy applies them."""
    for route in subject.routes:
        msg = route.msg
        if not (
            msg.request_headers_to_add
            or msg.response_headers_to_add
            or msg.request_headers_to_remove
            or msg.response_headers_to_remove
        ):
            continue
        table, host = route.host.table, route.host
        levels = [
            Level("route", route.msg, route.ref),
            Level("virtual host", host.msg, host.ref),
            Level("route configuration", table.msg, table.ref),
        ]
        yield route, levels[::-1] if table.msg.most_specific_header_mutations_wins else levels
