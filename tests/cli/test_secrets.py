"""Secrets in a dump are never printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from envoysim.cli.main import cli

SECRETS = {
    "key": "-----BEGIN PRIVATE KEY-----\nMIIplantedkey\n-----END PRIVATE KEY-----",
    "token": "planted-token-value",
    "password": "planted-password-value",
}
A = "type.googleapis.com/envoy.admin.v3."
T = "type.googleapis.com/envoy.extensions."


def _dump() -> dict[str, Any]:
    tls = {
        "@type": T + "transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "tls_certificates": [
                {
                    "certificate_chain": {"inline_string": "cert"},
                    "private_key": {"inline_string": SECRETS["key"]},
                    "password": {"inline_string": SECRETS["password"]},
                }
            ]
        },
    }
    hcm = {
        "@type": T + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s",
        "route_config": {
            "name": "r",
            "virtual_hosts": [
                {
                    "name": "v",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}],
                }
            ],
        },
        "http_filters": [{"name": "router", "typed_config": {"@type": T + "filters.http.router.v3.Router"}}],
    }
    listener = {
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 443}},
        "filter_chains": [
            {
                "filters": [{"name": "hcm", "typed_config": hcm}],
                "transport_socket": {"name": "tls", "typed_config": tls},
            }
        ],
    }
    secret = {"name": "s", "generic_secret": {"secret": {"inline_string": SECRETS["token"]}}}
    google = {"google_grpc": {"target_uri": "x", "call_credentials": [{"access_token": SECRETS["token"]}]}}
    ads = {"ads_config": {"api_type": "GRPC", "grpc_services": [google]}}
    return {
        "configs": [
            {"@type": A + "BootstrapConfigDump", "bootstrap": {"node": {"id": "n"}, "dynamic_resources": ads}},
            {"@type": A + "ListenersConfigDump", "static_listeners": [{"listener": listener}]},
            {"@type": A + "SecretsConfigDump", "dynamic_active_secrets": [{"name": "s", "secret": secret}]},
        ]
    }


COMMANDS = [
    ["inspect", "DUMP"],
    ["inspect", "DUMP", "-v"],
    ["inspect", "DUMP", "listeners", "-o", "json"],
    ["inspect", "DUMP", "secrets", "-o", "json"],
    ["inspect", "DUMP", "bootstrap", "-o", "json"],
    ["inspect", "DUMP", "-o", "json"],
    ["show", "DUMP", "/configs"],
    ["show", "DUMP", "/configs/0/bootstrap/dynamic_resources"],
    ["show", "DUMP", "/configs/2/dynamic_active_secrets/0/secret/generic_secret/secret"],
    ["show", "DUMP", "/configs/2/dynamic_active_secrets/0/secret/generic_secret/secret/inline_string"],
    ["trace", "DUMP", "https://a.com/", "-v"],
    ["trace", "DUMP", "https://a.com/", "-v", "-o", "json"],
    ["check", "DUMP", "-v"],
    ["check", "DUMP", "-v", "-o", "json"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda w: " ".join(w))
def test_never_printed(words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(json.dumps(_dump()))

    result = CliRunner().invoke(cli, [str(path) if w == "DUMP" else w for w in words], standalone_mode=False)

    assert result.exception is None, result.exception
    assert len(result.output) > 10
    assert "planted" not in result.output
