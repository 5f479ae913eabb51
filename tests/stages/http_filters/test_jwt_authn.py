"""JWT: reading, verifying and requiring tokens; the keys are made here."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envoysim.stages.http_filters.jwt_provider import bare_audience
from envoysim.stages.http_filters.jwt_verifier import claim_text
from envoysim.stages.jwt.jwks import parse_jwks
from envoysim.stages.jwt.signature import verify_signature
from envoysim.stages.jwt.status import Status
from envoysim.stages.jwt.token import Token, decode_base64url, parse_token

from .filtering import compile_filter, compile_override, details, request, run

JWT = "jwt_authn.v3.JwtAuthentication"
SECRET = b"a secret of thirty-two bytes, ok"
FAR, PAST = 4_102_444_800, 1_000_000_000


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(payload: Any, *, secret: bytes = SECRET, **header: Any) -> str:
    """Sign a token with HS256; ``payload`` may be text to be used as it is."""
    head = {"alg": "HS256", **header}
    body = payload if isinstance(payload, str) else json.dumps(payload)
    signed = f"{encode(json.dumps(head).encode())}.{encode(body.encode())}"
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), 'sha256'))}"


def jwks(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": list(keys or [{"kty": "oct", "k": encode(SECRET), "alg": "HS256", "kid": "k0"}])})


def config(provider: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    first = {"issuer": "iss", "local_jwks": {"inline_string": jwks()}, **(provider or {})}
    rules = [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]
    return {"providers": {"p": first}, "rules": rules, **fields}


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


GOOD = {"iss": "iss", "sub": "me", "exp": FAR}
MESSAGES = [
    ("good", token(GOOD), {}, None),
    ("kid", token(GOOD, kid="k0"), {}, None),
    ("other kid", token(GOOD, kid="k1"), {}, Status.KID_ALG_MISMATCH),
    ("not three parts", "a.b", {}, Status.BAD_FORMAT),
    (
        "blanks do not count",
        f"bearer {token(GOOD)}",
        {"from_headers": [{"name": "authorization"}]},
        Status.HEADER_BAD_JSON,
    ),
    ("no base64", "a!.b.c", {}, Status.HEADER_BAD_BASE64),
    ("no json", f"{encode(b'x')}.b.c", {}, Status.HEADER_BAD_JSON),
    ("no alg", f"{encode(b'{}')}.b.c", {}, Status.HEADER_BAD_ALG),
    ("alg none", token(GOOD, alg="none"), {}, Status.HEADER_UNKNOWN_ALG),
    ("bad payload", token("[1]"), {}, Status.PAYLOAD_BAD_JSON),
    ("issuer is a number", token({"iss": 1}), {}, Status.ISS_NOT_STRING),
    ("negative exp", token({"exp": -1}), {}, Status.EXP_OUT_OF_RANGE),
    ("exp is text", token({"exp": "1"}), {}, Status.EXP_NOT_INTEGER),
    ("aud is a number", token({"aud": [1]}), {}, Status.AUD_NOT_STRING),
    ("other issuer", token({"iss": "other"}), {}, Status.UNKNOWN_ISSUER),
    ("no issuer in the token", token({"sub": "x"}), {}, Status.UNKNOWN_ISSUER),
    ("any issuer", token({"iss": "other"}), {"issuer": ""}, None),
    ("expired", token({**GOOD, "exp": PAST}), {}, Status.EXPIRED),
    ("expired, skew", token({**GOOD, "exp": PAST}), {"clock_skew_seconds": 2_000_000_000}, None),
    ("not yet", token({**GOOD, "nbf": FAR}), {}, Status.NOT_YET_VALID),
    ("signature", token(GOOD, secret=b"other"), {}, Status.VERIFICATION_FAIL),
    ("audience", token({**GOOD, "aud": "b"}), {"audiences": ["a"]}, Status.AUDIENCE_NOT_ALLOWED),
    ("no audience", token(GOOD), {"audiences": ["a"]}, Status.AUDIENCE_NOT_ALLOWED),
    ("audience without scheme", token({**GOOD, "aud": ["x", "http://a/"]}), {"audiences": ["https://a"]}, None),
    ("subject", token(GOOD), {"subjects": {"prefix": "you"}}, Status.VERIFICATION_FAIL),
    ("no expiration", token({"iss": "iss"}), {"require_expiration": True}, Status.VERIFICATION_FAIL),
    ("lifetime", token(GOOD), {"max_lifetime": "3600s"}, Status.VERIFICATION_FAIL),
    ("no keys", token(GOOD), {"local_jwks": {"inline_string": '{"keys":[]}'}}, Status.NO_VALID_KEYS),
]


@pytest.mark.parametrize(("name", "text", "provider", "expected"), MESSAGES, ids=[m[0] for m in MESSAGES])
def test_tokens(name: str, text: str, provider: dict[str, Any], expected: Status | None) -> None:
    stream = request("/a?b", headers=bearer(text))
    verdict = run(compile_filter(JWT, config(provider)), stream)
    if expected is None:
        assert verdict is None
        assert "authorization" not in stream.headers
        return
    assert verdict.status == (403 if expected is Status.AUDIENCE_NOT_ALLOWED else 401)
    assert verdict.body == expected.message
    assert verdict.details == f"jwt_authn_access_denied{{{expected.message.replace(' ', '_')}}}"
    assert verdict.headers == (("www-authenticate", 'Bearer realm="http://foo.com/a?b", error="invalid_token"'),)


def test_a_missing_token() -> None:
    verdict = run(compile_filter(JWT, config()), request("/a"))
    assert (verdict.status, verdict.body) == (401, "Jwt is missing")
    assert verdict.headers == (("www-authenticate", 'Bearer realm="http://foo.com/a"'),)
    stripped = run(compile_filter(JWT, config(strip_failure_response=True)), request("/a"))
    assert (stripped.body, stripped.headers) == ("", ())
    assert stripped.details == verdict.details


PLACES = [
    ("bearer in any place", {}, "/", {"authorization": f"x Bearer  {token(GOOD)}"}, None),
    ("lower case bearer", {}, "/", {"authorization": f"bearer {token(GOOD)}"}, "Jwt is missing"),
    ("query", {}, f"/?access_token={token(GOOD)}&a=1", {}, None),
    ("own header", {"from_headers": [{"name": "X-T"}]}, "/", {"x-t": token(GOOD)}, None),
    ("own header, default place", {"from_headers": [{"name": "X-T"}]}, "/", bearer(token(GOOD)), "Jwt is missing"),
    ("cookie", {"from_cookies": ["c"]}, "/", {"cookie": f"a=1; c={token(GOOD)}"}, None),
    (
        "every token counts",
        {"from_headers": [{"name": "x-t"}], "from_params": ["t"]},
        "/?t=garbage",
        {"x-t": token(GOOD)},
        Status.BAD_FORMAT.message,
    ),
]


@pytest.mark.parametrize(("name", "provider", "path", "headers", "message"), PLACES, ids=[p[0] for p in PLACES])
def test_places(name: str, provider: dict[str, Any], path: str, headers: dict[str, str], message: str | None) -> None:
    stream = request(path, headers=headers)
    verdict = run(compile_filter(JWT, config(provider)), stream)
    assert (verdict and verdict.body) == message
    if verdict is None:
        assert stream.headers.get(":path") == ("/?a=1" if "a=1" in path else "/")


def test_claims_go_into_headers_that_clients_cannot_forge() -> None:
    provider = {
        "forward": True,
        "forward_payload_header": "x-payload",
        "claim_to_headers": [
            {"header_name": "x-team", "claim_name": "nested.team"},
            {"header_name": "x-n", "claim_name": "n"},
        ],
        "payload_in_metadata": "pay",
        "clear_route_cache": True,
    }
    text = token({**GOOD, "nested": {"team": "red"}})
    stream = request(headers={**bearer(text), "x-team": "forged", "x-n": "forged", "x-payload": "forged"})
    assert run(compile_filter(JWT, config(provider)), stream) is None
    assert stream.headers.get("x-team") == "red"
    assert "x-n" not in stream.headers
    assert stream.headers.get("x-payload") == text.split(".")[1]
    assert stream.headers.get("authorization") == f"Bearer {text}"
    assert stream.metadata["envoy.filters.http.jwt_authn"]["pay"]["nested"] == {"team": "red"}  # type: ignore[index]
    assert stream.route_stale


CLAIMS = [
    ("text", "text"),
    (7, "7"),
    (1.5, "1.500000"),
    (-1, "-1.000000"),
    (True, "true"),
    (None, ""),
    (["a", 1.0], base64.b64encode(b'["a",1]').decode()),
    ({"a": "<"}, base64.b64encode(b'{"a":"\\u003c"}').decode()),
]


@pytest.mark.parametrize(("value", "expected"), CLAIMS, ids=str)
def test_claims_as_text(value: Any, expected: str) -> None:
    assert claim_text(value) == expected


P, Q = {"provider_name": "p"}, {"provider_name": "q"}
ANY, ALL = "requires_any", "requires_all"
MISSING: dict[str, Any] = {"allow_missing": {}}
FAILED: dict[str, Any] = {"allow_missing_or_failed": {}}
EXPIRED, OTHER = token({"iss": "iss", "exp": PAST}), token({"iss": "iss-q"})
REQUIREMENTS = [
    (P, token(GOOD), None),
    (Q, token(GOOD), "Jwt issuer is not configured"),
    ({}, "", None),
    ({ANY: {"requirements": [P, Q]}}, OTHER, None),
    ({ANY: {"requirements": [P, Q]}}, EXPIRED, "Jwt is expired"),
    ({ANY: {"requirements": [Q, P]}}, EXPIRED, "Jwt is expired"),
    ({ANY: {"requirements": [P, Q]}}, "", "Jwt is missing"),
    ({ANY: {"requirements": [P, MISSING]}}, "", None),
    ({ANY: {"requirements": [P, MISSING]}}, EXPIRED, "Jwt is expired"),
    ({ANY: {"requirements": [P, FAILED]}}, EXPIRED, None),
    ({ALL: {"requirements": [P, Q]}}, token(GOOD), "Jwt is missing"),
    (MISSING, "", None),
    (MISSING, EXPIRED, "Jwt is expired"),
    (MISSING, token({"iss": "nobody"}), "Jwt issuer is not configured"),
    (FAILED, EXPIRED, None),
    (
        {"provider_and_audiences": {"provider_name": "p", "audiences": ["x"]}},
        token(GOOD),
        Status.AUDIENCE_NOT_ALLOWED.message,
    ),
]


@pytest.mark.parametrize(("requirement", "text", "message"), REQUIREMENTS, ids=range(len(REQUIREMENTS)))
def test_requirements(requirement: dict[str, Any], text: str, message: str | None) -> None:
    setting = config(rules=[{"match": {"prefix": "/"}, "requires": requirement}])
    setting["providers"]["q"] = {"issuer": "iss-q", "local_jwks": {"inline_string": jwks()}}
    verdict = run(compile_filter(JWT, setting), request(headers=bearer(text) if text else {}))
    assert (verdict and verdict.body) == message


RULES = [
    ({"prefix": "/a"}, "/a/b?q", {}, True),
    ({"prefix": "/A"}, "/a", {}, False),
    ({"prefix": "/A", "case_sensitive": False}, "/a", {}, True),
    ({"path": "/a"}, "/a?q=1", {}, True),
    ({"path": "/a"}, "/a/", {}, False),
    ({"safe_regex": {"regex": "/a+"}}, "/aaa?q", {}, True),
    ({"path_separated_prefix": "/a"}, "/ab", {}, False),
    ({"prefix": "/", "headers": [{"name": "x-a", "present_match": True}]}, "/", {}, False),
    ({"prefix": "/", "headers": [{"name": "x-a", "present_match": True}]}, "/", {"x-a": ""}, True),
    ({"prefix": "/", "query_parameters": [{"name": "q"}]}, "/?q", {}, True),
]


@pytest.mark.parametrize(("match", "path", "headers", "asked"), RULES, ids=str)
def test_rules(match: dict[str, Any], path: str, headers: dict[str, str], asked: bool) -> None:
    setting = config(rules=[{"match": match, "requires": P}])
    assert (run(compile_filter(JWT, setting), request(path, headers=headers)) is not None) is asked


def test_forged_headers_go_even_where_no_token_is_needed() -> None:
    setting = config({"claim_to_headers": [{"header_name": "X-C", "claim_name": "c"}]}, rules=[])
    stream = request(headers={"x-c": "forged"})
    assert run(compile_filter(JWT, setting), stream) is None
    assert "x-c" not in stream.headers


def test_per_route() -> None:
    filter_ = compile_filter(JWT, config(requirement_map={"b": P, "a": MISSING}))
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({"disabled": True}, None),
        ({"requirement_name": "a"}, None),
        ({"requirement_name": "b"}, "Jwt is missing"),
        ({"requirement_name": "c"}, "Failed JWT authentication: Wrong requirement_name: c. It should be one of [a,b]"),
    ]
    for per_route, message in cases:
        override = compile_override(JWT, "jwt_authn.v3.PerRouteConfig", per_route)
        verdict = run(filter_, request(), override)
        assert (verdict and verdict.body) == message
    assert verdict.status == 403


def test_preflights_pass_where_they_may() -> None:
    headers = {"origin": "http://a", "access-control-request-method": "GET"}
    stream = request(method="OPTIONS", headers=headers)
    assert details(run(compile_filter(JWT, config()), stream)) is not None
    assert run(compile_filter(JWT, config(bypass_cors_preflight=True)), stream) is None


def test_keys_elsewhere_are_believed_and_said_so() -> None:
    remote = {"remote_jwks": {"http_uri": {"uri": "http://k", "cluster": "", "timeout": "1s"}}}
    setting = config()
    setting["providers"]["p"] = {"issuer": "iss", **remote}
    filter_ = compile_filter(JWT, setting)
    stream = request(headers=bearer(token(GOOD, secret=b"whatever")))
    assert run(filter_, stream) is None
    assert [n.text for n in stream.telling.notes] == [
        "the keys of provider `p` are not in the dump: its tokens are taken as valid"
    ]
    stream = request(headers=bearer(token(GOOD)))
    stream.world = replace(stream.world, verdicts={"jwt_authn": "error"})
    assert run(filter_, stream).body == "Jwks remote fetch is failed"


@pytest.mark.parametrize("alg", ["RS256", "RS512", "PS384", "ES256", "ES512", "EdDSA"])
def test_signatures(alg: str) -> None:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

    def number(value: int) -> str:
        return encode(value.to_bytes((value.bit_length() + 7) // 8))

    signed = f"{encode(json.dumps({'alg': alg}).encode())}.{encode(b'{}')}"
    data = signed.encode()
    algorithm: Any = getattr(hashes, f"SHA{alg[2:]}", hashes.SHA256)()
    if alg[:2] in ("RS", "PS"):
        private = rsa.generate_private_key(65537, 2048)
        numbers = private.public_key().public_numbers()
        key = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        scheme: Any = padding.PKCS1v15()
        if alg[:2] == "PS":
            scheme = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
        signature = private.sign(data, scheme, algorithm)
    elif alg[:2] == "ES":
        curve: Any = ec.SECP256R1() if alg == "ES256" else ec.SECP521R1()
        secret = ec.generate_private_key(curve)
        point = secret.public_key().public_numbers()
        key = {"kty": "EC", "crv": "P-256" if alg == "ES256" else "P-521", "x": number(point.x), "y": number(point.y)}
        r, s = utils.decode_dss_signature(secret.sign(data, ec.ECDSA(algorithm)))
        size = 32 if alg == "ES256" else 66
        signature = r.to_bytes(size) + s.to_bytes(size)
    else:
        edwards = ed25519.Ed25519PrivateKey.generate()
        key = {"kty": "OKP", "crv": "Ed25519", "x": encode(edwards.public_key().public_bytes_raw())}
        signature = edwards.sign(data)
    keys = parse_jwks(jwks(key))
    good = parse_token(f"{signed}.{encode(signature)}")
    bad = parse_token(f"{signed}.{encode(bytes(signature[:-1]) + bytes([signature[-1] ^ 1]))}")
    assert isinstance(good, Token)
    assert isinstance(bad, Token)
    assert verify_signature(good, keys) is Status.OK
    assert verify_signature(bad, keys) is Status.VERIFICATION_FAIL


@given(st.binary(max_size=40))
def test_base64url_round_trip(data: bytes) -> None:
    assert decode_base64url(encode(data)) == data
    assert decode_base64url(base64.urlsafe_b64encode(data).decode()) == data


@given(st.text(max_size=30))
def test_any_text_is_a_token_or_a_status(text: str) -> None:
    assert isinstance(parse_token(text), Token | Status)


@given(st.text("ab/:", max_size=8))
def test_bare_audience_is_idempotent_without_a_scheme(text: str) -> None:
    assert bare_audience(f"https://{text}") == bare_audience(f"http://{text}")


def test_password_hashes_are_not_keys() -> None:
    assert parse_jwks(hashlib.sha256(b"x").hexdigest()) == ()
