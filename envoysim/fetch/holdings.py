"""What was asked for and what came: the state of a proxy that follows a control plane, without any network.

Resources are kept as the bytes that came; they are decoded once to see what they name, and again when written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from ..lazy_dataclass import dataclass
from ..load.references import WILDCARD, Reference, references
from ..load.resource import TYPES
from ..schema import Msg, message_class, type_name
from .kinds import BY_KIND, KINDS, Kind


@dataclass(frozen=True, slots=True)
class Held:
    """A resource as it came, and what it names."""

    name: str
    version: str
    data: bytes
    names: tuple[Reference, ...] = ()

    def message(self, kind: str) -> Msg:
        """Decode it."""
        return message_class(TYPES[kind]).FromString(self.data)


@dataclass(frozen=True, slots=True)
class Came:
    """A resource on its way in; ``name`` is "" when only the resource itself tells."""

    name: str
    version: str
    type_url: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """A resource that does not decode, is not of the kind that was asked for, or that a client refused."""

    kind: str
    name: str
    version: str
    reason: str
    failed: Mapping[str, Any] | None = None
    """The refused configuration as JSON, when it is known."""


class Holdings:
    """Resources by kind and name."""

    def __init__(self, *, follows: bool = True) -> None:
        self.follows = follows
        """Whether only what is named counts; a client's status lists what it has, and no more."""
        self.held: dict[str, dict[str, Held]] = {kind.kind: {} for kind in KINDS}
        self.versions: dict[str, str] = {}
        """The version of the last accepted response of a kind."""
        self.answered: set[str] = set()
        self.told_absent: set[tuple[str, str]] = set()
        """What the server said does not exist (delta)."""
        self.rejected: dict[tuple[str, str], Rejected] = {}
        self.elsewhere: dict[tuple[str, str], Reference] = {}
        """What is to be asked for at an address the user did not name."""
        self.wanted: dict[str, dict[str, list[str]]] = {}
        """What to ask for: kind -> name -> who wants it (for a wildcard the name ``*``)."""
        self._absent: set[tuple[str, str]] = set()
        self._want()

    def take(self, kind: Kind, came: Iterable[Came], removed: Iterable[str], *, version: str, whole: bool) -> list[str]:
        """Take a response; ``whole``: what is not in it is gone. Returns why it must be rejected, nothing if not.

        What does not decode is left out; the others are kept, as the result would otherwise show nothing.
        """
        held = self.held[kind.kind]
        before = dict(held)
        if whole:
            held.clear()
        problems = []
        for item in came:
            found = self._opened(kind, item, version)
            if isinstance(found, Held):
                held[found.name] = found
                self.rejected.pop((kind.kind, found.name), None)
                self.told_absent.discard((kind.kind, found.name))
            else:
                self.rejected[kind.kind, found.name] = found
                problems.append(f"{found.name or 'a resource'}: {found.reason}")
                if found.name in before:
                    held[found.name] = before[found.name]  # a rejected update leaves the old one in place
        for name in removed:
            held.pop(name, None)
            self.told_absent.add((kind.kind, name))
        self.answered.add(kind.kind)
        if whole or any(h.names for h in (*before.values(), *held.values())):
            self._want()
        else:
            self._absent -= {(kind.kind, name) for name in (WILDCARD, *(held.keys() - before.keys()))}
        if not problems:
            self.versions[kind.kind] = version
        return problems

    def _opened(self, kind: Kind, item: Came, version: str) -> Held | Rejected:
        name, data, type_url = item.name, item.data, item.type_url
        version = item.version or version
        try:
            if type_name(type_url) == "envoy.service.discovery.v3.Resource":  # state of the world may wrap them too
                inner = message_class("envoy.service.discovery.v3.Resource").FromString(data)
                name, version = inner.name, inner.version or version
                data, type_url = inner.resource.value, inner.resource.type_url
            if type_name(type_url) != TYPES[kind.kind]:
                reason = f"a `{type_name(type_url)}` where a `{TYPES[kind.kind]}` was asked for"
                return Rejected(kind.kind, name, version, reason)
            message = message_class(TYPES[kind.kind]).FromString(data)
            own = message.cluster_name if kind.kind == "endpoint" else message.name
            name = name or own
            if not own:
                return Rejected(kind.kind, name, version, "it has no name")
            return Held(name, version, data, tuple(dict.fromkeys(references(kind.kind, message))))
        except (DecodeError, RecursionError):
            return Rejected(kind.kind, name, version, f"it does not decode as `{TYPES[kind.kind]}`")

    # --- what to ask for ------------------------------------------------------------------------------------------

    def _want(self) -> None:
        """See anew what is named; not done for kinds that name nothing, of which there may be very many."""
        self.wanted = {"cluster": {WILDCARD: []}, "listener": {WILDCARD: []}}
        self.elsewhere = {}
        for kind, name, reference in self._references():
            if reference.source != "ads" or reference.kind not in BY_KIND:
                self.elsewhere.setdefault((reference.kind, reference.name), reference)
                continue
            named = self.wanted.setdefault(reference.kind, {})
            named.setdefault(reference.name, []).append(f"{kind} `{name}`")
        self._absent = {
            (kind, name)
            for kind, names in self.wanted.items()
            for name in names
            if (kind not in self.answered if name == WILDCARD else name not in self.held[kind])
        }

    def _references(self) -> Iterator[tuple[str, str, Reference]]:
        for kind, named in self.held.items():
            for held in named.values():
                for reference in held.names:
                    yield kind.replace("_", " "), held.name, reference

    def missing(self) -> Iterator[tuple[str, str, list[str]]]:
        """Yield (kind, name, who wants it) of what was asked for and never came."""
        for kind, names in sorted(self.wanted.items()):
            for name, who in sorted(names.items()):
                if (kind, name) in self._absent or (name != WILDCARD and name not in self.held[kind]):
                    yield kind, name, sorted(who)

    def complete(self) -> bool:
        """Tell whether nothing is missing but what the server said does not exist, or sent and cannot be used."""
        return all(key in self.told_absent or key in self.rejected for key in self._absent)

    def serving(self, kind: str) -> Iterator[Held]:
        """Yield what is held and wanted, by name: a control plane may send it in another order every time."""
        names = self.wanted.get(kind, {})
        for _, held in sorted(self.held[kind].items()):
            if not self.follows or WILDCARD in names or held.name in names:
                yield held

    def waits(self, held: Held) -> bool:
        """Tell whether a proxy would wait for ever for something that ``held`` names: it stays warming."""
        return any(
            r.patient and r.source == "ads" and r.name != WILDCARD and r.name not in self.held.get(r.kind, {})
            for r in held.names
        )

    def progress(self) -> str:
        """``clusters 12, endpoints 10/12, ...``."""
        words = []
        for kind, names in self.wanted.items():
            have = len(self.held[kind])
            words.append(f"{BY_KIND[kind].title} {have}" + ("" if WILDCARD in names else f"/{len(names)}"))
        return ", ".join(words)

    def summary(self) -> dict[str, Any]:
        """Return how many of each kind there are."""
        return {BY_KIND[kind].title: len(named) for kind, named in self.held.items() if named}
