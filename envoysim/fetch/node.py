"""The node a control plane is asked as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import OptionError
from ..load.decode import decode_message
from ..model.ref import NOWHERE
from ..schema import Msg


def make_node(node_id: str, cluster: str = "", metadata: dict[str, Any] | None = None, locality: str = "") -> Msg:
    """Make the Node of an Envoy 1.40: control planes choose what to send by the proxy's name and version."""
    region, _, rest = locality.partition("/")
    zone, _, sub_zone = rest.partition("/")
    given: dict[str, Any] = {
        "id": node_id,
        "cluster": cluster,
        "metadata": metadata,
        "user_agent_name": "envoy",
        "user_agent_build_version": {"version": {"major_number": 1, "minor_number": 40}},
    }
    if locality:
        given["locality"] = {"region": region, "zone": zone, "sub_zone": sub_zone}
    return decode_message("envoy.config.core.v3.Node", given, NOWHERE, [])


def read_metadata(path: str | None) -> dict[str, Any] | None:
    """Read a node's metadata, JSON or YAML; raises OptionError."""
    if path is None:
        return None
    import yaml

    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))  # JSON is YAML
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"cannot read the node's metadata: {error}") from None
    except yaml.YAMLError as error:
        raise OptionError(f"`{path}` is neither JSON nor YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict):
        raise OptionError(f"`{path}` is no object", help="the metadata itself, as in `bootstrap.node.metadata`")
    return found
