"""Filters chosen by a matcher (``source/extensions/filters/http/composite``).

The composite filter stands for the filters its matcher's action names; without a match it does nothing.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import Aborted, LocalReply, Pause, Response
from ...schema import Msg, any_type, unpack
from ..matcher_tree import MatcherTree, compile_matcher_tree
from ..response_inputs import INPUTS, needs_response, show_response
from ..runtime import RuntimeFraction, compile_runtime_fraction
from .base import DecoderOnly, FilterModule, Verdict
from .unknown import MissingFilter

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Story, Stream
    from .base import HttpFilter

PREFIX: Final = "envoy.extensions.filters.http.composite.v3."
End = LocalReply | Aborted | Response | None
EXECUTE: Final = PREFIX + "ExecuteFilterAction"


@dataclass(frozen=True, slots=True, eq=False)
class Delegate:
    """A filter an action names, and which of the composite's per-route configurations are its own."""

    name: str
    filter: HttpFilter
    override_types: tuple[str, ...]

    def own(self, overrides: tuple[object, ...]) -> tuple[object, ...]:
        """Return the overrides that are of this filter's types."""
        return tuple(o.value for o in overrides if isinstance(o, TypedOverride) and o.type_name in self.override_types)


@dataclass(frozen=True, slots=True)
class TypedOverride:
    """A per-route configuration of another filter than the composite itself."""

    type_name: str
    value: object


@dataclass(frozen=True, slots=True, eq=False)
class Execute:
    """A compiled ``ExecuteFilterAction``; ``chain_name`` is looked up in the composite."""

    ref: Ref
    name: str
    delegates: tuple[Delegate, ...]
    chain_name: str
    sample: RuntimeFraction | None


class AnyOverride(tuple[str, ...]):
    """Accepts per-route configurations of every type: whose they are is seen when they are compiled."""

    __slots__ = ()

    def __contains__(self, type_name: object) -> bool:
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Matcher:
    """A compiled matcher; ``late`` ones look at the response."""

    tree: MatcherTree[Execute | None]
    late: bool


@dataclass(frozen=True, slots=True, eq=False)
class Composite:
    """The compiled filter."""

    ref: Ref
    key: str
    matcher: Matcher | None
    chains: Mapping[str, tuple[Delegate, ...]]

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Choose the filters, and let them see the request."""
        self._match(stream, overrides, late=False)
        delegates = self._delegates(stream)
        return decode_through(delegates, stream, overrides) if delegates else None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Let the filters see the response."""
        show_response(stream, response)
        self._match(stream, overrides, late=True)
        delegates = self._delegates(stream)
        return encode_through(delegates, stream, response, overrides) if delegates else None

    def execute(self, stream: Stream, action: Execute) -> None:
        """Take the filters of ``action`` for this stream."""
        sample = action.sample
        if sample is not None and not sample.enabled(stream.proxy.runtime, stream.world, f"sample of {action.ref}"):
            stream.telling.step("http filter", action.ref, "filter `{}` is not sampled", action.name)
            return
        delegates = action.delegates or self.chains.get(action.chain_name, ())
        stream.facts[self.key] = delegates
        stream.telling.step("http filter", action.ref, "filter `{}` is chosen", action.name)

    def _delegates(self, stream: Stream) -> tuple[Delegate, ...]:
        return stream.facts.get(self.key, ())  # type: ignore[return-value]  # set by execute

    def _match(self, stream: Stream, overrides: tuple[object, ...], *, late: bool) -> None:
        matcher = next((o for o in reversed(overrides) if isinstance(o, Matcher)), self.matcher)
        if matcher is None or self.key in stream.facts or matcher.late != late:
            return
        tell_notes(matcher, stream)
        found = matcher.tree.match(stream)
        if found is not None and found.action is not None:
            self.execute(stream, found.action)


def tell_notes(matcher: Matcher, stream: Stream) -> None:
    """Say what of a matcher is not modelled."""
    for ref, note in matcher.tree.notes:
        stream.telling.note(ref, note)


def decode_through(delegates: Sequence[Delegate], stream: Stream, overrides: tuple[object, ...]) -> Verdict:
    """Let filters see the request one after the other; a story only where one of them waits."""
    for index, delegate in enumerate(delegates):
        verdict = delegate.filter.decode(stream, delegate.own(overrides))
        if isinstance(verdict, Pause | Generator):
            return _wait(verdict, delegates[index + 1 :], stream, overrides)
        if verdict is not None:
            return verdict
    return None


def _wait(
    verdict: Pause | Story[End], rest: Sequence[Delegate], stream: Stream, overrides: tuple[object, ...]
) -> Story[End]:
    end: End
    if isinstance(verdict, Pause):
        yield stream.state.now_ms + verdict.ms
        end = verdict.then
    else:
        end = yield from verdict
    stream.telling.now_ms = stream.state.now_ms
    if end is not None:
        return end
    following = decode_through(rest, stream, overrides)
    if isinstance(following, Pause | Generator):
        return (yield from _wait(following, (), stream, overrides))
    return following


