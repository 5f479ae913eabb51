"""Upgrades and CONNECT: who may leave plain HTTP (``HttpConnectionManagerConfig::createUpgradeFilterChain``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..model.reply import LocalReply
from ..schema import Msg
from .http_filters.chain import HttpFilterChain, compile_http_filters
from .route import Forward

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.ref import Ref
    from .proxy import Proxy
    from .stream import Stream


@dataclass(frozen=True, slots=True)
class UpgradeConfigs:
    """By lower-case type: whether the connection manager allows it, and the filters that replace its own."""

    ref: Ref
    enabled: Mapping[str, bool]
    filters: Mapping[str, HttpFilterChain]


def compile_upgrades(msgs: Sequence[Msg], ref: Ref, proxy: Proxy) -> UpgradeConfigs:
    """Compile ``upgrade_configs`` of a connection manager."""
    enabled: dict[str, bool] = {}
    filters: dict[str, HttpFilterChain] = {}
    for index, msg in enumerate(msgs):
        kind = msg.upgrade_type.lower()
        enabled[kind] = msg.enabled.value if msg.HasField("enabled") else True
        if msg.filters:
            filters[kind] = compile_http_filters(list(msg.filters), ref.at(index, "filters"), proxy)
    return UpgradeConfigs(ref, enabled, filters)


def admit_upgrade(stream: Stream) -> LocalReply | None:
    """Admit or refuse an upgrade; sets ``stream.upgrade``. Without route the router answers 404."""
    headers = stream.headers
    kind = headers.get("upgrade")
    if kind is None:
        if headers.get(":method") != "CONNECT":
            return None
        kind = "connect"
    kind = kind.lower()
    action = stream.route.action if stream.route is not None else None
    routes = action.upgrade_configs if isinstance(action, Forward) else None
    if _allowed(stream.hcm.upgrades, routes, kind):
        stream.upgrade = kind
        stream.telling.step("connection manager", stream.hcm.upgrades.ref, "upgrade `{}` is allowed", kind)
        return None
    if action is None:
        return None
    by_route = routes is not None and kind in routes
    at = action.ref.at("upgrade_configs") if by_route else stream.hcm.upgrades.ref
    words = "upgrade `{}` is not enabled in upgrade_configs of the {}: 403"
    stream.telling.step("connection manager", at, words, kind, "route" if by_route else "connection manager")
    return LocalReply(403, "upgrade_failed", close=True)


def _allowed(configs: UpgradeConfigs, routes: Mapping[str, bool] | None, kind: str) -> bool:
    """The route's entry for the type decides, in both directions; else the connection manager's."""
    if routes is not None and kind in routes:
        return routes[kind]
    return configs.enabled.get(kind, False)
