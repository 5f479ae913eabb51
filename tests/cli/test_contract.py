"""The batch contract is read strictly."""

from __future__ import annotations

import pytest

from envoysim.contract import request_from_json, request_from_line, upstreams_from_json
from envoysim.errors import RequestError, ScenarioError
from envoysim.model.behaviour import Behaviour, Upstream

BAD = [
    ({"metod": "GET"}, "unknown key `metod` in `request`; did you mean `method`?"),
    ([], "`request` must be an object, not a list"),
    ({"headers": {"a": "b"}}, "`headers` must be a list of [name, value] pairs, not an object"),
    ({"headers": [["a"]]}, "`headers[0]` must be a [name, value] pair of texts"),
    ({"connection": {"protocol": "HTTP/1"}}, "unknown protocol `HTTP/1`; did you mean `HTTP/1.1`?"),
    ({"connection": {"destination": "10.0.0.1"}}, "`connection.destination`: `10.0.0.1` is not an `ip:port`"),
    ({"connection": {"proxy_protocol": {"source": "1.2.3.4:5"}}}, "needs `source` and `destination`"),
    ({"upstream": [{"action": "rest"}]}, "unknown action `rest`; did you mean `reset`?"),
    ({"upstream": [{"delay_ms": -1}]}, "`upstream[0].delay_ms` must not be negative"),
    ({"upstream": [{"status": "200"}]}, "`upstream[0].status` must be a number, not text"),
    ({"path": None}, "`request.path` must be text, not null"),
]


@pytest.mark.parametrize(("obj", "message"), BAD)
def test_bad_request(obj: object, message: str) -> None:
    with pytest.raises(RequestError) as error:
        request_from_json(obj)

    assert message in str(error.value)


def test_defaults() -> None:
    request = request_from_json({}, 7)

    assert (request.id, request.method, request.path, request.authority) == ("7", "GET", "/", None)
    assert request.connection.protocol == "HTTP/1.1"


def test_not_json() -> None:
    with pytest.raises(RequestError, match="not JSON"):
        request_from_line("{", 1)


def test_upstreams_take_lists_and_natures() -> None:
    found = upstreams_from_json(
        {"*": [{"status": 503}], "10.0.0.1:80": {"tls": True, "protocol": "HTTP/2", "behaviours": [{"action": "hang"}]}}
    )

    assert found == {
        "*": Upstream(behaviours=(Behaviour(status=503),)),
        "10.0.0.1:80": Upstream(True, "HTTP/2", (Behaviour(action="hang"),)),
    }


@pytest.mark.parametrize("obj", [{"*": [{"stats": 1}]}, {"a": {"tls": 1}}, [1], {"a": {"protocol": "h2", "tls": True}}])
def test_bad_upstreams(obj: object) -> None:
    with pytest.raises(ScenarioError):
        upstreams_from_json(obj)
