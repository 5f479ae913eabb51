"""Dynamic metadata from headers and cookies (``source/extensions/filters/http/header_to_metadata``).

A header sent on several lines counts joined. What is empty, too long or not of its type is left out.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.cookie_matcher import parse_cookies
from ...match.regex import Regex, compile_regex
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg, enum_name, message_class, to_python
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.header_to_metadata.v3.Config"
NAMESPACE: Final = "envoy.filters.http.header_to_metadata"
MAX_VALUE: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A compiled ``KeyValuePair``: where a value goes, and as what."""

    namespace: str
    key: str
    value: str
    kind: str
    encoding: str
    regex: Regex | None
    substitution: str

    def make(self, found: str) -> object | None:
        """Return what is written for ``found``; ``None`` for nothing."""
        text = self.value
        if not text:
            text = self.regex.replace_all(found, self.substitution) if self.regex is not None else found
        if not text or len(text.encode()) >= MAX_VALUE:
            return None
        data = text.encode()
        if self.encoding == "BASE64":
            data = decode_base64(text)
            if not data:
                return None
        if self.kind == "NUMBER":
            return parse_number(data.decode("utf-8", "replace"))
        if self.kind == "PROTOBUF_VALUE":
            return parse_value(data)
        return data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled ``Rule``."""

    ref: Ref
    header: str
    cookie: str
    remove: bool
    present: KeyValue | None
    missing: KeyValue | None

    def extract(self, headers: HeaderMap) -> str | None:
        """Read the header or cookie; a header that is to be removed goes."""
        if not self.header:
            return parse_cookies(headers).get(self.cookie) or None
        value = headers.joined(self.header)
        if value is not None and self.remove:
            headers.remove(self.header)
        return value


@dataclass(frozen=True, slots=True)
class HeaderToMetadata:
    """A compiled ``Config``: the filter's own, or a route's, which replaces it."""

    ref: Ref
    request_rules: tuple[Rule, ...]
    response_rules: tuple[Rule, ...]

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Read the request."""
        config = overrides[-1] if overrides else self
        assert isinstance(config, HeaderToMetadata)
        _write(config.request_rules, stream.headers, stream, "http filter")
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Read the response."""
        config = overrides[-1] if overrides else self
        assert isinstance(config, HeaderToMetadata)
        _write(config.response_rules, response.headers, stream, "response")
        return None


def _write(rules: tuple[Rule, ...], headers: HeaderMap, stream: Stream, stage: str) -> None:
    made: dict[str, dict[str, object]] = {}
    for rule in rules:
        found = rule.extract(headers)
        target = rule.missing if found is None else rule.present
        if target is None:
            continue
        value = target.make(found or "")
        if value is not None:
            made.setdefault(target.namespace, {})[target.key] = value
            stream.telling.step(stage, rule.ref, "metadata `{}.{}` = {!r}", target.namespace, target.key, value)
    for namespace, values in made.items():
        stream.metadata[namespace] = {**stream.metadata.get(namespace, {}), **values}


def decode_base64(text: str) -> bytes:
    """Decode with or without padding (``Base64::decodeWithoutPadding``); nothing for what is not base64."""
    bare = text.rstrip("=") if len(text) - len(text.rstrip("=")) <= 2 else text
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def parse_number(text: str) -> float | int | None:
    """Read a number (``absl::SimpleAtod`` of the trimmed text)."""
    bare = text.strip(" \t\n\v\f\r")
    if "_" in bare or not bare.isascii():
        return None
    try:
        number = float(bare)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number == int(number) and abs(number) < 2**53 else number


def parse_value(data: bytes) -> object | None:
    """Read a serialized ``google.protobuf.Value``."""
    try:
        value = message_class("google.protobuf.Value").FromString(data)
    except Exception:  # upb's DecodeError, which is not importable without the runtime
        return None
    return to_python(value)  # type: ignore[no-any-return]


def compile_header_to_metadata(msg: Msg, ref: Ref, proxy: Proxy) -> HeaderToMetadata:
    """Compile ``envoy.extensions.filters.http.header_to_metadata.v3.Config``."""
    return HeaderToMetadata(
        ref,
        tuple(_compile_rule(m, ref.at("request_rules", i)) for i, m in enumerate(msg.request_rules)),
        tuple(_compile_rule(m, ref.at("response_rules", i)) for i, m in enumerate(msg.response_rules)),
    )


def _compile_rule(msg: Msg, ref: Ref) -> Rule:
    name = msg.header.lower()
    return Rule(
        ref,
        ":authority" if name == "host" else name,
        msg.cookie,
        msg.remove,
        _compile_pair(msg.on_header_present, msg.on_header_present) if msg.HasField("on_header_present") else None,
        # The regex of `on_header_present` is the rule's: it applies to a missing header's value too, which is "".
        _compile_pair(msg.on_header_missing, msg.on_header_present) if msg.HasField("on_header_missing") else None,
    )


def _compile_pair(msg: Msg, regex_of: Msg) -> KeyValue:
    rewrite = regex_of.regex_value_rewrite if regex_of.HasField("regex_value_rewrite") else None
    return KeyValue(
        msg.metadata_namespace or NAMESPACE,
        msg.key,
        msg.value,
        enum_name(msg, "type"),
        enum_name(msg, "encode"),
        compile_regex(rewrite.pattern.regex) if rewrite is not None else None,
        rewrite.substitution if rewrite is not None else "",
    )


MODULE: Final = FilterModule(TYPE, compile_header_to_metadata, (TYPE,), compile_header_to_metadata)
