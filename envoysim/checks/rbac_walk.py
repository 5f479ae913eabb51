"""Walk RBAC rules: the paths policies name, the identities principals ask for."""

from __future__ import annotations

from collections.abc import Iterator

from ..model.ref import Ref
from ..schema import Msg
from .subject import FilterItem, Subject

RBAC = "envoy.extensions.filters.http.rbac.v3.RBAC"


def denied_paths(rules: Msg, ref: Ref) -> Iterator[tuple[str, str, Ref]]:
    """Yield (policy, path, place) for every path text that a permission asks for, not negated."""
    for name in sorted(rules.policies):
        place = ref.at("policies", name, "permissions")
        for i, permission in enumerate(rules.policies[name].permissions):
            for path, where in _paths(permission, place.at(i)):
                yield name, path, where


def _paths(permission: Msg, ref: Ref) -> Iterator[tuple[str, Ref]]:
    kind = permission.WhichOneof("rule")
    if kind in ("and_rules", "or_rules"):
        for i, inner in enumerate(getattr(permission, kind).rules):
            yield from _paths(inner, ref.at(kind, "rules", i))
    elif kind == "url_path":
        text = _text(permission.url_path.path)
        if text:
            yield text, ref.at("url_path", "path")
    elif kind == "header" and permission.header.name == ":path":
        text = _text(permission.header.string_match) or permission.header.exact_match or permission.header.prefix_match
        if text:
            yield text, ref.at("header")


def _text(matcher: Msg) -> str:
    kind = matcher.WhichOneof("match_pattern")
    return str(getattr(matcher, kind)) if kind in ("exact", "prefix") else ""


def identities(policy: Msg, ref: Ref) -> Iterator[tuple[int, Ref]]:
    """Yield (index, place) of each principal of a policy that can only be met by a TLS client certificate."""
    for i, principal in enumerate(policy.principals):
        if _needs_certificate(principal):
            yield i, ref.at("principals", i)


def _needs_certificate(principal: Msg) -> bool:
    kind = principal.WhichOneof("identifier")
    if kind == "authenticated":
        return True
    if kind == "and_ids":
        return any(_needs_certificate(p) for p in principal.and_ids.ids)
    if kind == "or_ids":
        return bool(principal.or_ids.ids) and all(_needs_certificate(p) for p in principal.or_ids.ids)
    return False


def rbac_filters(subject: Subject) -> Iterator[tuple[FilterItem, Msg]]:
    """Yield every HTTP RBAC filter that enforces rules, with them."""
    for item in subject.http_filters:
        if item.type_name == RBAC and item.config is not None and item.config.HasField("rules"):
            yield item, item.config.rules


def policies_of(item: FilterItem, rules: Msg) -> Iterator[tuple[str, Msg, Ref]]:
    """Yield name, policy and place."""
    for name in sorted(rules.policies):
        yield name, rules.policies[name], item.ref.at("rules", "policies", name)


def headers_of(policy: Msg, ref: Ref) -> Iterator[tuple[Msg, Ref]]:
    """Yield every header matcher of a policy's permissions, not negated."""
    for i, permission in enumerate(policy.permissions):
        yield from _headers(permission, ref.at("permissions", i))


def _headers(permission: Msg, ref: Ref) -> Iterator[tuple[Msg, Ref]]:
    kind = permission.WhichOneof("rule")
    if kind in ("and_rules", "or_rules"):
        for i, inner in enumerate(getattr(permission, kind).rules):
            yield from _headers(inner, ref.at(kind, "rules", i))
    elif kind == "header":
        yield permission.header, ref.at("header")


def address_principals(policy: Msg, ref: Ref) -> Iterator[Ref]:
    """Yield the place of each principal that trusts the client address which headers may tell (``remote_ip``)."""
    for i, principal in enumerate(policy.principals):
        yield from _addresses(principal, ref.at("principals", i))


def _addresses(principal: Msg, ref: Ref) -> Iterator[Ref]:
    kind = principal.WhichOneof("identifier")
    if kind in ("and_ids", "or_ids"):
        for i, inner in enumerate(getattr(principal, kind).ids):
            yield from _addresses(inner, ref.at(kind, "ids", i))
    elif kind == "remote_ip":
        yield ref.at("remote_ip")
