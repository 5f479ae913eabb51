"""Format strings: operators, absent values, JSON; header mutations and access logs that use them."""

from __future__ import annotations

from typing import Any

import pytest

from envoysim.model.headers import HeaderMap, ResponseHeaderMap
from envoysim.model.outcome import Attempt
from envoysim.model.ref import NOWHERE
from envoysim.model.reply import Response
from envoysim.stages.access_log import Lines, compile_access_loggers
from envoysim.stages.access_log_filter import compile_access_log_filter
from envoysim.stages.headers import compile_mutations, modern_format
from envoysim.stages.stream import Stream
from envoysim.stages.substitution_format import compile_format, compile_json_format, compile_substitution_format
from envoysim.stages.substitution_format.time import format_time

from .routing import ask, decode, one_host, table

ROUTES = table(one_host({"name": "r", "match": {"prefix": "/"}, "route": {"cluster": "c"}}))


def stream(path: str = "/a?x=1&y=%20&x=2", **headers: str) -> Stream:
    found = ask(ROUTES, path, headers=[(name.replace("_", "-"), value) for name, value in headers.items()])
    found.flags, found.details, found.cluster = ["UF", "URX"], "a b", "c"
    found.upstream_host = "10.0.0.1:80"
    found.attempts.append(Attempt("c", "10.0.0.1:80", 0.0, result="503"))
    found.metadata = {"ns": {"k": {"n": 7.0, "t": True, "l": [1, "z"]}, "s": "text"}}
    found.filter_state = {"key": "value"}
    return found


def answer(status: int = 503, **headers: str) -> Response:
    lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Response(status, ResponseHeaderMap(lines), "body")


# format, text where absent values are `-`
TEXTS = [
    ("", ""),
    ("100%%", "100%"),
    ("%REQ(x-a)%", "one"),
    ("%REQ(X-A):2%!", "on!"),
    ("%REQ(x-no?X-A)%", "one"),
    ("%REQ(x-no)%/%RESP(x-no)%", "-/-"),
    ("%REQ(:path)%", "/a?x=1&y=%20&x=2"),
    ("%REQ_WITHOUT_QUERY(:path)%", "/a"),
    ("%PATH(NQ)%", "/a"),
    ("%PATH(WQ:ORIG)%", "-"),
    ("%QUERY_PARAM(x)%|%QUERY_PARAM(y)%|%QUERY_PARAM(z)%", "1| |-"),
    ("%QUERY_PARAMS(DECODED)%", "x=1&y=%20&x=2"),
    ("%RESP(x-up)% %RESPONSE_CODE% %RESP(:status)%", "up 503 503"),
    ("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", "UF,URX UpstreamConnectionFailure,UpstreamRetryLimitExceeded"),
    ("%RESPONSE_CODE_DETAILS% %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "a_b a b"),
    ("%PROTOCOL% %ROUTE_NAME% %UPSTREAM_HOST%", "HTTP/1.1 r 10.0.0.1:80"),
    ("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_PORT%", "127.0.0.1:80 80"),
    ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "127.0.0.1"),
    ("%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(24)%", "10.0.0.0/24"),
    ("%DYNAMIC_METADATA(ns:k:n)%", "7"),
    ("%DYNAMIC_METADATA(ns:k)%", '{"l":[1,"z"],"n":7,"t":true}'),
    ("%DYNAMIC_METADATA(ns:s):2%", "te"),
    ("%METADATA(DYNAMIC:ns:s)%", "text"),
    ("%FILTER_STATE(key:PLAIN)%|%FILTER_STATE(key)%|%FILTER_STATE(none)%", 'value|"value"|-'),
    ("%LOCAL_REPLY_BODY%", "reply"),
    ("%BYTES_SENT%", "0"),  # it counts once the stream is over
    ("%ACCESS_LOG_TYPE%", "NotSet"),
    ("%CUSTOM_FLAGS%|%ENVIRONMENT(X)%", "|-"),
    ("%REQUESTED_SERVER_NAME%|%REQUESTED_SERVER_NAME(HOST_FIRST)%", "-|foo.com"),
    ('%COALESCE({"operators": ["REQUESTED_SERVER_NAME", {"command": "REQ", "param": "x-a"}]})%', "one"),
    ("%GRPC_STATUS%", "-"),
    ("%START_TIME(%s.%3f)%", "0.000"),
    ("%START_TIME%", "1970-01-01T00:00:00.000Z"),
    ("%DOWNSTREAM_PEER_URI_SAN%%NO_SUCH_OPERATOR%", "--"),
]


