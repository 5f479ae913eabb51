"""An ordered header map with Envoy's rules (``source/common/http/header_map_impl.cc``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

_BOTH = """connection content-type content-length content-encoding cache-control keep-alive proxy-connection
    proxy-status transfer-encoding upgrade via x-envoy-attempt-count x-envoy-decorator-operation x-request-id"""

# Headers that Envoy keeps in a slot of their own: adding one that is there joins with a comma
# (INLINE_*_HEADERS in envoy/http/header_map.h, and those registered as custom inline headers).
REQUEST_INLINE = frozenset(
    f"""{_BOTH} :authority :method :path :protocol :scheme accept accept-encoding access-control-request-headers
    access-control-request-method access-control-request-private-network authentication authorization cdn-loop expect
    grpc-accept-encoding grpc-timeout if-match if-modified-since if-none-match if-range if-unmodified-since origin
    pragma referer te user-agent x-client-trace-id x-envoy-downstream-service-cluster
    x-envoy-downstream-service-node x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-force-trace
    x-envoy-hedge-on-per-try-timeout x-envoy-internal x-envoy-ip-tags x-envoy-is-timeout-retry x-envoy-max-retries
    x-envoy-original-path x-envoy-original-url x-envoy-retriable-header-names x-envoy-retriable-status-codes
    x-envoy-retry-grpc-on x-envoy-retry-on x-envoy-upstream-alt-stat-name x-envoy-upstream-rq-per-try-timeout-ms
    x-envoy-upstream-rq-timeout-alt-response x-envoy-upstream-rq-timeout-ms x-envoy-upstream-stream-duration-ms
    x-forwarded-client-cert x-forwarded-for x-forwarded-host x-forwarded-port x-forwarded-proto""".split()
)
RESPONSE_INLINE = frozenset(
    f"""{_BOTH} :status access-control-allow-credentials access-control-allow-headers access-control-allow-methods
    access-control-allow-origin access-control-allow-private-network access-control-expose-headers
    access-control-max-age age date etag expires grpc-message grpc-status last-modified location server vary
    x-envoy-degraded x-envoy-immediate-health-check-fail x-envoy-ratelimited x-envoy-upstream-canary
    x-envoy-upstream-healthchecked-cluster x-envoy-upstream-service-time""".split()
)


class HeaderMap:
    """Ordered ``(name, value)`` pairs of a request; names are lower case, repeats allowed.

    ``items`` is the list itself: stages may read it, and write it only through the methods.
    """

    __slots__ = ("items",)
    inline: ClassVar[frozenset[str]] = REQUEST_INLINE

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items: list[tuple[str, str]] = list(items)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, name: object) -> bool:
        for n, _ in self.items:  # noqa: SIM110  # a generator costs more than it says
            if n == name:
                return True
        return False

    def has_any(self, names: frozenset[str]) -> bool:
        """Tell whether one of ``names`` is there."""
        for n, _ in self.items:  # noqa: SIM110  # a generator costs more than it says
            if n in names:
                return True
        return False

    def get(self, name: str) -> str | None:
        """Return the first value of ``name``, or ``None``."""
        for n, v in self.items:
            if n == name:
                return v
        return None

    def get_all(self, name: str) -> list[str]:
        """Return every value of ``name`` in order."""
        return [v for n, v in self.items if n == name]

    def joined(self, name: str) -> str | None:
        """Return all values joined with ``,`` (``HeaderUtility::getAllOfHeaderAsString``)."""
        values = self.get_all(name)
        return ",".join(values) if values else None

    def set(self, name: str, value: str) -> None:
        """Give ``name`` one value where its first one stood; a new name goes to the end."""
        items = self.items
        for i, (n, _) in enumerate(items):
            if n == name:
                items[i] = (name, value)
                if any(m == name for m, _ in items[i + 1 :]):
                    items[i + 1 :] = [p for p in items[i + 1 :] if p[0] != name]
                return
        items.append((name, value))

    def replace(self, name: str, value: str) -> None:
        """Remove every line of ``name`` and put one at the end (``setCopy``, ``setReferenceKey``)."""
        self.remove(name)
        self.items.append((name, value))

    def add(self, name: str, value: str) -> None:
        """Add a line (``addCopy``): an inline header that is present is joined with a comma."""
        if name in self.inline:
            self.append(name, value)
        else:
            self.items.append((name, value))

    def append(self, name: str, value: str, delimiter: str = ",") -> None:
        """Join ``value`` onto the first line of ``name`` (``appendCopy``), or add it."""
        for i, (n, v) in enumerate(self.items):
            if n == name:
                if value:
                    self.items[i] = (name, f"{v}{delimiter}{value}" if v else value)
                return
        self.items.append((name, value))

    def remove(self, name: str) -> int:
        """Drop every line of ``name`` and say how many there were."""
        items = self.items
        for n, _ in items:
            if n == name:
                self.items = [p for p in items if p[0] != name]
                return len(items) - len(self.items)
        return 0

    def copy(self) -> HeaderMap:
        """Return an independent copy."""
        return type(self)(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HeaderMap) and self.items == other.items

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.items!r})"


class ResponseHeaderMap(HeaderMap):
    """The headers of a response: other names are joined when added twice."""

    __slots__ = ()
    inline = RESPONSE_INLINE
