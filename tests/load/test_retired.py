"""v2 documents are read as what they mean in v3, and say so."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.load.decode import decode_message
from envoysim.load.encode import to_json
from envoysim.load.retired import EXTENSIONS, PER_ROUTE, REWRITES, type_of_name
from envoysim.load.v2 import v3_name
from envoysim.model.outcome import Note
from envoysim.model.ref import NOWHERE
from envoysim.schema import knows

C, L, R = "envoy.config.cluster.v3.Cluster", "envoy.config.listener.v3.", "envoy.config.route.v3."
ADDRESS = {"socket_address": {"address": "10.0.0.1", "port_value": 80}}
HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        C,
        {"hosts": [ADDRESS]},
        {"load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address": ADDRESS}}]}]}},
    ),
    (
        C,
        {"tls_context": {"sni": "a"}},
        {
            "transport_socket": {
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                    "sni": "a",
                },
            }
        },
    ),
    (
        L + "Filter",
        {"config": {"stat_prefix": "s"}, "name": "envoy.http_connection_manager"},
        {"name": "envoy.http_connection_manager", "typed_config": {"@type": HCM, "stat_prefix": "s"}},
    ),
    (R + "RouteMatch", {"regex": "/a.*"}, {"safe_regex": {"regex": "/a.*"}}),
    (R + "RouteMatch", {"hidden_envoy_deprecated_regex": "/a.*"}, {"safe_regex": {"regex": "/a.*"}}),
    (R + "CorsPolicy", {"allow_origin": ["a"]}, {"allow_origin_string_match": [{"exact": "a"}]}),
    (R + "RouteAction", {"use_websocket": True}, {"upgrade_configs": [{"upgrade_type": "websocket"}]}),
    ("envoy.config.core.v3.Node", {"id": "n", "build_version": "1.7"}, {"id": "n"}),
]


@pytest.mark.parametrize(
    ("name", "old", "new"), CASES, ids=[f"{c[0].rsplit('.', 1)[-1]}.{next(iter(c[1]))}" for c in CASES]
)
def test_field(name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    notes: list[Note] = []

    assert to_json(decode_message(name, old, NOWHERE, notes)) == new
    assert not [n for n in notes if n.text.startswith("unknown")]


NAMES = [
    ("envoy.api.v2.Cluster", C),
    ("envoy.api.v2.route.RouteMatch", R + "RouteMatch"),
    ("envoy.api.v2.auth.Secret", "envoy.extensions.transport_sockets.tls.v3.Secret"),
    ("envoy.config.filter.http.rbac.v2.RBAC", "envoy.extensions.filters.http.rbac.v3.RBAC"),
    ("envoy.config.route.v3.Route", None),
    ("acme.v2.Thing", None),
]


@pytest.mark.parametrize(("old", "new"), NAMES)
def test_name(old: str, new: str | None) -> None:
    assert v3_name(old) == new


def test_tables_name_what_exists() -> None:
    for name in [*(owner for owner, _ in REWRITES), *EXTENSIONS.values(), *PER_ROUTE.values()]:
        assert knows(name), name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("envoy.listener.original_dst", "envoy.extensions.filters.listener.original_dst.v3.OriginalDst"),
        ("envoy.filters.network.echo", "envoy.extensions.filters.network.echo.v3.Echo"),
        ("acme.filter", ""),
    ],
)
def test_type_of_an_extension_that_goes_by_name(name: str, kind: str) -> None:
    assert type_of_name(name) == kind
