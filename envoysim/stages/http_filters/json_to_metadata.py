"""Dynamic metadata from JSON bodies (``source/extensions/filters/http/json_to_metadata/filter.cc``)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.regex import Regex, compile_regex
from ...model.behaviour import ECHO
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg, enum_name, to_python
from .base import FilterModule, Verdict
from .header_to_metadata import parse_number

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata"
NAMESPACE: Final = "envoy.filters.http.json_to_metadata"
MAX_VALUE: Final = 8 * 1024


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A compiled ``KeyValuePair``; ``value`` is ``None`` where what was found is written."""

    namespace: str
    key: str
    value: object | None
    kind: str
    preserve: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled ``Rule``."""

    ref: Ref
    keys: tuple[str, ...]
    present: KeyValue | None
    missing: KeyValue | None
    error: KeyValue | None


@dataclass(frozen=True, slots=True)
class Rules:
    """A compiled ``MatchRules``."""

    rules: tuple[Rule, ...]
    content_types: frozenset[str]
    content_type_regex: Regex | None
    allow_empty: bool

    def takes(self, headers: HeaderMap) -> bool:
        """Look at the content type."""
        value = headers.get("content-type")
        if not value:
            return self.allow_empty
        regex = self.content_type_regex
        return value in self.content_types or (regex is not None and regex.matches(value))


@dataclass(frozen=True, slots=True)
class JsonToMetadata:
    """A compiled ``JsonToMetadata``: the filter's own, or a route's, which replaces it."""

    ref: Ref
    request: Rules
    response: Rules

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Read the request's body; the route may depend on it."""
        config = overrides[-1] if overrides else self
        assert isinstance(config, JsonToMetadata)
        if _apply(config.request, stream.headers, stream.body, stream, "http filter"):
            stream.clear_route_cache()
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Read the response's body."""
        config = overrides[-1] if overrides else self
        assert isinstance(config, JsonToMetadata)
        if config.response.rules and response.body == ECHO:
            stream.telling.note(config.ref, "the upstream's echo is not read into metadata")
        else:
            _apply(config.response, response.headers, response.body, stream, "response")
        return None


def _apply(rules: Rules, headers: HeaderMap, body: str, stream: Stream, stage: str) -> bool:
    """Write what the rules say of ``body``, and tell whether that is anything."""
    made: dict[str, dict[str, object]] = {}
    document: object = None
    failed = not rules.takes(headers)
    if not failed and body:
        try:
            document = json.loads(body)
        except ValueError:
            failed = True
    for rule in rules.rules:
        found = None if failed else _find(document, rule.keys)
        pair, value = (rule.error, None) if failed else _decide(rule, found)
        if pair is None:
            continue
        value = pair.value if pair.value is not None else value
        there = stream.metadata.get(pair.namespace)
        if value is None or (pair.preserve and there is not None and pair.key in there):
            continue
        made.setdefault(pair.namespace, {})[pair.key] = value
        stream.telling.step(stage, rule.ref, "metadata `{}.{}` = {!r}", pair.namespace, pair.key, value)
    for namespace, values in made.items():
        stream.metadata[namespace] = {**stream.metadata.get(namespace, {}), **values}
    return bool(made)


def _find(document: object, keys: tuple[str, ...]) -> object | None:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _decide(rule: Rule, found: object | None) -> tuple[KeyValue | None, object | None]:
    """Return the pair that counts for what was found, and the value in its type."""
    pair = rule.present
    if isinstance(found, dict | list):
        found = None  # only plain values are read
    if found is None and (pair is None or pair.value is None):
        return rule.missing, None
    if pair is None:
        return None, None
    if pair.value is not None:
        return pair, None
    value = _convert(found, pair.kind)
    return (rule.missing, None) if value is None else (pair, value or None)


def _convert(found: object, kind: str) -> object | None:
    if kind == "NUMBER":
        return parse_number(found) if isinstance(found, str) else float(found)  # type: ignore[arg-type]
    if kind == "STRING":
        number = int(found) if isinstance(found, bool) else found
        text = f"{number:f}" if isinstance(number, float) else str(number)
        return text if len(text.encode()) <= MAX_VALUE else None
    return None if isinstance(found, str) and len(found.encode()) > MAX_VALUE else found


def compile_json_to_metadata(msg: Msg, ref: Ref, proxy: Proxy) -> JsonToMetadata:
    """Compile ``envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata``."""
    request = _compile_rules(msg.request_rules, ref.at("request_rules"))
    return JsonToMetadata(ref, request, _compile_rules(msg.response_rules, ref.at("response_rules")))


def _compile_rules(msg: Msg, ref: Ref) -> Rules:
    return Rules(
        tuple(
            Rule(
                ref.at("rules", index),
                tuple(selector.key for selector in rule.selectors),
                _compile_pair(rule.on_present) if rule.HasField("on_present") else None,
                _compile_pair(rule.on_missing) if rule.HasField("on_missing") else None,
                _compile_pair(rule.on_error) if rule.HasField("on_error") else None,
            )
            for index, rule in enumerate(msg.rules)
        ),
        frozenset(msg.allow_content_types) or frozenset({"application/json"}),
        compile_regex(msg.allow_content_types_regex.regex) if msg.HasField("allow_content_types_regex") else None,
        msg.allow_empty_content_type,
    )


def _compile_pair(msg: Msg) -> KeyValue:
    return KeyValue(
        msg.metadata_namespace or NAMESPACE,
        msg.key,
        to_python(msg.value) if msg.HasField("value") else None,
        enum_name(msg, "type"),
        msg.preserve_existing_metadata_value,
    )


MODULE: Final = FilterModule(TYPE, compile_json_to_metadata, (TYPE,), compile_json_to_metadata)
