"""Derive Envoy's protobuf schema from envoy-data-plane when the package is built.

Run by hatchling (``[tool.hatch.build.hooks.custom]``) or by hand: ``python build_schema.py``. Writes a serialized
``FileDescriptorSet`` to ``envoysim/schema/descriptors.binpb``: the v3 messages that envoy-data-plane's dataclasses
describe, the well-known types, and the vendor messages of ``protos/``. Nothing derived is committed.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import keyword
import pkgutil
import re
import sys
import tempfile
import typing
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)

ROOT = Path(__file__).parent
TARGET = ROOT / "envoysim" / "schema" / "descriptors.binpb"
WELL_KNOWN = (
    any_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
F = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "double": F.TYPE_DOUBLE,
    "float": F.TYPE_FLOAT,
    "int64": F.TYPE_INT64,
    "uint64": F.TYPE_UINT64,
    "int32": F.TYPE_INT32,
    "fixed64": F.TYPE_FIXED64,
    "fixed32": F.TYPE_FIXED32,
    "bool": F.TYPE_BOOL,
    "string": F.TYPE_STRING,
    "bytes": F.TYPE_BYTES,
    "uint32": F.TYPE_UINT32,
    "sfixed32": F.TYPE_SFIXED32,
    "sfixed64": F.TYPE_SFIXED64,
    "sint32": F.TYPE_SINT32,
    "sint64": F.TYPE_SINT64,
}

RETIRED = re.compile(r"envoy\.(.*\.)?v[12](alpha\d*)?\.")
"""Envoy's v2 API: gone from Envoy since 1.18; ``load/v2.py`` maps its names."""

EnumValues = list[tuple[str, int]]

MISSING = ROOT / "protos" / "missing_fields.txt"


def derive() -> bytes:
    """Return the serialized FileDescriptorSet."""
    messages, classes = _registered()
    found = descriptor_pb2.FileDescriptorSet()
    file_of: dict[str, str] = {}
    for module in WELL_KNOWN:
        proto = found.file.add()
        module.DESCRIPTOR.CopyToProto(proto)
        file_of |= {f"{proto.package}.{m.name}": proto.name for m in proto.message_type}
    enums: dict[str, EnumValues] = {}
    built, dependencies = {}, {}
    for top in sorted(name for name in messages if messages[name][1].count(".") == 0):
        builder = _Builder(messages, classes, enums)
        built[top] = builder.message(top)
        dependencies[top] = builder.uses
    groups = _groups({top: {u for u in uses if u in built} for top, uses in dependencies.items()})
    for group in groups:
        for top in group:
            file_of[top] = f"envoysim/{group[0].replace('.', '/')}.proto"
    found.file.extend(_enum_file(holder, values) for holder, values in sorted(enums.items()))
    found.file.extend(_file(group, messages, built, dependencies, file_of) for group in groups)
    found.file.extend(_vendor_files())
    return found.SerializeToString()


def _registered() -> tuple[dict[str, tuple[str, str, type | None]], dict[type, str]]:
    """Import every module and return {full name: (package, name below it, class)} and the reverse."""
    import envoy_data_plane
    from envoy_data_plane.message_pool import default_message_pool

    for module in pkgutil.walk_packages(envoy_data_plane.__path__, "envoy_data_plane."):
        importlib.import_module(module.name)
    messages: dict[str, tuple[str, str, type | None]] = {}
    classes: dict[type, str] = {}
    for url, cls in default_message_pool.url_to_type.items():
        full = url.split("/", 1)[1]
        if full.startswith(("google.protobuf.", "validate.")) or RETIRED.match(full):
            continue
        package = _package(cls)
        messages[full] = (package, full[len(package) + 1 :], cls)
        classes[cls] = full
    for full in sorted(_missing_fields()):
        if full not in messages:  # a whole message that envoy-data-plane lacks
            package = ".".join(part for part in full.split(".") if part[0].islower())
            messages[full] = (package, full[len(package) + 1 :], None)
    for full in [m for m in messages if "." in messages[m][1]]:
        package, below, _ = messages[full]
        if f"{package}.{below.split('.')[0]}" not in messages:
            raise SystemExit(f"build_schema: `{full}` has no outer message")
    return messages, classes


