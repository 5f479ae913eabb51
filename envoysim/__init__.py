"""Simulate requests through the configuration an Envoy proxy is really running.

    from envoysim import Proxy, Request, load_dump, simulate_request

    proxy = Proxy(load_dump("dump.json"))
    trace = simulate_request(proxy, Request(authority="reviews:9080", path="/reviews/1"))
    print(trace.outcome.status, trace.outcome.cluster)

Names are imported when they are first used, so that ``import envoysim`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contract import request_from_json as request_from_json
    from .contract import upstreams_from_json as upstreams_from_json
    from .errors import EnvoysimError as EnvoysimError
    from .errors import RequestError as RequestError
    from .errors import SourceError as SourceError
    from .explore import Explored as Explored
    from .explore import explore as explore_request
    from .load import Dump as Dump
    from .load import load as load_dump
    from .model.behaviour import Behaviour as Behaviour
    from .model.behaviour import Upstream as Upstream
    from .model.chance import Sampled as Sampled
    from .model.outcome import Attempt as Attempt
    from .model.outcome import Outcome as Outcome
    from .model.request import Certificate as Certificate
    from .model.request import Connection as Connection
    from .model.request import ProxyProtocol as ProxyProtocol
    from .model.request import Request as Request
    from .model.request import Tls as Tls
    from .model.trace import Step as Step
    from .model.trace import Trace as Trace
    from .model.world import State as State
    from .model.world import World as World
    from .run import run as run_requests
    from .simulate import simulate as simulate_request
    from .stages.proxy import Proxy as Proxy

__version__ = "0.1.0"

_PUBLIC = {
    "contract": ("request_from_json", "upstreams_from_json"),
    "errors": ("EnvoysimError", "RequestError", "SourceError"),
    "explore": ("Explored",),
    "load": ("Dump",),
    "model.behaviour": ("Behaviour", "Upstream"),
    "model.chance": ("Sampled",),
    "model.outcome": ("Attempt", "Outcome"),
    "model.request": ("Certificate", "Connection", "ProxyProtocol", "Request", "Tls"),
    "model.trace": ("Step", "Trace"),
    "model.world": ("State", "World"),
    "stages.proxy": ("Proxy",),
}
"""The public types: module -> names."""

_FUNCTIONS = {
    "explore_request": ("explore", "explore"),
    "load_dump": ("load", "load"),
    "run_requests": ("run", "run"),
    "simulate_request": ("simulate", "simulate"),
}
"""The public functions: name -> module and name there (a function cannot share a module's name here)."""

_WHERE = {name: (module, name) for module, names in _PUBLIC.items() for name in names} | _FUNCTIONS

__all__ = [*sorted(_WHERE), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _WHERE[name]
    value = getattr(importlib.import_module(f".{module}", __name__), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
