"""Free ports on loopback."""

from __future__ import annotations

import socket

import pytest

from envoysim.errors import OptionError
from envoysim.verify import ports


def test_no_port_is_given_twice() -> None:
    given = [port for _ in range(50) for port in ports.free_ports(3)]

    assert len(set(given)) == len(given)


def test_a_taken_port_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = ports.free_ports(1)
    monkeypatch.setattr(ports, "FIRST", port)
    monkeypatch.setattr(ports, "LAST", port + 1)

    assert ports.free_ports(1) == [port]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(OptionError, match="too few free ports"):
            ports.free_ports(1)