def _package(cls: type) -> str:
    parts = cls.__module__.removeprefix("envoy_data_plane.").split(".")
    return ".".join(p[:-1] if p.endswith("_") and keyword.iskeyword(p[:-1]) else p for p in parts)


class _Builder:
    """Turns one top-level message, with those nested in it, into a DescriptorProto."""

    def __init__(
        self, messages: dict[str, tuple[str, str, type | None]], classes: dict[type, str], enums: dict[str, EnumValues]
    ) -> None:
        self._messages = messages
        self._classes = classes
        self._enums = enums
        self._missing = _missing_fields()
        self._missing_enums = _missing_enums()
        self.uses: set[str] = set()

    def message(self, full: str) -> descriptor_pb2.DescriptorProto:
        _, below, cls = self._messages[full]
        proto = descriptor_pb2.DescriptorProto(name=below.rsplit(".", 1)[-1])
        hints = _hints(cls) if cls is not None else {}
        oneofs: dict[str, int] = {}
        optionals = []
        missing = self._missing.get(full, ())
        renumbered = {int(number) for _, number, *_ in missing}  # a number that Envoy uses for another field now
        for field in dataclasses.fields(cls) if cls is not None else ():
            meta = field.metadata.get("betterproto")
            if meta is None or meta.number in renumbered:
                continue
            item = proto.field.add(name=_field_name(field.name), number=meta.number, label=F.LABEL_OPTIONAL)
            python_type = hints[field.name]
            if meta.proto_type == "map":
                self._map(proto, full, item, meta, python_type)
                continue
            if meta.repeated:
                item.label = F.LABEL_REPEATED
            self._type(item, meta, python_type)
            if meta.group is not None:
                if meta.group not in oneofs:
                    oneofs[meta.group] = len(proto.oneof_decl)
                    proto.oneof_decl.add(name=meta.group)
                item.oneof_index = oneofs[meta.group]
            elif meta.optional and meta.proto_type not in ("message", "map"):
                optionals.append(item)
        for item in optionals:  # synthetic oneofs come after all real ones
            item.oneof_index = len(proto.oneof_decl)
            item.proto3_optional = True
            proto.oneof_decl.add(name=f"_{item.name}")
        prefix = full + "."
        for inner in sorted(m for m in self._messages if m.startswith(prefix) and "." not in m[len(prefix) :]):
            if self._messages[inner][0] == self._messages[full][0]:
                proto.nested_type.append(self.message(inner))
        for name, number, kind, *more in missing:
            self._missing_field(proto, full, name, int(number), kind, more)
        return proto

    def _missing_field(self, proto: Any, full: str, name: str, number: int, kind: str, more: list[str]) -> None:
        label = F.LABEL_REPEATED if "repeated" in more else F.LABEL_OPTIONAL
        item = proto.field.add(name=name, number=number, label=label)
        if kind.startswith("map:"):
            _, key_kind, value_kind = kind.split(":", 2)
            key, value = self._entry(proto, full, item)
            self._named_type(key, key_kind)
            self._named_type(value, value_kind)
        else:
            self._named_type(item, kind)
        for oneof in (word.removeprefix("oneof:") for word in more if word.startswith("oneof:")):
            names = [o.name for o in proto.oneof_decl]
            if oneof not in names:
                proto.oneof_decl.add(name=oneof)
                names.append(oneof)
            item.oneof_index = names.index(oneof)

    def _named_type(self, item: Any, kind: str) -> None:
        if kind in SCALARS:
            item.type = SCALARS[kind]
        elif kind.startswith("enum:"):
            full = kind.removeprefix("enum:")
            self._enum(item, _flat_name(full), self._missing_enums[_flat_name(full)])
        else:
            item.type, item.type_name = F.TYPE_MESSAGE, f".{kind}"
            self.uses.add(self._top(kind))

    def _enum(self, item: Any, name: str, values: EnumValues) -> None:
        holder = f"envoysim.enums.{name}"
        self._enums[holder] = self._missing_enums.get(name, values)
        item.type, item.type_name = F.TYPE_ENUM, f".{holder}.{name.rsplit('_', 1)[-1]}"
        self.uses.add(holder)

    def _map(self, proto: Any, full: str, item: Any, meta: Any, python_type: Any) -> None:
        key_type, value_type = typing.get_args(_plain(python_type))
        key, value = self._entry(proto, full, item)
        self._type(key, meta.map_meta[0], key_type)
        self._type(value, meta.map_meta[1], value_type)

    def _entry(self, proto: Any, full: str, item: Any) -> tuple[Any, Any]:
        """Make ``item`` a map field; return the key and value fields of its entry."""
        entry = "".join(part.capitalize() for part in item.name.split("_")) + "Entry"
        nested = proto.nested_type.add(name=entry)
        nested.options.map_entry = True
        item.label, item.type, item.type_name = F.LABEL_REPEATED, F.TYPE_MESSAGE, f".{full}.{entry}"
        key = nested.field.add(name="key", number=1, label=F.LABEL_OPTIONAL)
        return key, nested.field.add(name="value", number=2, label=F.LABEL_OPTIONAL)

    def _type(self, item: Any, meta: Any, python_type: Any) -> None:
        if meta.proto_type in SCALARS:
            item.type = SCALARS[meta.proto_type]
            return
        cls = meta.unwrap() if meta.unwrap is not None else _element(python_type)
        if meta.proto_type == "enum":
            members = [(name, int(member.value)) for name, member in cls.__members__.items()]
            self._enum(item, _flat_name(f"{_package(cls)}.{cls.__name__}"), members)
            return
        name = self._classes.get(cls) or _well_known(cls)
        item.type, item.type_name = F.TYPE_MESSAGE, f".{name}"
        self.uses.add(self._top(name))

    def _top(self, full: str) -> str:
        if full not in self._messages:
            return full
        package, below, _ = self._messages[full]
        return f"{package}.{below.split('.')[0]}"


