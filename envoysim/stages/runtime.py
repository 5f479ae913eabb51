"""Runtime keys: the bootstrap's static layers with overrides on top (``source/common/runtime/runtime_impl.cc``).

Disk, admin and RTDS layers are not in a dump; what they hold comes in through ``World.runtime``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.fraction import ALWAYS, DENOMINATORS, Fraction, compile_fraction
from ..model.ref import Ref
from ..schema import Msg, to_python

if TYPE_CHECKING:
    from ..load.resource import Resource
    from ..model.world import World


@dataclass(frozen=True, slots=True)
class Entry:
    """One key's value in every reading Envoy has of it; ``None`` where it cannot be read so."""

    text: str
    number: float | None = None
    boolean: bool | None = None
    fraction: Fraction | None = None

    @property
    def integer(self) -> int | None:
        """The value as an unsigned integer, cut towards zero."""
        return int(self.number) if self.number is not None and self.number >= 0 else None


class Runtime:
    """A snapshot of the runtime; immutable."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = dict(entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def get(self, key: str) -> str | None:
        """Return a key's text."""
        entry = self._entries.get(key)
        return entry.text if entry is not None else None

    def integer(self, key: str, default: int) -> int:
        """Return a key's unsigned integer (``getInteger``)."""
        entry = self._entries.get(key) if key else None
        value = entry.integer if entry is not None else None
        return default if value is None else value

    def double(self, key: str, default: float) -> float:
        """Return a key's number (``getDouble``)."""
        entry = self._entries.get(key) if key else None
        return entry.number if entry is not None and entry.number is not None else default

    def boolean(self, key: str, default: bool) -> bool:
        """Return a key's boolean (``getBoolean``): feature flags and guards."""
        entry = self._entries.get(key) if key else None
        return entry.boolean if entry is not None and entry.boolean is not None else default

    def fraction(self, key: str, default: Fraction) -> Fraction:
        """Return the share a key stands for: a plain integer is a percentage whatever ``default`` counts in."""
        entry = self._entries.get(key) if key else None
        if entry is None:
            return default
        if entry.fraction is not None:
            return entry.fraction
        percent = entry.integer
        return default if percent is None else Fraction(percent)

    def enabled_percent(self, key: str, default: int, world: World, variable: str = "") -> bool:
        """Draw with a key's integer as percentage (``featureEnabled`` with an integer default)."""
        if default == 0 and key not in self._entries:
            return False
        percent = min(self.integer(key, default), 100)
        return percent > 0 and (percent == 100 or world.chance.fraction(percent, 100, f"runtime `{key}`", variable))


def compile_runtime(bootstrap: Resource | None, overrides: Mapping[str, str] | None = None) -> Runtime:
    """Flatten the static layers of ``layered_runtime``, later ones winning, and put ``overrides`` on top."""
    entries: dict[str, Entry] = {}
    if bootstrap is not None:
        for layer in bootstrap.message().layered_runtime.layers:
            if layer.WhichOneof("layer_specifier") == "static_layer":
                _flatten("", to_python(layer.static_layer), entries)
    for key, text in (overrides or {}).items():
        entries[key] = _override(str(text))
    return Runtime(entries)


def _flatten(prefix: str, value: object, entries: dict[str, Entry]) -> None:
    """Turn a nested struct into dotted keys (``ProtoLayer::walkProtoValue``); a fraction is a leaf."""
    if isinstance(value, Mapping):
        if "numerator" in value or "denominator" in value:
            entries[prefix] = Entry(str(dict(value)), fraction=_fraction(value))
            return
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}" if prefix else key, inner, entries)
    elif value is not None and not isinstance(value, list):
        entries[prefix] = _entry(value)


def _entry(value: object) -> Entry:
    if isinstance(value, bool):
        return Entry("true" if value else "false", boolean=value)
    if isinstance(value, (int, float)):
        return _number(f"{value:g}", float(value))
    text = str(value)
    try:
        return _number(text, float(text))
    except ValueError:
        return Entry(text)


def _number(text: str, number: float) -> Entry:
    return Entry(text, number, number != 0 if number == int(number) else None)


def _override(text: str) -> Entry:
    """Read an override as the admin endpoint does, plus ``NUMERATOR/DENOMINATOR`` for a fraction."""
    numerator, slash, denominator = text.partition("/")
    if slash and numerator.strip().isdigit():
        name = denominator.strip()
        size = DENOMINATORS.get(name) or (int(name) if name.isdigit() and int(name) in DENOMINATORS.values() else 0)
        if size:
            return Entry(text, fraction=Fraction(int(numerator), size))
    return _entry(text == "true" if text in ("true", "false") else text)


def _fraction(value: Mapping[str, object]) -> Fraction | None:
    numerator, denominator = value.get("numerator", 0), value.get("denominator", "HUNDRED")
    if set(value) - {"numerator", "denominator"} or denominator not in DENOMINATORS:
        return None
    return Fraction(int(numerator) if isinstance(numerator, (int, float)) else 0, DENOMINATORS[str(denominator)])


@dataclass(frozen=True, slots=True)
class RuntimeFraction:
    """A compiled ``RuntimeFractionalPercent``: a share that a runtime key may replace."""

    key: str
    default: Fraction
    ref: Ref | None = None

    def share(self, runtime: Runtime) -> Fraction:
        """Return the share that counts."""
        return runtime.fraction(self.key, self.default) if self.key else self.default

    def enabled(self, runtime: Runtime, world: World, label: str, variable: str = "") -> bool:
        """Draw; a share of nothing or everything needs no draw."""
        numerator, denominator = self.share(runtime)
        if numerator <= 0:
            return False
        return numerator >= denominator or world.chance.fraction(numerator, denominator, label, variable)


def compile_runtime_fraction(msg: Msg, ref: Ref | None = None) -> RuntimeFraction:
    """Compile ``envoy.config.core.v3.RuntimeFractionalPercent``; without a default value it is 0 %."""
    return RuntimeFraction(msg.runtime_key, compile_fraction(msg.default_value), ref)


ALL: Final = RuntimeFraction("", ALWAYS)
"""For fields where an unset fraction means everybody."""
