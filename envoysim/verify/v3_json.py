"""A resource as JSON that today's Envoy reads: decoded and written again, so that spellings and old shapes are gone."""

from __future__ import annotations

from typing import Any

from ..load.encode import to_json
from ..load.resource import Resource
from ..load.retired import EXTENSIONS, OLD_NAMES

Json = dict[str, Any]
NAMED = frozenset(
    (
        "http_filters",
        "filters",
        "listener_filters",
        "retry_host_predicate",
        "retry_options_predicates",
        "retry_priority",
    )
)
"""Fields whose entries older proxies told apart by name alone."""


def v3_json(resource: Resource) -> Json:
    """Return ``resource`` in proto names; entries with only a name get the type the name stands for."""
    value = to_json(resource.message())
    _name_types(value)
    made: Json = value
    return made


def _name_types(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _name_types(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key in NAMED:
                for entry in item if isinstance(item, list) else [item]:
                    _name_type(entry)
            _name_types(item)


def _name_type(entry: Any) -> None:
    if not isinstance(entry, dict) or "config_discovery" in entry or entry.get("typed_config"):
        return
    name = entry.get("name")
    kind = EXTENSIONS.get(OLD_NAMES.get(name, name)) if isinstance(name, str) else None
    if kind is not None:
        entry["typed_config"] = {"@type": f"type.googleapis.com/{kind}"}


def is_unknown(value: Any) -> bool:
    """Tell whether this is an Any whose type nobody here knows (``encode`` keeps its bytes)."""
    return isinstance(value, dict) and set(value) == {"type_url", "value"} and isinstance(value["type_url"], str)


def holds_unknown(value: Any) -> bool:
    """Tell whether an Any of unknown type, or a TypedStruct (which names no type of this build), is anywhere below."""
    if isinstance(value, list):
        return any(holds_unknown(item) for item in value)
    if not isinstance(value, dict):
        return False
    if is_unknown(value) or str(value.get("@type", "")).endswith("TypedStruct"):
        return True
    return any(holds_unknown(item) for item in value.values())


def without_unknown(value: Any, gone: list[str]) -> Any:
    """Return ``value`` without the entries and fields that hold an Any of unknown type; their names go to ``gone``."""
    if isinstance(value, list):
        kept = [item for item in value if not _is_lost(item)]
        gone += [str(item.get("name", "?")) for item in value if _is_lost(item)]
        return [without_unknown(item, gone) for item in kept]
    if not isinstance(value, dict):
        return value
    kept_fields = {}
    for key, item in value.items():
        if is_unknown(item) or _is_lost(item):
            gone.append(key)
        else:
            kept_fields[key] = without_unknown(item, gone)
    return kept_fields


def _is_lost(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    config = item.get("typed_config")
    return is_unknown(config) or (isinstance(config, dict) and str(config.get("@type", "")).endswith("TypedStruct"))


def with_content(value: Any, gone: list[str]) -> Any:
    """Return ``value`` with files and environment variables replaced by a text that names them."""
    if isinstance(value, list):
        return [with_content(item, gone) for item in value]
    if not isinstance(value, dict):
        return value
    for kind in ("filename", "environment_variable"):
        if kind in value and set(value) <= {kind, "watched_directory"}:
            gone.append(str(value[kind]))
            return {"inline_string": f"content of {value[kind]}"}
    return {key: with_content(item, gone) for key, item in value.items()}
