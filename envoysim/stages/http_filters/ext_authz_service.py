"""The authorization service over HTTP: what it is asked, and what its answer means.

``source/extensions/filters/common/ext_authz/ext_authz_http_impl.cc`` and ``check_request_utils.cc``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...match.string_matcher import StringMatcher, compile_string_matchers
from ...model.headers import HeaderMap
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg, duration_ms, new
from ..async_client import AsyncService, compile_async_service, is_default_answer
from ..headers import HeaderMutations, compile_mutations

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Stream

DEFAULT_TIMEOUT_MS: Final = 200
ALWAYS_SENT: Final = frozenset({"authorization", ":method", ":path", ":authority"})
ALWAYS_TO_CLIENT: Final = frozenset({":status", "content-length", "www-authenticate", "location"})
HEADERS_TO_REMOVE: Final = "x-envoy-auth-headers-to-remove"
OVERWRITE_IF_EXISTS_OR_ADD: Final = 2
"""Number in ``HeaderValueOption.HeaderAppendAction``."""
PARTIAL_BODY: Final = "x-envoy-auth-partial-body"

Pairs = list[tuple[str, str]]
NameTest = Callable[[str], bool]


@dataclass(slots=True)
class CheckResult:
    """What the service decided: ``ok``, ``denied`` or ``error``, and what it wants changed."""

    word: str
    status: int = 403
    body: str = ""
    assumed: bool = False
    """Nobody scripted the service: it was taken as allowing everything."""
    headers_to_set: Pairs = field(default_factory=list)
    headers_to_add: Pairs = field(default_factory=list)
    headers_to_remove: list[str] = field(default_factory=list)
    response_headers_to_add: Pairs = field(default_factory=list)
    dynamic_metadata: dict[str, object] = field(default_factory=dict)


ERROR: Final = CheckResult("error")


@dataclass(frozen=True, slots=True, eq=False)
class HttpService:
    """A compiled ``HttpService``: every test is on a header's name."""

    ref: Ref
    service: AsyncService
    path_prefix: str
    path_override: str
    sent: NameTest
    headers_to_add: HeaderMutations | None
    to_upstream: NameTest
    to_upstream_append: NameTest
    to_client: NameTest
    to_client_on_success: NameTest
    to_metadata: NameTest

    def check_headers(self, stream: Stream, disallowed: NameTest, body: str, partial: str | None) -> HeaderMap:
        """Build the headers of the question; repeats are joined."""
        joined: dict[str, str] = {}
        for name, value in stream.headers:
            if name == PARTIAL_BODY or name == "content-length" or disallowed(name) or not self.sent(name):
                continue
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        if partial is not None:
            joined[PARTIAL_BODY] = partial
        path = joined.get(":path")
        if path is not None:
            joined[":path"] = self.path_override or self.path_prefix + path
        headers = HeaderMap([("content-length", str(len(body.encode()))), *joined.items()])
        headers.set(":scheme", "http")
        if self.headers_to_add is not None:
            self.headers_to_add.apply(headers, stream, None)
        return headers

    def read_answer(self, response: Response) -> CheckResult:
        """Sort the answer: 200 allows, a 5xx is an error, everything else denies."""
        status = response.status
        if status >= 500:
            return CheckResult("error")
        result = CheckResult("ok" if status == 200 else "denied", status)
        result.assumed = is_default_answer(response)
        headers = [pair for pair in response.headers if pair[0] != HEADERS_TO_REMOVE]
        if self.to_metadata is not _none:
            result.dynamic_metadata.update((n, v) for n, v in headers if self.to_metadata(n))
        if status != 200:
            result.body = "" if result.assumed else response.body
            result.headers_to_set = [pair for pair in headers if pair[0] != ":status" and self.to_client(pair[0])]
            return result
        result.headers_to_set = [pair for pair in headers if self.to_upstream(pair[0])]
        result.headers_to_add = [pair for pair in headers if self.to_upstream_append(pair[0])]
        result.response_headers_to_add = [pair for pair in headers if self.to_client_on_success(pair[0])]
        for line in response.headers.get_all(HEADERS_TO_REMOVE):
            result.headers_to_remove += [name.strip().lower() for name in line.split(",") if name.strip()]
        return result


def compile_http_service(msg: Msg, allowed_headers: Msg, ref: Ref, allowed_ref: Ref, proxy: Proxy) -> HttpService:
    """Compile ``msg``; ``allowed_headers`` is the filter's list, for a service without one of its own."""
    uri, request, answer = msg.server_uri, msg.authorization_request, msg.authorization_response
    timeout = int(duration_ms(uri.timeout)) if uri.HasField("timeout") else DEFAULT_TIMEOUT_MS
    if request.HasField("allowed_headers"):
        allowed_headers, allowed_ref = request.allowed_headers, ref.at("authorization_request", "allowed_headers")
    at = ref.at("authorization_response")
    to_client = compile_name_test(answer.allowed_client_headers, at.at("allowed_client_headers"), ALWAYS_TO_CLIENT)
    return HttpService(
        ref,
        compile_async_service(
            uri.cluster, timeout, ref, proxy, msg.retry_policy if msg.HasField("retry_policy") else None
        ),
        msg.path_prefix,
        msg.path_override,
        compile_name_test(allowed_headers, allowed_ref, ALWAYS_SENT),
        _compile_added(request.headers_to_add, ref.at("authorization_request", "headers_to_add")),
        compile_name_test(answer.allowed_upstream_headers, at.at("allowed_upstream_headers")),
        compile_name_test(answer.allowed_upstream_headers_to_append, at.at("allowed_upstream_headers_to_append")),
        to_client if answer.allowed_client_headers.patterns else _all_but_host,
        compile_name_test(answer.allowed_client_headers_on_success, at.at("allowed_client_headers_on_success")),
        compile_name_test(answer.dynamic_metadata_from_headers, at.at("dynamic_metadata_from_headers")),
    )


def compile_name_test(msg: Msg, ref: Ref, always: frozenset[str] = frozenset()) -> NameTest:
    """Compile a ``ListStringMatcher`` on header names; ``always`` match too."""
    matchers: Sequence[StringMatcher] = compile_string_matchers(msg.patterns, ref.at("patterns"))
    if not matchers and not always:
        return _none
    return lambda name: name in always or any(m.matches(name) for m in matchers)


def _none(name: str) -> bool:
    return False


def _all_but_host(name: str) -> bool:
    """Without a list everything goes to the client."""
    return name not in (":authority", "host")


def _compile_added(msgs: Sequence[Msg], ref: Ref) -> HeaderMutations | None:
    if not msgs:
        return None
    options = []
    for msg in msgs:
        option = new("envoy.config.core.v3.HeaderValueOption")
        option.header.CopyFrom(msg)
        option.append_action = OVERWRITE_IF_EXISTS_OR_ADD
        options.append(option)
    return compile_mutations(options, (), ref)
