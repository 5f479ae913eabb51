"""Dynamic metadata from the configuration (``source/extensions/filters/http/set_metadata/set_metadata_filter.cc``).

What is there first stays, unless ``allow_overwrite``: then structs are merged and lists joined.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...schema import Msg, to_python
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.set_metadata.v3.Config"


@dataclass(frozen=True, slots=True)
class Entry:
    """One namespace's values."""

    ref: Ref
    namespace: str
    value: Mapping[str, object]
    allow_overwrite: bool


@dataclass(frozen=True, slots=True)
class SetMetadata(DecoderOnly):
    """A compiled ``Config``. A route's is applied after the filter's own."""

    ref: Ref
    entries: tuple[Entry, ...]

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Write the metadata."""
        self._apply(stream)
        if overrides:
            most_specific = overrides[-1]
            assert isinstance(most_specific, SetMetadata)
            most_specific._apply(stream)
        return None

    def _apply(self, stream: Stream) -> None:
        metadata, telling = stream.metadata, stream.telling
        for entry in self.entries:
            there = metadata.get(entry.namespace)
            if there is None:
                metadata[entry.namespace] = dict(entry.value)
            elif entry.allow_overwrite:
                metadata[entry.namespace] = merge(there, entry.value)
            else:
                telling.count(f"http.{stream.hcm.stat_prefix}.set_metadata.overwrite_denied")
                telling.step("http filter", entry.ref, "metadata `{}` is there already", entry.namespace)
                continue
            telling.step("http filter", entry.ref, "metadata `{}` set", entry.namespace)


def merge(there: Mapping[str, object], added: Mapping[str, object]) -> dict[str, object]:
    """Put ``added`` over ``there`` (``StructUtil::update``)."""
    merged = dict(there)
    for key, value in added.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[key] = merge(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[key] = old + value
        else:
            merged[key] = value
    return merged


def compile_set_metadata(msg: Msg, ref: Ref, proxy: Proxy) -> SetMetadata:
    """Compile ``envoy.extensions.filters.http.set_metadata.v3.Config``; typed metadata is seen by no stage."""
    entries = []
    if msg.HasField("value") and msg.metadata_namespace:
        entries.append(Entry(ref.at("value"), msg.metadata_namespace, to_python(msg.value), True))
    for index, metadata in enumerate(msg.metadata):
        if metadata.HasField("value"):
            at = ref.at("metadata", index)
            entries.append(Entry(at, metadata.metadata_namespace, to_python(metadata.value), metadata.allow_overwrite))
    return SetMetadata(ref, tuple(entries))


MODULE: Final = FilterModule(TYPE, compile_set_metadata, (TYPE,), compile_set_metadata)