def encode_through(
    delegates: Sequence[Delegate], stream: Stream, response: Response, overrides: tuple[object, ...]
) -> Verdict:
    """Let filters see the response, the last one first."""
    changed = False
    for delegate in reversed(delegates):
        if isinstance(delegate.filter, DecoderOnly):
            continue
        verdict = delegate.filter.encode(stream, response, delegate.own(overrides))
        if isinstance(verdict, Response):
            response, changed = verdict, True
        elif verdict is not None:
            return verdict
    return response if changed else None


def compile_delegate(msg: Msg, ref: Ref, proxy: Proxy) -> Delegate:
    """Compile a ``TypedExtensionConfig`` that holds a filter."""
    from .chain import make_entry

    config = msg.typed_config
    entry = make_entry(msg.name, any_type(config), unpack(config), ref, ref.at("typed_config"), proxy)
    return Delegate(msg.name, entry.filter, entry.module.override_types)


def compile_action(config: Msg, ref: Ref, proxy: Proxy) -> Execute | None:
    """Compile a matcher's action; ``None`` for ``SkipFilter`` and what is not known."""
    if any_type(config.typed_config) != EXECUTE:
        return None
    msg, at = unpack(config.typed_config), ref.at("typed_config")
    if msg is None:
        return None
    sample = compile_runtime_fraction(msg.sample_percent) if msg.HasField("sample_percent") else None
    if msg.HasField("filter_chain"):
        delegates = _compile_chain(msg.filter_chain, at.at("filter_chain"), proxy)
        return Execute(ref, "filter_chain", delegates, "", sample)
    if msg.filter_chain_name:
        return Execute(ref, msg.filter_chain_name, (), msg.filter_chain_name, sample)
    if msg.HasField("dynamic_config"):
        return Execute(ref, msg.dynamic_config.name, (_discovered(msg.dynamic_config, at, proxy),), "", sample)
    return Execute(
        ref, msg.typed_config.name, (compile_delegate(msg.typed_config, at.at("typed_config"), proxy),), "", sample
    )


def _discovered(msg: Msg, ref: Ref, proxy: Proxy) -> Delegate:
    delivered = proxy.dump.extension_configs.get(msg.name)
    if delivered is not None:
        return compile_delegate(delivered.message(), delivered.ref, proxy)
    return Delegate(msg.name, MissingFilter(ref.at("dynamic_config"), msg.name), ())


def _compile_chain(msg: Msg, ref: Ref, proxy: Proxy) -> tuple[Delegate, ...]:
    return tuple(compile_delegate(m, ref.at("typed_config", i), proxy) for i, m in enumerate(msg.typed_config))


def compile_matcher(msg: Msg, ref: Ref, proxy: Proxy) -> Matcher:
    """Compile a matcher whose actions choose filters."""
    tree = compile_matcher_tree(msg, ref, INPUTS, lambda config, at: compile_action(config, at, proxy))
    return Matcher(tree, needs_response(msg))


def compile_composite(msg: Msg, ref: Ref, proxy: Proxy) -> Composite:
    """Compile ``Composite``."""
    fields = msg.DESCRIPTOR.fields_by_name
    has_matcher = "matcher" in fields and msg.HasField("matcher")
    chains = msg.named_filter_chains if "named_filter_chains" in fields else {}
    return Composite(
        ref,
        f"composite:{ref.source}{ref}",
        compile_matcher(msg.matcher, ref.at("matcher"), proxy) if has_matcher else None,
        {name: _compile_chain(chains[name], ref.at("named_filter_chains", name), proxy) for name in chains},
    )


def compile_override(msg: Msg, ref: Ref, proxy: Proxy) -> object:
    """Compile ``CompositePerRoute``, or a per-route configuration of a filter inside."""
    if msg.DESCRIPTOR.full_name == PREFIX + "CompositePerRoute":
        return compile_matcher(msg.matcher, ref.at("matcher"), proxy)
    return compile_inner_override(msg, ref, proxy)


def compile_inner_override(msg: Msg, ref: Ref, proxy: Proxy) -> TypedOverride | None:
    """Compile a per-route configuration with whatever filter accepts its type."""
    from . import FILTERS, find_filter

    kind = msg.DESCRIPTOR.full_name
    for type_name, _ in FILTERS:
        if type_name.rpartition(".")[0] == kind.rpartition(".")[0]:
            module = find_filter(type_name)
            if module is not None and kind in module.override_types and module.compile_override is not None:
                return TypedOverride(kind, module.compile_override(msg, ref, proxy))
    return None


MODULE: Final = FilterModule(PREFIX + "Composite", compile_composite, AnyOverride(), compile_override)