def _missing_fields() -> dict[str, list[list[str]]]:
    """Read the fields that envoy-data-plane lacks, by message."""
    found: dict[str, list[list[str]]] = defaultdict(list)
    for message, *words in _missing_lines():
        if message == "message":  # one without fields
            found[words[0]] = []
        elif message != "enum":
            found[message].append(words)
    return found


def _missing_enums() -> dict[str, EnumValues]:
    """Read the enums that envoy-data-plane lacks, or has under other names, by flat name."""
    found: dict[str, EnumValues] = {}
    for first, *words in _missing_lines():
        if first == "enum":
            pairs = (word.partition("=") for word in words[1:])
            found[_flat_name(words[0])] = [(name, int(number)) for name, _, number in pairs]
    return found


@cache
def _missing_lines() -> list[list[str]]:
    lines = MISSING.read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if line and not line.startswith("#")]


def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, vars(sys.modules[cls.__module__]), include_extras=False)


def _plain(python_type: Any) -> Any:
    """Strip ``| None``."""
    arguments = [a for a in typing.get_args(python_type) if a is not type(None)]
    if type(None) in typing.get_args(python_type):
        return arguments[0]
    return python_type


def _element(python_type: Any) -> Any:
    plain = _plain(python_type)
    return typing.get_args(plain)[0] if typing.get_origin(plain) is list else plain


def _well_known(cls: Any) -> str:
    if cls is datetime.timedelta:
        return "google.protobuf.Duration"
    if cls is datetime.datetime:
        return "google.protobuf.Timestamp"
    return f"google.protobuf.{cls.__name__}"


