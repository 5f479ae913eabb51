"""Keep secrets out of everything that is printed."""

from __future__ import annotations

import re
from typing import Any, Final

REDACTED: Final = "[redacted]"

# Fields whose whole content is secret (udpa/annotations/sensitive.proto marks them in Envoy's API), in both spellings.
SECRET: Final = frozenset(
    [
        "private_key",
        "privateKey",
        "password",
        "private_key_provider",
        "privateKeyProvider",
        "session_ticket_keys",
        "sessionTicketKeys",
        "ocsp_staple",
        "ocspStaple",
        "generic_secret",
        "genericSecret",
        "token_secret",
        "tokenSecret",
        "hmac_secret",
        "hmacSecret",
        "client_secret",
        "clientSecret",
        "auth_username",
        "authUsername",
        "auth_password",
        "authPassword",
        "secret_key",
        "secretKey",
        "secret_access_key",
        "secretAccessKey",
        "session_token",
        "sessionToken",
        "access_token",
        "accessToken",
        "token",
        "api_key",
        "apiKey",
        "credentials",
        "call_credentials",
        "callCredentials",
        "inline_users",
        "users",
        "pkcs12",
    ]
)
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=-]{8,}")
_SAFE: Final = frozenset({"name", "sds_config", "sdsConfig", "@type"})
_SECRET_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key"})


def redact(value: Any, key: str = "") -> Any:
    """Return a copy of plain JSON with every secret replaced by ``[redacted]``.

    ``key`` is the field (or the JSON pointer) under which ``value`` stands.
    """
    parts = key.split("/")
    if any(part in SECRET for part in parts):
        return _blank(value)
    if isinstance(value, dict):
        header = value.get("key", value.get("name"))
        if isinstance(header, str) and header.lower() in _SECRET_HEADERS and "value" in value:
            return {k: REDACTED if k == "value" else redact(v, k) for k, v in value.items()}
        return {k: redact(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [redact(v) for v in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """Blank private keys and credentials inside a text."""
    if "PRIVATE KEY" in text:
        text = _PEM.sub(REDACTED, text)
    return _BEARER.sub(lambda m: f"{m[1]} {REDACTED}", text)


def _blank(value: Any) -> Any:
    """Blank every leaf, but keep the shape and the names of SDS secrets: they are needed to find things."""
    if isinstance(value, dict):
        return {k: v if k in _SAFE else _blank(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_blank(v) for v in value]
    return value if isinstance(value, bool) or value is None else REDACTED
