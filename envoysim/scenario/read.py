"""From a scenario file to settings: traffic, upstreams, how long (docs/scenarios.md says what may stand there)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ..contract import request_from_json
from ..entry import find_entry
from ..errors import EnvoysimError, ScenarioError
from ..load.dump import Dump
from ..model.address import parse_address
from ..model.request import Request, Tls
from .marked_yaml import Keys, Marked, read_marked
from .read_upstreams import read_upstream_rules
from .settings import Burst, Phase, Scenario, Traffic


def read_scenario(path: str, dump: Dump) -> Scenario:
    """Read and check a scenario for ``dump``; raises ScenarioError with file and line."""
    marked = read_marked(path)
    if marked.value is None:
        raise ScenarioError("the scenario is empty", place=path, help="it needs `duration` and `traffic`")
    keys = Keys(marked, "the scenario")
    duration = keys.need("duration")
    duration_ms = duration.duration("`duration`")
    if duration_ms <= 0:
        duration.fail("`duration` must be longer than 0")
    streams = keys.need("traffic")
    scenario = Scenario(
        name=keys.take("name", Marked.text, path.rpartition("/")[2]),
        duration_ms=duration_ms,
        traffic=_traffic(streams, duration_ms, dump),
        upstreams=keys.take("upstreams", lambda value, _: read_upstream_rules(value, duration_ms), {}),
        seed=keys.take("seed", Marked.whole, 0),
        patience_ms=keys.take("patience", Marked.duration, 60_000.0),
        runtime=keys.take("runtime", _texts, {}),
        verdicts=keys.take("verdicts", _texts, {}),
    )
    keys.done()
    return scenario


def _texts(marked: Marked, what: str) -> dict[str, str]:
    def word(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return {key: word(value.plain) for key, value in marked.mapping(what).items()}


def _traffic(marked: Marked, duration_ms: float, dump: Dump) -> tuple[Traffic, ...]:
    found: list[Traffic] = []
    for number, item in enumerate(marked.items("`traffic`"), 1):
        stream = _stream(item, number, duration_ms, dump)
        if any(stream.name == other.name for other in found):
            item.fail(f"two streams of traffic are called `{stream.name}`")
        found.append(stream)
    if not found:
        marked.fail("`traffic` names no stream")
    return tuple(found)


def _stream(marked: Marked, number: int, duration_ms: float, dump: Dump) -> Traffic:
    keys = Keys(marked, "a stream of traffic")
    name = keys.take("name", Marked.text, f"stream {number}")
    request = _request(keys, name, dump)
    arrivals = keys.get("arrivals")
    kind = "poisson" if arrivals is None else arrivals.one_of("arrivals", ("poisson", "steady"))
    phases, bursts = _phases(keys, duration_ms), keys.get("bursts")
    found = Traffic(
        name,
        request,
        phases,
        tuple(_burst(item, duration_ms) for item in bursts.items("`bursts`")) if bursts is not None else (),
        kind,  # type: ignore[arg-type]  # one_of allows the two words alone
    )
    keys.done()
    if not found.phases and not found.bursts:
        marked.fail(f"stream `{name}` needs `rate`, `phases` or `bursts`")
    return found


# ---- when requests arrive


def _phases(keys: Keys, duration_ms: float) -> tuple[Phase, ...]:
    listed, rate = keys.get("phases"), keys.get("rate")
    start, end = keys.get("start"), keys.get("end")
    if listed is None:
        if rate is None:
            return ()
        per_second = rate.number("`rate`")
        begin = start.duration("`start`") if start is not None else 0.0
        until = end.duration("`end`") if end is not None else duration_ms
        if until <= begin:
            (end or start or rate).fail("`end` must be after `start`, and `start` within `duration`")
        return (Phase(begin, min(until, duration_ms), per_second, per_second),)
    for other, word in ((rate, "rate"), (start, "start"), (end, "end")):
        if other is not None:
            other.fail(f"`{word}` and `phases` exclude each other")
    phases: list[Phase] = []
    for item in listed.items("`phases`"):
        phase = _phase(item, phases[-1].end_ms if phases else 0.0, duration_ms)
        if phases and phase.start_ms < phases[-1].end_ms:
            item.fail(
                f"phases overlap: this one starts at {phase.start_ms / 1000:g} s, "
                f"the one before it ends at {phases[-1].end_ms / 1000:g} s"
            )
        phases.append(phase)
    return tuple(phases)


def _phase(marked: Marked, previous_end_ms: float, duration_ms: float) -> Phase:
    """Read a phase; without ``start`` it follows the one before, without ``end`` it lasts to the end."""
    keys = Keys(marked, "a phase")
    start = keys.take("start", Marked.duration, previous_end_ms)
    end = keys.take("end", Marked.duration, duration_ms)
    rate, first, last = keys.get("rate"), keys.get("from"), keys.get("to")
    if rate is not None:
        if first is not None or last is not None:
            rate.fail("a phase has either `rate`, or `from` and `to`")
        low = high = rate.number("`rate` of a phase")
    elif first is not None and last is not None:
        low, high = first.number("`from` of a phase"), last.number("`to` of a phase")
    else:
        marked.fail("a phase needs `rate`, or `from` and `to` (a ramp)")
    keys.done()
    if end <= start:
        marked.fail(f"a phase must end after it starts: {start / 1000:g} s to {end / 1000:g} s")
    if start >= duration_ms:
        marked.fail(f"the phase starts at {start / 1000:g} s, after the scenario's end at {duration_ms / 1000:g} s")
    if end > duration_ms:
        high, end = low + (high - low) * (duration_ms - start) / (end - start), duration_ms
    return Phase(start, end, low, high)


def _burst(marked: Marked, duration_ms: float) -> Burst:
    keys = Keys(marked, "a burst")
    at_ms = keys.need("at").duration("`at` of a burst")
    requests = keys.need("requests").whole("`requests` of a burst", least=1)
    over_ms = keys.take("over", Marked.duration, 0.0)
    keys.done()
    if at_ms + over_ms > duration_ms:
        marked.fail(f"the burst goes beyond the scenario's end at {duration_ms / 1000:g} s")
    return Burst(at_ms, requests, over_ms)


# ---- what they ask for


def _request(keys: Keys, name: str, dump: Dump) -> Request:
    whole, url = keys.get("request"), keys.get("url")
    words = {word: keys.get(word) for word in ("method", "headers", "listener", "direction", "protocol", "body")}
    if whole is not None:
        for word, value in (("url", url), *words.items()):
            if value is not None:
                value.fail(f"`{word}` and `request` exclude each other")
        try:
            return request_from_json({"id": name} | whole.plain)
        except EnvoysimError as error:
            whole.fail(error.message)
    if url is None:
        keys.marked.fail(f"stream `{name}` needs `url` or `request`")
    return _from_url(url, words, name, dump)


def _from_url(url: Marked, words: dict[str, Marked | None], name: str, dump: Dump) -> Request:
    text = url.text("`url`")
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        url.fail(f"malformed URL `{text}`: {error}")
    if parts.scheme not in ("http", "https") or not host:
        url.fail(f"malformed URL `{text}`: expected http://HOST[:PORT]/PATH")
    secure = parts.scheme == "https"
    protocol_word, listener, direction = words["protocol"], words["listener"], words["direction"]
    protocol = "HTTP/1.1"
    if protocol_word is not None:
        protocol = protocol_word.one_of("protocol", ("HTTP/1.1", "HTTP/2", "HTTP/1.0"))
    try:
        entry = find_entry(
            dump,
            host,
            port or (443 if secure else 80),
            _ip(host),
            listener=listener.text("`listener`") if listener is not None else None,
            direction=direction.one_of("direction", ("inbound", "outbound")) if direction is not None else None,
        )
    except EnvoysimError as error:
        (listener or url).fail(error.message, help=error.help)
    method, body, headers = words["method"], words["body"], _headers(words["headers"])
    authority = next((value for key, value in headers if key.lower() == "host"), parts.netloc.rpartition("@")[2])
    alpn = ("h2",) if protocol == "HTTP/2" else ("http/1.1",)
    return Request(
        id=name,
        connection=entry.connection(tls=Tls(host, alpn) if secure else None, protocol=protocol),
        method=method.text("`method`") if method is not None else "GET",
        scheme=parts.scheme if protocol == "HTTP/2" else None,
        authority=authority,
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        headers=tuple((key, value) for key, value in headers if key.lower() != "host"),
        body=body.text("`body`") if body is not None else "",
    )


def _headers(marked: Marked | None) -> tuple[tuple[str, str], ...]:
    """Read ``{name: value}`` or ``[[name, value], ...]``."""
    if marked is None:
        return ()
    if isinstance(marked.value, dict):
        return tuple((key, str(value.plain)) for key, value in marked.value.items())
    pairs = []
    for item in marked.items("`headers`"):
        pair = item.plain
        if not isinstance(pair, list) or len(pair) != 2:
            item.fail("a header is written `name: value` or [name, value]")
        pairs.append((str(pair[0]), str(pair[1])))
    return tuple(pairs)


def _ip(host: str) -> str | None:
    shown = f"[{host}]:0" if ":" in host else f"{host}:0"
    try:
        return parse_address(shown).ip if host.replace(".", "").isdigit() or ":" in host else None
    except ValueError:
        return None