@pytest.mark.parametrize(("text", "written"), TEXTS, ids=[t[0] for t in TEXTS])
def test_text(text: str, written: str) -> None:
    compiled = compile_format(text, NOWHERE, omit_empty=False)
    assert compiled.format(stream(x_a="one"), answer(x_up="up"), "reply") == written


def test_omit_empty_leaves_nothing() -> None:
    assert compile_format("[%REQ(x-no)%]", NOWHERE).format(stream(), None) == "[]"


@pytest.mark.parametrize("text", ["%CONNECTION_ID%", "%NO_SUCH_OPERATOR%", "%REQ(a?b?c)%"])
def test_unknown_operators_leave_a_note(text: str) -> None:
    asked = stream()
    compile_format(text, NOWHERE).format(asked, None)
    assert [text.strip("%").partition("(")[0] in note.text for note in asked.telling.notes] == [True]


GRPC = [("CAMEL_STRING", "Unavailable"), ("SNAKE_STRING", "UNAVAILABLE"), ("NUMBER", "14"), ("", "Unavailable")]


@pytest.mark.parametrize(("form", "written"), GRPC)
def test_grpc_status(form: str, written: str) -> None:
    compiled = compile_format(f"%GRPC_STATUS({form})%" if form else "%GRPC_STATUS%", NOWHERE)
    asked = stream(content_type="application/grpc")
    assert compiled.format(asked, answer(200, grpc_status="14")) == written
    assert compiled.format(asked, answer(503)) == written


# structure, omit empty values, JSON
STRUCTURES: list[tuple[Any, bool, str]] = [
    ({"b": 1.0, "a": "x", "c": None}, False, '{"a":"x","b":1,"c":null}\n'),
    ({"code": "%RESPONSE_CODE%", "text": "%RESPONSE_CODE%!"}, False, '{"code":503,"text":"503!"}\n'),
    ({"no": "%REQ(no)%", "mixed": "a%REQ(no)%", "m": "%DYNAMIC_METADATA(ns:k)%"}, False, ""),
    ({"no": "%REQ(no)%", "mixed": "a%REQ(no)%", "deep": {"no": "%REQ(no)%"}, "null": None}, True, '{"mixed":"a"}\n'),
    ({"no": "%REQ(no)%"}, True, "{}\n"),
    ({"list": ["%REQ(no)%", True, 2.5]}, True, '{"list":[true,2.5]}\n'),
    ({"quote": 'a"b\n', "umlaut": "ä"}, False, '{"quote":"a\\"b\\n","umlaut":"ä"}\n'),
]
STRUCTURES[2] = (*STRUCTURES[2][:2], '{"m":{"l":[1,"z"],"n":7,"t":true},"mixed":"a-","no":null}\n')


@pytest.mark.parametrize(("structure", "omit", "written"), STRUCTURES)
def test_json(structure: Any, omit: bool, written: str) -> None:
    assert compile_json_format(structure, NOWHERE, omit_empty=omit).format(stream(), answer()) == written


def test_format_in_a_file_is_unknown() -> None:
    message = decode("envoy.config.core.v3.SubstitutionFormatString", {"text_format_source": {"filename": "/f"}})
    asked = stream()
    assert compile_substitution_format(message, NOWHERE).format(asked, None) == ""
    assert "/f" in asked.telling.notes[0].text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("%Y/%m/%d", "1970/01/02"),
        ("%s", "86401"),
        ("%E3S", "01.500"),
        ("%E*S", "01.5"),
        ("%6f", "500000"),
        ("%f", "500000000"),
    ],
)
def test_times(text: str, written: str) -> None:
    assert format_time(86_401_500, text) == written


def option(key: str, value: str, action: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"header": {"key": key, "value": value}, **({"append_action": action} if action else {}), **fields}


Pairs = list[tuple[str, str]]
IF_ABSENT, IF_EXISTS, ANYHOW = "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS", "OVERWRITE_IF_EXISTS_OR_ADD"
# options, names to remove, headers before, headers after
MUTATIONS: list[tuple[list[dict[str, Any]], list[str], Pairs, Pairs]] = [
    ([option("X-N", "v")], [], [("x-n", "a")], [("x-n", "a"), ("x-n", "v")]),
    ([option("user-agent", "v")], [], [("user-agent", "a")], [("user-agent", "a,v")]),
    ([option("x", "v", append=False)], [], [("x", "a"), ("x", "b"), ("y", "")], [("y", ""), ("x", "v")]),
    ([option("x", "v", IF_ABSENT)], [], [("x", "a")], [("x", "a")]),
    ([option("x", "v", IF_ABSENT)], ["x"], [("x", "a")], [("x", "v")]),
    ([option("x", "v", IF_EXISTS)], [], [], []),
    ([option("x", "v", IF_EXISTS)], [], [("x", "a")], [("x", "v")]),
    ([option("x", "%REQ(no)%")], [], [], []),
    ([option("x", "%REQ(no)%", keep_empty_value=True)], [], [], [("x", "")]),
    ([option("host", "v")], [":path", "host"], [("y", "1")], [("y", "1")]),
    ([option("x", "1"), option("x", "2", ANYHOW)], [], [("x", "0")], [("x", "2"), ("x", "1")]),
    ([option("x", "1", IF_ABSENT), option("x", "2")], [], [], [("x", "1"), ("x", "2")]),
]


