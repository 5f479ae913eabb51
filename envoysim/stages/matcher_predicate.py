"""Predicates of matcher trees: an input, and what is asked of it (``source/common/matcher/field_matcher.h``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from ..lazy_dataclass import dataclass
from ..match.cidr_range import compile_ip_list
from ..match.string_matcher import compile_string_matcher
from ..match.value_matcher import compile_value_matcher
from ..model.ref import Ref
from ..schema import Msg, any_type, unpack
from .cel import Unsupported, compile_cel, holds
from .runtime import compile_runtime_fraction
from .xx_hash import xx_hash64

Input = Callable[[Any], object]
"""Reads one value from the data: text, plain Python for metadata, ``None`` for nothing there."""
InputTable = Mapping[str, Callable[[Msg], Input]]
"""Full type name of an input -> how to compile it."""
CEL_FORMS: Final = ("cel_expr_checked", "cel_expr_parsed", "checked_expr", "parsed_expr")
"""Fields of a ``CelExpression`` that hold one, first wins."""
Test = Callable[[object, Any], bool]
"""Judges an input's value; the data is there for those that ask the runtime."""
INPUT_MATCHERS: Final = "envoy.extensions.matching.input_matchers."


@dataclass(slots=True)
class InputCompiler:
    """Compiles inputs by a table, and collects what could not be modelled."""

    table: InputTable
    notes: list[tuple[Ref, str]] = field(default_factory=list)

    def compile(self, config: Msg, ref: Ref) -> Input:
        """Compile a data input; an unknown one gives nothing, and a note."""
        kind = any_type(config.typed_config)
        make = self.table.get(kind)
        if make is None:
            self.notes.append((ref, f"matcher input `{kind or config.name}` is not modelled: it gives nothing"))
            return _nothing
        return make(unpack(config.typed_config))


@dataclass(frozen=True, slots=True, eq=False)
class Predicate:
    """A condition: ``test`` decides, ``words`` says what is wanted and what is there."""

    test: Callable[[Any], bool]
    words: Callable[[Any], str]


def compile_predicate(msg: Msg, ref: Ref, inputs: InputCompiler) -> Predicate:
    """Compile a predicate of a matcher list."""
    kind = msg.WhichOneof("match_type")
    if kind == "single_predicate":
        return _single(msg.single_predicate, ref.at(kind), inputs)
    if kind == "not_matcher":
        inner = compile_predicate(msg.not_matcher, ref.at(kind), inputs)
        return Predicate(lambda data: not inner.test(data), lambda data: "must not hold, but does")
    if kind in ("or_matcher", "and_matcher"):
        parts = tuple(
            compile_predicate(p, ref.at(kind, "predicate", i), inputs)
            for i, p in enumerate(getattr(msg, kind).predicate)
        )
        if kind == "or_matcher":
            return Predicate(
                lambda data: any(p.test(data) for p in parts), lambda data: "; ".join(p.words(data) for p in parts)
            )
        return Predicate(
            lambda data: all(p.test(data) for p in parts),
            lambda data: next((p.words(data) for p in parts if not p.test(data)), ""),
        )
    return Predicate(lambda data: False, lambda data: "the predicate is empty")


def _single(msg: Msg, ref: Ref, inputs: InputCompiler) -> Predicate:
    read = inputs.compile(msg.input, ref.at("input"))
    name = any_type(msg.input.typed_config).rsplit(".", 1)[-1] or msg.input.name
    test, wanted = _test(msg, ref, inputs)

    def words(data: Any) -> str:
        value = read(data)
        return f"{name} wants {wanted}, is {'missing' if value is None else f'`{value}`'}"

    return Predicate(lambda data: test(read(data), data), words)


def _test(msg: Msg, ref: Ref, inputs: InputCompiler) -> tuple[Test, str]:
    if msg.WhichOneof("matcher") == "value_match":
        matcher = compile_string_matcher(msg.value_match, ref.at("value_match"))
        if matcher.note:
            inputs.notes.append((ref, matcher.note))
        matches = matcher.matches
        return (lambda value, data: isinstance(value, str) and matches(value)), matcher.wanted
    config = msg.custom_match
    inner = unpack(config.typed_config)
    kind = any_type(config.typed_config)
    make = _CUSTOM.get(kind)
    if make is None or inner is None:
        text = f"input matcher `{kind or config.name}` is not modelled: it matches nothing"
        inputs.notes.append((ref.at("custom_match"), text))
        return (lambda value, data: False), f"`{config.name}` (not modelled)"
    try:
        return make(inner)
    except Unsupported as error:
        inputs.notes.append(
            (ref.at("custom_match"), f"{error} in a CEL expression is not modelled: it matches nothing")
        )
        return (lambda value, data: False), f"`{config.name}` (not modelled)"


def _ip(msg: Msg) -> tuple[Test, str]:
    ranges = compile_ip_list(msg.cidr_ranges)
    words = " or ".join(f"`{r.text}`" for r in ranges.ranges)
    return (lambda value, data: isinstance(value, str) and ranges.contains(value)), f"an address in {words}"


def _metadata(msg: Msg) -> tuple[Test, str]:
    matcher, invert = compile_value_matcher(msg.value), msg.invert
    return (lambda value, data: matcher.matches(value) != invert), f"{'not ' if invert else ''}{matcher.wanted}"


def _runtime_fraction(msg: Msg) -> tuple[Test, str]:
    """The hash of the value is the number that is drawn; without the proxy's runtime the default share counts."""
    fraction, seed = compile_runtime_fraction(msg.runtime_fraction), msg.seed

    def test(value: object, data: Any) -> bool:
        proxy = getattr(data, "proxy", None)
        share = fraction.share(proxy.runtime) if proxy is not None else fraction.default
        return isinstance(value, str) and xx_hash64(value, seed) % share.denominator < share.numerator

    return test, f"a hash within {fraction.default}"


def _consistent_hashing(msg: Msg) -> tuple[Test, str]:
    threshold, modulo, seed = msg.threshold, msg.modulo, msg.seed
    return (
        lambda value, data: isinstance(value, str) and xx_hash64(value, seed) % modulo >= threshold
    ), f"a hash modulo {modulo} from {threshold} on"


def _cel(msg: Msg) -> tuple[Test, str]:
    expression = msg.expr_match
    kind = next((kind for kind in CEL_FORMS if expression.HasField(kind)), None)
    if kind is None:
        raise Unsupported("source text")
    evaluate = compile_cel(getattr(expression, kind).expr)
    return (lambda value, data: value is not None and holds(evaluate, data)), "what a CEL expression asks for"


_CUSTOM: Final[Mapping[str, Callable[[Msg], tuple[Test, str]]]] = {
    "xds.type.matcher.v3.CelMatcher": _cel,
    INPUT_MATCHERS + "ip.v3.Ip": _ip,
    INPUT_MATCHERS + "metadata.v3.Metadata": _metadata,
    INPUT_MATCHERS + "runtime_fraction.v3.RuntimeFraction": _runtime_fraction,
    INPUT_MATCHERS + "consistent_hashing.v3.ConsistentHashing": _consistent_hashing,
}


def _nothing(data: Any) -> None:
    return None
