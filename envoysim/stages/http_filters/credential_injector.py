"""Credentials put into requests (``source/extensions/filters/http/credential_injector``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import LocalReply
from ...schema import Msg, any_type, unpack
from .base import DecoderOnly, FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector"
CREDENTIALS: Final = "envoy.extensions.http.injected_credentials."
FAILED: Final = LocalReply(401, "failed_to_inject_credential", "Failed to inject credential.")


@dataclass(frozen=True, slots=True)
class CredentialInjector(DecoderOnly):
    """The compiled filter; ``value`` is ``None`` where the secret is not delivered."""

    ref: Ref
    header: str
    value: str | None
    overwrite: bool
    allow_without: bool
    note: str = ""

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Set the header, unless it is there."""
        telling = stream.telling
        if self.note:
            telling.note(self.ref, self.note)
        if self.header in stream.headers and not self.overwrite:
            telling.step("http filter", self.ref, "`{}` is there already", self.header)
            return None
        if self.value is None:
            at = self.ref.at("allow_request_without_credential")
            telling.step("http filter", at, "no credential to inject")
            return None if self.allow_without else FAILED
        stream.headers.replace(self.header, self.value)
        telling.step("http filter", self.ref, "credential put into `{}`", self.header)
        return None


def compile_credential_injector(msg: Msg, ref: Ref, proxy: Proxy) -> CredentialInjector:
    """Compile ``envoy.extensions.filters.http.credential_injector.v3.CredentialInjector``."""
    config = unpack(msg.credential.typed_config)
    kind = any_type(msg.credential.typed_config)
    if config is None or kind != CREDENTIALS + "generic.v3.Generic":
        note = f"credentials of `{msg.credential.name}` are fetched from a service: shown as `*`"
        return CredentialInjector(ref, "authorization", "*", msg.overwrite, msg.allow_request_without_credential, note)
    header = config.header.lower() or "authorization"
    secret = proxy.dump.secrets.get(config.credential.name)
    prefix = getattr(config, "header_value_prefix", "")
    value, note = None, "the secret is not in the dump"
    if secret is not None:
        source = secret.message().generic_secret.secret
        text = source.inline_string or source.inline_bytes.decode("utf-8", "replace")
        hidden = not text or "redacted" in text
        value, note = (prefix + ("*" if hidden else text)), "the secret is hidden: shown as `*`" if hidden else ""
    return CredentialInjector(ref, header, value, msg.overwrite, msg.allow_request_without_credential, note)


MODULE: Final = FilterModule(TYPE, compile_credential_injector)
