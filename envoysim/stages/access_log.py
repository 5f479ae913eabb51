"""Access logs: the lines that file and stdout loggers would write at the end of a stream.

Source: ``source/extensions/access_loggers/file/config.cc``, ``stream``. Conditions are tested when the stream ends; the
text is made when somebody reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, overload

from ..lazy_dataclass import dataclass
from ..model.reply import Aborted
from ..schema import Msg, any_type, to_python, unpack
from .access_log_filter import LogFilter, compile_access_log_filter
from .substitution_format import (
    DEFAULT_FORMAT,
    Formatter,
    compile_format,
    compile_json_format,
    compile_substitution_format,
)
from .substitution_format.values import LOGGING

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.reply import Response
    from .stream import Stream

FILE: Final = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
STREAMS: Final = frozenset(
    f"envoy.extensions.access_loggers.stream.v3.{name}AccessLog" for name in ("Stdout", "Stderr")
)
UNKNOWN: Final = "unknown"
"""``Aborted.closed`` where the configuration cannot settle the outcome; its ``details`` say what would."""


@dataclass(frozen=True, slots=True)
class AccessLogger:
    """A logger that writes lines; ``condition`` is ``None`` where everything is logged."""

    ref: Ref
    condition: LogFilter | None
    formatter: Formatter


class Lines(Sequence[str]):
    """The lines of the loggers whose conditions hold, written when first read."""

    __slots__ = ("_lines", "_loggers", "_now_ms", "_response", "_stream")

    def __init__(self, loggers: Sequence[AccessLogger], stream: Stream, response: Response | None) -> None:
        self._loggers = loggers
        self._stream = stream
        self._response = response
        self._now_ms = stream.state.now_ms
        self._lines: tuple[str, ...] | None = None

    def _written(self) -> tuple[str, ...]:
        if self._lines is None:
            state = self._stream.state
            now_ms, state.now_ms = state.now_ms, self._now_ms
            self._stream.facts[LOGGING] = True
            self._lines = tuple(
                logger.formatter.format(self._stream, self._response).removesuffix("\n") for logger in self._loggers
            )
            state.now_ms = now_ms
        return self._lines

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._written()[index]

    def __len__(self) -> int:
        return len(self._loggers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._written())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]  # its content is made late

    def __repr__(self) -> str:
        return repr(self._written())


def compile_access_loggers(msgs: Sequence[Msg], ref: Ref) -> tuple[AccessLogger, ...]:
    """Compile the ``AccessLog`` messages whose loggers write lines; others send their entries elsewhere."""
    loggers = []
    for index, msg in enumerate(msgs):
        at = ref.at(index)
        kind = any_type(msg.typed_config)
        config = unpack(msg.typed_config)
        if config is None or (kind != FILE and kind not in STREAMS):
            continue
        condition = compile_access_log_filter(msg.filter, at.at("filter")) if msg.HasField("filter") else None
        loggers.append(AccessLogger(at, condition, _formatter(config, at.at("typed_config"))))
    return tuple(loggers)


def _formatter(config: Msg, ref: Ref) -> Formatter:
    kind = config.WhichOneof("access_log_format")
    if kind == "log_format":
        return compile_substitution_format(config.log_format, ref.at(kind))
    if kind in ("json_format", "typed_json_format"):
        return compile_json_format(to_python(getattr(config, kind)), ref.at(kind))
    text = config.format if kind == "format" and config.format else DEFAULT_FORMAT
    return compile_format(text, ref.at(kind or "format"), omit_empty=False)


def write_access_log(stream: Stream, end: Response | Aborted) -> Sequence[str]:
    """Return the lines, and leave what an abort says on the stream.

    They hold the stream, which therefore must not hold them: a story's objects go when its outcome does.
    """
    response: Response | None = None
    if isinstance(end, Aborted):
        if end.closed == UNKNOWN:
            return ()
        stream.flag(*end.flags)
        stream.details = end.details or stream.details
    else:
        response = end
    due = [x for x in stream.hcm.access_loggers if x.condition is None or x.condition(stream, response)]
    return Lines(due, stream, response) if due else ()