def _field_name(name: str) -> str:
    """Undo envoy-data-plane's renaming of Python keywords and builtins."""
    return name[:-1] if name.endswith("_") else name


def _flat_name(full: str) -> str:
    """``a.b.Outer.Inner`` -> ``a_b_OuterInner``: envoy-data-plane's classes do not say what is nested."""
    package = [part for part in full.split(".") if part[0].islower()]
    return "_".join([*package, "".join(full.split(".")[len(package) :])])


def _enum_file(holder: str, members: EnumValues) -> descriptor_pb2.FileDescriptorProto:
    """An enum in a message of its own: value names would clash within a package."""
    package, _, name = holder.rpartition(".")
    proto = descriptor_pb2.FileDescriptorProto(
        name=f"{holder.replace('.', '/')}.proto", package=package, syntax="proto3"
    )
    values = proto.message_type.add(name=name).enum_type.add(name=name.rsplit("_", 1)[-1])
    for value_name, number in sorted(members, key=lambda member: member[1] != 0):
        values.value.add(name=value_name, number=number)
    if len({number for _, number in members}) < len(members):
        values.options.allow_alias = True
    return proto


def _groups(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components, dependencies first (Tarjan, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for root in sorted(graph):
        if root in index:
            continue
        work = [(root, iter(sorted(graph[root])))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, children = work[-1]
            child = next(children, None)
            if child is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        group.append(member)
                        if member == node:
                            break
                    found.append(sorted(group))
            elif child not in index:
                index[child] = low[child] = len(index)
                stack.append(child)
                on_stack.add(child)
                work.append((child, iter(sorted(graph[child]))))
            elif child in on_stack:
                low[node] = min(low[node], index[child])
    return found


def _file(
    group: list[str],
    messages: dict[str, tuple[str, str, type | None]],
    built: dict[str, descriptor_pb2.DescriptorProto],
    dependencies: dict[str, set[str]],
    file_of: dict[str, str],
) -> descriptor_pb2.FileDescriptorProto:
    """One file per message, or per cycle of messages (all of one package, or the cycle could not be one file)."""
    packages = defaultdict(list)
    for top in group:
        packages[messages[top][0]].append(top)
    if len(packages) > 1:
        raise SystemExit(f"build_schema: a cycle spans packages: {group}")
    ((package, tops),) = packages.items()
    name = file_of[group[0]]
    proto = descriptor_pb2.FileDescriptorProto(name=name, package=package, syntax="proto3")
    needed = {u for top in tops for u in dependencies[top]}
    files = {f"{u.replace('.', '/')}.proto" if u.startswith("envoysim.enums.") else file_of[u] for u in needed}
    proto.dependency.extend(sorted(files - {name}))
    proto.message_type.extend(built[top] for top in tops)
    return proto


def _vendor_files() -> list[descriptor_pb2.FileDescriptorProto]:
    """Compile ``protos/**/*.proto``: vendor extensions that are in no package."""
    sources = sorted((ROOT / "protos").rglob("*.proto"))
    if not sources:
        return []
    import grpc_tools
    from grpc_tools import protoc

    include = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "vendor.binpb"
        arguments = ["protoc", f"-I{ROOT / 'protos'}", f"-I{include}", f"--descriptor_set_out={out}"]
        if protoc.main([*arguments, *(str(s) for s in sources)]) != 0:
            raise SystemExit("build_schema: protoc refused protos/")
        return list(descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file)


def write() -> None:
    """Write the descriptor set where the package looks for it."""
    TARGET.write_bytes(derive())


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand without hatchling
    pass
else:

    class SchemaBuildHook(BuildHookInterface):  # type: ignore[type-arg]
        """Writes the schema before anything is packed; an sdist carries none, it is derived again."""

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            """Hatchling's hook: ``version`` is ``standard`` or ``editable``."""
            if self.target_name == "wheel":
                write()
                build_data["artifacts"].append("envoysim/schema/descriptors.binpb")


if __name__ == "__main__":
    write()
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size} bytes")
