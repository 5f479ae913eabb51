"""The batch contract (docs/contract.md): requests, behaviours and upstreams read from JSON, strictly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from .errors import RequestError, ScenarioError
from .model.address import parse_address
from .model.behaviour import ECHO, Action, Behaviour, Upstream
from .model.request import Certificate, Connection, ProxyProtocol, Request, Tls
from .model.request import Protocol as SpokenProtocol

Json = Any
ACTIONS = get_args(Action)
PROTOCOLS = get_args(SpokenProtocol)


def request_from_json(obj: Json, number: int = 1) -> Request:
    """Make a Request from one decoded line; ``number`` (from 1) is its id where it has none.

    Raises RequestError, naming the key, for unknown keys and values of the wrong kind.
    """
    take = _Taker(obj, "request")
    request = Request(
        id=take.text("id", str(number), also_number=True),
        connection=_connection(take.raw("connection", {})),
        method=take.text("method", "GET"),
        scheme=take.optional_text("scheme"),
        authority=take.optional_text("authority"),
        path=take.text("path", "/"),
        headers=_pairs(take.raw("headers", []), "headers"),
        trailers=_pairs(take.raw("trailers", []), "trailers"),
        body=take.text("body", ""),
        at_ms=take.optional_number("at_ms"),
        pause_ms=take.number("pause_ms", 0.0),
        upstream=behaviours_from_json(take.raw("upstream", []), "upstream"),
        upstream_by_endpoint={
            endpoint: behaviours_from_json(value, f"upstream_by_endpoint.{endpoint}")
            for endpoint, value in _mapping(take.raw("upstream_by_endpoint", {}), "upstream_by_endpoint").items()
        },
    )
    take.done()
    return request


def request_from_line(line: str, number: int) -> Request:
    """Read one line of a requests file."""
    try:
        obj = json.loads(line)
    except ValueError as error:
        raise RequestError(f"not JSON: {error}") from None
    return request_from_json(obj, number)


def line_id(line: str, number: int) -> str:
    """Return the id of a line that could not be used, as well as it can be told."""
    try:
        obj = json.loads(line)
    except ValueError:
        return str(number)
    value = obj.get("id") if isinstance(obj, dict) else None
    return str(value) if isinstance(value, (str, int)) else str(number)


def behaviours_from_json(value: Json, place: str) -> tuple[Behaviour, ...]:
    """Read one behaviour or a list of them."""
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list):
        raise RequestError(f"`{place}` must be a list of behaviours")
    return tuple(_behaviour(item, f"{place}[{i}]") for i, item in enumerate(items))


def upstreams_from_json(obj: Json) -> dict[str, Upstream]:
    """Read the standing behaviours of ``--upstreams``; raise ScenarioError with the key."""
    if obj is None:
        return {}
    try:
        return {key: _upstream(value, key) for key, value in _mapping(obj, "upstreams").items()}
    except RequestError as error:
        raise ScenarioError(str(error)) from None


def _upstream(value: Json, key: str) -> Upstream:
    if not isinstance(value, dict) or not value.keys() & {"tls", "protocol", "behaviours"}:
        return Upstream(behaviours=behaviours_from_json(value, key))
    take = _Taker(value, key)
    tls, protocol = take.raw("tls", None), take.optional_text("protocol")
    if tls is not None and not isinstance(tls, bool):
        raise RequestError(f"`{key}.tls` must be true or false")
    if protocol not in (None, "HTTP/1.1", "HTTP/2"):
        raise RequestError(f"`{key}.protocol` must be HTTP/1.1 or HTTP/2, not `{protocol}`")
    upstream = Upstream(tls, protocol, behaviours_from_json(take.raw("behaviours", []), f"{key}.behaviours"))
    take.done()
    return upstream


def _behaviour(obj: Json, place: str) -> Behaviour:
    take = _Taker(obj, place)
    action = take.text("action", "reply")
    if action not in ACTIONS:
        raise RequestError(f"`{place}.action`: unknown action `{action}`{_did_you_mean(action, ACTIONS)}")
    grpc_status, status = take.optional_number("grpc_status"), take.number("status", 200)
    behaviour = Behaviour(
        action=action,  # type: ignore[arg-type]  # checked against ACTIONS above
        status=int(status),
        headers=_pairs(take.raw("headers", []), f"{place}.headers"),
        body=take.text("body", ECHO),
        trailers=_pairs(take.raw("trailers", []), f"{place}.trailers"),
        grpc_status=None if grpc_status is None else int(grpc_status),
        delay_ms=take.number("delay_ms", 0.0),
        reset_code=int(take.number("reset_code", 0)),
    )
    if behaviour.delay_ms < 0:
        raise RequestError(f"`{place}.delay_ms` must not be negative")
    take.done()
    return behaviour


def _connection(obj: Json) -> Connection:
    take = _Taker(obj, "connection")
    protocol = take.text("protocol", "HTTP/1.1")
    if protocol not in PROTOCOLS:
        raise RequestError(f"`connection.protocol`: unknown protocol `{protocol}`{_did_you_mean(protocol, PROTOCOLS)}")
    proxy = take.raw("proxy_protocol", None)
    connection = Connection(
        listener=take.optional_text("listener"),
        destination=take.address("destination"),
        source=take.address("source"),
        original_destination=take.address("original_destination"),
        proxy_protocol=_proxy_protocol(proxy) if proxy is not None else None,
        tls=_tls(take.raw("tls", None)),
        protocol=protocol,  # type: ignore[arg-type]  # checked against PROTOCOLS above
        reuse=take.optional_text("reuse"),
    )
    take.done()
    return connection


def _proxy_protocol(obj: Json) -> ProxyProtocol:
    take = _Taker(obj, "connection.proxy_protocol")
    source, destination = take.address("source"), take.address("destination")
    take.done()
    if source is None or destination is None:
        raise RequestError("`connection.proxy_protocol` needs `source` and `destination`")
    return ProxyProtocol(source, destination)


def _tls(obj: Json) -> Tls | None:
    if obj is None:
        return None
    take = _Taker(obj, "connection.tls")
    certificate = take.raw("certificate", None)
    tls = Tls(
        server_name=take.optional_text("server_name"),
        alpn=_texts(take.raw("alpn", []), "connection.tls.alpn"),
        certificate=_certificate(certificate) if certificate is not None else None,
    )
    take.done()
    return tls


def _certificate(obj: Json) -> Certificate:
    place = "connection.tls.certificate"
    take = _Taker(obj, place)
    certificate = Certificate(
        uri_sans=_texts(take.raw("uri_sans", []), f"{place}.uri_sans"),
        dns_sans=_texts(take.raw("dns_sans", []), f"{place}.dns_sans"),
        subject=take.text("subject", ""),
    )
    take.done()
    return certificate


class _Taker:
    """Takes keys out of an object; ``done`` refuses whatever is left."""

    def __init__(self, obj: Json, place: str) -> None:
        if not isinstance(obj, dict):
            raise RequestError(f"`{place}` must be an object, not {_kind(obj)}")
        self._obj = obj
        self._place = place
        self._known: list[str] = []

    def raw(self, key: str, default: Json) -> Json:
        self._known.append(key)
        return self._obj.get(key, default)

    def _checked(self, key: str, default: Json, check: Callable[[Json], bool], wanted: str) -> Json:
        value = self.raw(key, default)
        if value is not default and not check(value):
            raise RequestError(f"`{self._place}.{key}` must be {wanted}, not {_kind(value)}")
        return value

    def text(self, key: str, default: str, *, also_number: bool = False) -> str:
        kinds = (str, int) if also_number else (str,)
        return str(self._checked(key, default, lambda v: isinstance(v, kinds), "text"))

    def optional_text(self, key: str) -> str | None:
        value = self._checked(key, None, lambda v: v is None or isinstance(v, str), "text or null")
        return None if value is None else str(value)

    def number(self, key: str, default: float) -> float:
        return float(self._checked(key, default, _is_number, "a number"))

    def optional_number(self, key: str) -> float | None:
        value = self._checked(key, None, lambda v: v is None or _is_number(v), "a number or null")
        return None if value is None else float(value)

    def address(self, key: str) -> str | None:
        value = self.optional_text(key)
        if value is not None:
            try:
                parse_address(value)
            except ValueError as error:
                raise RequestError(f"`{self._place}.{key}`: {error}") from None
        return value

    def done(self) -> None:
        for key in self._obj:
            if key not in self._known:
                hint = _did_you_mean(key, self._known)
                raise RequestError(f"unknown key `{key}` in `{self._place}`{hint}")


def _pairs(value: Json, place: str) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        raise RequestError(f"`{place}` must be a list of [name, value] pairs, not {_kind(value)}")
    for i, pair in enumerate(value):
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(x, str) for x in pair)):
            raise RequestError(f"`{place}[{i}]` must be a [name, value] pair of texts")
    return tuple((name, text) for name, text in value)


def _texts(value: Json, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(x, str) for x in value):
        raise RequestError(f"`{place}` must be a list of texts")
    return tuple(value)


def _mapping(value: Json, place: str) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise RequestError(f"`{place}` must be an object, not {_kind(value)}")
    return {str(k): v for k, v in value.items()}


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(value: Json) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{close[0]}`?" if close else ""
