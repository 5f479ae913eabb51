"""Filter whose service cluster does not exist.

## What it finds
An authorization, rate limit or external processing filter, or a JWT provider's key set, that names a cluster which
is not in the dump.

## Why it matters
The call fails at once. External authorization then answers 403 (`ext_authz_error`, flag `UAEX`) unless it fails
open; a rate limit lets everything pass unless `failure_mode_deny` is set; JWTs cannot be verified: 401.

## Example
`envoy_grpc: {cluster_name: ext-authz}` without such a cluster.

## When it is harmless
The cluster is about to be delivered.

## Fix
Correct the cluster's name, or deliver the cluster.

## Source
`source/common/grpc/async_client_manager_impl.cc`.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..model.finding import Finding
from ..schema import Msg
from .base import Check
from .subject import Subject
from .witness import served_authority, witness

PLACES = {
    "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz": (
        ("grpc_service", "envoy_grpc", "cluster_name"),
        ("http_service", "server_uri", "cluster"),
    ),
    "envoy.extensions.filters.http.ratelimit.v3.RateLimit": (
        ("rate_limit_service", "grpc_service", "envoy_grpc", "cluster_name"),
    ),
    "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor": (("grpc_service", "envoy_grpc", "cluster_name"),),
}
JWT = "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"


def find(subject: Subject) -> Iterator[Finding]:
    """Yield a finding per name."""
    if not subject.clusters:
        return
    for item in subject.http_filters:
        if item.config is None:
            continue
        for path in PLACES.get(item.type_name, ()):
            name = called(item.config, path)
            if name and name not in subject.dump.clusters:
                yield CHECK.finding(
                    item.ref.at(*path),
                    f"filter `{item.name}` of listener `{item.manager.listener.name}` calls cluster "
                    f"`{name}`, which does "
                    f"not exist: {end_of(item.config, item.type_name)}",
                    witness=witness(item.manager, served_authority(subject, item.manager)),
                )
        if item.type_name == JWT:
            for provider in sorted(item.config.providers):
                name = item.config.providers[provider].remote_jwks.http_uri.cluster
                if name and name not in subject.dump.clusters:
                    yield CHECK.finding(
                        item.ref.at("providers", provider, "remote_jwks", "http_uri", "cluster"),
                        f"JWT provider `{provider}` fetches its keys from cluster `{name}`, which does not exist: 401",
                    )


def end_of(config: Msg, type_name: str) -> str:
    """Say how a request ends whose filter cannot ask its service."""
    code = config.status_on_error.code
    if type_name.endswith(".RateLimit"):
        denied = f"{code or 500} RLSE rate_limiter_error where rate_limits ask it"
        return denied if config.failure_mode_deny else "no limit"
    if config.failure_mode_allow:
        return "requests pass without it"
    return f"{code or 403} UAEX ext_authz_error" if type_name.endswith(".ExtAuthz") else str(code or 500)


def called(config: Msg, path: tuple[str, ...]) -> str:
    """Return the cluster that a filter calls at ``path``, "" where it calls none there."""
    for part in path[:-1]:
        if not config.HasField(part):
            return ""
        config = getattr(config, part)
    return str(getattr(config, path[-1]))


CHECK = Check(
    code="ESM511",
    name="filter-cluster-missing",
    severity="error",
    title="Filter whose service cluster does not exist",
    fix="correct the cluster's name, or deliver the cluster",
    find=find,
)
