"""Reading a token (``source/common/jwt/jwt.cc``): strict in types, lenient in what it does not need."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from ...lazy_dataclass import dataclass
from .status import Status

ALGORITHMS: Final = frozenset("ES256 ES384 ES512 HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA".split())
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}")
MISSING: Final = object()


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A token that could be read; times are seconds, 0 where absent."""

    signed: str
    """What is signed: header and payload as sent."""
    payload_text: str
    """The payload as sent: base64url."""
    header: Mapping[str, Any]
    payload: Mapping[str, Any]
    signature: bytes
    alg: str
    kid: str
    issuer: str
    subject: str
    not_before: int
    expires: int
    audiences: tuple[str, ...]

    def time_status(self, now_s: float, clock_skew_s: int) -> Status:
        """Tell whether the token is valid at this time."""
        now = int(now_s)
        if now + clock_skew_s < self.not_before:
            return Status.NOT_YET_VALID
        if self.expires and now > self.expires + clock_skew_s:
            return Status.EXPIRED
        return Status.OK


class BadToken(ValueError):
    """A token that cannot be read; its argument is the ``Status``."""


def decode_base64url(text: str) -> bytes | None:
    """Decode base64url with or without padding, blanks skipped (``absl::WebSafeBase64Unescape``); else ``None``."""
    text = "".join(text.split())
    if not _BASE64URL.fullmatch(text):
        return None
    text = text.rstrip("=")
    if len(text) % 4 == 1:
        return None
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return None


@lru_cache(maxsize=1024)
def parse_token(text: str) -> Token | Status:
    """Read a compact JWT; the status says what is wrong with it, in the order Envoy looks."""
    try:
        return _parse(text)
    except BadToken as bad:
        status = bad.args[0]
        assert isinstance(status, Status)
        return status


def _parse(text: str) -> Token:
    parts = [part for part in text.split(".") if part]
    if len(parts) != 3:
        raise BadToken(Status.BAD_FORMAT)
    header = _json_object(parts[0], Status.HEADER_BAD_BASE64, Status.HEADER_BAD_JSON)
    alg = header.get("alg")
    if not isinstance(alg, str):
        raise BadToken(Status.HEADER_BAD_ALG)
    if alg not in ALGORITHMS:
        raise BadToken(Status.HEADER_UNKNOWN_ALG)
    kid = _text(header, "kid", Status.HEADER_BAD_KID)
    payload = _json_object(parts[1], Status.PAYLOAD_BAD_BASE64, Status.PAYLOAD_BAD_JSON)
    issuer = _text(payload, "iss", Status.ISS_NOT_STRING)
    subject = _text(payload, "sub", Status.SUB_NOT_STRING)
    _time(payload, "iat", Status.IAT_NOT_INTEGER, Status.IAT_OUT_OF_RANGE)
    not_before = _time(payload, "nbf", Status.NBF_NOT_INTEGER, Status.NBF_OUT_OF_RANGE)
    expires = _time(payload, "exp", Status.EXP_NOT_INTEGER, Status.EXP_OUT_OF_RANGE)
    _text(payload, "jti", Status.JTI_NOT_STRING)
    audiences = payload.get("aud", ())
    if isinstance(audiences, str):
        audiences = (audiences,)
    if not isinstance(audiences, (list, tuple)) or not all(isinstance(a, str) for a in audiences):
        raise BadToken(Status.AUD_NOT_STRING)
    signature = decode_base64url(parts[2])
    if signature is None:
        raise BadToken(Status.SIGNATURE_BAD_BASE64)
    return Token(
        f"{parts[0]}.{parts[1]}",
        parts[1],
        header,
        payload,
        signature,
        alg,
        kid,
        issuer,
        subject,
        not_before,
        expires,
        tuple(audiences),
    )


def _json_object(text: str, bad_base64: Status, bad_json: Status) -> Mapping[str, Any]:
    data = decode_base64url(text)
    if data is None:
        raise BadToken(bad_base64)
    value = parse_json_object(data)
    if value is None:
        raise BadToken(bad_json)
    return value


def parse_json_object(data: bytes | str) -> dict[str, Any] | None:
    """Read a JSON object as protobuf's ``Struct`` parser does; ``None`` for anything else."""
    try:
        text = data if isinstance(data, str) else data.decode()
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _text(values: Mapping[str, Any], name: str, wrong: Status) -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise BadToken(wrong)
    return value


def _time(values: Mapping[str, Any], name: str, wrong: Status, out_of_range: Status) -> int:
    """A fraction of a second is cut off."""
    value = values.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadToken(wrong)
    if not 0 <= value < 1 << 64:
        raise BadToken(out_of_range)
    return int(value)


def claim(values: Mapping[str, Any], path: str) -> Any:
    """Walk a dotted path into a token's claims (``StructUtils::GetValue``); ``MISSING`` where it leads nowhere."""
    value: Any = values
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return MISSING
        value = value[name]
    return value
