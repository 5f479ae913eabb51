"""The router filter's configuration (``http.router.v3.Router``); its work is in ``stages.router``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import Response
from ...schema import Msg
from ..retry import GRPC_TOKENS, HTTP_TOKENS, parse_retry_on, parse_uint
from .base import FilterModule, Verdict

if TYPE_CHECKING:
    from ...model.headers import HeaderMap
    from ..proxy import Proxy
    from ..stream import Stream

TYPE: Final = "envoy.extensions.filters.http.router.v3.Router"
INTEGERS: Final = frozenset(
    {"x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-max-retries"}
)


@dataclass(frozen=True, slots=True)
class RouterFilter:
    """The compiled router filter: always the last one."""

    ref: Ref
    suppress_envoy_headers: bool = False
    respect_expected_rq_timeout: bool = False
    strict_check_headers: tuple[str, ...] = ()
    upstream_http_filters: tuple[str, ...] = ()

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Nothing: the chain hands the request to ``stages.router.forward``."""
        return None

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """Nothing."""
        return None

    def first_invalid_header(self, headers: HeaderMap) -> tuple[str, str] | None:
        """Return the first checked header with a malformed value (``checkStrictHeaders``, in its order)."""
        for name in CHECKED:
            if name in self.strict_check_headers:
                value = headers.get(name)
                if value is not None and not _valid(name, value):
                    return name, value
        return None


CHECKED: Final = (
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-max-retries",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
)


def _valid(name: str, value: str) -> bool:
    if name in INTEGERS:
        return parse_uint(value) is not None
    tokens = HTTP_TOKENS if name == "x-envoy-retry-on" else GRPC_TOKENS
    return not parse_retry_on(value, tokens)[1]


def compile_router(msg: Msg, ref: Ref, proxy: Proxy) -> RouterFilter:
    """Compile the router's configuration."""
    return RouterFilter(
        ref,
        msg.suppress_envoy_headers,
        msg.respect_expected_rq_timeout,
        tuple(name.lower() for name in msg.strict_check_headers),
        tuple(f.name for f in msg.upstream_http_filters if not f.name.endswith("upstream_codec")),
    )


MODULE: Final = FilterModule(TYPE, compile_router)
