"""The two protocol variants of aggregated xDS: what a request says and what a response brings.

Source: api/envoy/service/discovery/v3/discovery.proto.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from ..load.references import WILDCARD
from ..schema import Msg, message_class, new, type_name
from .holdings import Came, Holdings
from .kinds import BY_TYPE, Kind

DISCOVERY: Final = "envoy.service.discovery.v3"
INVALID_ARGUMENT: Final = 3


class Variant(ABC):
    """One stream's conversation; a new stream begins with a new one."""

    method: ClassVar[str]
    response: ClassVar[str]

    def __init__(self, node: Msg, holdings: Holdings) -> None:
        self._node: Msg | None = node
        self._holdings = holdings
        self._asked: dict[str, frozenset[str]] = {}
        self._nonces: dict[str, str] = {}

    @abstractmethod
    def ask(self, kind: Kind, names: frozenset[str]) -> Msg | None:
        """Return the request that asks for ``names`` from now on, ``None`` when they are asked for already."""

    @abstractmethod
    def take(self, response: Msg) -> tuple[Kind | None, list[str]]:
        """Take a response into the holdings; return its kind and why it is to be rejected."""

    @abstractmethod
    def answer(self, kind: Kind, response: Msg, problems: list[str]) -> Msg:
        """Acknowledge a response, or reject it."""

    def parse(self, data: bytes) -> Msg:
        """Decode a response."""
        return message_class(f"{DISCOVERY}.{self.response}").FromString(data)

    def _request(self, full_name: str, kind: Kind) -> Msg:
        request = new(f"{DISCOVERY}.{full_name}")
        request.type_url = kind.url
        if self._node is not None:  # only the first request of a stream needs it
            request.node.CopyFrom(self._node)
            self._node = None
        return request


def _reject(request: Msg, problems: list[str]) -> None:
    if problems:
        request.error_detail.code = INVALID_ARGUMENT
        request.error_detail.message = "; ".join(problems)[:2000]


class StateOfTheWorld(Variant):
    """Each response of a wildcard kind has everything; each request names everything that is wanted."""

    method = "StreamAggregatedResources"
    response = "DiscoveryResponse"

    def ask(self, kind: Kind, names: frozenset[str]) -> Msg | None:
        """Name everything, with the version that is held."""
        if self._asked.get(kind.kind) == names:
            return None
        self._asked[kind.kind] = names
        return self._names(kind)

    def _names(self, kind: Kind) -> Msg:
        request = self._request("DiscoveryRequest", kind)
        request.version_info = self._holdings.versions.get(kind.kind, "")
        request.response_nonce = self._nonces.get(kind.kind, "")
        request.resource_names.extend(sorted(self._asked.get(kind.kind, frozenset()) - {WILDCARD}))
        return request

    def take(self, response: Msg) -> tuple[Kind | None, list[str]]:
        """Take everything; a wildcard kind loses what is not there."""
        kind = BY_TYPE.get(type_name(response.type_url))
        if kind is None:
            return None, []
        self._nonces[kind.kind] = response.nonce
        came = (Came("", "", item.type_url, item.value) for item in response.resources)
        version = response.version_info
        return kind, self._holdings.take(kind, came, (), version=version, whole=kind.wildcard)

    def answer(self, kind: Kind, response: Msg, problems: list[str]) -> Msg:
        """The same names again, with the new version or the old one."""
        request = self._names(kind)
        _reject(request, problems)
        return request


class Delta(Variant):
    """Requests and responses tell what changed."""

    method = "DeltaAggregatedResources"
    response = "DeltaDiscoveryResponse"

    def ask(self, kind: Kind, names: frozenset[str]) -> Msg | None:
        """Name what is new and what is not wanted any more; on a new stream also what is held."""
        before = self._asked.get(kind.kind)
        if before == names:
            return None
        self._asked[kind.kind] = names
        request = self._request("DeltaDiscoveryRequest", kind)
        request.resource_names_subscribe.extend(sorted(names - (before or frozenset()) - {WILDCARD}))
        request.resource_names_unsubscribe.extend(sorted((before or frozenset()) - names - {WILDCARD}))
        if before is None:
            for held in self._holdings.held[kind.kind].values():
                request.initial_resource_versions[held.name] = held.version
        return request

    def take(self, response: Msg) -> tuple[Kind | None, list[str]]:
        """Take what changed and drop what is removed."""
        kind = BY_TYPE.get(type_name(response.type_url))
        if kind is None:
            return None, []
        version = response.system_version_info
        return kind, self._holdings.take(
            kind, self._resources(response), response.removed_resources, version=version, whole=False
        )

    def _resources(self, response: Msg) -> Iterator[Came]:
        for item in response.resources:
            if item.HasField("resource"):  # without one it only lives on
                yield Came(item.name, item.version, item.resource.type_url, item.resource.value)

    def answer(self, kind: Kind, response: Msg, problems: list[str]) -> Msg:
        """Acknowledge by nonce."""
        request = self._request("DeltaDiscoveryRequest", kind)
        request.response_nonce = response.nonce
        _reject(request, problems)
        return request


def variant(delta: bool) -> Any:
    """Return the class."""
    return Delta if delta else StateOfTheWorld
