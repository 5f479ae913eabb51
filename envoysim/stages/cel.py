"""CEL expressions over a request's attributes (``source/extensions/filters/common/expr``): the part that dumps use.

Comparisons, ``&&``, ``||``, ``!``, ``in``, ``size``, ``startsWith``, ``endsWith``, ``contains`` and ``matches``.
Everything else is refused when it is compiled. What fails when it runs is an error; an expression that ends in one
does not hold.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..match.regex import compile_regex
from ..model.reply import Response
from ..schema import Msg

Evaluate = Callable[[Any], object]
RESPONSE: Final = "matched_response"
"""``Stream.facts`` key: the response that matchers look at."""


class CelError(Exception):
    """What an expression asks for is not there, or of another kind."""


class Unsupported(Exception):
    """The expression uses something that is not modelled here."""


def _path(stream: Any) -> str:
    return stream.headers.get(":path") or ""


def _response(stream: Any) -> Response:
    found = stream.facts.get(RESPONSE)
    if not isinstance(found, Response):
        raise CelError("there is no response yet")
    return found


def _code(stream: Any) -> int:
    """The code of the access log: what gRPC clients get as 200 keeps its own."""
    response = _response(stream)
    return stream.response_code or response.status if response.local else response.status


def _header_map(headers: Any) -> Mapping[str, str]:
    names = dict.fromkeys(name for name, _ in headers.items)
    return {name: headers.joined(name) for name in names}


ATTRIBUTES: Final[Mapping[str, Evaluate]] = {
    "request.path": _path,
    "request.url_path": lambda s: _path(s).partition("?")[0],
    "request.query": lambda s: _path(s).partition("?")[2],
    "request.host": lambda s: s.headers.get(":authority") or "",
    "request.scheme": lambda s: s.headers.get(":scheme") or "",
    "request.method": lambda s: s.headers.get(":method") or "",
    "request.protocol": lambda s: s.protocol,
    "request.headers": lambda s: _header_map(s.headers),
    "response.code": _code,
    "response.headers": lambda s: _header_map(_response(s).headers),
    "source.address": lambda s: str(s.remote),
    "source.port": lambda s: s.remote.port,
    "destination.address": lambda s: str(s.connection.local),
    "destination.port": lambda s: s.connection.local.port,
    "connection.requested_server_name": lambda s: s.connection.server_name,
}
COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "_==_": operator.eq,
    "_!=_": operator.ne,
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}
METHODS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": operator.contains,
}


def compile_cel(expr: Msg) -> Evaluate:
    """Compile a ``cel.expr.Expr`` (or that of ``google.api.expr``); raises ``Unsupported``."""
    kind = expr.WhichOneof("expr_kind")
    if kind == "const_expr":
        return _constant(expr.const_expr)
    if kind == "select_expr":
        return _select(expr.select_expr)
    if kind == "call_expr":
        return _call(expr.call_expr)
    if kind == "list_expr":
        items = [compile_cel(item) for item in expr.list_expr.elements]
        return lambda data: [item(data) for item in items]
    raise Unsupported(kind or "an empty expression")


def holds(evaluate: Evaluate, data: Any) -> bool:
    """Tell whether the expression is true."""
    try:
        return evaluate(data) is True
    except CelError:
        return False


def _constant(msg: Msg) -> Evaluate:
    kind = msg.WhichOneof("constant_kind")
    if kind not in ("bool_value", "int64_value", "uint64_value", "double_value", "string_value"):
        raise Unsupported(f"a constant of kind {kind}")
    value: object = getattr(msg, kind)
    return lambda data: value


def _select(msg: Msg) -> Evaluate:
    if msg.test_only or msg.operand.WhichOneof("expr_kind") != "ident_expr":
        raise Unsupported("has() or a nested field")
    name = f"{msg.operand.ident_expr.name}.{msg.field}"
    if name not in ATTRIBUTES:
        raise Unsupported(f"`{name}`")
    return ATTRIBUTES[name]


def _call(msg: Msg) -> Evaluate:
    name = msg.function
    operands = [compile_cel(arg) for arg in ([msg.target] if msg.HasField("target") else []) + list(msg.args)]
    if name == "!_":
        return lambda data: not _truth(operands[0](data))
    if name in ("_&&_", "_||_"):
        return _absorbing(operands, decides=name == "_||_")
    if name in ("_[_]", "@in", "_in_", "in"):
        return _index(*operands) if name == "_[_]" else lambda data: operands[0](data) in _container(operands[1](data))
    if name == "size":
        return lambda data: len(_container(operands[0](data)))
    if name == "matches":
        return _matches(operands, msg.args[0])
    if name in COMPARE:
        return _comparison(name, *operands)
    if name in METHODS:
        method = METHODS[name]
        return lambda data: method(_text(operands[0](data)), _text(operands[1](data)))
    raise Unsupported(f"`{name}`")


def _absorbing(operands: list[Evaluate], *, decides: bool) -> Evaluate:
    """``&&`` and ``||``: one side that decides makes up for an error of the other."""

    def evaluate(data: Any) -> bool:
        error: CelError | None = None
        for operand in operands:
            try:
                if _truth(operand(data)) is decides:
                    return decides
            except CelError as found:
                error = found
        if error is not None:
            raise error
        return not decides

    return evaluate


def _comparison(name: str, left: Evaluate, right: Evaluate) -> Evaluate:
    compare = COMPARE[name]

    def evaluate(data: Any) -> bool:
        one, other = left(data), right(data)
        try:
            return compare(one, other)
        except TypeError as error:
            raise CelError("values of different kinds") from error

    return evaluate


def _index(of: Evaluate, key: Evaluate) -> Evaluate:
    def evaluate(data: Any) -> object:
        container: Any = of(data)
        try:
            return container[key(data)]
        except (KeyError, IndexError, TypeError) as error:
            raise CelError("no such key") from error

    return evaluate


def _matches(operands: list[Evaluate], pattern: Msg) -> Evaluate:
    if pattern.const_expr.WhichOneof("constant_kind") != "string_value":
        raise Unsupported("matches() with a pattern that is computed")
    found = compile_regex(f"(?s:.*)(?:{pattern.const_expr.string_value})(?s:.*)")
    return lambda data: found.matches(_text(operands[0](data)))


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise CelError("not a condition")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise CelError("not text")
    return value


def _container(value: object) -> Any:
    if not isinstance(value, (str, list, Mapping)):
        raise CelError("neither text nor list nor map")
    return value
