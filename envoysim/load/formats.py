"""Everything that is not a whole ``/config_dump``: istioctl, egctl, bootstraps, xDS responses, bare resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..errors import SourceError
from ..model.outcome import Note
from ..model.ref import Ref
from ..schema import type_name
from .lazy import Node, elements, get, is_list, is_object, text
from .resource import TYPES, Notes, Resource
from .sections import resource_name, section_resources
from .shelf import Entry
from .v2 import v3_name

# A bare object is told by its keys (proto spelling): the first row with a key that is there wins.
KEYS: Final = (
    ("bootstrap", ("static_resources", "dynamic_resources", "layered_runtime", "overload_manager", "stats_config")),
    ("listener", ("filter_chains", "default_filter_chain", "listener_filters", "api_listener", "traffic_direction")),
    ("route_configuration", ("virtual_hosts", "vhds", "ignore_port_in_host_matching", "validate_clusters")),
    ("scoped_route", ("route_configuration_name", "on_demand")),
    ("endpoint", ("cluster_name",)),
    (
        "cluster",
        (
            *(
                "connect_timeout",
                "lb_policy",
                "load_assignment",
                "eds_cluster_config",
                "transport_socket",
                "health_checks",
            ),
            *(
                "circuit_breakers",
                "outlier_detection",
                "cluster_type",
                "typed_extension_protocol_options",
                "lb_subset_config",
            ),
            *("common_lb_config", "dns_lookup_family", "load_balancing_policy", "upstream_connection_options"),
        ),
    ),
    ("secret", ("tls_certificate", "validation_context", "session_ticket_keys", "generic_secret")),
    ("listener", ("address",)),
    ("extension_config", ("typed_config",)),
    ("virtual_host", ("domains",)),
    ("bootstrap", ("admin", "node")),
)
CLUSTER_TYPES: Final = frozenset({"STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"})
TYPE_URL: Final = "type.googleapis.com/"
PAGES: Final = (
    ("/stats?format=json", "stats"),
    ("/server_info", "command_line_options"),
    ("/certs", "certificates"),
    ("/listeners?format=json", "listener_statuses"),
    ("/runtime", "layers"),
    ("/memory", "heap_size"),
)
"""Other pages of the admin interface, and a key of each."""
JSON_KINDS: Final = {str: "text", bool: "booleans", int: "numbers", float: "numbers", type(None): "nulls"}
SECTION_KEYS: Final = (
    ("ListenersConfigDump", ("static_listeners", "dynamic_listeners")),
    ("ClustersConfigDump", ("static_clusters", "dynamic_active_clusters", "dynamic_warming_clusters")),
    ("RoutesConfigDump", ("static_route_configs", "dynamic_route_configs")),
    ("EndpointsConfigDump", ("static_endpoint_configs", "dynamic_endpoint_configs")),
    ("SecretsConfigDump", ("static_secrets", "dynamic_active_secrets", "dynamic_warming_secrets")),
    ("EcdsConfigDump", ("ecds_filters",)),
    ("BootstrapConfigDump", ("bootstrap",)),
)


def resources_of(root: Node, ref: Ref, notes: Notes, choose: str | None = None) -> Iterator[Entry]:
    """Yield the resources of any document; ``choose`` picks one proxy of several (``file#name``).

    Raises SourceError when the document holds no Envoy configuration.
    """
    if is_list(root):
        yield from _list(root, ref, notes)
        return
    if not is_object(root):
        raise SourceError("not an Envoy configuration: neither an object nor a list")
    if is_list(get(root, "configs")):
        yield from _config_dump(root, ref, notes)
    elif is_list(get(root, "resources")):
        yield from _response(root, ref, notes)
    elif (inner := get(root, "config_dump")) is not None and is_object(inner):
        yield from resources_of(inner, ref.at("config_dump"), notes, choose)
    elif is_object(inner := get(root, "xds")):
        yield from _by_type(inner, ref.at("xds"), notes)
    elif all(key.startswith(TYPE_URL) for key in root) and [*root]:
        yield from _by_type(root, ref, notes)
    elif (found := _section_without_type(root, ref, notes)) is not None:
        yield from found
    elif is_object(inner := get(root, "resource")):  # one element of a delta response
        yield from _bare(inner, ref.at("resource"), notes)
    elif text(root, "@type") or (kind_of(root) is not None):
        yield from _bare(root, ref, notes)
    elif (proxies := list(_proxies(root, ref))) or choose:
        yield from _proxy(proxies, notes, choose)
    elif (lists := _named_lists(root)) is not None:
        for key in lists:
            yield from _list(root[key], ref.at(key), notes)
    elif _empty_response(root):
        return
    else:
        what = f"not an Envoy configuration: an object with the keys {_keys(root)}"
        raise SourceError(what, help=_other_page(root))


def _other_page(root: Node) -> str | None:
    """Tell another page of the admin interface that was saved in the place of the dump."""
    page = next((page for page, key in PAGES if get(root, key) is not None), None)
    if page is None and [*root] and all("." in key and isinstance(root[key], (int, str)) for key in root):
        page = "/stats"
    return f"this is `{page}`; save `/config_dump?include_eds` instead" if page is not None else None


def _config_dump(root: Node, ref: Ref, notes: Notes) -> Iterator[Entry]:
    for index, section in enumerate(get(root, "configs")):
        place = ref.at("configs", index)
        if not is_object(section):
            raise SourceError("not a section of a config_dump: expected an object", place=str(place))
        untyped = None if text(section, "@type") else _section_without_type(section, place, notes)
        yield from section_resources(section, place, notes) if untyped is None else untyped


def _response(root: Node, ref: Ref, notes: Notes) -> Iterator[Entry]:
    """A DiscoveryResponse, or ``resources`` of ``{name, version, resource}`` as delta xDS writes them."""
    for index, item in enumerate(get(root, "resources")):
        place = ref.at("resources", index)
        if not is_object(item):
            raise SourceError("not a resource: expected an object", place=str(place))
        inner = get(item, "resource")
        if is_object(inner):
            item, place = inner, place.at("resource")
        yield from _bare(item, place, notes, type_name(text(root, "type_url")))


def _by_type(root: Node, ref: Ref, notes: Notes) -> Iterator[Entry]:
    """``{type URL: {name: resource}}``, as control planes (Kuma) show what they send to a proxy."""
    for url in root:
        named = root[url]
        for name in named if is_object(named) else ():
            if is_object(named[name]):
                yield from _bare(named[name], ref.at(url, name), notes, type_name(url))


def _list(root: Node, ref: Ref, notes: Notes) -> Iterator[Entry]:
    kind: str | None = None
    for index, item in enumerate(root):
        place = ref.at(index)
        if not is_object(item):
            what = JSON_KINDS.get(type(item), "lists")
            raise SourceError(f"not an Envoy configuration: a list of {what}", place=str(place))
        if is_list(get(item, "configs")):  # a whole dump: several proxies' dumps in one file, or one wrapped
            yield from _config_dump(item, place, notes)
            continue
        for resource in _bare(item, place, notes, like=kind):
            kind = resource.kind
            yield resource


def _collection(item: Node, ref: Ref, notes: Notes) -> Iterator[Entry]:
    """A ListenerCollection or the like, as xdstp:// subscriptions get it."""
    for index, entry in elements(item, "entries"):
        inner = get(get(entry, "inline_entry") or {}, "resource")
        if is_object(inner):
            yield from _bare(inner, ref.at("entries", index, "inline_entry", "resource"), notes)


def _bare(item: Node, ref: Ref, notes: Notes, declared: str = "", like: str | None = None) -> Iterator[Entry]:
    """One resource, told by ``@type``, by the list's ``declared`` type, by its keys, or ``like`` the one before it."""
    name = type_name(text(item, "@type")) or declared
    if not name:
        kind = kind_of(item) or (like if "name" in [*item] else None)
        if kind is None:
            raise SourceError(f"not an Envoy resource: an object with the keys {_keys(item)}", place=str(ref) or None)
    else:
        kind = _kind_of_type(name)
        if kind is None:
            if name.endswith("Collection") and is_list(get(item, "entries")):
                yield from _collection(item, ref, notes)
            elif name.startswith("envoy.admin."):
                yield from section_resources(item, ref, notes)
            elif name.startswith(("envoy.", "istio.", "udpa.", "xds.")):
                notes.append(Note(ref, f"a resource of type `{name}` serves no request by itself"))
            else:
                raise SourceError(f"not an Envoy resource: `@type` is `{name}`", place=str(ref) or None)
            return
    state = "static" if kind == "bootstrap" else "active"
    yield Resource(kind, "bootstrap" if kind == "bootstrap" else resource_name(item, kind), ref, state, item, notes)


def _kind_of_type(name: str) -> str | None:
    for kind, full in TYPES.items():
        if full in (name, v3_name(name)):
            return kind
    return None


def kind_of(item: Node) -> str | None:
    """Tell the kind of an untyped object by its keys, ``None`` when they fit nothing."""
    for kind, keys in KEYS:
        if any(get(item, key) is not None for key in keys):
            return kind
    return "cluster" if text(item, "name") and text(item, "type") in CLUSTER_TYPES else None


def _keys(item: Node) -> str:
    return ", ".join(f"`{key}`" for key in [*item][:5])


def _section_without_type(root: Node, ref: Ref, notes: Notes) -> Iterator[Entry] | None:
    """``istioctl proxy-config bootstrap|secret|ecds -o json``: one section as an object, often without ``@type``."""
    for section, keys in SECTION_KEYS:
        if any(get(root, key) is not None for key in keys):
            typed = {"@type": f"type.googleapis.com/envoy.admin.v3.{section}"}
            typed |= {key: root[key] for key in root if key != "@type"}
            return section_resources(typed, ref, notes)
    return None


def _proxies(root: Node, ref: Ref, depth: int = 0) -> Iterator[tuple[str, Node, Ref]]:
    """``egctl config envoy-proxy``: dumps keyed by namespace and pod; yield (path of names, dump, place)."""
    if depth > 3:
        return
    for key in list(root.keys()):
        value = root[key]
        if is_object(value):
            place = ref.at(key)
            if is_list(get(value, "configs")) or is_object(get(value, "config_dump")):
                yield key, value, place
            else:
                yield from ((f"{key}/{name}", dump, where) for name, dump, where in _proxies(value, place, depth + 1))


def _proxy(proxies: list[tuple[str, Node, Ref]], notes: Notes, choose: str | None) -> Iterator[Entry]:
    names = ", ".join(f"`{name}`" for name, _, _ in proxies)
    if choose is not None:
        proxies = [p for p in proxies if p[0] == choose or p[0].endswith(f"/{choose}")]
    if len(proxies) != 1:
        which = f"no proxy `{choose}`" if choose is not None and not proxies else "several proxies in one file"
        raise SourceError(f"{which}: {names}", help="choose one with FILE#NAME")
    _, dump, place = proxies[0]
    inner = get(dump, "config_dump")
    if is_object(inner):
        dump, place = inner, place.at("config_dump")
    yield from _config_dump(dump, place, notes)


def _named_lists(root: Node) -> list[str] | None:
    """``{"Listeners": [...], "Routes": [...]}`` as translators' golden files write them."""
    wanted = ("listeners", "clusters", "routes", "endpoints", "secrets")
    keys = [key for key in root.keys() if key.lower() in wanted and is_list(root[key])]  # noqa: SIM118
    return keys if keys and len(keys) == len(root) else None


def _empty_response(root: Node) -> bool:
    """A response without resources, or the empty bootstrap ``{}``."""
    return not [*root] or any(get(root, key) is not None for key in ("version_info", "nonce", "type_url"))
