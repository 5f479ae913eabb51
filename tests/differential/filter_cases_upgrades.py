"""Upgrades and tunnels, clients that leave."""

from __future__ import annotations

from .filter_rows import Row, get

UDP = {"connection": "upgrade", "upgrade": "connect-udp"}
WELL_KNOWN = "/.well-known/masque/udp/"
TARGETS = ("a.example/443/", "2001%3Adb8%3A%3A1/443/", "a%20b/4%343/", "a/b/c/", "a/1", "/1/", "a//", "a%25b/1/")

ROWS: tuple[Row, ...] = (
    Row(
        "connect-udp: the path names the target",
        [],
        [
            get("/", UDP),
            get("/none", {**UDP, "upgrade": "Connect-UDP"}),
            *(get(WELL_KNOWN + target, UDP, status=403) for target in TARGETS),
            get("/x" + WELL_KNOWN + "a/1/", UDP),
        ],
        manager={"upgrade_configs": [{"upgrade_type": "connect-udp"}]},
    ),
    Row("connect-udp: not enabled", [], [get("/", UDP), get(WELL_KNOWN + "a.example/443/", UDP)]),
    Row(
        "a client leaves after the headers",
        [],
        [get("/", {}, action="stall"), get("/", {}, action="hang")],
        manager={"stream_idle_timeout": "0s"},
    ),
)
