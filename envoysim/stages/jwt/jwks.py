"""Reading a JSON Web Key Set (``source/common/jwt/jwks.cc``): keys that cannot be used are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...lazy_dataclass import dataclass
from .token import decode_base64url, parse_json_object

CURVES: Final[Mapping[str, str]] = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
"""Algorithm -> the curve it goes with."""
RSA_EXPONENTS: Final = frozenset({3, 65537})
ED25519_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class Key:
    """A verification key. ``kid`` and ``alg`` are "" where not set; ``material`` depends on ``kty``:

    ``RSA`` modulus and exponent, ``EC`` x and y, ``oct`` the secret, ``OKP`` the raw key, ``X509`` a certificate.
    """

    kty: str
    kid: str
    alg: str
    material: tuple[int | bytes, ...]
    curve: str = ""


def parse_jwks(text: str) -> tuple[Key, ...]:
    """Return the usable keys; none for a text that is not a key set."""
    values = parse_json_object(text)
    if values is None:
        return ()
    listed = values.get("keys")
    if listed is None and "keys" not in values:
        return _certificates(values)
    if not isinstance(listed, list):
        return ()
    return tuple(key for item in listed if isinstance(item, dict) and (key := _key(item)) is not None)


def _certificates(values: Mapping[str, Any]) -> tuple[Key, ...]:
    """The other form: an object of key id -> PEM certificate."""
    if not values or not all(
        isinstance(v, str) and v.startswith("-----BEGIN CERTIFICATE-----") for v in values.values()
    ):
        return ()
    return tuple(Key("X509", kid, "", (pem.encode(),)) for kid, pem in values.items())


def _key(item: Mapping[str, Any]) -> Key | None:
    make = _MAKERS.get(_text(item, "kty"))
    return make(item, _text(item, "kid"), _text(item, "alg")) if make is not None else None


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""


def _number(item: Mapping[str, Any], name: str) -> int | None:
    data = decode_base64url(_text(item, name))
    return int.from_bytes(data) if data else None


def _rsa(item: Mapping[str, Any], kid: str, alg: str) -> Key | None:
    modulus, exponent = _number(item, "n"), _number(item, "e")
    if (alg and alg[:2] not in ("RS", "PS")) or modulus is None or exponent not in RSA_EXPONENTS:
        return None
    return Key("RSA", kid, alg, (modulus, exponent))


def _ec(item: Mapping[str, Any], kid: str, alg: str) -> Key | None:
    curve = _text(item, "crv")
    if alg and (alg not in CURVES or (curve and CURVES[alg] != curve)):
        return None
    curve = curve or CURVES.get(alg, "P-256")
    x, y = _number(item, "x"), _number(item, "y")
    if curve not in CURVES.values() or x is None or y is None:
        return None
    return Key("EC", kid, alg, (x, y), curve)


def _oct(item: Mapping[str, Any], kid: str, alg: str) -> Key | None:
    secret = decode_base64url(_text(item, "k"))
    return Key("oct", kid, alg, (secret,)) if secret and alg in ("", "HS256", "HS384", "HS512") else None


def _okp(item: Mapping[str, Any], kid: str, alg: str) -> Key | None:
    raw = decode_base64url(_text(item, "x"))
    if alg not in ("", "EdDSA") or _text(item, "crv") != "Ed25519" or raw is None or len(raw) != ED25519_LENGTH:
        return None
    return Key("OKP", kid, alg, (raw,), "Ed25519")


_MAKERS: Final = {"RSA": _rsa, "EC": _ec, "oct": _oct, "OKP": _okp}
