"""The retry policies that count: a route's own, else its virtual host's."""

from __future__ import annotations

from collections.abc import Iterator

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg, duration_ms
from .subject import RouteItem, Subject

DEFAULT_TIMEOUT_MS = 15_000.0


@dataclass(frozen=True, slots=True, eq=False)
class RetryItem:
    """The policy a route retries by, and where it stands."""

    route: RouteItem
    policy: Msg
    ref: Ref

    @property
    def tokens(self) -> list[str]:
        """The conditions of ``retry_on``."""
        return [token.strip() for token in self.policy.retry_on.split(",") if token.strip()]

    @property
    def retries(self) -> int:
        """How many more attempts are made (1 where it is not set)."""
        return int(self.policy.num_retries.value) if self.policy.HasField("num_retries") else 1

    @property
    def total_ms(self) -> float:
        """The route's timeout; 0: none."""
        action = self.route.msg.route
        if action.HasField("max_stream_duration"):
            return 0.0
        return duration_ms(action.timeout) if action.HasField("timeout") else DEFAULT_TIMEOUT_MS


def retry_policies(subject: Subject) -> Iterator[RetryItem]:
    """Yield the policy of every forwarding route that has one."""
    for route in subject.forwards:
        if route.msg.route.HasField("retry_policy"):
            yield RetryItem(route, route.msg.route.retry_policy, route.ref.at("route", "retry_policy"))
        elif route.host.msg.HasField("retry_policy"):
            yield RetryItem(route, route.host.msg.retry_policy, route.host.ref.at("retry_policy"))
