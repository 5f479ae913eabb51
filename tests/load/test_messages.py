"""Resources given as objects or bytes are the same as from a file."""

from __future__ import annotations

import pytest
from google.protobuf import any_pb2

from envoysim.errors import SourceError
from envoysim.load import from_messages, load
from envoysim.schema import message_class, new

CLUSTER = {"name": "c", "connect_timeout": "1.500s", "lb_policy": "MAGLEV", "max_requests_per_connection": 3}
FULL = "envoy.config.cluster.v3.Cluster"


def test_messages_bytes_and_any() -> None:
    message = load([CLUSTER]).clusters["c"].message()
    packed = any_pb2.Any(type_url=f"type.googleapis.com/{FULL}", value=message.SerializeToString())

    for given in (message, (FULL, message.SerializeToString()), packed):
        dump = from_messages([given])
        assert dump.clusters["c"].message() == message
        assert dump.pointer(dump.clusters["c"].ref.at("lb_policy")) == "/0/lb_policy"
        assert dump.at_pointer("/0/connect_timeout") == "1.500s"


@pytest.mark.filterwarnings("ignore")
def test_envoy_data_plane_objects() -> None:
    cluster = pytest.importorskip("envoy_data_plane.envoy.config.cluster.v3")

    given = cluster.Cluster(name="c", lb_policy=cluster.ClusterLbPolicy.MAGLEV, max_requests_per_connection=3)

    assert from_messages([given]).clusters["c"].message().max_requests_per_connection.value == 3


def test_route_configuration_one_virtual_host_at_a_time() -> None:
    config = new("envoy.config.route.v3.RouteConfiguration")
    config.name = "r"
    config.virtual_hosts.add(name="v", domains=["a.com"])

    resource = from_messages([config]).route_configurations["r"]

    assert resource.virtual_host_domains(0) == ["a.com"]
    assert resource.virtual_host(0).name == "v"
    assert len(resource.route_config_head().virtual_hosts) == 0


BAD = [
    (message_class("google.protobuf.Duration")(), "not an Envoy resource: `google.protobuf.Duration`"),
    ((FULL, b"\xff\xff"), f"not a serialized `{FULL}`"),
    (3, "`int` is no protobuf message"),
]


@pytest.mark.parametrize(("given", "message"), BAD, ids=["type", "bytes", "object"])
def test_refused(given: object, message: str) -> None:
    with pytest.raises(SourceError, match="messages#/0") as error:
        from_messages([given])

    assert message in str(error.value)
