"""Ask an admin interface: ``/config_dump`` with endpoints, ``/clusters`` and ``/server_info`` in one document."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from ..errors import SourceError
from ..load.lazy import Node, get, is_list, is_object, plain
from ..load.live import ask
from ..load.read import parse
from ..load.redact import REDACTED
from .record import now
from .save import Fetched

ANSWERS: Final = (
    ("configs", "/config_dump?include_eds"),
    ("cluster_statuses", "/clusters?format=json"),
    ("server_info", "/server_info"),
    ("stats", "/stats?format=json&filter=(update_rejected|connected_state)$"),
)
"""The keys of the saved document, and what the admin interface is asked for them."""


def fetch_admin(
    address: str,
    *,
    seconds: float,
    tls: ssl.SSLContext | None = None,
    headers: Mapping[str, str] | None = None,
) -> Fetched:
    """Return what the proxy at ``address`` runs; raises SourceError when it does not give its config_dump.

    When only a later answer fails, the result is marked as partial.
    """
    base = address.rstrip("/")
    if urlsplit(base).path or urlsplit(base).query:
        raise SourceError("give the address without a path", place=address, help=f"try {_origin(base)}")
    found: dict[str, Node] = {}
    record: dict[str, Any] = {"by": "admin", "from": base, "at": now()}
    for key, path in ANSWERS:
        try:
            root = parse(base + path, ask(base, path, seconds=seconds, tls=tls, headers=headers))
            found[key] = _checked(root, key, base + path)
        except SourceError as error:
            if key == "configs":
                raise
            if key == "stats":  # a hint at rejected updates, no more
                break
            record["partial"] = f"{path}: {error.message}"
            break
    document: dict[str, Any] = {"configs": [_section(section) for section in found["configs"]]}
    if "cluster_statuses" in found:
        document["cluster_statuses"] = _items(found["cluster_statuses"])
    if "server_info" in found:
        document["server_info"] = _server_info(found["server_info"])
    if "stats" in found:
        document["stats"] = [item for item in plain(found["stats"]) if item.get("value") and "name" in item]
    return Fetched(document, record)


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _checked(root: Node, key: str, place: str) -> Node:
    if key == "server_info":
        found = root if is_object(root) else None
    else:
        found = get(root, key) if is_object(root) else None
        found = found if is_list(found) else None
    if found is None:
        raise SourceError(f"not Envoy's answer: no `{key}` in it", place=place, help="is this Envoy's admin port?")
    return found


def _section(section: Node) -> Any:
    """A section with its lists left lazy."""
    if not is_object(section):
        return plain(section)
    made = {key: _items(section[key]) if is_list(section[key]) else plain(section[key]) for key in section}
    if isinstance(bootstrap := made.get("bootstrap"), dict):
        _sort_extensions(bootstrap.get("node"))
    return made


def _items(items: Node) -> Iterator[Any]:
    return (plain(item) for item in items)


def _server_info(root: Node) -> dict[str, Any]:
    """Without the times, which differ from call to call, and the configuration given as text."""
    info: dict[str, Any] = plain(root)
    info.pop("uptime_current_epoch", None)
    info.pop("uptime_all_epochs", None)
    _sort_extensions(info.get("node"))
    options = info.get("command_line_options")
    if isinstance(options, dict) and options.get("config_yaml"):
        options["config_yaml"] = REDACTED
    return info


def _sort_extensions(node: Any) -> None:
    """Envoy lists its extensions in another order every time: sort them, so that two dumps of one proxy are equal."""
    if isinstance(node, dict) and isinstance(node.get("extensions"), list):
        node["extensions"].sort(key=lambda extension: (extension.get("category", ""), extension.get("name", "")))
