"""``/clusters`` as JSON and as text says the same of each host."""

from __future__ import annotations

import json
from pathlib import Path

from envoysim.load import load

SOCKET = {"socket_address": {"address": "127.0.0.1", "port_value": 1}}
AS_JSON = {
    "cluster_statuses": [
        {
            "name": "out::80",
            "host_statuses": [
                {
                    "address": SOCKET,
                    "health_status": {"failed_outlier_check": True, "eds_health_status": "DRAINING"},
                    "weight": 3,
                    "priority": 1,
                    "hostname": "h",
                    "locality": {"zone": "z"},
                },
                {
                    "address": {"socket_address": {"address": "::1", "port_value": 3}},
                    "health_status": {"eds_health_status": "HEALTHY"},
                    "weight": 1,
                    "locality": {},
                },
                {"address": {"pipe": {"path": "/run/s.sock"}}, "health_status": {"eds_health_status": "HEALTHY"}},
            ],
        }
    ]
}
AS_TEXT = """\
out::80::observability_name::out::80
out::80::outlier::success_rate_average::-1
out::80::default_priority::max_connections::1024
out::80::added_via_api::false
out::80::127.0.0.1:1::cx_active::0
out::80::127.0.0.1:1::hostname::h
out::80::127.0.0.1:1::health_flags::/failed_outlier_check/eds_status_draining
out::80::127.0.0.1:1::weight::3
out::80::127.0.0.1:1::region::
out::80::127.0.0.1:1::zone::z
out::80::127.0.0.1:1::priority::1
out::80::127.0.0.1:1::success_rate::-1
out::80::[::1]:3::health_flags::healthy
out::80::[::1]:3::weight::1
out::80::/run/s.sock::health_flags::healthy
"""


def test_text_is_json(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps(AS_JSON))
    (tmp_path / "c.txt").write_text(AS_TEXT)
    as_json, as_text = load(str(tmp_path / "c.json")), load(str(tmp_path / "c.txt"))

    assert dict(as_text.host_statuses) == dict(as_json.host_statuses)
    assert [key for _, key in as_json.host_statuses] == ["127.0.0.1:1", "[::1]:3", "/run/s.sock"]
    ejected = as_json.host_statuses["out::80", "127.0.0.1:1"]
    assert (ejected.eds_health_status, ejected.failed_outlier_check, ejected.weight) == ("DRAINING", True, 3)


def test_endpoints_of_a_dump_taken_without_eds() -> None:
    dump = load([{"name": "out::80", "type": "EDS"}, AS_JSON])
    assignment = dump.load_assignments["out::80"].message()

    assert dump.has_endpoints
    assert [(e.priority, len(e.lb_endpoints)) for e in assignment.endpoints] == [(0, 2), (1, 1)]
