"""A dump: what a proxy has, by kind and name, and what is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from ..lazy_dataclass import dataclass
from ..model.ref import Ref
from .hosts import HostStatus, host_statuses, is_clusters, load_assignments
from .lazy import Node, elements, get, is_list, is_object, key_of, plain, text
from .resource import SERVING, Notes, Resource
from .sections import static_resources
from .shelf import ByName, Entry


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed source: ``name`` as the user gave it, ``root`` the JSON."""

    name: str
    root: Node


class Dump:
    """Everything the sources hold; nothing is decoded before it is touched."""

    def __init__(self, documents: Sequence[Document], entries: Sequence[Entry], notes: Notes) -> None:
        self.documents = tuple(documents)
        self.notes = notes
        """Grows while resources are decoded: every unknown field and type, with its place."""
        self._given = tuple(entries)
        self._entries = (*entries, *self._from_bootstrap(entries))

    def _from_bootstrap(self, entries: Sequence[Entry]) -> Iterator[Resource]:
        """A bootstrap's static resources, unless the same document lists them in sections of their own."""
        listed = {(_source(e), e.kind) for e in entries if e.state == "static" and e.kind != "bootstrap"}
        for entry in entries:
            if isinstance(entry, Resource) and entry.kind == "bootstrap":
                for found in static_resources(entry, self.notes):
                    if (found.ref.source, found.kind) not in listed:
                        yield found

    @cached_property
    def all_resources(self) -> tuple[Resource, ...]:
        """Every resource in whatever state, in the order of the sources."""
        return tuple(r for e in self._entries for r in ((e,) if isinstance(e, Resource) else e))

    def _serving(self, kind: str) -> Iterator[Entry]:
        """What serves: added over xDS before static, the first source before later ones."""
        for state in SERVING:
            yield from (entry for entry in self._entries if entry.kind == kind and entry.state == state)

    def _resources(self, kind: str) -> Iterator[Resource]:
        for entry in self._serving(kind):
            yield from (entry,) if isinstance(entry, Resource) else (r for r in entry if r.state == entry.state)

    @cached_property
    def listeners(self) -> tuple[Resource, ...]:
        """The listeners that serve, each name once, in the order of the sources."""
        named: dict[object, Resource] = {}
        for resource in self._resources("listener"):
            named.setdefault(resource.name or resource.ref, resource)
        return tuple(sorted(named.values(), key=lambda resource: (resource.ref.source, resource.state != "static")))

    @cached_property
    def route_configurations(self) -> Mapping[str, Resource]:
        """Route configurations by name."""
        return ByName(self._serving("route_configuration"))

    @cached_property
    def clusters(self) -> Mapping[str, Resource]:
        """Static and dynamic active clusters by name."""
        return ByName(self._serving("cluster"))

    @cached_property
    def load_assignments(self) -> Mapping[str, Resource]:
        """ClusterLoadAssignments by ``cluster_name``: the EDS service name, or the cluster's name."""
        return ByName([*self._serving("endpoint"), *self._reported_endpoints()])

    def _reported_endpoints(self) -> Iterator[Resource]:
        for index, document in enumerate(self.documents):
            if is_clusters(document.root):
                for name, assignment in load_assignments(document.root):
                    yield Resource("endpoint", name, Ref(index, ()), "active", assignment, self.notes)

    @cached_property
    def scoped_routes(self) -> Mapping[str, tuple[Resource, ...]]:
        """Scoped route configurations by the name of the HCM's ``scoped_routes``."""
        found: dict[str, list[Resource]] = {}
        for resource in self._resources("scoped_route"):
            found.setdefault(resource.group, []).append(resource)
        return {name: tuple(scopes) for name, scopes in found.items()}

    @cached_property
    def secrets(self) -> Mapping[str, Resource]:
        """Secrets by name, static and SDS."""
        return ByName(self._serving("secret"))

    @cached_property
    def extension_configs(self) -> Mapping[str, Resource]:
        """ECDS TypedExtensionConfigs by name."""
        return ByName(self._serving("extension_config"))

    @cached_property
    def bootstrap(self) -> Resource | None:
        """The bootstrap, if a source has one."""
        return next((e for e in self._entries if e.kind == "bootstrap" and isinstance(e, Resource)), None)

    @cached_property
    def host_statuses(self) -> Mapping[tuple[str, str], HostStatus]:
        """``/clusters``' word on each host by (cluster, ``ip:port``); empty when no source has it."""
        return {
            (status.cluster, status.address): status
            for document in self.documents
            if is_clusters(document.root)
            for status in host_statuses(document.root)
        }

    @cached_property
    def has_endpoints(self) -> bool:
        """Whether the sources tell the endpoints of EDS clusters."""
        if self.load_assignments:
            return True
        return any(
            get(d.root, "configs") is not None and _has_section(d.root, "EndpointsConfigDump") for d in self._objects()
        )

    def _objects(self) -> Iterator[Document]:
        return (d for d in self.documents if is_object(d.root))

    @cached_property
    def fetched(self) -> tuple[Mapping[str, Any], ...]:
        """What ``envoysim fetch`` says of the dumps it saved: where from, what never came, what was refused."""
        records = (plain(get(document.root, "envoysim_fetch")) for document in self._objects())
        return tuple(record for record in records if isinstance(record, dict))

    @cached_property
    def counters(self) -> Mapping[str, int]:
        """The statistics that ``envoysim fetch`` saved beside a dump: which updates the proxy rejected."""
        listed = [item for document in self._objects() for _, item in elements(document.root, "stats")]
        values = ((text(item, "name"), get(item, "value")) for item in listed if is_object(item))
        return {name: value for name, value in values if isinstance(value, int)}

    @property
    def node_id(self) -> str:
        """The proxy's ``node.id``, "" when no bootstrap tells."""
        return "" if self.bootstrap is None else _node_id(self.bootstrap)

    def proxies(self) -> tuple[Dump, ...]:
        """Return one dump per proxy where bootstraps tell several (by node id), with the places of the whole.

        A document without a bootstrap goes with the one before it.
        """
        nodes = {_source(e): _node_id(e) for e in self._given if e.kind == "bootstrap" and isinstance(e, Resource)}
        owners: list[str] = []
        for index in range(len(self.documents)):
            owners.append(nodes.get(index) or (owners[-1] if owners else next(iter(nodes.values()), "")))
        if len(set(owners)) < 2:
            return (self,)
        return tuple(self._of(owner, owners) for owner in dict.fromkeys(owners))

    def _of(self, owner: str, owners: Sequence[str]) -> Dump:
        """Return what the documents of one owner hold; the others keep their index, and nothing else."""
        documents = [d if o == owner else Document(d.name, None) for d, o in zip(self.documents, owners, strict=True)]
        return Dump(documents, [e for e in self._given if owners[_source(e)] == owner], self.notes)

    # --- places ---------------------------------------------------------------------------------------------------

    def pointer(self, ref: Ref) -> str:
        """Return the JSON pointer of ``ref`` in the document's own spelling; ``file#pointer`` with several sources."""
        node: Node = self.documents[ref.source].root if self.documents else None
        parts: list[str] = []
        for part in ref.path:
            node, words = descend(node, part)
            parts += words
        pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
        return pointer if len(self.documents) < 2 else f"{self.documents[ref.source].name}#{pointer}"

    def at_pointer(self, pointer: str) -> Any:
        """Return what stands at a pointer as plain Python; raises KeyError or IndexError when nothing does."""
        document = self.documents[0]
        name, hash_sign, rest = pointer.rpartition("#")
        if hash_sign:
            named = [d for d in self.documents if d.name == name]
            if not named:
                raise KeyError(f"no source `{name}`")
            document, pointer = named[0], rest
        node = document.root
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if is_list(node):
                node = list(node)[int(key)]
            elif is_object(node):
                node = node[key]
            else:
                raise KeyError(key)
        return plain(node)


def descend(node: Node, part: str | int) -> tuple[Node, list[str]]:
    """Follow one step of a Ref: own spelling of fields, the ``value`` of a TypedStruct; absent fields are kept."""
    if isinstance(part, int):
        if is_list(node) and part < len(node):
            return node[part], [str(part)]
        if is_object(node) and part == 0:  # a single value stands for a list of one
            return node, []
        return None, [str(part)]
    if not is_object(node):
        return None, [part]
    key = key_of(node, part)
    if key in node:
        return node[key], [key]
    inner = node.get("value")
    if is_object(inner) and (node.get("type_url") or node.get("typeUrl")):
        below, words = descend(inner, part)
        return below, ["value", *words]
    return None, [part]


def _source(entry: Entry) -> int:
    return entry.ref.source if isinstance(entry, Resource) else entry.source


def _node_id(bootstrap: Resource) -> str:
    node = get(bootstrap.raw, "node")
    return text(node, "id") if is_object(node) else ""


def _has_section(root: Node, name: str) -> bool:
    return any(is_object(s) and str(s.get("@type", "")).endswith("." + name) for s in get(root, "configs"))
