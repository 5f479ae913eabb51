"""Rate limit descriptors: what ``rate_limits`` of routes and filters make of a request.

``source/common/router/router_ratelimit.cc``, ``source/extensions/filters/common/ratelimit_config/ratelimit_config.cc``.
In one entry any action that has nothing to say drops the whole descriptor, unless it may be skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from ..lazy_dataclass import dataclass
from ..match.cidr_range import compile_ip_list
from ..match.header_matcher import compile_header_matchers
from ..match.query_parameter_matcher import compile_query_parameter_matcher, parse_and_decode_query
from ..match.value_matcher import metadata_value
from ..model.ref import Ref
from ..schema import Msg, any_type, enum_name, unpack
from .matcher_inputs import HTTP_INPUTS
from .metadata import filter_metadata
from .route_action import routed_cluster
from .substitution_format import Format, compile_format

if TYPE_CHECKING:
    from .proxy import Proxy
    from .route_forward import RateLimits
    from .stream import Stream

Entry = tuple[str, str]
SKIP: Final = ("", "")
"""What an action says that adds nothing and drops nothing."""
Action = Callable[["Stream"], Entry | None]
"""Returns the entry, ``SKIP``, or ``None``: drop the descriptor."""
MAX_HITS_ADDEND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What is counted: the entries, and by how much."""

    entries: tuple[Entry, ...]
    hits: int = 1
    refill: bool = False
    x_ratelimit_option: str = "UNSPECIFIED"

    def __str__(self) -> str:
        return ", ".join(f"{key}={value}" for key, value in self.entries)


@dataclass(frozen=True, slots=True, eq=False)
class RateLimitPolicy:
    """A compiled ``RateLimit``. ``hits_format`` is the number in words of the access log."""

    ref: Ref
    actions: tuple[Action, ...]
    stage: int
    disable_key: str
    on_stream_done: bool
    hits: int | None
    hits_format: Format | None
    refill: bool
    x_ratelimit_option: str
    notes: tuple[str, ...] = ()

    def describe(self, stream: Stream) -> Descriptor | None:
        """Make the descriptor; ``None`` where an action drops it."""
        for note in self.notes:
            stream.telling.note(self.ref, note)
        entries = []
        for action in self.actions:
            entry = action(stream)
            if entry is None:
                return None
            if entry[0]:
                entries.append(entry)
        hits = self.hits
        if self.hits_format is not None:
            hits = _read_hits(self.hits_format.format(stream, None))
            if hits is None:
                return None
        return Descriptor(
            tuple(entries),
            1 if hits is None else hits,
            self.refill and hits is not None,
            self.x_ratelimit_option,
        )


