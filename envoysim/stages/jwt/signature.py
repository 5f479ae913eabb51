"""Verifying a token's signature (``source/common/jwt/verify.cc``).

HMAC and RSA with PKCS #1 v1.5 padding need nothing but Python: verifying with public numbers has no secret to leak.
Elliptic curves, RSA-PSS and certificates are left to ``cryptography`` (``pip install envoysim[jwt]``).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from .jwks import Key
from .status import Status
from .token import Token

SIGNATURE_LENGTH: Final = 64
"""Of Ed25519."""
_DIGEST_INFO: Final = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""DER prefixes of RFC 8017, section 9.2."""


class CannotVerify(Exception):
    """``cryptography`` is needed and not installed."""


def verify_signature(token: Token, keys: Sequence[Key]) -> Status:
    """Try the keys that fit the token's ``kid`` and ``alg``; raises ``CannotVerify``."""
    tried = False
    for key in keys:
        if (token.kid and key.kid and key.kid != token.kid) or (key.alg and key.alg != token.alg):
            continue
        tried = True
        if key.kty == "OKP" and len(token.signature) != SIGNATURE_LENGTH:
            return Status.ED25519_WRONG_LENGTH
        if _verify(key, token.alg, token.signed.encode(), token.signature):
            return Status.OK
    return Status.VERIFICATION_FAIL if tried else Status.KID_ALG_MISMATCH


@lru_cache(maxsize=1024)
def _verify(key: Key, alg: str, signed: bytes, signature: bytes) -> bool:
    # An algorithm of another family falls back to SHA-256, as in Envoy; its signature will not fit.
    digest = {"384": "sha384", "512": "sha512"}.get(alg[2:], "sha256")
    if key.kty == "oct":
        secret = key.material[0]
        assert isinstance(secret, bytes)
        digest = digest if alg[:2] == "HS" else "sha256"
        return hmac.compare_digest(hmac.digest(secret, signed, digest), signature)
    if key.kty == "RSA" and alg[:2] == "RS":
        return _verify_rsa(key, digest, signed, signature)
    return _verify_with_library(key, alg, digest, signed, signature)


def _verify_rsa(key: Key, digest: str, signed: bytes, signature: bytes) -> bool:
    """RSASSA-PKCS1-v1_5: encode the expected message and compare it whole."""
    modulus, exponent = key.material
    assert isinstance(modulus, int)
    assert isinstance(exponent, int)
    size = (modulus.bit_length() + 7) // 8
    number = int.from_bytes(signature)
    if len(signature) != size or number >= modulus:
        return False
    info = _DIGEST_INFO[digest] + hashlib.new(digest, signed).digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    return pow(number, exponent, modulus).to_bytes(size) == expected


def _verify_with_library(key: Key, alg: str, digest: str, signed: bytes, signature: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
    except ImportError as missing:
        raise CannotVerify(alg) from missing
    algorithm = getattr(hashes, digest.upper())()
    try:
        _VERIFIERS[key.kty](key, alg, algorithm, signed, signature)
    except (InvalidSignature, ValueError):
        return False
    return True


def _rsa_like(public: Any, alg: str, algorithm: Any, signed: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric import padding

    if alg[:2] == "PS":
        public.verify(signature, signed, padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO), algorithm)
    elif alg[:2] == "RS":
        public.verify(signature, signed, padding.PKCS1v15(), algorithm)
    else:
        raise ValueError(alg)


def _rsa(key: Key, alg: str, algorithm: Any, signed: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    modulus, exponent = key.material
    assert isinstance(modulus, int)
    assert isinstance(exponent, int)
    _rsa_like(RSAPublicNumbers(exponent, modulus).public_key(), alg, algorithm, signed, signature)


def _certificate(key: Key, alg: str, algorithm: Any, signed: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.x509 import load_pem_x509_certificate

    pem = key.material[0]
    assert isinstance(pem, bytes)
    public = load_pem_x509_certificate(pem).public_key()
    if not isinstance(public, RSAPublicKey):
        raise ValueError("the certificate's key is not RSA")
    _rsa_like(public, alg, algorithm, signed, signature)


def _ec(key: Key, alg: str, algorithm: Any, signed: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    curve = getattr(ec, CURVE_CLASSES[key.curve])()
    x, y = key.material
    assert isinstance(x, int)
    assert isinstance(y, int)
    half = len(signature) // 2
    encoded = utils.encode_dss_signature(int.from_bytes(signature[:half]), int.from_bytes(signature[half : 2 * half]))
    ec.EllipticCurvePublicNumbers(x, y, curve).public_key().verify(encoded, signed, ec.ECDSA(algorithm))


def _ed25519(key: Key, alg: str, algorithm: Any, signed: bytes, signature: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    raw = key.material[0]
    assert isinstance(raw, bytes)
    Ed25519PublicKey.from_public_bytes(raw).verify(signature, signed)


CURVE_CLASSES: Final = {"P-256": "SECP256R1", "P-384": "SECP384R1", "P-521": "SECP521R1"}
_VERIFIERS: Final = {"RSA": _rsa, "X509": _certificate, "EC": _ec, "OKP": _ed25519}
