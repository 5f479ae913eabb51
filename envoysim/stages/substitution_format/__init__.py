"""Substitution format strings: ``%REQ(x)%`` and its kin, in access logs, header values and local replies.

Source: ``source/common/formatter/substitution_formatter.cc``; each module beside this one holds the operators of one
subject. An absent value is ``-``, or nothing where ``omit_empty`` is set (header values always set it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from ...lazy_dataclass import dataclass
from ...schema import Msg, to_python
from ..data_source import inline_text
from .json_format import JsonFormat, compile_json_format
from .parser import parse
from .values import Operator

if TYPE_CHECKING:
    from ...model.ref import Ref
    from ...model.reply import Response
    from ..stream import Stream

DEFAULT_FORMAT: Final = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "
    '"%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n'
)
"""What an access logger without format writes."""


class Formatter(Protocol):
    """A compiled format, text or JSON."""

    def format(self, stream: Stream, response: Response | None, local_reply_body: str = "") -> str:
        """Write it for ``stream``."""


@dataclass(frozen=True, slots=True)
class Format:
    """A compiled text format; ``literal`` is the text where it has no operators."""

    ref: Ref
    parts: tuple[str | Operator, ...]
    omit_empty: bool
    literal: str | None
    unknown: tuple[str, ...] = ()

    def format(self, stream: Stream, response: Response | None, local_reply_body: str = "") -> str:
        """Write the text with its values."""
        if self.literal is not None:
            return self.literal
        for text in self.unknown:
            stream.telling.note(self.ref, text)
        out = []
        for part in self.parts:
            if isinstance(part, str):
                out.append(part)
                continue
            value = part.text(stream, response, local_reply_body)
            if value is not None:
                out.append(value)
            elif not self.omit_empty:
                out.append("-")
        return "".join(out)


def compile_format(text: str, ref: Ref, *, omit_empty: bool = True) -> Format:
    """Compile a text; header values, rewrites and the like leave absent values out, access logs do not."""
    parts = tuple(parse(text))
    literal = "".join(p for p in parts if isinstance(p, str)) if all(isinstance(p, str) for p in parts) else None
    unknown = dict.fromkeys(p.unknown for p in parts if isinstance(p, Operator) and p.unknown)
    return Format(ref, parts, omit_empty, literal, tuple(unknown))


def compile_substitution_format(msg: Msg, ref: Ref) -> Format | JsonFormat:
    """Compile ``envoy.config.core.v3.SubstitutionFormatString``."""
    kind = msg.WhichOneof("format")
    if kind == "json_format":
        return compile_json_format(to_python(msg.json_format), ref.at(kind), omit_empty=msg.omit_empty_values)
    if kind == "text_format_source":
        source = msg.text_format_source
        text = inline_text(source)
        if text is None:
            where = f"the format is in `{source.filename or source.environment_variable}`, which the dump does not hold"
            return Format(ref.at(kind), (), True, None, (where,))
        return compile_format(text, ref.at(kind), omit_empty=msg.omit_empty_values)
    return compile_format(msg.text_format, ref.at("text_format"), omit_empty=msg.omit_empty_values)


@dataclass(frozen=True, slots=True)
class BodyFormat:
    """A format for the bodies of local replies, and the content type it gives them."""

    formatter: Formatter
    content_type: str

    def format(self, stream: Stream, response: Response | None, local_reply_body: str = "") -> str:
        """Write the body."""
        return self.formatter.format(stream, response, local_reply_body)


def compile_body_format(msg: Msg, ref: Ref) -> BodyFormat:
    """Compile a ``SubstitutionFormatString`` for bodies (``BodyFormatter`` in ``local_reply.cc``)."""
    plain = "application/json" if msg.WhichOneof("format") == "json_format" else "text/plain"
    return BodyFormat(compile_substitution_format(msg, ref), msg.content_type or plain)


__all__ = [
    "DEFAULT_FORMAT",
    "BodyFormat",
    "Format",
    "Formatter",
    "JsonFormat",
    "compile_body_format",
    "compile_format",
    "compile_json_format",
    "compile_substitution_format",
]
