"""What a network filter is to the simulation, and the filters that only let in, close, or set something.

Source: ``source/common/network/filter_manager_impl.cc`` and ``source/extensions/filters/network``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, cast

from ..lazy_dataclass import dataclass
from ..model.headers import HeaderMap
from ..model.reply import Aborted
from .rbac_engine import Decision, Engine
from .rbac_rules import connection_subject
from .set_filter_state import FilterStateValue
from .stream import Stream
from .token_bucket import TokenBucket

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.request import Request
    from ..model.world import State, World
    from .http_connection_manager import HttpConnectionManager
    from .proxy import Proxy
    from .stream import DownstreamConnection, Telling

STAGE: Final = "network filter"
CLUSTER_STATE: Final = "envoy.tcp_proxy.cluster"
"""The filter state key that names tcp_proxy's cluster for one connection."""


@dataclass(frozen=True, slots=True)
class Context:
    """What network filters work with."""

    proxy: Proxy
    connection: DownstreamConnection
    request: Request
    world: World
    state: State
    telling: Telling

    @property
    def client_is_silent(self) -> bool:
        """The client sends nothing before the server does."""
        return self.connection.speaks == "TCP" and not self.request.body

    def as_stream(self) -> Stream:
        """Return the connection as formats see it: a stream without a request, which shares its filter state."""
        facts: dict[str, object] = {"connection_termination_details": self.connection.termination_details}
        return Stream(
            self.proxy,
            self.world,
            self.state,
            self.telling,
            self.request,
            self.connection,
            cast("HttpConnectionManager", None),
            protocol="",
            headers=HeaderMap(),
            trailers=HeaderMap(),
            body="",
            remote=self.connection.remote,
            filter_state=self.connection.filter_state,
            metadata=self.connection.metadata,
            start_ms=self.state.now_ms,
            facts=facts,
        )


class NetworkFilter(Protocol):
    """A compiled network filter that does not end the chain."""

    def on_new_connection(self, context: Context) -> Aborted | None:
        """Meet the connection, before any TLS handshake; ``None`` goes on."""

    def on_data(self, context: Context) -> Aborted | None:
        """Meet the client's first bytes; ``None`` goes on."""


@dataclass(frozen=True, slots=True)
class Passes:
    """A filter without effect on what a request gets; ``note`` says what is not modelled, ``step`` what it does."""

    ref: Ref
    note: str = ""

    def on_new_connection(self, context: Context) -> Aborted | None:
        """Say what is not modelled."""
        if self.note:
            context.telling.note(self.ref, self.note)
        return None

    def on_data(self, context: Context) -> Aborted | None:
        """Go on."""
        return None


@dataclass(frozen=True, slots=True)
class SniCluster:
    """``sni_cluster``: tcp_proxy's cluster is the one called like the SNI, where there is an SNI."""

    ref: Ref

    def on_new_connection(self, context: Context) -> Aborted | None:
        """Name the cluster."""
        name = context.connection.server_name
        if name:
            context.connection.filter_state[CLUSTER_STATE] = name
            context.telling.step(STAGE, self.ref, "sni_cluster names the cluster `{}`", name)
        else:
            context.telling.step(STAGE, self.ref, "sni_cluster: no SNI")
        return None

    def on_data(self, context: Context) -> Aborted | None:
        """Go on."""
        return None


@dataclass(frozen=True, slots=True)
class SetFilterState:
    """``set_filter_state``: values on the new connection, after its TLS handshake, with its first bytes."""

    ref: Ref
    on_connection: tuple[FilterStateValue, ...]
    on_handshake: tuple[FilterStateValue, ...]
    on_bytes: tuple[FilterStateValue, ...]

    def on_new_connection(self, context: Context) -> Aborted | None:
        """Set what is known before a handshake."""
        self._set(self.on_connection, context)
        return None

    def on_data(self, context: Context) -> Aborted | None:
        """Set what waits for the handshake, and for data."""
        self._set((*(self.on_handshake if context.connection.tls else ()), *self.on_bytes), context)
        return None

    def _set(self, values: tuple[FilterStateValue, ...], context: Context) -> None:
        if values:
            stream = context.as_stream()
            for value in values:
                value.set(stream, STAGE)


