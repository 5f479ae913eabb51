"""Answers replaced by others (``source/extensions/filters/http/custom_response``).

Routes are asked first: the most specific one with a policy for the answer counts, then the filter's own matcher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import LocalReply, Response
from ...schema import Msg, any_type, unpack
from ..headers import HeaderMutations, compile_mutations
from ..matcher_tree import MatcherTree, compile_matcher_tree
from ..response_inputs import INPUTS, show_response
from ..substitution_format import Formatter, compile_substitution_format
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.custom_response.v3.CustomResponse"
LOCAL: Final = "envoy.extensions.http.custom_response.local_response_policy.v3.LocalResponsePolicy"


@dataclass(frozen=True, slots=True)
class LocalPolicy:
    """A compiled ``LocalResponsePolicy``."""

    ref: Ref
    status: int | None
    body: str | None
    format: Formatter | None
    headers: HeaderMutations | None

    def reply(self, stream: Stream, response: Response) -> LocalReply:
        """Make the answer that replaces ``response``."""
        body = self.body if self.body is not None else ""
        if self.format is not None:
            body = self.format.format(stream, response, body)
        added = HeaderMap()
        if self.headers is not None:
            self.headers.apply(added, stream, response)
        status = self.status if self.status is not None else response.status
        return LocalReply(status, "", body, (), tuple(added.items))


@dataclass(frozen=True, slots=True)
class UnmodelledPolicy:
    """A policy that fetches the answer from elsewhere."""

    ref: Ref
    note: str


Policy = LocalPolicy | UnmodelledPolicy


@dataclass(frozen=True, slots=True)
class CustomResponse:
    """A compiled ``CustomResponse``: the filter's own, or a route's."""

    ref: Ref
    matcher: MatcherTree[Policy] | None

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Nothing."""
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Replace the answer where a policy matches."""
        show_response(stream, response)
        for config in (*overrides[::-1], self):
            assert isinstance(config, CustomResponse)
            policy = config._policy(stream)
            if isinstance(policy, LocalPolicy):
                stream.telling.step("response", policy.ref, "the answer {} is replaced", response.status)
                return policy.reply(stream, response)
            if policy is not None:
                stream.telling.note(policy.ref, policy.note)
                return None
        return None

    def _policy(self, stream: Stream) -> Policy | None:
        if self.matcher is None:
            return None
        for ref, note in self.matcher.notes:
            stream.telling.note(ref, note)
        found = self.matcher.match(stream)
        return found.action if found is not None else None


def compile_custom_response(msg: Msg, ref: Ref, proxy: Proxy) -> CustomResponse:
    """Compile ``envoy.extensions.filters.http.custom_response.v3.CustomResponse``."""
    name = "custom_response_matcher"
    if not msg.HasField(name):
        return CustomResponse(ref, None)
    return CustomResponse(ref, compile_matcher_tree(msg.custom_response_matcher, ref.at(name), INPUTS, _compile_policy))


def _compile_policy(config: Msg, ref: Ref) -> Policy:
    kind, msg = any_type(config.typed_config), unpack(config.typed_config)
    if msg is None or kind != LOCAL:
        return UnmodelledPolicy(ref, f"custom response `{config.name}` is fetched from elsewhere: it is not modelled")
    at, added = ref.at("typed_config"), msg.response_headers_to_add
    return LocalPolicy(
        ref,
        msg.status_code.value if msg.HasField("status_code") else None,
        (msg.body.inline_string or msg.body.inline_bytes.decode("utf-8", "replace")) if msg.HasField("body") else None,
        compile_substitution_format(msg.body_format, at.at("body_format")) if msg.HasField("body_format") else None,
        compile_mutations(added, (), at.at("response_headers_to_add")) if added else None,
    )


MODULE: Final = FilterModule(TYPE, compile_custom_response, (TYPE,), compile_custom_response)
