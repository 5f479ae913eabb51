"""Cases that are kept: what the real Envoy did, so that the simulation can be checked without it.

A kept case is Envoy's own dump, the requests as sent, and what was seen. ``python -m tests.differential --keep``
writes one for every difference, and for every case that ``--keep-all`` asks for.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envoysim.load import load
from envoysim.model.behaviour import ECHO, Behaviour, Upstream
from envoysim.model.request import Certificate, Connection, ProxyProtocol, Request, Tls
from envoysim.model.world import World
from envoysim.stages.proxy import Proxy
from envoysim.verify.client import Answer
from envoysim.verify.compare import Difference
from envoysim.verify.follow import PATIENCE_MS, follow
from envoysim.verify.judge import Observed
from envoysim.verify.upstreams import ECHO_TEXT, Sighting

from .generate import Case

Json = dict[str, Any]
PACKED = ".gz"
FOLDER = Path(__file__).parent / "cases"


@dataclasses.dataclass(frozen=True, slots=True)
class Kept:
    """A recorded case: everything that is needed to compare."""

    name: str
    config_dump: Json
    observed: tuple[Observed, ...]
    clusters: Mapping[str, str]
    dead: tuple[str, ...] = ()
    local_address: str | None = None
    upstreams: Mapping[str, Upstream] = dataclasses.field(default_factory=dict)

    def differences(self) -> list[tuple[Observed, list[Difference]]]:
        """Simulate the requests; return those that differ."""
        proxy = Proxy(load([self.config_dump]), local_address=self.local_address)
        refuses = Upstream(behaviours=(Behaviour(action="refuse"),))
        upstreams = {**dict.fromkeys(self.dead, refuses), **self.upstreams}
        world = World(upstreams=upstreams, patience_ms=PATIENCE_MS)
        return [(seen, found) for seen, found in follow(proxy, self.observed, dict(self.clusters), world) if found]


def keep(
    case: Case,
    config_dump: Json,
    observed: tuple[Observed, ...],
    address: str | None,
    folder: Path,
    *,
    packed: bool = False,
) -> Path:
    """Write a case; its name is its theme and seed. ``packed`` cases are those of hundreds of requests."""
    kept = {
        "seed": case.seed,
        "theme": case.theme,
        "local_address": address,
        "clusters": dict(case.clusters) or {e: f"c{i}" for i, e in enumerate(case.endpoints)},
        "dead": list(case.dead),
        **({"upstreams": _plain(case.upstreams)} if case.upstreams else {}),
        "observed": [_plain(seen) for seen in observed],
        "config_dump": _slim(config_dump),
    }
    folder.mkdir(exist_ok=True)
    path = folder / f"{case.theme}_{case.seed}.json{PACKED if packed else ''}"
    text = json.dumps(kept, separators=(",", ":"), sort_keys=True).replace(json.dumps(ECHO_TEXT.decode())[1:-1], ECHO)
    data = (text + "\n").encode()
    path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
    return path


def read(path: Path) -> Kept:
    """Read a kept case."""
    data = path.read_bytes()
    value = json.loads(gzip.decompress(data) if path.suffix == PACKED else data)
    observed = tuple(_observed(seen) for seen in value["observed"])
    kept = Kept(
        path.stem, value["config_dump"], observed, value["clusters"], tuple(value["dead"]), value["local_address"]
    )
    return dataclasses.replace(kept, upstreams={e: _upstream(u) for e, u in value.get("upstreams", {}).items()})


def _upstream(value: Json) -> Upstream:
    return Upstream(**{**value, "behaviours": tuple(_behaviour(b) for b in value.get("behaviours", ()))})


def all_kept() -> list[Path]:
    """The kept cases, by name."""
    return sorted((*FOLDER.glob("*.json"), *FOLDER.glob(f"*.json{PACKED}")))


def _slim(dump: Json) -> Json:
    """Without what no request depends on: build facts, the list of extensions, bootstrap copies of resources."""
    configs = []
    for section in dump["configs"]:
        if section["@type"].endswith("BootstrapConfigDump"):
            bootstrap = {k: v for k, v in section["bootstrap"].items() if k in ("layered_runtime",)}
            node = {k: v for k, v in section["bootstrap"].get("node", {}).items() if k in ("id", "cluster")}
            section = {"@type": section["@type"], "bootstrap": {**bootstrap, "node": node}}
        elif section["@type"].endswith(("SecretsConfigDump", "EcdsConfigDump")):
            continue
        configs.append(_without_keys(section))
    return {"configs": configs}


def _without_keys(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_keys(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {"inline_string": "[redacted]"} if key == "private_key" else _without_keys(item)
        for key, item in value.items()
        if key != "last_updated"
    }


def _plain(value: Any) -> Any:
    """Dataclasses as objects, without fields that have their default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        made = {}
        for field in dataclasses.fields(value):
            own = getattr(value, field.name)
            if own != field.default:
                made[field.name] = _plain(own)
        return made
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(n), str(v)) for n, v in value or ())


def _observed(value: Json) -> Observed:
    answer = dict(value["answer"])
    for name in ("headers", "trailers"):
        if name in answer:
            answer[name] = _pairs(answer[name])
    sightings = tuple(Sighting(**{**s, "headers": _pairs(s.get("headers"))}) for s in value["sightings"])
    made = Observed(_request(value["request"]), Answer(**{"status": None, **answer}), sightings, value.get("log"))
    return dataclasses.replace(made, log_kind=value.get("log_kind", ""), at_ms=value.get("at_ms", 0.0))


def _request(value: Json) -> Request:
    fields = dict(value)
    connection = dict(fields.pop("connection", {}))
    if "tls" in connection:
        tls = dict(connection["tls"])
        certificate = tls.pop("certificate", None)
        tls["alpn"] = tuple(tls.get("alpn", ()))
        connection["tls"] = Tls(**tls, certificate=Certificate(**certificate) if certificate else None)
    if "proxy_protocol" in connection:
        connection["proxy_protocol"] = ProxyProtocol(**connection["proxy_protocol"])
    for name in ("headers", "trailers"):
        if name in fields:
            fields[name] = _pairs(fields[name])
    upstream = tuple(_behaviour(b) for b in fields.pop("upstream", ()))
    by_endpoint = {e: tuple(map(_behaviour, bs)) for e, bs in fields.pop("upstream_by_endpoint", {}).items()}
    return Request(connection=Connection(**connection), upstream=upstream, upstream_by_endpoint=by_endpoint, **fields)


def _behaviour(value: Json) -> Behaviour:
    fields: Json = {k: _pairs(v) if k in ("headers", "trailers") else v for k, v in value.items()}
    return Behaviour(**fields)
