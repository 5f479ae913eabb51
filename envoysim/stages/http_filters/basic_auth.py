"""Basic authentication (``source/extensions/filters/http/basic_auth/basic_auth_filter.cc``).

Admin dumps redact the users: then credentials that are well formed are taken as valid, unless the user says otherwise.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import LocalReply
from ...schema import Msg
from .base import DecoderOnly, FilterModule, Verdict
from .data_source import read_data_source
from .original_uri import original_uri
from .verdicts import assume, given_verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

FAILED: Final = "User authentication failed. "


@dataclass(frozen=True, slots=True)
class Users:
    """The users of an ``.htpasswd`` source: name -> base64 of the password's SHA-1; ``None`` where not known."""

    ref: Ref
    hashes: Mapping[str, str] | None

    def accepts(self, name: str, password: bytes) -> bool:
        """Tell whether the password is the user's."""
        expected = (self.hashes or {}).get(name)
        if expected is None:
            return False
        # The file's format prescribes SHA-1.
        computed = base64.b64encode(hashlib.sha1(password, usedforsecurity=False).digest())
        return hmac.compare_digest(computed, expected.encode())


@dataclass(frozen=True, slots=True)
class BasicAuth(DecoderOnly):
    """The compiled filter; a route replaces the users only."""

    ref: Ref
    users: Users
    forward_username_header: str
    authentication_header: str
    allow_missing: bool
    emit_dynamic_metadata: bool
    name: str = ""

    def with_name(self, name: str) -> BasicAuth:
        """Return the filter with its configured name: the namespace of its metadata."""
        return replace(self, name=name)

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Check the credentials."""
        users = overrides[-1] if overrides else self.users
        assert isinstance(users, Users)
        headers, telling = stream.headers, stream.telling
        value = headers.get(self.authentication_header)
        if value is None or not value.startswith("Basic "):
            if self.allow_missing:
                return None
            if value is None:
                return self._deny(stream, users, "Missing username and password.", "no_credential")
            return self._deny(stream, users, "Expected 'Basic' authentication scheme.", "invalid_scheme")
        name, colon, password = _decode(value[6:]).partition(b":")
        if not colon:
            return self._deny(stream, users, "Invalid basic credential format.", "invalid_format")
        user = name.decode("utf-8", "replace")
        if not (_unknown_users(stream, users) if users.hashes is None else users.accepts(user, password)):
            return self._deny(stream, users, "Invalid username/password combination.", "invalid_credential")
        if self.forward_username_header:
            headers.set(self.forward_username_header, user)
        if self.emit_dynamic_metadata:
            stream.metadata.setdefault(self.name, {})["username"] = user
        telling.count(f"http.{stream.hcm.stat_prefix}.basic_auth.allowed")
        telling.step("http filter", users.ref, "basic_auth: user `{}` is authenticated", user)
        return None

    def _deny(self, stream: Stream, users: Users, why: str, details: str) -> LocalReply:
        stream.telling.count(f"http.{stream.hcm.stat_prefix}.basic_auth.denied")
        stream.telling.step("http filter", users.ref, "basic_auth refuses the request: {}", why)
        challenge = ("www-authenticate", f'Basic realm="{original_uri(stream.headers)}"')
        return LocalReply(401, f"{details}_for_basic_auth", FAILED + why, headers=(challenge,))


def _unknown_users(stream: Stream, users: Users) -> bool:
    """The users are redacted: the user of the simulator decides, else the credentials count as valid."""
    given = given_verdict(stream, "basic_auth")
    if given is None:
        assume(stream, users.ref, "the users are not in the dump: the credentials are taken as valid")
    return given is None or given.word == "allow"


def _decode(text: str) -> bytes:
    """Decode base64 with or without padding; "" for anything else."""
    text = text.rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _compile_users(source: Msg, ref: Ref) -> Users:
    text = read_data_source(source)
    if text is None:
        return Users(ref, None)
    hashes = {}
    for line in text.splitlines():
        name, colon, secret = line.strip().partition(":")
        if colon and not name.startswith("#"):
            hashes[name] = secret.removeprefix("{SHA}")
    return Users(ref, hashes)


def _compile(msg: Msg, ref: Ref, proxy: Proxy) -> BasicAuth:
    return BasicAuth(
        ref,
        _compile_users(msg.users, ref.at("users")),
        msg.forward_username_header.lower(),
        msg.authentication_header.lower() or "authorization",
        getattr(msg, "allow_missing", False),
        getattr(msg, "emit_dynamic_metadata", False),
    )


def _compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> Users:
    return _compile_users(msg.users, ref.at("users"))


MODULE: Final = FilterModule(
    "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
    _compile,
    ("envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute",),
    _compile_per_route,
)
