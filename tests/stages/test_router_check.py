"""Every expectation of Envoy's own router_check tool holds, and every one meant to fail fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from envoysim.match.header_matcher import compile_header_matcher
from envoysim.model.headers import HeaderMap
from envoysim.model.reply import Response
from envoysim.stages.redirect import new_uri
from envoysim.stages.route import DirectResponse, Forward, Redirect
from envoysim.stages.route_action import (
    choose_cluster,
    direct_reply,
    finalize_request,
    finalize_response,
    redirect_reply,
)
from envoysim.stages.route_configuration import RouteConfiguration, resolve_route
from envoysim.stages.stream import Stream

from .routing import ask, decode, table

FOLDER = Path(__file__).parents[3] / "shared/corpus/envoy-router-check/test/tools/router_check/test/config"


def cases() -> Iterator[Any]:
    for golden in sorted(FOLDER.glob("*.golden.proto.json")):
        name = golden.name.removesuffix(".golden.proto.json")
        fails = name.endswith("Failures")
        configuration = FOLDER / f"{name.removesuffix('Failures')}.yaml"
        for test in yaml.safe_load(golden.read_text())["tests"]:  # JSON with trailing commas
            yield pytest.param(configuration, test, fails, id=f"{name}-{test['test_name']}")


CASES = list(cases())
_TABLES: dict[Path, RouteConfiguration] = {}


def configured(path: Path) -> RouteConfiguration:
    if path not in _TABLES:
        _TABLES[path] = table({"name": "rc", **yaml.safe_load(path.read_text())})
    return _TABLES[path]


def asked(configuration: RouteConfiguration, given: dict[str, Any]) -> Stream:
    """Make the request as the tool does: additional headers are set, the stream's number is fixed."""
    extra = [(h["key"].lower(), h["value"]) for h in given.get("additional_request_headers", ())]
    if given.get("internal"):
        extra.append(("x-envoy-internal", "true"))
    stream = ask(
        configuration,
        given["path"],
        given["authority"],
        method=given["method"],
        scheme="https" if given.get("ssl") else "http",
        headers=[(n, v) for n, v in extra if not n.startswith(":")],
        random_value=given.get("random_value", 0),
        resolve=False,
    )
    for name, value in extra:
        if name.startswith(":"):
            stream.headers.set(name, value)
    for entry in given.get("dynamic_metadata", ()):
        name = entry["metadata_namespace"]
        if name not in stream.metadata or entry.get("allow_overwrite"):
            stream.metadata[name] = entry["value"]
    return stream


def answer(stream: Stream) -> dict[str, Any]:
    """Return what the tool looks at, by its names; it names hosts for forwarding routes only."""
    resolve_route(stream)
    found = {"virtual_host_name": "", "virtual_cluster_name": "", "cluster_name": "", "path_redirect": ""}
    found |= {"path_rewrite": "", "host_rewrite": ""}
    route, host = stream.route, stream.virtual_host
    if route is None or host is None:
        return {**found, "response": HeaderMap()}
    response = Response(200, HeaderMap())
    if isinstance(route.action, Forward):
        found["virtual_host_name"] = host.name
        found["virtual_cluster_name"] = host.virtual_cluster(stream.headers) or (
            "other" if host.virtual_clusters else ""
        )
        found["cluster_name"] = choose_cluster(stream, route.action).name
        timeout = route.action.timeout_ms
        found["timeout"] = f"{(15_000 if timeout is None else timeout) / 1000:g}s"
        finalize_request(stream, route.action, found["cluster_name"])
        found["path_rewrite"] = stream.headers.get(":path") or ""
        found["host_rewrite"] = stream.headers.get(":authority") or ""
    elif isinstance(route.action, Redirect):
        reply = redirect_reply(stream, route.action)
        found["path_redirect"] = dict(reply.headers)["location"]
    elif isinstance(route.action, DirectResponse):
        reply = direct_reply(stream, route.action)
        found["path_redirect"] = new_uri(None, stream)
        response.headers = HeaderMap([("content-length", str(len(reply.body))), ("content-type", "text/plain")])
    finalize_response(stream, response)
    return {**found, "response": response.headers}


@pytest.mark.skipif(not CASES, reason="the corpus is not here")
@pytest.mark.parametrize(("path", "test", "fails"), CASES)
def test_expectation(path: Path, test: dict[str, Any], fails: bool) -> None:
    stream = asked(configured(path), test["input"])
    found = answer(stream)
    wanted = dict(test["validate"])
    problems = []
    for side, headers in (("request", stream.headers), ("response", found.pop("response"))):
        for fields in wanted.pop(f"{side}_header_matches", ()):
            matcher = compile_header_matcher(decode("envoy.config.route.v3.HeaderMatcher", fields))
            problems += [problem] if (problem := matcher.explain(headers)) else []
    problems += [f"{key}: {found[key]!r} is not {value!r}" for key, value in wanted.items() if found[key] != value]

    assert bool(problems) is fails, problems
