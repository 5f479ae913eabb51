"""Messages come into the pool one by one; what comes is what is asked for."""

from __future__ import annotations

import pytest

from envoysim.schema import DESCRIPTORS, knows, message_class
from envoysim.schema.descriptor_files import DescriptorFiles


@pytest.fixture
def files() -> DescriptorFiles:
    return DescriptorFiles(DESCRIPTORS.read_bytes())


@pytest.mark.parametrize(
    "name",
    [
        "envoy.config.route.v3.RouteConfiguration",
        "envoy.config.route.v3.RouteAction.HashPolicy.Header",
        "google.protobuf.Duration",
        "google.protobuf.Struct",
        "envoy.tcp.metadataexchange.config.MetadataExchange",
    ],
)
def test_a_message_is_found(files: DescriptorFiles, name: str) -> None:
    assert files.message_type(name).full_name == name
    assert files.message_type(name) is files.message_type(name)


@pytest.mark.parametrize("name", ["", "x", "x.y.Nope", "envoy.config.route.v3.Nope", "envoy.config.route.v3", "a..B"])
def test_unknown_names(files: DescriptorFiles, name: str) -> None:
    with pytest.raises(KeyError):
        files.message_type(name)
    assert not knows(name)


def test_all_of_them(files: DescriptorFiles) -> None:
    assert files.all().FindMessageTypeByName("envoy.extensions.filters.http.lua.v3.Lua").full_name.endswith(".Lua")


def test_messages_of_one_pool_fit_together() -> None:
    listener = message_class("envoy.config.listener.v3.Listener")()
    listener.address.CopyFrom(message_class("envoy.config.core.v3.Address")())
