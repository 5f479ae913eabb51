"""Filters that a matcher chooses, and sessions that choose a host."""

from __future__ import annotations

from .filter_rows import (
    COOKIE_STATE,
    HEADER_STATE,
    HTTP,
    LUCKY,
    MUTATE,
    SKIP,
    Row,
    delegated,
    execute,
    get,
    http_filter,
    matcher,
    override,
)

ROWS: tuple[Row, ...] = (
    Row(
        "match delegate",
        [delegated(LUCKY, matcher("x-a", "skip", SKIP))],
        [get(), get("/", {"x-a": "skip"}), get("/", {"x-a": "other"})],
    ),
    Row(
        "composite behind a matcher",
        [
            delegated(
                http_filter("composite.v3.Composite"), matcher("x-a", "go", execute("lucky", LUCKY["typed_config"]))
            )
        ],
        [get(), get("/", {"x-a": "go"}), get("/", {"x-a": "stop"})],
    ),
    Row(
        "stateful session: cookie",
        [
            http_filter(
                "stateful_session.v3.StatefulSession",
                {
                    "session_state": {
                        "name": "envoy.http.stateful_session.cookie",
                        "typed_config": {
                            "@type": COOKIE_STATE,
                            "cookie": {"name": "s", "path": "/in"},
                        },
                    }
                },
            )
        ],
        [get("/in"), get("/in/a"), get("/inside"), get("/out"), get("/in", {"cookie": "s=AAAA"})],
    ),
    Row(
        "stateful session: header",
        [
            http_filter(
                "stateful_session.v3.StatefulSession",
                {
                    "session_state": {
                        "name": "envoy.http.stateful_session.header",
                        "typed_config": {"@type": HEADER_STATE, "name": "x-session"},
                    },
                    "strict": True,
                },
            )
        ],
        [
            get(),
            get("/", {"x-session": "MTI3LjAuMC4xOjE="}),
            get("/", {"x-session": "!"}),
            get("/", {}, headers=(("x-session", "upstream's"),)),
        ],
    ),
    Row(
        "composite: a chain of filters, per route",
        [http_filter("composite.v3.Composite")],
        [get(), get("/", {"x-a": "go"})],
        {
            "composite": override(
                "composite.v3.CompositePerRoute",
                {
                    "matcher": matcher(
                        "x-a",
                        "go",
                        {
                            "@type": HTTP + "composite.v3.ExecuteFilterAction",
                            "filter_chain": {
                                "typed_config": [
                                    {"name": "m", "typed_config": MUTATE},
                                    {"name": "f", "typed_config": LUCKY["typed_config"]},
                                ]
                            },
                        },
                    )
                },
            )
        },
    ),
)
