"""Keep secrets out of everything that is printed."""

from __future__ import annotations

import re
from typing import Any, Final

from .lazy import camel

REDACTED: Final = "[redacted]"

# Fields whose whole content is secret: those that (udpa.annotations.sensitive) marks in Envoy's API, and tokens.
_FIELDS: Final = """
    private_key private_key_provider password pkcs12 session_ticket_keys ocsp_staple generic_secret secret_data
    token_secret hmac_secret client_secret auth_username auth_password downstream_auth_username downstream_auth_password
    downstream_auth_passwords secret_key access_key_id secret_access_key session_token backend_token access_token token
    api_key credentials call_credentials users inline_users credentials_data_source web_identity_token_data_source
"""
SECRET: Final = frozenset(spelling for name in _FIELDS.split() for spelling in (name, camel(name)))
"""In both spellings."""
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=-]{8,}")
_SAFE: Final = frozenset({"name", "sds_config", "sdsConfig", "@type"})
_HEADER: Final = re.compile(r"(?i)authorization|cookie|api-?key|secret|password|(auth|access|session)-?token")
_HEADER_VALUES: Final = frozenset({"value", "raw_value", "rawValue"})
_JWK: Final = re.compile(r'("(?:k|d|p|q|dp|dq|qi)"\s*:\s*)"[^"]+"')
_USERINFO: Final = re.compile(r"(://[^/@\s:]*):[^/@\s]+@")


def redact(value: Any, key: str = "") -> Any:
    """Return a copy of plain JSON with every secret replaced by ``[redacted]``.

    ``key`` is the field (or the JSON pointer) under which ``value`` stands.
    """
    if key in SECRET or ("/" in key and not SECRET.isdisjoint(key.split("/"))):
        return _blank(value)
    if isinstance(value, dict):
        header = value.get("key", value.get("name"))
        if isinstance(header, str) and _HEADER.search(header):
            return {k: _blank(v) if k in _HEADER_VALUES else redact(v, k) for k, v in value.items()}
        return {k: redact(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [redact(v) for v in value]
    return redact_text(value) if isinstance(value, str) else value


def redact_text(text: str) -> str:
    """Blank private keys and credentials inside a text."""
    if "PRIVATE KEY" in text:
        text = _PEM.sub(REDACTED, text)
    if '"kty"' in text:  # a JWKS may hold symmetric or private keys
        text = _JWK.sub(rf'\1"{REDACTED}"', text)
    text = _USERINFO.sub(rf"\1:{REDACTED}@", text) if "://" in text else text
    return _BEARER.sub(lambda m: f"{m[1]} {REDACTED}", text)


def _blank(value: Any) -> Any:
    """Blank every leaf, but keep the shape and the names of SDS secrets: they are needed to find things."""
    if isinstance(value, dict):
        return {k: v if k in _SAFE else _blank(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_blank(v) for v in value]
    return value if isinstance(value, bool) or value is None else REDACTED
