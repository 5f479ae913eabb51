"""Secrets planted anywhere in a configuration are never printed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envoysim.load.redact import redact, redact_text

PLANTED = "pl4nt3d"
T = "type.googleapis.com/envoy.extensions."

CASES: list[Any] = [
    {"tls_certificate": {"private_key": {"inline_string": PLANTED}}},
    {"tlsCertificate": {"privateKey": {"inlineBytes": PLANTED}, "password": {"inline_string": PLANTED}}},
    {"tls_certificate": {"private_key_provider": {"provider_name": "p", "typed_config": {"key": PLANTED}}}},
    {"session_ticket_keys": {"keys": [{"inline_bytes": PLANTED}]}},
    {"generic_secret": {"secret": {"inline_string": PLANTED}}},
    {"genericSecret": {"secrets": {"a": {"inline_string": PLANTED}}}},
    {"@type": T + "filters.http.basic_auth.v3.BasicAuth", "users": {"inline_string": PLANTED}},
    {"@type": T + "filters.http.api_key_auth.v3.ApiKeyAuth", "credentials": [{"key": PLANTED, "client": "c"}]},
    {
        "@type": T + "filters.network.redis_proxy.v3.RedisProxy",
        "downstream_auth_passwords": [{"inline_string": PLANTED}],
    },
    {"downstream_auth_username": {"inline_string": PLANTED}, "downstreamAuthPassword": {"inline_string": PLANTED}},
    {"credential_provider": {"inline_credential": {"access_key_id": PLANTED, "secret_access_key": PLANTED}}},
    {"initial_metadata": [{"key": "Authorization", "value": f"Bearer {PLANTED}"}]},
    {"header": {"key": "x-api-key", "value": PLANTED}},
    {"google_grpc": {"call_credentials": [{"access_token": PLANTED}]}},
    {"inline_string": f"-----BEGIN EC PRIVATE KEY-----\n{PLANTED}\n-----END EC PRIVATE KEY-----"},
    {"local_jwks": {"inline_string": f'{{"keys":[{{"kty":"oct","k": "{PLANTED}"}}]}}'}},
    {"uri": f"https://user:{PLANTED}@example.com/"},
    {"request_headers_to_add": [{"header": {"key": "x-auth-token", "raw_value": PLANTED}}]},
    {"transport_socket": {"typed_config": {"value": {"common_tls_context": {"private_key": PLANTED}}}}},
]


@pytest.mark.parametrize("config", CASES, ids=lambda c: next(iter(c)))
def test_planted(config: Any) -> None:
    assert PLANTED not in json.dumps(redact(config))


def test_a_pointer_into_a_secret() -> None:
    assert redact(PLANTED, "/tls_certificate/private_key/inline_string") == "[redacted]"


def test_what_is_no_secret_stays() -> None:
    config = {
        "name": "listener",
        "tls_certificate": {"certificate_chain": {"inline_string": "-----BEGIN CERTIFICATE-----\nabc"}},
        "token_secret": {"name": "sds-name", "sds_config": {"ads": {}}},
        "credentials_present": True,
    }

    assert redact(config) == config


def test_text() -> None:
    assert redact_text("authorization: Bearer abcdefghijkl") == "authorization: Bearer [redacted]"
