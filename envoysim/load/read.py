"""Bytes of a source: files, folders, standard input, an admin address; compressed or not; JSON or YAML."""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import simdjson

from ..errors import SourceError
from ..model.outcome import Note
from .lazy import Node, is_list, is_object

SUFFIXES = frozenset({".json", ".yaml", ".yml", ".gz", ".zst", ".golden"})
MAX_NESTING = 512
LIVE_PATHS = ("/config_dump?include_eds", "/clusters?format=json")


def read_source(source: str) -> Iterator[tuple[str, bytes | Path]]:
    """Yield (name, bytes) of a source; a folder yields every configuration file in it, an address two answers.

    A file that looks like JSON is left to the parser, which reads it without a copy in between: then its path comes
    instead of the bytes. Raises SourceError for what cannot be read.
    """
    if source == "-":
        yield "-", _decompressed("-", sys.stdin.buffer.read())
    elif source.startswith(("http://", "https://")):
        yield from _live(source)
    else:
        yield from _files(source)


def _files(source: str) -> Iterator[tuple[str, bytes | Path]]:
    path = Path(source)
    try:
        if path.is_dir():
            for child in sorted(p for p in path.iterdir() if p.suffix in SUFFIXES and p.is_file()):
                yield str(child), _decompressed(str(child), child.read_bytes())
        else:
            yield source, path if _looks_like_json(path) else _decompressed(source, path.read_bytes())
    except FileNotFoundError:
        raise SourceError("no such file", place=source, help=_similar(path)) from None
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}", place=source) from None


def _looks_like_json(path: Path) -> bool:
    """Tell a regular file that opens with a brace or bracket."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip()[:1] in (b"{", b"[")


def _similar(path: Path) -> str | None:
    import difflib

    try:
        close = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
    except OSError:
        return None
    return f"did you mean `{path.with_name(close[0])}`?" if close else None


def _decompressed(name: str, data: bytes) -> bytes:
    try:
        if data[:2] == b"\x1f\x8b":
            import gzip

            return gzip.decompress(data)
        if data[:4] == b"\x28\xb5\x2f\xfd":
            try:
                import zstandard
            except ImportError:
                raise SourceError("zstd-compressed", place=name, help="pip install 'envoysim[zstd]'") from None
            return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(data))
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"broken compression: {error}", place=name) from None
    return data


def _live(address: str) -> Iterator[tuple[str, bytes]]:
    """Ask a proxy's admin interface for its dump with endpoints, and for the health of its hosts.

    An address with a path is asked for that path alone.
    """
    from urllib.parse import urlsplit

    from .live import ask

    base = address.rstrip("/")
    for path in LIVE_PATHS if urlsplit(base).path == "" else ("",):
        yield base + path.split("?")[0], ask(base, path)


def parse(name: str, data: bytes | Path, notes: list[Note] | None = None) -> Node:
    """Parse JSON lazily, or YAML; raises SourceError with the place of what is wrong.

    Lines of other programs around the JSON go into ``notes``.
    """
    notes = [] if notes is None else notes
    if isinstance(data, Path):
        try:
            root = simdjson.Parser().load(str(data))
        except (ValueError, RuntimeError, MemoryError, OSError):
            data = data.read_bytes()  # what is wrong with it is found below
        else:
            return _container(name, root)
    from .strays import preface, utf8

    data = utf8(name, data)
    head = data[:64].lstrip() or data.lstrip()[:64]
    if not head:
        raise SourceError("empty", place=name)
    if head[:1] == b"<":
        raise SourceError(
            "an HTML or XML page, not a dump", place=name, help="did the admin address or a proxy answer?"
        )
    if head[:1] in (b"{", b"["):
        return _parse_json(name, data, notes)
    if start := preface(data):
        notes.append(_skipped(name, data[:start].decode("utf-8", "replace").strip().splitlines()))
        return _parse_json(name, data[start:], notes, lines=data.count(b"\n", 0, start))
    from .clusters_text import clusters_text, is_clusters_text

    if is_clusters_text(data):
        return clusters_text(data)
    return _parse_yaml(name, data)


def _parse_json(name: str, data: bytes, notes: list[Note], lines: int = 0) -> Node:
    """Parse what opens like JSON; ``lines`` stood before it."""
    try:
        root = simdjson.Parser().parse(data)
    except (ValueError, RuntimeError, MemoryError) as error:  # a UnicodeDecodeError is a ValueError
        if head_is_yaml(data):
            return _parse_yaml(name, data)
        root = _several(name, data, error, notes, lines)
    return _container(name, root)


def _several(name: str, data: bytes, error: Exception, notes: list[Note], lines: int) -> Node:
    """Read several documents in one file, or one that is followed by other lines; else say where it is broken.

    simdjson does not say where, the standard library does (unless the nesting would exhaust it).
    """
    from .strays import documents

    try:
        text = data.decode("utf-8")
        if text[: 4 * MAX_NESTING].count("[") + text[: 4 * MAX_NESTING].count("{") > MAX_NESTING:
            raise RecursionError
        found, others = documents(text)
    except UnicodeDecodeError as bad:
        what = f"invalid UTF-8 at byte {bad.start}"
    except json.JSONDecodeError as bad:
        at_end = bad.pos >= len(text.rstrip()) - 1 and not bad.msg.startswith("Extra data")
        cut = at_end or bad.msg.startswith("Unterminated string")
        what = "truncated" if cut else bad.msg[:1].lower() + bad.msg[1:]
        what += f" at line {bad.lineno + lines} column {bad.colno}"
    except RecursionError:
        what = "nested too deeply"
    else:
        if len(found) > 1 or others:
            if others:
                notes.append(_skipped(name, others))
            return found[0] if len(found) == 1 else _joined(found)
        what = str(error).splitlines()[0][:200]
    raise SourceError(f"not JSON: {what}", place=name)


def _skipped(name: str, lines: list[str]) -> Note:
    from .redact import redact_text

    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return Note(None, f"{name}: skipped around the JSON: `{redact_text(lines[0][:120])}`{more}")


def _joined(documents: list[Any]) -> list[Any]:
    """Make one list of several documents."""
    return [item for d in documents for item in (d if isinstance(d, list) else [d])]


def _container(name: str, root: Node) -> Node:
    if not (is_object(root) or is_list(root)):
        raise SourceError("not an Envoy configuration: neither an object nor a list", place=name)
    return root


def head_is_yaml(data: bytes) -> bool:
    """Flow-style YAML may open with a brace: unquoted keys tell it."""
    line = data.lstrip()[:200].split(b"\n", 1)[0]
    return line[:1] == b"{" and b'"' not in line and b":" in line


def _parse_yaml(name: str, data: bytes) -> Node:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # C or Python, chosen here
        """Knows Envoy's own tag."""

    Loader.add_constructor("!ignore", lambda loader, node: None)  # Envoy skips what is tagged so
    try:
        found: list[Any] = [d for d in yaml.load_all(data, Loader=Loader) if d is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1} column {mark.column + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise SourceError(f"neither JSON nor YAML: {problem}{where}", place=name) from None
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise SourceError(f"neither JSON nor YAML: {str(error).splitlines()[0]}", place=name) from None
    if len(found) > 1:
        return _joined(found)
    root = found[0] if found else {}
    if not isinstance(root, (dict, list)):
        raise SourceError("not an Envoy configuration: plain text", place=name)
    return _stringified(root)


def _stringified(value: Any) -> Any:
    """Turn YAML's dates and non-text keys into what JSON would have."""
    if isinstance(value, dict):
        return {k if isinstance(k, str) else json.dumps(k, default=str): _stringified(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_stringified(v) for v in value]
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