@pytest.mark.parametrize(("options", "removed", "before", "after"), MUTATIONS)
def test_header_mutations(options: list[dict[str, Any]], removed: list[str], before: Any, after: Any) -> None:
    messages = [decode("envoy.config.core.v3.HeaderValueOption", option) for option in options]
    headers = HeaderMap(before)
    asked = ask(ROUTES, headers=before)
    compile_mutations(messages, removed, NOWHERE).apply(headers, asked, None)
    assert headers.items == after


def test_response_headers_join_other_names() -> None:
    message = decode("envoy.config.core.v3.HeaderValueOption", {"header": {"key": "vary", "value": "b"}})
    response = answer(vary="a", user_agent="a")
    compile_mutations([message], [], NOWHERE).apply(response.headers, stream(), response)
    assert response.headers.get_all("vary") == ["a,b"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('%DYNAMIC_METADATA(["a", "b"])%', "%DYNAMIC_METADATA(a:b)%"),
        ("%PER_REQUEST_STATE(k)%", "%FILTER_STATE(k:PLAIN)%"),
        ("%REQ(x)%", "%REQ(x)%"),
    ],
)
def test_old_formats(old: str, new: str) -> None:
    assert modern_format(old) == new


EQUAL_503 = {"comparison": {"op": "EQ", "value": {"default_value": 503, "runtime_key": "k"}}}
LESS = {"status_code_filter": {"comparison": {"op": "LE", "value": {"default_value": 400, "runtime_key": "k"}}}}


def metadata(namespace: str, key: str, text: str, **fields: Any) -> dict[str, Any]:
    value = {"string_match": {"exact": text}}
    return {"metadata_filter": {"matcher": {"filter": namespace, "path": [{"key": key}], "value": value}, **fields}}


# filter, whether the stream with a 503 passes
FILTERS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"status_code_filter": EQUAL_503}, True),
    (LESS, False),
    ({"and_filter": {"filters": [{"status_code_filter": EQUAL_503}, LESS]}}, False),
    ({"or_filter": {"filters": [LESS, {"status_code_filter": EQUAL_503}]}}, True),
    ({"header_filter": {"header": {"name": "x-a", "string_match": {"exact": "one"}}}}, True),
    ({"response_flag_filter": {"flags": ["UF"]}}, True),
    ({"response_flag_filter": {"flags": ["NR"]}}, False),
    ({"response_flag_filter": {}}, True),
    ({"not_health_check_filter": {}}, True),
    ({"traceable_filter": {}}, False),
    ({"grpc_status_filter": {"statuses": ["UNAVAILABLE"]}}, True),
    ({"grpc_status_filter": {"statuses": ["UNAVAILABLE"], "exclude": True}}, False),
    ({"log_type_filter": {"types": ["DownstreamEnd"]}}, True),
    ({"log_type_filter": {"types": ["TcpPeriodic"]}}, False),
    (metadata("ns", "s", "text"), True),
    (metadata("ns", "s", "no"), False),
    (metadata("no", "s", "text"), True),
    (metadata("no", "s", "text", match_if_key_not_found=False), False),
]


@pytest.mark.parametrize(("config", "passes"), FILTERS)
def test_access_log_filters(config: dict[str, Any], passes: bool) -> None:
    message = decode("envoy.config.accesslog.v3.AccessLogFilter", config)
    assert compile_access_log_filter(message, NOWHERE)(stream(x_a="one"), answer()) is passes


def test_access_log_lines_are_written_when_read_with_the_time_of_the_end() -> None:
    config = {
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"text_format_source": {"inline_string": "%DURATION% %UPSTREAM_HOST%\n"}},
        }
    }
    loggers = compile_access_loggers([decode("envoy.config.accesslog.v3.AccessLog", config)], NOWHERE)
    asked = stream()
    asked.state.now_ms = 12
    lines = Lines(loggers, asked, None)
    asked.state.now_ms = 99
    assert list(lines) == ["12 10.0.0.1:80"]
    assert asked.state.now_ms == 99
