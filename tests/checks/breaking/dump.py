"""How to break the dump itself."""

from __future__ import annotations

from ..healthy import HTTP, Site, listener
from .table import breaks


@breaks("ESM101")
def _(s: Site) -> str:
    made = listener("refused", 9001, "web")
    s.add_listener(made, error_state={"failed_configuration": made, "details": "has duplicate address"})
    return ""


@breaks("ESM102")
def _(s: Site) -> str:
    made = listener("slow", 9001, "web")
    s.add_listener(made, warming_state={"listener": made})
    return ""


@breaks("ESM103")
def _(s: Site) -> str:
    if s.cluster["type"] != "EDS":
        raise LookupError
    s.document["configs"].remove(s.sections["EndpointsConfigDump"])
    return "/cluster"


@breaks("ESM104")
def _(s: Site) -> str:
    s.add_listener(listener("astray", 9001, "nowhere"))
    s.add_table({"name": "spare", "virtual_hosts": []})
    return "/rds/route_config_name"


@breaks("ESM105")
def _(s: Site) -> str:
    discovery = {"config_source": {"ads": {}}, "type_urls": [HTTP + "wasm.v3.Wasm"]}
    s.manager["http_filters"].insert(0, {"name": "late", "config_discovery": discovery})
    return "/http_filters/0/config_discovery"


@breaks("ESM106")
def _(s: Site) -> str:
    waiting = {"name": "shop-cert", "secret": {"name": "shop-cert"}}
    s.section("SecretsConfigDump", "dynamic_warming_secrets").append(waiting)
    common = s.downstream_context().setdefault("common_tls_context", {})
    common.pop("tls_certificates", None)
    common["tls_certificate_sds_secret_configs"] = [{"name": "shop-cert", "sds_config": {"ads": {}}}]
    return "/tls_certificate_sds_secret_configs/0"


@breaks("ESM107")
def _(s: Site) -> str:
    s.add_filter("wasm.v3.Wasm", {})
    return "/http_filters/0/typed_config"


@breaks("ESM108")
def _(s: Site) -> str:
    made = listener("late", 9001, "web")
    serving, newer = {"version_info": "41", "listener": made}, {"version_info": "42", "listener": made}
    s.add_listener(made, active_state=serving, warming_state=newer)
    return ""


@breaks("ESM109")
def _(s: Site) -> str:
    s.action["retry_polcy"] = {}
    return "/route/retry_polcy"
