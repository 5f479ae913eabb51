"""A control plane for tests: aggregated xDS in both protocol variants, and client status discovery.

Scripted: resources are put and removed by version while proxies are connected; one that is not put never comes. It
remembers what was asked, by whom, and every rejected update. Its messages come from envoysim's own schema.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc

from envoysim.load.decode import decode_message
from envoysim.model.ref import NOWHERE
from envoysim.schema import Msg, message_class, new

URL = "type.googleapis.com/"
TYPES = {
    "clusters": "envoy.config.cluster.v3.Cluster",
    "endpoints": "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "listeners": "envoy.config.listener.v3.Listener",
    "scoped_routes": "envoy.config.route.v3.ScopedRouteConfiguration",
    "routes": "envoy.config.route.v3.RouteConfiguration",
    "ecds": "envoy.config.core.v3.TypedExtensionConfig",
    "secrets": "envoy.extensions.transport_sockets.tls.v3.Secret",
}
"""In the order in which a control plane should send them."""
WILDCARD = ("clusters", "listeners", "scoped_routes")
DISCOVERY = "envoy.service.discovery.v3."
STATUS = "envoy.service.status.v3."


@dataclass(frozen=True, slots=True)
class Nack:
    """A rejected update: which kind, which version it was, why."""

    kind: str
    version: str
    reason: str


@dataclass(slots=True)
class Watch:
    """What one stream asked for of one kind, and what it was sent: name -> version."""

    names: set[str] = field(default_factory=set)
    wildcard: bool = False
    sent: dict[str, str] = field(default_factory=dict)
    answered: bool = False
    nonce: str = ""
    version: str = ""


def kind_of(type_url: str) -> str:
    """``type.googleapis.com/envoy.config.cluster.v3.Cluster`` -> ``clusters``."""
    return next(kind for kind, name in TYPES.items() if URL + name == type_url)


def packed(kind: str, resource: Mapping[str, Any] | bytes) -> Msg:
    """Pack a resource (proto-JSON, or the very bytes to send) into an Any."""
    made = new("google.protobuf.Any")
    made.type_url = URL + TYPES[kind]
    if isinstance(resource, bytes):
        made.value = resource
    else:
        notes: list[Any] = []
        made.value = decode_message(TYPES[kind], dict(resource), NOWHERE, notes).SerializeToString(deterministic=True)
        assert not notes, notes
    return made


class ControlPlane:
    """A gRPC server on loopback; use as a context manager."""

    def __init__(
        self,
        *,
        credentials: Any = None,
        token: str | None = None,
        script: Callable[[Iterator[bytes], Any], Iterable[bytes]] | None = None,
        tells_absent: bool = False,
        breaks_after: int | None = None,
    ) -> None:
        self.asked: list[tuple[str, frozenset[str]]] = []
        self.nacks: list[Nack] = []
        self.nodes: list[Msg] = []
        self.metadata: list[dict[str, str]] = []
        self.client_status: Msg = new(STATUS + "ClientStatusResponse")
        self.streams = 0
        self.brought: Counter[str] = Counter()
        """Delta: how many resources of a kind were sent."""
        self._script = script
        """Answers raw instead: a server that hangs, breaks off or sends garbage."""
        self._token = token
        self._tells_absent = tells_absent
        """Delta: whether to say that an asked resource does not exist."""
        self._breaks_after = breaks_after
        """How many responses the first stream brings before it ends."""
        self._credentials = credentials
        self._resources: dict[str, dict[str, tuple[str, Msg]]] = {kind: {} for kind in TYPES}
        self._versions = dict.fromkeys(TYPES, "0")
        self._lock = threading.RLock()
        self._open: list[_Stream] = []

    # --- the script -----------------------------------------------------------------------------------------------

    def put(self, version: str, **kinds: Mapping[str, Mapping[str, Any] | bytes | None]) -> None:
        """Publish at once: ``put("2", clusters={"a": {...}, "b": None})`` sets ``a`` and removes ``b``."""
        with self._lock:
            for kind, named in kinds.items():
                self._versions[kind] = version
                for name, resource in named.items():
                    if resource is None:
                        self._resources[kind].pop(name, None)
                    else:
                        self._resources[kind][name] = (version, packed(kind, resource))
            for stream in self._open:
                for kind in TYPES:
                    stream.push(kind)

    def wait(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        """Wait until ``condition`` holds; fails the test when it never does."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.02)

    # --- the server -----------------------------------------------------------------------------------------------

    def __enter__(self) -> ControlPlane:
        self._server = grpc.server(
            ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
        )
        self._server.add_generic_rpc_handlers(tuple(self._handlers()))
        if self._credentials is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port("127.0.0.1:0", self._credentials)
        self._server.start()
        return self

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __exit__(self, *args: object) -> None:
        for stream in self._open:
            stream.responses.put(None)
        self._server.stop(0.1).wait(2)

    def _handlers(self) -> Iterator[Any]:
        yield grpc.method_handlers_generic_handler(
            DISCOVERY + "AggregatedDiscoveryService",
            {
                "StreamAggregatedResources": self._stream(_SotW, "DiscoveryRequest"),
                "DeltaAggregatedResources": self._stream(_Delta, "DeltaDiscoveryRequest"),
            },
        )
        yield grpc.method_handlers_generic_handler(
            STATUS + "ClientStatusDiscoveryService",
            {
                "FetchClientStatus": grpc.unary_unary_rpc_method_handler(
                    lambda request, context: self._status(request, context),
                    message_class(STATUS + "ClientStatusRequest").FromString,
                    lambda answer: answer if isinstance(answer, bytes) else answer.SerializeToString(),
                )
            },
        )

    def _status(self, request: Msg, context: Any) -> Msg:
        self._admit(context)
        self.nodes.append(request.node)
        return self.client_status

    def _admit(self, context: Any) -> None:
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        given = self.metadata[-1].get("authorization")
        if self._token is not None and given != f"Bearer {self._token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "authentication failure")

    def _stream(self, variant: type[_Stream], request: str) -> Any:
        def serve(requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
            self._admit(context)
            self.streams += 1
            if self._script is not None:
                yield from self._script(requests, context)
                return
            stream = variant(self)
            with self._lock:
                self._open.append(stream)
            threading.Thread(target=self._read, args=(stream, requests, DISCOVERY + request), daemon=True).start()
            number, brought = self.streams, 0
            while (response := stream.responses.get()) is not None:
                yield response.SerializeToString()
                brought += 1
                if number == 1 and brought == self._breaks_after:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")

        return grpc.stream_stream_rpc_method_handler(serve)

    def _read(self, stream: _Stream, requests: Iterator[bytes], full_name: str) -> None:
        try:
            for data in requests:
                request = message_class(full_name).FromString(data)
                with self._lock:
                    self._take(stream, request)
        except grpc.RpcError:
            pass
        except Exception as error:  # the other side went away
            if type(error) is not Exception:
                raise
        finally:
            with self._lock:
                if stream in self._open:
                    self._open.remove(stream)
            stream.responses.put(None)

    def _take(self, stream: _Stream, request: Msg) -> None:
        kind = kind_of(request.type_url)
        if request.HasField("node"):
            self.nodes.append(request.node)
        watch = stream.watches.setdefault(kind, Watch())
        if request.HasField("error_detail"):
            self.nacks.append(Nack(kind, watch.version, request.error_detail.message))
        if request.response_nonce and request.response_nonce != watch.nonce:
            return
        stream.ask(kind, watch, request)
        stream.push(kind)

    def known(self, kind: str, watch: Watch) -> dict[str, tuple[str, Msg]]:
        """What is there of what ``watch`` wants."""
        found = self._resources[kind]
        return {name: found[name] for name in found if watch.wildcard or name in watch.names}

    def version(self, kind: str) -> str:
        return self._versions[kind]

    @property
    def tells_absent(self) -> bool:
        return self._tells_absent


class _Stream:
    """One proxy's stream."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self.watches: dict[str, Watch] = {}
        self.responses: queue.Queue[Msg | None] = queue.Queue()
        self._nonces = 0

    def nonce(self) -> str:
        self._nonces += 1
        return str(self._nonces)

    def ask(self, kind: str, watch: Watch, request: Msg) -> None:
        raise NotImplementedError

    def push(self, kind: str) -> None:
        raise NotImplementedError


class _SotW(_Stream):
    def ask(self, kind: str, watch: Watch, request: Msg) -> None:
        names = set(request.resource_names)
        if names != watch.names or not request.response_nonce:
            self.plane.asked.append((kind, frozenset(names)))
        watch.names = names
        watch.wildcard = kind in WILDCARD and not names

    def push(self, kind: str) -> None:
        watch = self.watches.get(kind)
        if watch is None:
            return
        found = self.plane.known(kind, watch)
        versions = {name: version for name, (version, _) in found.items()}
        if versions == watch.sent and (watch.answered or not watch.wildcard):
            return
        watch.sent, watch.answered = versions, True
        watch.nonce, watch.version = self.nonce(), self.plane.version(kind)
        response = new(DISCOVERY + "DiscoveryResponse")
        response.type_url = URL + TYPES[kind]
        response.version_info, response.nonce = watch.version, watch.nonce
        response.resources.extend(resource for _, resource in found.values())
        self.responses.put(response)


class _Delta(_Stream):
    def ask(self, kind: str, watch: Watch, request: Msg) -> None:
        added = set(request.resource_names_subscribe)
        if not watch.answered and not request.response_nonce:
            watch.wildcard = kind in WILDCARD and (not added or "*" in added)
            watch.sent.update(request.initial_resource_versions)
        watch.names = (watch.names | added) - set(request.resource_names_unsubscribe)
        for name in request.resource_names_unsubscribe:
            watch.sent.pop(name, None)
        if added or not request.response_nonce:
            self.plane.asked.append((kind, frozenset(added)))
        for name in added:
            watch.sent.pop(name, None)  # asked again: send again
        if self.plane.tells_absent:
            watch.sent |= {name: "" for name in added - {"*"} if name not in self.plane.known(kind, watch)}

    def push(self, kind: str) -> None:
        watch = self.watches.get(kind)
        if watch is None:
            return
        found = self.plane.known(kind, watch)
        removed = [name for name in watch.sent if name not in found]
        changed = [name for name, (version, _) in found.items() if watch.sent.get(name) != version]
        if not removed and not changed and (watch.answered or not watch.wildcard):
            return
        watch.sent, watch.answered = {name: version for name, (version, _) in found.items()}, True
        watch.nonce, watch.version = self.nonce(), self.plane.version(kind)
        response = new(DISCOVERY + "DeltaDiscoveryResponse")
        response.type_url = URL + TYPES[kind]
        response.system_version_info, response.nonce = watch.version, watch.nonce
        response.removed_resources.extend(removed)
        self.plane.brought[kind] += len(changed)
        for name in changed:
            item = response.resources.add()
            item.name, item.version = name, found[name][0]
            item.resource.CopyFrom(found[name][1])
        self.responses.put(response)
