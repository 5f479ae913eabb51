"""Which answers outlier detection counts as errors (``HttpProtocolOptions.outlier_detection.error_matcher``).

Follows ``processHttpForOutlierDetection`` in ``source/common/upstream/upstream_impl.cc``: of a ``MatchPredicate``
only rules on response headers can match.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..match.header_matcher import HeaderMatcher, compile_header_matcher
from ..model.headers import HeaderMap

if TYPE_CHECKING:
    from ..model.ref import Ref
    from ..model.reply import Response
    from ..schema import Msg


@dataclass(frozen=True, slots=True)
class ErrorMatcher:
    """A compiled ``MatchPredicate``: ``kind`` is its rule, with what belongs to it."""

    kind: str
    inner: tuple[ErrorMatcher, ...] = ()
    headers: tuple[HeaderMatcher, ...] = ()

    def matches(self, headers: HeaderMap) -> bool:
        """Tell whether response headers (with ``:status``) match."""
        match self.kind:
            case "or_match":
                return any(rule.matches(headers) for rule in self.inner)
            case "and_match":
                return all(rule.matches(headers) for rule in self.inner)
            case "not_match":
                return not self.inner[0].matches(headers)
            case "http_response_headers_match":
                return all(matcher.matches(headers) for matcher in self.headers)
            case _:
                return self.kind == "any_match"

    def code(self, response: Response) -> int:
        """Return the status that counts: 200 for no error; errors below 500 become 500."""
        headers = HeaderMap([(":status", str(response.status)), *response.headers.items])
        return max(response.status, 500) if self.matches(headers) else 200


def compile_error_matcher(msg: Msg, ref: Ref) -> ErrorMatcher:
    """Compile ``envoy.config.common.matcher.v3.MatchPredicate``."""
    kind = msg.WhichOneof("rule") or ""
    if kind in ("or_match", "and_match"):
        rules = getattr(msg, kind).rules
        return ErrorMatcher(
            kind, tuple(compile_error_matcher(rule, ref.at(kind, "rules", i)) for i, rule in enumerate(rules))
        )
    if kind == "not_match":
        return ErrorMatcher(kind, (compile_error_matcher(msg.not_match, ref.at(kind)),))
    if kind == "http_response_headers_match":
        headers = msg.http_response_headers_match.headers
        place = ref.at(kind, "headers")
        return ErrorMatcher(kind, (), tuple(compile_header_matcher(h, place.at(i)) for i, h in enumerate(headers)))
    return ErrorMatcher(kind)
