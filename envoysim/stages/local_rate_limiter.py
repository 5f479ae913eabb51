"""The limiter behind local rate limits (``source/extensions/filters/common/local_ratelimit/local_ratelimit_impl.cc``).

The buckets of the descriptors a request has come first, slowest first; then the default bucket. A token taken from
one bucket is not given back when another refuses.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..schema import Msg, duration_ms
from .rate_limit_descriptors import Descriptor, Entry
from .token_bucket import TokenBucket

if TYPE_CHECKING:
    from .proxy import Proxy

DEFAULT_BUCKET: Final = ("token_bucket",)


@dataclass(frozen=True, slots=True)
class BucketConfig:
    """A compiled ``TokenBucket``; ``interval_ms`` is 0 where there is none."""

    max_tokens: int
    tokens_per_fill: int
    interval_ms: float
    shadow_mode: bool = False
    path: tuple[str | int, ...] = DEFAULT_BUCKET
    """Where it stands below the filter's configuration."""

    def make(self, now_ms: float) -> Bucket:
        """Make a full bucket."""
        rate = self.tokens_per_fill / (self.interval_ms / 1000) if self.interval_ms else 0.0
        return Bucket(self.max_tokens, rate, now_ms, self.shadow_mode, self.path)


class Bucket(TokenBucket):
    """A bucket that may only look on."""

    __slots__ = ("path", "shadow_mode")

    def __init__(
        self, max_tokens: int, fill_rate: float, now_ms: float, shadow_mode: bool, path: tuple[str | int, ...]
    ) -> None:
        super().__init__(max_tokens, fill_rate, now_ms)
        self.shadow_mode = shadow_mode
        self.path = path


@dataclass(frozen=True, slots=True, eq=False)
class LimiterConfig:
    """What limiters are made from. ``descriptors`` with an empty value are wildcards: a bucket for each value met."""

    default: BucketConfig
    descriptors: tuple[tuple[tuple[Entry, ...], BucketConfig], ...]
    always_consume_default: bool
    max_dynamic: int
    share: float
    """This proxy's share of the tokens: one over the number of members of the local cluster."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a request; ``bucket`` decided."""

    allowed: bool
    bucket: Bucket | None
    words: str
    x_ratelimit_option: str = "UNSPECIFIED"

    def __str__(self) -> str:
        return self.words

    @property
    def path(self) -> tuple[str | int, ...]:
        """Where the bucket that decided stands below the filter's configuration."""
        return DEFAULT_BUCKET if self.bucket is None else self.bucket.path


class Limiter:
    """The buckets, as one worker or one connection keeps them."""

    __slots__ = ("_config", "_default", "_dynamic", "_fixed")

    def __init__(self, config: LimiterConfig, now_ms: float) -> None:
        self._config = config
        default = config.default
        self._default = default.make(now_ms) if default.interval_ms and default.max_tokens else None
        self._fixed = {entries: b.make(now_ms) for entries, b in config.descriptors if not _is_wildcard(entries)}
        self._dynamic: dict[tuple[Entry, ...], OrderedDict[tuple[Entry, ...], Bucket]] = {}

    def request_allowed(self, descriptors: Sequence[Descriptor], now_ms: float) -> Result:
        """Take tokens from every bucket that concerns a request with ``descriptors``."""
        matched = [(bucket, d) for d in descriptors if (bucket := self._find(d.entries, now_ms)) is not None]
        matched.sort(key=lambda pair: pair[0].fill_rate)
        share = self._config.share
        for bucket, descriptor in matched:
            if descriptor.refill:
                bucket.refill(now_ms, descriptor.hits)
            elif not bucket.consume(now_ms, descriptor.hits / share):
                return Result(False, bucket, f"the bucket of `{descriptor}`", descriptor.x_ratelimit_option)
        first = matched[0] if matched else None
        if first is None or self._config.always_consume_default:
            default = self._default
            if default is None and self._config.default.interval_ms:
                return Result(False, None, "the default bucket, which holds none")
            if default is not None:
                if not default.consume(now_ms, 1 / share):
                    return Result(False, default, "the default bucket")
                if first is None:
                    return Result(True, default, "the default bucket")
        if first is None:
            return Result(True, None, "no bucket")
        return Result(True, first[0], f"the bucket of `{first[1]}`", first[1].x_ratelimit_option)

    def _find(self, entries: tuple[Entry, ...], now_ms: float) -> Bucket | None:
        bucket = self._fixed.get(entries)
        if bucket is not None:
            return bucket
        for wanted, config in self._config.descriptors:
            if _is_wildcard(wanted) and _fits(wanted, entries):
                return self._of_value(wanted, config, entries, now_ms)
        return None

    def _of_value(
        self, wanted: tuple[Entry, ...], config: BucketConfig, entries: tuple[Entry, ...], now_ms: float
    ) -> Bucket:
        """Return the bucket of one value of a wildcard; the longest unused one gives way."""
        buckets = self._dynamic.setdefault(wanted, OrderedDict())
        bucket = buckets.get(entries)
        if bucket is not None:
            buckets.move_to_end(entries)
            return bucket
        bucket = buckets[entries] = config.make(now_ms)
        if len(buckets) > self._config.max_dynamic:
            buckets.popitem(last=False)
        return bucket


def _is_wildcard(entries: tuple[Entry, ...]) -> bool:
    return any(not value for _, value in entries)


def _fits(wanted: tuple[Entry, ...], entries: tuple[Entry, ...]) -> bool:
    return len(wanted) == len(entries) and all(
        key == other and (not value or value == given)
        for (key, value), (other, given) in zip(wanted, entries, strict=True)
    )


def compile_limiter(msg: Msg, proxy: Proxy) -> LimiterConfig:
    """Compile the buckets of a ``LocalRateLimit``."""
    return LimiterConfig(
        _compile_bucket(msg.token_bucket),
        tuple(
            (
                tuple((entry.key, entry.value) for entry in d.entries),
                _compile_bucket(d.token_bucket, d.shadow_mode, ("descriptors", index, *DEFAULT_BUCKET)),
            )
            for index, d in enumerate(msg.descriptors)
        ),
        msg.always_consume_default_token_bucket.value if msg.HasField("always_consume_default_token_bucket") else True,
        msg.max_dynamic_descriptors.value if msg.HasField("max_dynamic_descriptors") else 20,
        1.0,
    )


def _compile_bucket(msg: Msg, shadow_mode: bool = False, path: tuple[str | int, ...] = DEFAULT_BUCKET) -> BucketConfig:
    per_fill = msg.tokens_per_fill.value if msg.HasField("tokens_per_fill") else 1
    return BucketConfig(msg.max_tokens, per_fill, int(duration_ms(msg.fill_interval)), shadow_mode, path)
