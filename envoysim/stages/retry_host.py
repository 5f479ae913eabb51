"""Where a retry may go: host predicates and retry priorities (``source/extensions/retry``)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from ..schema import Msg, any_type, to_python, unpack

if TYPE_CHECKING:
    from .load_balancer import Host

Kind = Literal["previous_hosts", "omit_canary_hosts", "omit_host_metadata"]

_KINDS: dict[str, Kind] = {
    "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate": "previous_hosts",
    "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate": "omit_canary_hosts",
    "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig": "omit_host_metadata",
}
_NAMES: dict[str, Kind] = {
    "envoy.retry_host_predicates.previous_hosts": "previous_hosts",
    "envoy.retry_host_predicates.omit_canary_hosts": "omit_canary_hosts",
    "envoy.retry_host_predicates.omit_host_metadata": "omit_host_metadata",
}
_PREVIOUS_PRIORITIES = "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"


@dataclass(frozen=True, slots=True)
class HostPredicate:
    """Says which candidates a retry passes over; ``labels`` are metadata under ``envoy.lb``."""

    kind: Kind
    ref: Ref
    labels: tuple[tuple[str, object], ...] = ()

    def rejects(self, host: Host, attempted: Iterable[str]) -> bool:
        """Tell whether another host should be picked; ``attempted`` are the endpoints tried so far."""
        if self.kind == "previous_hosts":
            return host.endpoint in attempted
        lb = host.metadata.get("envoy.lb", {})
        if self.kind == "omit_canary_hosts":
            return lb.get("canary") is True
        return bool(self.labels) and all(
            key in lb and label_matches(lb[key], value, lists=True) for key, value in self.labels
        )


def label_matches(actual: object, wanted: object, *, lists: bool) -> bool:
    """Compare as ``Metadata::metadataLabelMatch``; with ``lists`` a list matches by any of its items."""
    if lists and isinstance(actual, (list, tuple)):
        return any(label_matches(item, wanted, lists=False) for item in actual)
    return actual == wanted and isinstance(actual, bool) == isinstance(wanted, bool)


@dataclass(frozen=True, slots=True)
class PreviousPriorities:
    """After every ``update_frequency`` attempts, the priorities tried so far get no load."""

    update_frequency: int


def compile_host_predicate(msg: Msg, ref: Ref) -> HostPredicate | None:
    """Compile a ``RetryPolicy.RetryHostPredicate``; ``None`` for an extension that is not modelled."""
    config = msg.typed_config if msg.HasField("typed_config") else None
    kind = (_KINDS.get(any_type(config)) if config is not None else None) or _NAMES.get(msg.name)
    if kind is None:
        return None
    labels: tuple[tuple[str, object], ...] = ()
    inner = unpack(config) if config is not None else None
    if kind == "omit_host_metadata" and inner is not None:
        fields = to_python(inner.metadata_match.filter_metadata["envoy.lb"])
        labels = tuple(fields.items()) if isinstance(fields, dict) else ()
    return HostPredicate(kind, ref, labels)


def compile_retry_priority(msg: Msg) -> PreviousPriorities | None:
    """Compile a ``RetryPolicy.RetryPriority``; ``None`` for an extension that is not modelled."""
    if not msg.HasField("typed_config") or any_type(msg.typed_config) != _PREVIOUS_PRIORITIES:
        return None
    inner = unpack(msg.typed_config)
    return PreviousPriorities(inner.update_frequency) if inner is not None else None
