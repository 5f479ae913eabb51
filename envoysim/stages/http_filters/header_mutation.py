"""Header mutations (``source/extensions/filters/http/header_mutation/header_mutation.cc``).

The filter's own mutations come first, then those of the routes: the most specific one first, so that a general one
has the last word, unless ``most_specific_header_mutations_wins``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg, enum_name
from ..header_mutations import MutationList, compile_mutation_list
from ..substitution_format import Format, compile_format
from .base import FilterModule, Verdict
from .query_params import Params, parse, replace_query

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

PREFIX: Final = "envoy.extensions.filters.http.header_mutation.v3."
URL_ENCODE: Final = "envoy.reloadable_features.header_mutation_url_encode_query_params"
UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True, slots=True)
class QueryMutation:
    """One of ``query_parameter_mutations``; ``action`` is "" for a removal."""

    key: str
    action: str
    format: Format | None

    def apply(self, params: Params, stream: Stream, *, encode: bool) -> None:
        """Change the parsed parameters."""
        key, action = self.key, self.action
        if self.format is None:
            params.pop(key, None)
            return
        present = key in params
        if (action == "ADD_IF_ABSENT" and present) or (action == "OVERWRITE_IF_EXISTS" and not present):
            return
        value = self.format.format(stream, None)
        if encode:
            value = url_encode(value)
        if action == "APPEND_IF_EXISTS_OR_ADD":
            params.setdefault(key, []).append(value)
        else:
            params[key] = [value]


@dataclass(frozen=True, slots=True)
class Mutations:
    """A compiled ``Mutations``."""

    ref: Ref
    request: MutationList
    response: MutationList
    response_trailers: MutationList
    request_trailers: MutationList
    query: tuple[QueryMutation, ...]

    def change_request(self, stream: Stream, *, encode: bool) -> None:
        """Apply what concerns the request."""
        self.request.apply(stream.headers, stream, None)
        path = stream.headers.get(":path")
        if self.query and path is not None:
            params = parse(path, unquote)
            for mutation in self.query:
                mutation.apply(params, stream, encode=encode)
            stream.headers.set(":path", replace_query(path, params))
        if self.request_trailers and len(stream.trailers):
            self.request_trailers.apply(stream.trailers, stream, None)

    def change_response(self, stream: Stream, response: Response) -> None:
        """Apply what concerns the response."""
        self.response.apply(response.headers, stream, response)
        if response.trailers is not None:
            self.response_trailers.apply(response.trailers, stream, response)


@dataclass(frozen=True, slots=True)
class HeaderMutation:
    """The compiled filter."""

    ref: Ref
    mutations: Mutations
    most_specific_wins: bool
    encode_query: bool

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Mutate the request."""
        for mutations in self._in_order(overrides):
            if mutations.request or mutations.query or mutations.request_trailers:
                mutations.change_request(stream, encode=self.encode_query)
                stream.telling.step("http filter", mutations.ref, "request headers mutated")
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Mutate the response."""
        for mutations in self._in_order(overrides):
            if mutations.response or mutations.response_trailers:
                mutations.change_response(stream, response)
                stream.telling.step("response", mutations.ref, "response headers mutated")
        return None

    def _in_order(self, overrides: tuple[object, ...]) -> tuple[Mutations, ...]:
        ordered = overrides if self.most_specific_wins else overrides[::-1]
        return (self.mutations, *ordered)  # type: ignore[arg-type]  # compiled by compile_per_route


def url_encode(value: str) -> str:
    """Percent-encode all but unreserved characters (``PercentEncoding::urlEncode``)."""
    return "".join(c if c in UNRESERVED else "".join(f"%{b:02X}" for b in c.encode()) for c in value)


def compile_mutations(msg: Msg, ref: Ref, proxy: Proxy) -> Mutations:
    """Compile ``Mutations``."""
    return Mutations(
        ref,
        compile_mutation_list(msg.request_mutations, ref.at("request_mutations")),
        compile_mutation_list(msg.response_mutations, ref.at("response_mutations")),
        compile_mutation_list(msg.response_trailers_mutations, ref.at("response_trailers_mutations")),
        compile_mutation_list(msg.request_trailers_mutations, ref.at("request_trailers_mutations")),
        tuple(
            _compile_query(m, ref.at("query_parameter_mutations", i))
            for i, m in enumerate(msg.query_parameter_mutations)
        ),
    )


def _compile_query(msg: Msg, ref: Ref) -> QueryMutation:
    if not msg.HasField("append"):
        return QueryMutation(msg.remove, "", None)
    record = msg.append.record
    return QueryMutation(
        record.key, enum_name(msg.append, "action"), compile_format(record.value.string_value, ref.at("append"))
    )


def compile_header_mutation(msg: Msg, ref: Ref, proxy: Proxy) -> HeaderMutation:
    """Compile ``HeaderMutation``."""
    return HeaderMutation(
        ref,
        compile_mutations(msg.mutations, ref.at("mutations"), proxy),
        msg.most_specific_header_mutations_wins,
        proxy.runtime.boolean(URL_ENCODE, True),
    )


def compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> Mutations:
    """Compile ``HeaderMutationPerRoute``."""
    return compile_mutations(msg.mutations, ref.at("mutations"), proxy)


MODULE: Final = FilterModule(
    PREFIX + "HeaderMutation", compile_header_mutation, (PREFIX + "HeaderMutationPerRoute",), compile_per_route
)
