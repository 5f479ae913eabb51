"""The derived schema against the descriptors inside the real Envoy binary.

Whatever the schema says must be what Envoy says: number, type, label, oneof, enum values; and nothing that a
configuration can hold may be missing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from envoysim.errors import OptionError
from envoysim.verify.binary import find_envoy

from .descriptors_in_binary import file_descriptors

pytestmark = pytest.mark.filterwarnings("ignore:.*model_validator.*")  # envoy-data-plane on newer pydantic
ROOT = Path(__file__).parents[2]
F = descriptor_pb2.FieldDescriptorProto

# Messages that a configuration can hold; the rest of what the binary links (OTLP, google.rpc, ...) never stands in one.
READ = ("envoy.", "xds.")
UNREAD = ("xds.annotations.", "xds.service.", "envoy.annotations.")


class Schema:
    """Messages and enums of some files, by full name."""

    def __init__(self, files: Iterable[descriptor_pb2.FileDescriptorProto]) -> None:
        self.messages: dict[str, Any] = {}
        self.enums: dict[str, dict[str, int]] = {}
        for file in files:
            self._walk(file.package, file.message_type, file.enum_type)

    def _walk(self, prefix: str, messages: Any, enums: Any) -> None:
        self.enums |= {f"{prefix}.{e.name}": {v.name: v.number for v in e.value} for e in enums}
        for message in messages:
            full = f"{prefix}.{message.name}"
            self.messages[full] = message
            self._walk(full, message.nested_type, message.enum_type)

    def facts(self, full: str, field: Any) -> dict[str, Any]:
        """What has to agree about a field; map entries and enums are compared by content."""
        message = self.messages[full]
        oneof = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None
        is_message = field.type == F.TYPE_MESSAGE
        entry = self.messages.get(field.type_name[1:]) if is_message else None
        is_map = entry is not None and entry.options.map_entry
        return {
            "number": field.number,
            "type": F.Type.Name(field.type),
            "label": F.Label.Name(field.label),
            "oneof": None if field.proto3_optional else oneof,
            "message": "map" if is_map else field.type_name if is_message else None,
            "map": [(f.type, f.type_name if f.type == F.TYPE_MESSAGE else "") for f in entry.field] if is_map else None,
        }


@pytest.fixture(scope="module")
def derived() -> Schema:
    pytest.importorskip("envoy_data_plane")
    spec = importlib.util.spec_from_file_location("build_schema", ROOT / "build_schema.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Schema(descriptor_pb2.FileDescriptorSet.FromString(module.derive()).file)


@pytest.fixture(scope="module")
def real() -> Schema:
    try:
        binary = find_envoy()
    except OptionError as error:
        pytest.skip(error.message)
    found = Schema(file_descriptors(binary))
    assert len(found.messages) > 1500, "the binary's descriptors were not found"
    return found


def common(derived: Schema, real: Schema) -> Iterator[tuple[str, Any, Any]]:
    for full, message in real.messages.items():
        ours = derived.messages.get(full)
        if ours is not None and not message.options.map_entry and not full.startswith("google.protobuf."):
            yield full, message, ours


def test_every_derived_field_is_as_envoy_has_it(derived: Schema, real: Schema) -> None:
    wrong = []
    for full, message, ours in common(derived, real):
        our_fields = {f.name: f for f in ours.field}
        for field in message.field:
            if field.name in our_fields:
                expected, actual = real.facts(full, field), derived.facts(full, our_fields[field.name])
                wrong += [
                    f"{full}.{field.name}: {key} is {actual[key]}, in Envoy {expected[key]}"
                    for key in expected
                    if expected[key] != actual[key]
                ]
    assert not wrong, "\n".join(wrong)


def enums_in_use(derived: Schema, real: Schema) -> Iterator[tuple[str, dict[str, int], dict[str, int]]]:
    """Yield each enum that both know, by the fields that use it: (name, in Envoy, ours)."""
    for _, message, ours in common(derived, real):
        our_fields = {f.name: f for f in ours.field}
        for field in message.field:
            if field.type == F.TYPE_ENUM and field.name in our_fields and field.type_name[1:] in real.enums:
                yield (
                    field.type_name[1:],
                    real.enums[field.type_name[1:]],
                    derived.enums[our_fields[field.name].type_name[1:]],
                )


def test_every_enum_value_is_as_envoy_has_it(derived: Schema, real: Schema) -> None:
    wrong = {
        enum_line(name, expected): sorted(expected.items() ^ actual.items())
        for name, expected, actual in enums_in_use(derived, real)
        if expected != actual
    }
    assert not wrong, "\n".join(f"{line}\n  differs in {values}" for line, values in wrong.items())


def test_nothing_is_missing(derived: Schema, real: Schema) -> None:
    """Prints what is missing as lines for ``protos/missing_fields.txt``."""
    missing: list[str] = []
    enums: dict[str, dict[str, int]] = {}
    for full, message in sorted(real.messages.items()):
        if message.options.map_entry or not full.startswith(READ) or full.startswith(UNREAD):
            continue
        ours = derived.messages.get(full)
        if ours is None and not message.field:
            missing.append(f"message {full}")
        known = {f.name for f in ours.field} if ours is not None else set()
        for field in message.field:
            if field.name in known or field.name.startswith("hidden_envoy_deprecated_"):
                continue
            missing.append(f"{full} {field.name} {field.number} {field_words(real, message, field)}")
            if field.type == F.TYPE_ENUM:
                enums[field.type_name[1:]] = real.enums[field.type_name[1:]]
    missing += [enum_line(name, values) for name, values in sorted(enums.items())]
    print(f"\n{len(missing)} missing:", *missing, sep="\n")
    assert not missing


def enum_line(name: str, values: dict[str, int]) -> str:
    return f"enum {name} " + " ".join(f"{value}={number}" for value, number in values.items())


def field_words(schema: Schema, message: Any, field: Any) -> str:
    entry = schema.messages.get(field.type_name[1:]) if field.type == F.TYPE_MESSAGE else None
    if entry is not None and entry.options.map_entry:
        return f"map:{kind_word(entry.field[0])}:{kind_word(entry.field[1])}"
    words = [kind_word(field)]
    if field.label == F.LABEL_REPEATED:
        words.append("repeated")
    if field.HasField("oneof_index") and not field.proto3_optional:
        words.append(f"oneof:{message.oneof_decl[field.oneof_index].name}")
    return " ".join(words)


def kind_word(field: Any) -> str:
    if field.type == F.TYPE_MESSAGE:
        return str(field.type_name[1:])
    if field.type == F.TYPE_ENUM:
        return f"enum:{field.type_name[1:]}"
    return F.Type.Name(field.type).removeprefix("TYPE_").lower()
