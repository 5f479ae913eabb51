"""Reading a format text into literal pieces and operators (``SubstitutionFormatParser::parse``)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from . import connection, http, metadata, time, upstream
from .http import Make
from .values import Extract, Operator, Value

if TYPE_CHECKING:
    from ...model.reply import Response
    from ..stream import Stream

_COMMAND: Final = re.compile(r"%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]+))?%")  # Envoy's own grammar of an operator

OPERATORS: Final[Mapping[str, Make]] = {
    **http.OPERATORS,
    **connection.OPERATORS,
    **upstream.OPERATORS,
    **metadata.OPERATORS,
    **time.OPERATORS,
}
UNKNOWABLE: Final = connection.TLS_ONLY | upstream.TLS_ONLY | upstream.UNKNOWABLE | upstream.OF_SOCKET.keys()


def parse(text: str) -> list[str | Operator]:
    """Split ``text``; ``%%`` is a percent sign."""
    parts: list[str | Operator] = []
    literal = ""
    position = 0
    while position < len(text):
        if text[position] != "%":
            at = text.find("%", position)
            at = len(text) if at < 0 else at
            literal += text[position:at]
            position = at
            continue
        if text.startswith("%%", position):
            literal += "%"
            position += 2
            continue
        match = _COMMAND.match(text, position)
        if match is None:  # Envoy refuses such a configuration
            literal += text[position:]
            break
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(compile_operator(match[1], match[2] or "", int(match[3]) if match[3] else None))
        position = match.end()
    if literal or not text:
        parts.append(literal)
    return parts


def compile_operator(name: str, argument: str, length: int | None) -> Operator:
    """Compile one operator; what is unknown has no value and says so."""
    if name == "COALESCE":
        extract = _coalesce(argument, length)
    elif name in OPERATORS:
        extract = OPERATORS[name](argument, length)
    elif name == "ENVIRONMENT":
        return Operator(_dash, "environment variables are not in the dump: taken as unset")
    else:
        known = "depends on what neither dump nor request tells" if name in UNKNOWABLE else "is not modelled"
        text = f"the operator %{name}% {known}"
        if name in upstream.OF_SOCKET:
            return Operator(_of_socket(text, upstream.OF_SOCKET[name]))
        if name in connection.TLS_ONLY or name in upstream.TLS_ONLY:
            return Operator(_absent_without_tls(text, upstream=name in upstream.TLS_ONLY))
        return Operator(_absent, text)
    if extract is None:
        return Operator(_absent, f"the operator %{name}% does not take `{argument}`")
    return Operator(
        extract, length=length, quoted=name == "FILTER_STATE" and argument.partition(":")[2] in ("", "TYPED")
    )


def _absent(stream: Stream, response: Response | None, body: str) -> Value:
    return None


def _absent_without_tls(text: str, *, upstream: bool) -> Extract:
    """On plaintext the value is known: there is none."""

    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        if stream.upstream_host is not None if upstream else stream.connection.tls:
            stream.telling.note(None, text)
        return None

    return extract


def _of_socket(text: str, without: Value) -> Extract:
    """Without a connection to the upstream the value is known."""

    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        if not upstream.connected(stream):
            return without
        stream.telling.note(None, text)
        return None

    return extract


def _dash(stream: Stream, response: Response | None, body: str) -> Value:
    return "-"


def _coalesce(argument: str, length: int | None) -> Extract | None:
    """``%COALESCE({"operators": [...]})%``: the first operator with a value that is not empty."""
    try:
        config = json.loads(argument)
        entries = [e if isinstance(e, dict) else {"command": e} for e in config["operators"]]
        operators = [compile_operator(e["command"], e.get("param", ""), e.get("max_length")) for e in entries]
    except (ValueError, KeyError, TypeError):
        return None

    def extract(stream: Stream, response: Response | None, body: str) -> Value:
        for operator in operators:
            value = operator.extract(stream, response, body)
            if value is not None and value != "":
                return value[:length] if length is not None and isinstance(value, str) else value
        return None

    return extract
