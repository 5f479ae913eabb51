"""What can be wrong with a token or its keys (``source/common/jwt/status.h``)."""

from __future__ import annotations

from enum import Enum


class Status(Enum):
    """A verification's result: Envoy's number (it shows in metadata), and its words for the client."""

    OK = 0, "OK"
    MISSED = 1, "Jwt is missing"
    NOT_YET_VALID = 2, "Jwt not yet valid"
    EXPIRED = 3, "Jwt is expired"
    BAD_FORMAT = 4, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
    HEADER_BAD_BASE64 = 5, "Jwt header is an invalid Base64url encoded"
    HEADER_BAD_JSON = 6, "Jwt header is an invalid JSON"
    HEADER_BAD_ALG = 7, "Jwt header [alg] field is required and must be a string"
    HEADER_UNKNOWN_ALG = 8, "Jwt header [alg] is not supported"
    HEADER_BAD_KID = 9, "Jwt header [kid] field is not a string"
    PAYLOAD_BAD_BASE64 = 10, "Jwt payload is an invalid Base64url encoded"
    PAYLOAD_BAD_JSON = 11, "Jwt payload is an invalid JSON"
    ISS_NOT_STRING = 12, "Jwt payload [iss] field is not a string"
    SUB_NOT_STRING = 13, "Jwt payload [sub] field is not a string"
    IAT_NOT_INTEGER = 14, "Jwt payload [iat] field is not an integer"
    IAT_OUT_OF_RANGE = 15, "Jwt payload [iat] field is not a positive 64 bit integer"
    NBF_NOT_INTEGER = 16, "Jwt payload [nbf] field is not an integer"
    NBF_OUT_OF_RANGE = 17, "Jwt payload [nbf] field is not a positive 64 bit integer"
    EXP_NOT_INTEGER = 18, "Jwt payload [exp] field is not an integer"
    EXP_OUT_OF_RANGE = 19, "Jwt payload [exp] field is not a positive 64 bit integer"
    JTI_NOT_STRING = 20, "Jwt payload [jti] field is not a string"
    AUD_NOT_STRING = 21, "Jwt payload [aud] field is not a string or string list"
    SIGNATURE_BAD_BASE64 = 22, "Jwt signature is an invalid Base64url encoded"
    ED25519_WRONG_LENGTH = 23, "Jwt ED25519 signature is wrong length"
    UNKNOWN_ISSUER = 24, "Jwt issuer is not configured"
    AUDIENCE_NOT_ALLOWED = 25, "Audiences in Jwt are not allowed"
    VERIFICATION_FAIL = 26, "Jwt verification fails"
    NO_VALID_KEYS = 31, "Jwks doesn't have any valid public key"
    KID_ALG_MISMATCH = 32, "Jwks doesn't have key to match kid or alg from Jwt"
    FETCH_FAIL = 40, "Jwks remote fetch is failed"

    @property
    def code(self) -> int:
        """Envoy's number."""
        return self.value[0]

    @property
    def message(self) -> str:
        """Envoy's words."""
        return self.value[1]
