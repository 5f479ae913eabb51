"""Conditions on what is logged, used by local reply mappers too (``source/common/access_log/access_log_impl.cc``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from ..match.fraction import compile_fraction
from ..match.header_matcher import compile_header_matcher
from ..match.value_matcher import MISSING, compile_value_matcher, metadata_value
from ..schema import Msg, enum_name
from .grpc import SNAKE_NAMES, UNKNOWN, grpc_status
from .runtime import RuntimeFraction
from .substitution_format.values import response_code

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.reply import Response
    from .stream import Stream

LogFilter: TypeAlias = "Callable[[Stream, Response | None], bool]"
LOG_TYPE: Final = "DownstreamEnd"
"""The one type of log entry that is simulated: the one at the end of a stream."""


def compile_access_log_filter(msg: Msg, ref: Ref) -> LogFilter:
    """Compile an ``AccessLogFilter``; an unset one lets everything through."""
    kind = msg.WhichOneof("filter_specifier")
    if kind is None:
        return _always
    compiler = _COMPILERS.get(kind)
    if compiler is None:
        return _unmodelled(msg, ref.at(kind))
    return compiler(getattr(msg, kind), ref.at(kind))


def _always(stream: Stream, response: Response | None) -> bool:
    return True


def _unmodelled(msg: Msg, ref: Ref) -> LogFilter:
    def test(stream: Stream, response: Response | None) -> bool:
        stream.telling.note(ref, f"access log filter `{msg.extension_filter.name}` is not modelled: taken as true")
        return True

    return test


def _comparison(msg: Msg, measure: Callable[[Stream, Response | None], float]) -> LogFilter:
    operator, key, default = enum_name(msg, "op"), msg.value.runtime_key, msg.value.default_value

    def test(stream: Stream, response: Response | None) -> bool:
        limit = stream.proxy.runtime.integer(key, default) if key else default
        value = measure(stream, response)
        if operator == "GE":
            return value >= limit
        if operator == "LE":
            return value <= limit
        return (value == limit) == (operator == "EQ")

    return test


def _status_code(msg: Msg, ref: Ref) -> LogFilter:
    return _comparison(msg.comparison, lambda stream, response: response_code(stream, response) or 0)


def _duration(msg: Msg, ref: Ref) -> LogFilter:
    return _comparison(msg.comparison, lambda stream, response: int(stream.state.now_ms - stream.start_ms))


def _not_health_check(msg: Msg, ref: Ref) -> LogFilter:
    return lambda stream, response: not stream.facts.get("health_check")


def _traceable(msg: Msg, ref: Ref) -> LogFilter:
    """Only what a header forces to be traced passes."""
    return lambda stream, response: stream.internal and "x-envoy-force-trace" in stream.headers


def _runtime(msg: Msg, ref: Ref) -> LogFilter:
    fraction = RuntimeFraction(msg.runtime_key, compile_fraction(msg.percent_sampled), ref)
    return lambda stream, response: fraction.enabled(stream.proxy.runtime, stream.world, "access log sampling")


def _and(msg: Msg, ref: Ref) -> LogFilter:
    tests = [compile_access_log_filter(m, ref.at("filters", i)) for i, m in enumerate(msg.filters)]
    return lambda stream, response: all(test(stream, response) for test in tests)


def _or(msg: Msg, ref: Ref) -> LogFilter:
    tests = [compile_access_log_filter(m, ref.at("filters", i)) for i, m in enumerate(msg.filters)]
    return lambda stream, response: any(test(stream, response) for test in tests)


def _header(msg: Msg, ref: Ref) -> LogFilter:
    matcher = compile_header_matcher(msg.header, ref.at("header"))
    return lambda stream, response: matcher.matches(stream.headers)


def _response_flag(msg: Msg, ref: Ref) -> LogFilter:
    flags = frozenset(msg.flags)
    return lambda stream, response: bool(flags.intersection(stream.flags)) if flags else bool(stream.flags)


def _grpc_status(msg: Msg, ref: Ref) -> LogFilter:
    names = type(msg).DESCRIPTOR.fields_by_name["statuses"].enum_type.values_by_number
    wanted = frozenset(SNAKE_NAMES.index(_status_name(names[number].name)) for number in msg.statuses)
    exclude = bool(msg.exclude)

    def test(stream: Stream, response: Response | None) -> bool:
        status = grpc_status(response, response_code(stream, response))
        return ((UNKNOWN if status is None else status) in wanted) != exclude

    return test


def _status_name(name: str) -> str:
    return "CANCELLED" if name == "CANCELED" else name


def _metadata(msg: Msg, ref: Ref) -> LogFilter:
    default = bool(msg.match_if_key_not_found.value) if msg.HasField("match_if_key_not_found") else True
    path = tuple(segment.key for segment in msg.matcher.path)
    matcher = compile_value_matcher(msg.matcher.value, ref.at("matcher", "value")) if msg.HasField("matcher") else None
    namespace = msg.matcher.filter

    def test(stream: Stream, response: Response | None) -> bool:
        value = metadata_value(stream.metadata, namespace, path)
        if value is MISSING:
            return default
        return matcher is not None and bool(matcher.matches(value))

    return test


def _log_type(msg: Msg, ref: Ref) -> LogFilter:
    names = type(msg).DESCRIPTOR.fields_by_name["types"].enum_type.values_by_number
    found = any(names[number].name == LOG_TYPE for number in msg.types)
    exclude = bool(msg.exclude)
    return lambda stream, response: found != exclude


_COMPILERS: Final[dict[str, Callable[[Msg, Ref], LogFilter]]] = {
    "status_code_filter": _status_code,
    "duration_filter": _duration,
    "not_health_check_filter": _not_health_check,
    "traceable_filter": _traceable,
    "runtime_filter": _runtime,
    "and_filter": _and,
    "or_filter": _or,
    "header_filter": _header,
    "response_flag_filter": _response_flag,
    "grpc_status_filter": _grpc_status,
    "metadata_filter": _metadata,
    "log_type_filter": _log_type,
}