@dataclass(frozen=True, slots=True)
class NetworkRbac:
    """``rbac``: decides on the first bytes, when a tcp_proxy behind it has connected already."""

    ref: Ref
    stat_prefix: str
    engine: Engine | None
    shadow: Engine | None

    def on_new_connection(self, context: Context) -> Aborted | None:
        """Go on: nothing is decided before there is data."""
        return None

    def on_data(self, context: Context) -> Aborted | None:
        """Ask the shadow rules, then those that count."""
        if self.shadow is not None:
            self._decide(self.shadow, "shadow_", context)
        if self.engine is None:
            return None
        decision = self._decide(self.engine, "", context)
        if decision.allowed:
            return None
        context.connection.termination_details = decision.details
        return Aborted("eof")

    def _decide(self, engine: Engine, prefix: str, context: Context) -> Decision:
        telling, subject = context.telling, connection_subject(context.connection)
        for ref, text in engine.notes:
            telling.note(ref, text)
        decision = engine.decide(subject)
        telling.count(f"{self.stat_prefix}rbac.{prefix}{'allowed' if decision.allowed else 'denied'}")
        rejected = engine.explain(subject) if telling.explain else ()
        telling.step(
            STAGE,
            decision.ref,
            "RBAC {}{} the connection: {}",
            "shadow rules: would have " if prefix else "",
            "allowed" if decision.allowed else "denied",
            f"policy `{decision.policy}`" if decision.policy else "no policy matches",
            losers=lambda: rejected,
        )
        metadata = context.connection.metadata.setdefault("envoy.filters.network.rbac", {})
        if prefix:
            metadata["shadow_engine_result"] = "allowed" if decision.allowed else "denied"
            if decision.policy:
                metadata["shadow_effective_policy_id"] = decision.policy
        return decision


@dataclass(frozen=True, slots=True)
class LocalRateLimit:
    """``local_ratelimit``: a token per connection."""

    ref: Ref
    stat_prefix: str
    max_tokens: int
    fill_rate: float
    """Tokens per second."""
    runtime_key: str
    enabled: bool

    def on_new_connection(self, context: Context) -> Aborted | None:
        """Take a token, or close."""
        if not context.proxy.runtime.boolean(self.runtime_key, self.enabled):
            return None
        state = context.state
        bucket = state.slot(
            ("network local_ratelimit", self.ref), lambda: TokenBucket(self.max_tokens, self.fill_rate, state.now_ms)
        )
        if bucket.consume(state.now_ms):
            return None
        context.telling.count(f"local_rate_limit.{self.stat_prefix}.rate_limited")
        context.telling.step(STAGE, self.ref, "no token is left: the connection is closed")
        return Aborted("reset", ("URX",))

    def on_data(self, context: Context) -> Aborted | None:
        """Go on."""
        return None


@dataclass(frozen=True, slots=True)
class CallsOut:
    """A filter that asks a service (``ext_authz``, ``ratelimit``); ``World.verdicts`` has the answer, by name."""

    ref: Ref
    name: str
    flags: tuple[str, ...]

    def on_new_connection(self, context: Context) -> Aborted | None:
        """Go on: the service is asked when data arrives."""
        return None

    def on_data(self, context: Context) -> Aborted | None:
        """Close where the service says no."""
        verdict = context.world.verdicts.get(self.name)
        if verdict is None:
            context.telling.assumed.append(f"the service behind network filter `{self.name}` allows the connection")
            return None
        if verdict in ("allow", "ok"):
            return None
        context.telling.step(STAGE, self.ref, "`{}` says {}: the connection is closed", self.name, verdict)
        return Aborted("eof", self.flags)


@dataclass(frozen=True, slots=True)
class Missing:
    """A discovered filter without configuration: the chain cannot be built, and the connection is closed."""

    ref: Ref
    name: str

    def on_new_connection(self, context: Context) -> Aborted | None:
        """Close the connection."""
        context.telling.step(STAGE, self.ref, "`{}` has no configuration yet: the connection is closed", self.name)
        return Aborted("eof")

    def on_data(self, context: Context) -> Aborted | None:
        """Never reached."""
        return None


@dataclass(frozen=True, slots=True)
class Answers:
    """A filter that ends the chain and answers itself: ``direct_response``, ``echo``; ``text`` ``None`` echoes."""

    ref: Ref
    name: str
    text: str | None


@dataclass(frozen=True, slots=True)
class UnknownEnd:
    """A filter that ends the chain in a protocol that is not modelled."""

    ref: Ref
    name: str
    kind: str
