"""The small world random cases are made of: few words, so that matchers hit and miss often."""

from __future__ import annotations

import random
from typing import Any

Json = dict[str, Any]

HOSTS = ("foo.com", "a.foo.com", "b.a.foo.com", "bar.org", "foo.com.evil", "FOO.com", "foo.com:8080", "foo", "foo.com.")
DOMAINS = (
    "foo.com",
    "*.foo.com",
    "*.a.foo.com",
    "a.*",
    "foo.*",
    "bar.org",
    "*",
    "*-x.foo.com",
    "foo.com:8080",
    "*.com",
)
SEGMENTS = ("a", "b", "ab", "A", "c1", "x-y", "")
HEADERS = ("x-a", "x-b", "x-c", "x-long-name")
VALUES = ("", "a", "b", "ab", "A", "7", "10", "-3", "a,b", "007")
QUERIES = ("", "?q", "?q=", "?q=a", "?q=b&r=1", "?q=a&q=b", "?r=a%20b", "?Q=a", "?q=a;b")
METHODS = ("GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "DELETE", "WEIRD")
REGEXES = ("/a.*", "/[ab]+", ".*", "/a/?", "(?i)/A", "/a|/b", "a", "[0-9]+", "a?b*")


def path(rng: random.Random, query: bool = True) -> str:
    """Return a path of zero to three segments, with oddities."""
    text = "/" + "/".join(rng.choice(SEGMENTS) for _ in range(rng.randint(0, 3)))
    odd = rng.random()
    if odd < 0.05:
        text += rng.choice(("/", "//", "/..", "/./b", "%2f", "%41", "%5C", ";p=1", "/a%2Fb", "\\b", "%zz"))
    return text + (rng.choice(QUERIES) if query and rng.random() < 0.4 else "")


def string_matcher(rng: random.Random) -> Json:
    """Return a StringMatcher."""
    kind = rng.choice(("exact", "prefix", "suffix", "contains", "safe_regex"))
    if kind == "safe_regex":
        return {"safe_regex": {"regex": rng.choice(REGEXES)}}
    matcher: Json = {kind: rng.choice([v for v in VALUES if v] if kind != "exact" else VALUES)}
    if rng.random() < 0.3:
        matcher["ignore_case"] = True
    return matcher


def header_matcher(rng: random.Random) -> Json:
    """Return a HeaderMatcher of any kind."""
    matcher: Json = {"name": rng.choice((*HEADERS, ":method", ":path", "x-missing"))}
    kind = rng.choice(("string", "range", "present", "absent", "name"))
    if kind == "string":
        matcher["string_match"] = string_matcher(rng)
    elif kind == "range":
        low = rng.randint(-5, 8)
        matcher["range_match"] = {"start": str(low), "end": str(low + rng.randint(1, 8))}
    elif kind != "name":
        matcher["present_match"] = kind == "present"
    if rng.random() < 0.3:
        matcher["invert_match"] = True
    if rng.random() < 0.2:
        matcher["treat_missing_header_as_empty"] = True
    return matcher


def query_matcher(rng: random.Random) -> Json:
    """Return a QueryParameterMatcher."""
    matcher: Json = {"name": rng.choice(("q", "r", "Q"))}
    if rng.random() < 0.6:
        matcher["string_match"] = string_matcher(rng)
    elif rng.random() < 0.5:
        matcher["present_match"] = rng.random() < 0.7
    return matcher


def route_match(rng: random.Random) -> Json:
    """Return a RouteMatch."""
    kind = rng.choice(("prefix", "prefix", "path", "path_separated_prefix", "safe_regex"))
    match: Json
    if kind == "safe_regex":
        match = {"safe_regex": {"regex": rng.choice(REGEXES[:6])}}
    elif kind == "path_separated_prefix":
        match = {kind: (path(rng, query=False).split("%")[0].split(";")[0].rstrip("/") or "/a")}
        if any(c in match[kind] for c in "?#\\"):
            match = {kind: "/a"}
    else:
        match = {kind: path(rng, query=False)}
    if kind != "safe_regex" and rng.random() < 0.2:
        match["case_sensitive"] = False
    if rng.random() < 0.35:
        match["headers"] = [header_matcher(rng) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.25:
        match["query_parameters"] = [query_matcher(rng) for _ in range(rng.randint(1, 2))]
    if rng.random() < 0.04:
        match["grpc"] = {}
    return match


def header_value_options(rng: random.Random) -> list[Json]:
    """Return a list of headers to add, with append actions and formats."""
    values = ("v", "", "%REQ(x-a)%", "%REQ(:PATH)%", "%PROTOCOL%", "a%%b", "%REQ(x-no?x-a):1%", "%RESPONSE_CODE%")
    actions = ("APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS")
    found = []
    for _ in range(rng.randint(1, 3)):
        option: Json = {"header": {"key": rng.choice((*HEADERS, "user-agent", "server")), "value": rng.choice(values)}}
        if rng.random() < 0.6:
            option["append_action"] = rng.choice(actions)
        if rng.random() < 0.2:
            option["keep_empty_value"] = True
        found.append(option)
    return found


def mutations(rng: random.Random, share: float) -> Json:
    """Return request and response header mutations for one level, each there with probability ``share``."""
    found: Json = {}
    for side in ("request", "response"):
        if rng.random() < share:
            found[f"{side}_headers_to_add"] = header_value_options(rng)
        if rng.random() < share / 2:
            found[f"{side}_headers_to_remove"] = [rng.choice((*HEADERS, "user-agent", "x-envoy-upstream-service-time"))]
    return found