def _read_hits(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if 0 <= number <= MAX_HITS_ADDEND else None


def describe_request(policies: Iterable[RateLimitPolicy], stream: Stream) -> list[Descriptor]:
    """Make the descriptors of all policies that apply to requests."""
    made = [policy.describe(stream) for policy in policies if not policy.on_stream_done]
    return [descriptor for descriptor in made if descriptor is not None]


class RoutePolicies:
    """The compiled ``rate_limits`` of routes and virtual hosts, each compiled when first met."""

    __slots__ = ("_compiled", "_proxy")

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._compiled: dict[int, tuple[RateLimits, tuple[RateLimitPolicy, ...]]] = {}

    def get(self, limits: RateLimits | None, stage: int) -> tuple[RateLimitPolicy, ...]:
        """Return the policies of one level that belong to ``stage``."""
        if limits is None:
            return ()
        found = self._compiled.get(id(limits))  # the value keeps the key's object alive
        if found is None:
            found = self._compiled[id(limits)] = (limits, compile_policies(limits.messages, limits.ref, self._proxy))
        return tuple(policy for policy in found[1] if policy.stage == stage)


def compile_policies(msgs: Iterable[Msg], ref: Ref, proxy: Proxy) -> tuple[RateLimitPolicy, ...]:
    """Compile a repeated ``envoy.config.route.v3.RateLimit`` found at ``ref``."""
    return tuple(_compile_policy(msg, ref.at(index), proxy) for index, msg in enumerate(msgs))


def _compile_policy(msg: Msg, ref: Ref, proxy: Proxy) -> RateLimitPolicy:
    notes: list[str] = []
    actions = tuple(
        _compile_action(action, ref.at("actions", index), proxy, notes) for index, action in enumerate(msg.actions)
    )
    addend = msg.hits_addend
    return RateLimitPolicy(
        ref,
        actions,
        msg.stage.value,
        msg.disable_key,
        msg.apply_on_stream_done,
        addend.number.value if addend.HasField("number") else None,
        compile_format(addend.format, ref.at("hits_addend", "format")) if addend.format else None,
        getattr(addend, "is_negative_hits", False),
        enum_name(msg, "x_ratelimit_option")
        if "x_ratelimit_option" in msg.DESCRIPTOR.fields_by_name
        else "UNSPECIFIED",
        tuple(notes),
    )


def _compile_action(msg: Msg, ref: Ref, proxy: Proxy, notes: list[str]) -> Action:
    kind = msg.WhichOneof("action_specifier")
    inner = getattr(msg, kind) if kind is not None else None
    if kind == "extension":
        return _extension(inner, notes)
    make = _ACTIONS.get(kind or "")
    if make is None:
        notes.append(f"rate limit action `{kind}` is not modelled: it adds nothing")
        return lambda stream: SKIP
    return make(inner, ref.at(kind or ""), proxy)


def _source_cluster(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    name = proxy.node.cluster if proxy.node is not None else ""
    return lambda stream: ("source_cluster", name)


def _destination_cluster(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    def read(stream: Stream) -> Entry | None:
        name = routed_cluster(stream)
        return None if name is None else ("destination_cluster", name)

    return read


def _request_headers(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    key, absent = msg.descriptor_key, SKIP if msg.skip_if_absent else None
    name = msg.header_name.lower()
    name = ":authority" if name == "host" else name

    def read(stream: Stream) -> Entry | None:
        value = stream.headers.get(name)
        return absent if value is None else (key, value)

    return read


def _query_parameters(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    name, key = msg.query_parameter_name, msg.descriptor_key or "query_param"
    absent = SKIP if msg.skip_if_absent else None

    def read(stream: Stream) -> Entry | None:
        value = parse_and_decode_query(stream.headers.get(":path") or "").get(name)
        return absent if value is None else (key, value)

    return read


def _remote_address(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    return lambda stream: ("remote_address", stream.remote.ip)


def _masked_remote_address(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    v4 = msg.v4_prefix_mask_len.value if msg.HasField("v4_prefix_mask_len") else 32
    v6 = msg.v6_prefix_mask_len.value if msg.HasField("v6_prefix_mask_len") else 128

    def read(stream: Stream) -> Entry | None:
        ip = stream.remote.ip
        network = ip_network(f"{ip}/{v6 if ':' in ip else v4}", strict=False)
        return ("masked_remote_address", str(network))

    return read


def _value(msg: Msg, ref: Ref, key: str, proxy: Proxy) -> Action:
    """Make the entry of actions whose value is a format with a default."""
    template = compile_format(msg.descriptor_value, ref.at("descriptor_value"))
    default: str = msg.default_value

    def read(stream: Stream) -> Entry | None:
        value = template.format(stream, None) or default
        return (key, value) if value else None

    return read


def _generic_key(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    return _value(msg, ref, msg.descriptor_key or "generic_key", proxy)


def _expected(msg: Msg) -> bool:
    return bool(msg.expect_match.value) if msg.HasField("expect_match") else True


def _header_value_match(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    value = _value(msg, ref, msg.descriptor_key or "header_match", proxy)
    matchers, expected = compile_header_matchers(msg.headers, ref.at("headers")), _expected(msg)

    def read(stream: Stream) -> Entry | None:
        matches = all(matcher.matches(stream.headers) for matcher in matchers)
        return value(stream) if matches == expected else None

    return read


def _query_parameter_value_match(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    value = _value(msg, ref, msg.descriptor_key or "query_match", proxy)
    expected = _expected(msg)
    matchers = [
        compile_query_parameter_matcher(m, ref.at("query_parameters", i)) for i, m in enumerate(msg.query_parameters)
    ]

    def read(stream: Stream) -> Entry | None:
        params = parse_and_decode_query(stream.headers.get(":path") or "")
        return value(stream) if all(matcher.matches(params) for matcher in matchers) == expected else None

    return read


def _remote_address_match(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    value = _value(msg, ref, msg.descriptor_key or "remote_address_match", proxy)
    ranges, invert = compile_ip_list(msg.address_matcher.ranges), msg.address_matcher.invert_match
    return lambda stream: value(stream) if ranges.contains(stream.remote.ip) != invert else None


def _metadata(msg: Msg, ref: Ref, proxy: Proxy) -> Action:
    source = enum_name(msg, "source") if "source" in msg.DESCRIPTOR.fields_by_name else "DYNAMIC"
    name, path = msg.metadata_key.key, tuple(segment.key for segment in msg.metadata_key.path)
    key, default = msg.descriptor_key, msg.default_value
    absent = SKIP if getattr(msg, "skip_if_absent", False) else None

    def read(stream: Stream) -> Entry | None:
        found = metadata_value(_metadata_of(stream, source), name, path)
        value = found if isinstance(found, str) and found else default
        return (key, value) if value else absent

    return read


def _metadata_of(stream: Stream, source: str) -> Mapping[str, object]:
    if source == "DYNAMIC":
        return stream.metadata
    if source == "ROUTE_ENTRY":
        return stream.route.metadata if stream.route is not None else {}
    if source == "CLUSTER_ENTRY":
        cluster = stream.proxy.dump.clusters.get(routed_cluster(stream) or "")
        return filter_metadata(cluster.message()) if cluster is not None else {}
    return {}  # the locality is known after a host has been chosen


def _extension(msg: Msg, notes: list[str]) -> Action:
    """Compile an action that is a matcher's input: its value under the extension's name."""
    make, config = HTTP_INPUTS.get(any_type(msg.typed_config)), unpack(msg.typed_config)
    if make is None or config is None:
        notes.append(f"rate limit action `{msg.name}` is not modelled: it adds nothing")
        return lambda stream: SKIP
    read_input, name = make(config), msg.name

    def read(stream: Stream) -> Entry | None:
        value = read_input(stream)
        if not isinstance(value, str):
            return None
        return (name, value) if value else SKIP

    return read


_ACTIONS: Final[Mapping[str, Callable[[Msg, Ref, Proxy], Action]]] = {
    "source_cluster": _source_cluster,
    "destination_cluster": _destination_cluster,
    "request_headers": _request_headers,
    "query_parameters": _query_parameters,
    "remote_address": _remote_address,
    "masked_remote_address": _masked_remote_address,
    "generic_key": _generic_key,
    "header_value_match": _header_value_match,
    "query_parameter_value_match": _query_parameter_value_match,
    "remote_address_match": _remote_address_match,
    "metadata": _metadata,
    "dynamic_metadata": _metadata,
}
