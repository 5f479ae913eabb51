"""Ask for client status: what gRPC applications, and control planes for their clients, say is run.

Source: api/envoy/service/status/v3/csds.proto.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Final

from google.protobuf.message import DecodeError

from ..errors import SourceError
from ..load.encode import to_json
from ..schema import Msg, enum_name, message_class, new, type_name
from .document import ADMIN, cluster_statuses, sections
from .holdings import Came, Holdings, Rejected
from .kinds import BY_TYPE
from .record import node_words, now, rejected
from .retry import Retry
from .save import Fetched
from .target import CallFailed, Target, call_failed, grpc_module, open_channel

STATUS: Final = "envoy.service.status.v3"
NEVER_CAME: Final = {
    "REQUESTED": "the client waits for it",
    "DOES_NOT_EXIST": "the control plane says that it does not exist",
    "TIMEOUT": "it did not come in time",
    "RECEIVED_ERROR": "the control plane answered with an error",
}
SECTIONS: Final = {
    "listener_config": "ListenersConfigDump",
    "cluster_config": "ClustersConfigDump",
    "route_config": "RoutesConfigDump",
    "scoped_route_config": "ScopedRoutesConfigDump",
    "endpoint_config": "EndpointsConfigDump",
}


def fetch_csds(target: Target, node: Msg, *, seconds: float) -> Fetched:
    """Return what the client runs (``node.id`` chooses one); raises an EnvoysimError when it says nothing."""
    configs = _chosen(_answer(target, node, seconds), node, target)
    record: dict[str, Any] = {"by": "CSDS", "from": target.address, "at": now(), "node": node_words(configs[0].node)}
    old = [part for config in configs for part in config.xds_config if part.WhichOneof("per_xds_config")]
    if old and not any(config.generic_xds_configs for config in configs):
        return Fetched({"configs": _old_sections(old, configs[0].node)}, record)
    holdings, missing, said = _held(configs)
    record |= {"resources": holdings.summary(), "missing": missing, "rejected": rejected(holdings)}
    said += [f"{i['kind']} `{i['name']}` never came: {i['reason']}" for i in missing]
    said += [f"{i['kind']} `{i['name']}` was rejected: {i['reason']}" for i in record["rejected"]]
    document = {"configs": sections(holdings, configs[0].node), "cluster_statuses": cluster_statuses(holdings)}
    return Fetched(document, record, said)


def _answer(target: Target, node: Msg, seconds: float) -> Msg:
    request = new(f"{STATUS}.ClientStatusRequest")
    request.node.CopyFrom(node)
    if node.id:
        request.node_matchers.add().node_id.exact = node.id
    grpc = grpc_module()
    retry = Retry(time.monotonic() + seconds)
    while True:
        try:
            with open_channel(target) as channel:
                call = channel.unary_unary(f"/{STATUS}.ClientStatusDiscoveryService/FetchClientStatus", None, None)
                left = max(0.01, retry.end - time.monotonic())
                data = call(request.SerializeToString(), timeout=left, metadata=target.metadata)
            break
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise SourceError(f"did not answer within {seconds:g} s", place=target.address) from None
            retry.wait(call_failed(target, error))
    try:
        return message_class(f"{STATUS}.ClientStatusResponse").FromString(data)
    except DecodeError:
        raise CallFailed(
            "what it sent is no ClientStatusResponse", place=target.address, help="another service listens there"
        ) from None


def _chosen(response: Msg, node: Msg, target: Target) -> list[Msg]:
    """Return the status of one client: it may have several, one for each scope."""
    ids = list(dict.fromkeys(config.node.id for config in response.config))
    if not ids:
        raise SourceError("it knows no client" + (f" `{node.id}`" if node.id else ""), place=target.address)
    wanted = node.id if node.id else ids[0]
    if wanted not in ids or (len(ids) > 1 and not node.id):
        what = f"no client `{node.id}`" if node.id else "several clients"
        names = ", ".join(f"`{name}`" for name in ids[:10]) + (f" and {len(ids) - 10} more" if len(ids) > 10 else "")
        raise SourceError(f"{what}: {names}", place=target.address, help="choose one with --node-id")
    return [config for config in response.config if config.node.id == wanted]


def _held(configs: Iterable[Msg]) -> tuple[Holdings, list[dict[str, Any]], list[str]]:
    """Sort the resources of every scope: held, never came, rejected."""
    holdings = Holdings(follows=False)
    missing: list[dict[str, Any]] = []
    said: list[str] = []
    for config in configs:
        for item in config.generic_xds_configs:
            kind = BY_TYPE.get(type_name(item.type_url))
            if kind is None:
                said.append(f"`{item.name}` is a `{type_name(item.type_url)}`: left out")
                continue
            status = enum_name(item, "client_status")
            if item.HasField("xds_config"):
                if item.name in holdings.held[kind.kind] and config.client_scope:
                    said.append(f"{kind.title} `{item.name}` of scope `{config.client_scope}`: another one is kept")
                    continue
                came = Came(item.name, item.version_info, item.xds_config.type_url, item.xds_config.value)
                holdings.take(kind, [came], (), version=item.version_info, whole=False)
            elif status in NEVER_CAME:
                words = kind.kind.replace("_", " ")
                missing.append({"kind": words, "name": item.name, "wanted_by": [], "reason": NEVER_CAME[status]})
            if item.HasField("error_state"):
                error = item.error_state
                failed = to_json(error.failed_configuration) if error.HasField("failed_configuration") else None
                reason = " ".join(error.details.split()) or "rejected"
                holdings.rejected[kind.kind, item.name] = Rejected(
                    kind.kind, item.name, error.version_info, reason, failed
                )
            elif status == "NACKED":
                holdings.rejected[kind.kind, item.name] = Rejected(kind.kind, item.name, "", "rejected by the client")
    return holdings, missing, said


def _old_sections(parts: list[Msg], node: Msg) -> list[dict[str, Any]]:
    """The form before generic_xds_configs: sections of a config_dump."""
    found: list[dict[str, Any]] = [{"@type": ADMIN + "BootstrapConfigDump", "bootstrap": {"node": to_json(node)}}]
    for part in parts:
        which = part.WhichOneof("per_xds_config")
        found.append({"@type": ADMIN + SECTIONS[which], **to_json(getattr(part, which))})
    return found
