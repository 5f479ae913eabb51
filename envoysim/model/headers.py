"""An ordered header map with Envoy's rules (``source/common/http/header_map_impl.cc``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# Headers that Envoy keeps in a slot of their own: adding one that is there joins with a comma
# (envoy/http/header_map.h, INLINE_*_HEADERS).
INLINE = frozenset(
    """:authority :method :path :protocol :scheme :status accept accept-encoding
    access-control-request-headers access-control-request-method access-control-request-private-network
    access-control-allow-credentials access-control-allow-headers access-control-allow-methods
    access-control-allow-origin access-control-expose-headers access-control-max-age
    access-control-allow-private-network age authentication authorization cache-control
    cache-status cdn-loop client-trace-id connection content-encoding content-length content-type
    date envoy-attempt-count envoy-decorator-operation envoy-degraded envoy-downstream-service-cluster
    envoy-downstream-service-node envoy-expected-request-timeout-ms envoy-external-address
    envoy-force-trace envoy-hedge-on-per-try-timeout envoy-immediate-health-check-fail envoy-internal
    envoy-ip-tags envoy-is-timeout-retry envoy-max-retries envoy-original-path envoy-original-url
    envoy-overloaded envoy-rate-limited envoy-retriable-header-names envoy-retriable-status-codes
    envoy-retry-grpc-on envoy-retry-on envoy-upstream-alt-stat-name envoy-upstream-canary
    envoy-upstream-healthchecked-cluster envoy-upstream-request-per-try-timeout-ms
    envoy-upstream-request-timeout-alt-response envoy-upstream-request-timeout-ms
    envoy-upstream-service-time envoy-upstream-stream-duration-ms etag expect expires forwarded-client-cert
    forwarded-for forwarded-host forwarded-port forwarded-proto grpc-accept-encoding grpc-message grpc-status
    grpc-timeout host if-match if-modified-since if-none-match if-range if-unmodified-since
    keep-alive last-modified location origin pragma proxy-authenticate proxy-connection proxy-status
    range referer request-id server te transfer-encoding upgrade user-agent vary via www-authenticate
    x-envoy-attempt-count x-envoy-decorator-operation x-envoy-degraded
    x-envoy-downstream-service-cluster x-envoy-downstream-service-node
    x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-force-trace
    x-envoy-hedge-on-per-try-timeout x-envoy-internal x-envoy-ip-tags x-envoy-is-timeout-retry
    x-envoy-max-retries x-envoy-original-host x-envoy-original-path x-envoy-original-url x-envoy-overloaded
    x-envoy-ratelimited x-envoy-retriable-header-names x-envoy-retriable-status-codes
    x-envoy-retry-grpc-on x-envoy-retry-on x-envoy-upstream-alt-stat-name
    x-envoy-upstream-canary x-envoy-upstream-healthchecked-cluster
    x-envoy-upstream-rq-per-try-timeout-ms x-envoy-upstream-rq-timeout-alt-response
    x-envoy-upstream-rq-timeout-ms x-envoy-upstream-service-time
    x-envoy-upstream-stream-duration-ms x-forwarded-client-cert x-forwarded-for x-forwarded-host
    x-forwarded-port x-forwarded-proto x-ot-span-context x-request-id""".split()
)


class HeaderMap:
    """Ordered ``(name, value)`` pairs; names are lower case, repeats allowed.

    ``items`` is the list itself: stages may read it, and write it only through the methods.
    """

    __slots__ = ("items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items: list[tuple[str, str]] = list(items)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, name: object) -> bool:
        return any(n == name for n, _ in self.items)

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
        """Replace every value of ``name`` by one (``setCopy``); a new name goes to the end."""
        items = self.items
        for i, (n, _) in enumerate(items):
            if n == name:
                items[i] = (name, value)
                if any(m == name for m, _ in items[i + 1 :]):
                    items[i + 1 :] = [p for p in items[i + 1 :] if p[0] != name]
                return
        items.append((name, value))

    def add(self, name: str, value: str) -> None:
        """Add a line (``addCopy``): an inline header that is present is joined with a comma."""
        if name in INLINE:
            for i, (n, v) in enumerate(self.items):
                if n == name:
                    self.items[i] = (name, f"{v},{value}" if v else value)
                    return
        self.items.append((name, value))

    def append(self, name: str, value: str, delimiter: str = ",") -> None:
        """Join ``value`` onto the first line of ``name`` (``appendCopy``), or add it."""
        for i, (n, v) in enumerate(self.items):
            if n == name:
                self.items[i] = (name, f"{v}{delimiter}{value}" if v else value)
                return
        self.items.append((name, value))

    def remove(self, name: str) -> int:
        """Drop every line of ``name`` and say how many there were."""
        before = len(self.items)
        if any(n == name for n, _ in self.items):
            self.items = [p for p in self.items if p[0] != name]
        return before - len(self.items)

    def remove_prefix(self, prefix: str) -> None:
        """Drop every header whose name starts with ``prefix``."""
        self.items = [p for p in self.items if not p[0].startswith(prefix)]

    def copy(self) -> HeaderMap:
        """Return an independent copy."""
        return HeaderMap(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HeaderMap) and self.items == other.items

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"HeaderMap({self.items!r})"
