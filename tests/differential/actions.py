"""Weighted clusters, URI templates, regex rewrites, scopes, matcher trees, upgrades and CONNECT."""

from __future__ import annotations

from .build import TYPE, Behaviour, Bench, Json, hcm, route, some_headers, words

TEMPLATES = ("/a/{x}", "/a/*/b", "/{x}/{y}", "/a/**", "/{p=*}/c", "/a/{r=**}")
MATCH = TYPE + "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
REWRITE = TYPE + "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig"
INPUTS: dict[str, Json] = {
    "x-a": {"@type": TYPE + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": "x-a"},
    "path": {"@type": TYPE + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": ":path"},
}


def _weighted(bench: Bench) -> Json:
    entries: list[Json] = []
    for i in range(3):
        entry: Json = {"name": f"c{i}", "weight": bench.one(0, 1, 2, 5), **words.mutations(bench.rng, 0.2)}
        if bench.chance(0.1):
            entry["host_rewrite_literal"] = f"weighted{i}.com"
        if bench.chance(0.15):
            entry["cluster_header"] = "x-a"
            del entry["name"]
        entries.append(entry)
    entries[0]["weight"] = 1
    clusters: Json = {"clusters": entries}
    if bench.chance(0.2):
        clusters["header_name"] = "x-b"
    return {"weighted_clusters": clusters}


def _action(bench: Bench) -> Json:
    kind = bench.one("weighted", "weighted", "header", "plain", "plain")
    action: Json = {}
    if kind == "weighted":
        action = _weighted(bench)
    elif kind == "header":
        action = {"cluster_header": bench.one("x-a", "x-b")}
    if bench.chance(0.3):
        action["timeout"] = "0s"
    rewrite = bench.one("", "", "prefix", "regex", "format")
    if rewrite == "prefix":
        action["prefix_rewrite"] = bench.one("/", "/new", "/new/", "new")
    elif rewrite == "regex":
        pattern, substitution = bench.one(("/a", "/z"), ("^/([^/]+)(.*)$", r"\2/\1"), ("[ab]", r"<\0>"), ("x*", "-"))
        action["regex_rewrite"] = {"pattern": {"regex": pattern}, "substitution": substitution}
    elif rewrite == "format" and bench.chance(0.5):
        action["path_rewrite"] = bench.one("/p%REQ(:path)%", "/%REQ(x-a)%", "%PROTOCOL%")
    host = bench.one("", "", "literal", "header", "regex", "format")
    if host == "literal":
        action["host_rewrite_literal"] = "h.com"
    elif host == "header":
        action["host_rewrite_header"] = "x-a"
    elif host == "regex":
        action["host_rewrite_path_regex"] = {"pattern": {"regex": "^/(.+)/.*$"}, "substitution": r"\1.host"}
    if host and bench.chance(0.3):
        action["append_x_forwarded_host"] = True
    return action


def _template_route(bench: Bench, name: str) -> Json:
    template = bench.one(*TEMPLATES)
    match = {"path_match_policy": {"name": "m", "typed_config": {"@type": MATCH, "path_template": template}}}
    action: Json = {}
    if bench.chance(0.5):
        variable = bench.one("x", "y", "p", "r")
        if "{" + variable in template:
            text = f"/t/{{{variable}}}" + bench.one("", "/end")
            action["path_rewrite_policy"] = {
                "name": "r",
                "typed_config": {"@type": REWRITE, "path_template_rewrite": text},
            }
    return route(name, match, "c0", action=action)


def _routes(bench: Bench, prefix: str) -> list[Json]:
    routes: list[Json] = []
    for i in range(bench.one(2, 3, 4)):
        name = f"{prefix}r{i}"
        if bench.chance(0.3):
            routes.append(_template_route(bench, name))
            continue
        match = words.route_match(bench.rng)
        if bench.chance(0.2):
            match["cookies"] = [{"name": "k", "string_match": {"exact": bench.one("1", "2")}}]
        if bench.chance(0.2):
            match["runtime_fraction"] = {"default_value": {"numerator": bench.one(0, 50, 100)}, "runtime_key": "rt.key"}
        routes.append(route(name, match, "c1", action=_action(bench), **words.mutations(bench.rng, 0.2)))
    if bench.chance(0.7):
        routes.append(route(f"{prefix}rest", {"prefix": "/"}, "c2"))
    return routes


def _tree(bench: Bench) -> Json:
    """A virtual host's matcher that chooses among routes."""

    def chosen(name: str) -> Json:
        made = route(name, {"prefix": "/"}, bench.one("c0", "c1"))
        return {"action": {"name": "route", "typed_config": {"@type": TYPE + "envoy.config.route.v3.Route", **made}}}

    kind = bench.one("exact", "prefix", "list")
    data_input = bench.one("x-a", "path")
    source = {"name": "i", "typed_config": INPUTS[data_input]}
    values = {"x-a": ("a", "b", "ab"), "path": ("/a", "/a/b", "/b")}[data_input]
    tree: Json
    if kind == "list":
        matchers = []
        for i, value in enumerate(values):
            single: Json = {
                "input": source,
                "value_match": {bench.one("exact", "prefix", "suffix", "contains"): value or "a"},
            }
            predicate: Json = {"single_predicate": single}
            if bench.chance(0.3):
                predicate = {"not_matcher": predicate}
            if bench.chance(0.2):
                predicate = {
                    bench.one("and_matcher", "or_matcher"): {"predicate": [predicate, {"single_predicate": single}]}
                }
            matchers.append({"predicate": predicate, "on_match": chosen(f"m{i}")})
        tree = {"matcher_list": {"matchers": matchers}}
    else:
        table = {value or "z": chosen(f"t{i}") for i, value in enumerate(values)}
        tree = {"matcher_tree": {"input": source, f"{kind}_match_map": {"map": table}}}
    if bench.chance(0.6):
        tree["on_no_match"] = chosen("none")
    return tree


def _send(bench: Bench, destination: str) -> None:
    path = bench.one(
        "/a/b", "/a/b/c", "/a/x/b", "/b/c", "/a/x.y", "/a/", "/a", words.path(bench.rng), words.path(bench.rng)
    )
    if "?" not in path and bench.chance(0.3):
        path += bench.one("?q=a", "?q=b", "?q=")
    headers = list(some_headers(bench.rng, 3))
    if bench.chance(0.25):
        headers.append(bench.one(("x-a", "c0"), ("x-a", "c1"), ("x-b", "1"), ("x-b", "99999")))
    if bench.chance(0.25):
        headers.append(("cookie", bench.one("k=1", "j=1; k=2", "k=1; k=2")))
    if bench.chance(0.3):
        headers.append(("x-scope", bench.one("s1", "s2", "s3")))
    bench.send(
        destination,
        path=path,
        authority=bench.one("foo.com", "a.foo.com", "bar.org"),
        headers=tuple(headers),
        protocol=bench.one("HTTP/1.1", "HTTP/1.1", "HTTP/2"),
    )


def make(bench: Bench) -> None:
    """Routes in a table, in scopes, or behind a matcher."""
    for name in ("c0", "c1", "c2"):
        bench.cluster(name)
    kind = bench.one("table", "table", "scopes", "tree")
    if kind == "table":
        hosts = [
            {"name": "v0", "domains": ["foo.com", "*.foo.com"], "routes": _routes(bench, "a")},
            {"name": "v1", "domains": ["*"], "routes": _routes(bench, "b")},
        ]
        manager = hcm({"name": "rc", "virtual_hosts": hosts, **words.mutations(bench.rng, 0.2)})
    elif kind == "tree":
        manager = hcm({"name": "rc", "virtual_hosts": [{"name": "v", "domains": ["*"], "matcher": _tree(bench)}]})
    else:
        manager = hcm(None, scoped_routes=_scopes(bench))
    destination = bench.listener([{"name": "only", "filters": [manager]}])
    for _ in range(40):
        _send(bench, destination)


def _scopes(bench: Bench) -> Json:
    scopes = []
    for key in ("s1", "s2"):
        table = {"name": key, "virtual_hosts": [{"name": key, "domains": ["*"], "routes": _routes(bench, key)}]}
        scopes.append(
            {
                "name": key,
                "key": {"fragments": [{"string_key": key}]},
                "route_configuration": {"validate_clusters": False, **table},
            }
        )
    extractor: Json = {"name": "x-scope", "index": 0}
    if bench.chance(0.4):
        extractor = {"name": "x-scope", "element_separator": ",", "element": {"key": "s", "separator": "="}}
    return {
        "name": "scopes",
        "scope_key_builder": {"fragments": [{"header_value_extractor": extractor}]},
        "scoped_route_configurations_list": {"scoped_route_configurations": scopes},
    }


def make_upgrades(bench: Bench) -> None:
    """Upgrades and CONNECT, allowed and not, on the connection manager and on routes."""
    for name in ("c0", "c1"):
        bench.cluster(name)
    routes: list[Json] = []
    connect: Json = {"upgrade_type": "CONNECT", **({"connect_config": {}} if bench.chance(0.5) else {})}
    if bench.chance(0.6):
        routes.append(route("connect", {"connect_matcher": {}}, "c0", action={"upgrade_configs": [connect]}))
    web: Json = {"upgrade_type": "websocket", "enabled": bench.chance(0.6)}
    routes.append(route("ws", {"prefix": "/ws"}, "c0", action={"upgrade_configs": [web]} if bench.chance(0.6) else {}))
    routes.append(route("rest", {"prefix": "/"}, "c1", action={"timeout": "0.2s"} if bench.chance(0.3) else {}))
    manager: Json = {}
    if bench.chance(0.6):
        manager["upgrade_configs"] = [
            {"upgrade_type": "websocket", **({"enabled": False} if bench.chance(0.3) else {})}
        ]
    if bench.chance(0.4):
        manager.setdefault("upgrade_configs", []).append({"upgrade_type": "CONNECT"})
    if bench.chance(0.3):
        manager["http2_protocol_options"] = {"allow_connect": True}
    destination = bench.serve(routes, **manager)
    for _ in range(20):
        if bench.chance(0.3):
            bench.send(
                destination, method="CONNECT", path="", authority=bench.one("foo.com:80", "bar.org:443", "foo.com")
            )
            continue
        headers: tuple[tuple[str, str], ...] = ()
        if bench.chance(0.7):
            headers = (
                ("connection", bench.one("Upgrade", "upgrade, close")),
                ("upgrade", bench.one("websocket", "WebSocket", "h2c", "other")),
            )
        answer = bench.one(
            Behaviour(status=101, headers=(("upgrade", "websocket"), ("connection", "upgrade"))), Behaviour(status=403)
        )
        bench.send(
            destination, path=bench.one("/ws", "/x"), headers=headers, upstream=(answer,) if bench.chance(0.7) else ()
        )
