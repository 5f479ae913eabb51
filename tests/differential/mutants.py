"""Rules broken on purpose: ``python -m tests.differential.mutants NAME`` says which kept cases notice.

The broken rule is in the source as the interpreter reads it, so that every module sees it; files stay as they are.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One place in one module: what stands there, and what the mutant has instead."""

    module: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        return ROOT / (self.module.replace(".", "/") + ".py")


STAGES, MATCH = "envoysim.stages.", "envoysim.match."
MUTANTS: Final[dict[str, Mutant]] = {
    "a missing header passes an inverted matcher": Mutant(
        MATCH + "header_matcher", 'return self.missing_is_empty and test("")', 'return test("")'
    ),
    "regexes search": Mutant(MATCH + "regex", "re2.Set.FullMatchSet(", "re2.Set.SearchSet("),
    "the last matching route wins": Mutant(
        STAGES + "route_list",
        "in index.candidates(path, template_path, headers, connect=connect):",
        "in sorted(index.candidates(path, template_path, headers, connect=connect), reverse=True):",
    ),
    "domains are compared without the port": Mutant(
        STAGES + "domains", "owner = self._exact.get(host)\n", 'owner = self._exact.get(host.partition(":")[0])\n'
    ),
    "the shortest wildcard domain wins": Mutant(
        STAGES + "domains",
        "for length, table in self._suffixes:\n            if length < size",
        "for length, table in reversed(self._suffixes):\n            if length < size",
    ),
    "filter chains fall back to those without names": Mutant(
        STAGES + "filter_chain_tree",
        'transports.get(connection.transport_protocol) or transports.get("")',
        'transports.get(connection.transport_protocol) or transports.get("") or names.get("", {}).get("")',
    ),
    "the shortest IP range wins": Mutant(
        STAGES + "filter_chain_tree",
        "in self._lengths:\n            if family",
        "in reversed(self._lengths):\n            if family",
    ),
    "the client's last protocol decides": Mutant(
        STAGES + "filter_chain_tree", "for protocol in offered:", "for protocol in reversed(offered):"
    ),
    "gateway-error retries 500": Mutant(STAGES + "retry_state", "(502, 503, 504)", "(500, 502, 503, 504)"),
    "5xx retries 4xx": Mutant(STAGES + "retry_state", "500 <= status < 600", "400 <= status < 600"),
    "one hop of x-forwarded-for too many": Mutant(
        STAGES + "forwarded", "hcm.xff_num_trusted_hops - 1", "hcm.xff_num_trusted_hops"
    ),
    "slashes stay": Mutant(STAGES + "path_normalization", 'if "//" not in bare:', "if bare:"),
    "weighted clusters off by one": Mutant(
        STAGES + "cluster_specifier", "while point >= weights[index]:", "while point > weights[index]:"
    ),
    "a redirect keeps the default port": Mutant(
        STAGES + "redirect", "(scheme != protocol and host[end:] == default)", "False"
    ),
    "redirects lose the query": Mutant(STAGES + "redirect", "redirect.path + mark + query", "redirect.path"),
    "overwriting appends": Mutant(
        STAGES + "headers",
        "elif action == OVERWRITE:\n                overwritten",
        "elif action == OVERWRITE:\n                appended",
    ),
    "an absent cluster is no route": Mutant(
        STAGES + "router", '"cluster_not_found", "", ("NC",)', '"cluster_not_found", "", ("NR",)'
    ),
    "gRPC: 503 is UNKNOWN": Mutant(STAGES + "grpc", "503: 14", "503: 2"),
    "the route's timeout never fires": Mutant(
        STAGES + "attempts", "now_ms + timeouts.global_ms if runs else NEVER", "NEVER"
    ),
    "CSRF looks at safe methods": Mutant(
        STAGES + "http_filters.csrf", 'headers.get(":method") not in MODIFYING', 'headers.get(":method") in MODIFYING'
    ),
    "the local rate limit's flag comes at once": Mutant(
        STAGES + "http_filters.local_ratelimit", 'late_flags=("RL",)', 'flags=("RL",)'
    ),
    "HTTP/1.0 connections outlive answers without a length": Mutant(
        STAGES + "http_connection_manager",
        'stream.protocol == "HTTP/1.0" and "content-length"',
        'False and "content-length"',
    ),
    "HTTP/1 always sends trailers": Mutant(
        STAGES + "outcome", "return stream.hcm.http1_trailers and chunked", "return chunked"
    ),
    "connections take any number of requests": Mutant(
        STAGES + "codec", "if 0 < hcm.max_requests_per_connection <= connection.requests:", "if False:"
    ),
    "services are always reached": Mutant(
        STAGES + "http_filters.grpc_service", "        if response.local:\n", "        if False:\n"
    ),
    "query parameters may be missing": Mutant(
        MATCH + "query_parameter_matcher", "return value is not None and (", "return value is None or ("
    ),
}


class _Finder(importlib.abc.MetaPathFinder):
    """Compiles the mutated module from its changed source."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self._mutant.module:
            return None
        return importlib.machinery.ModuleSpec(name, _Loader(self._mutant), origin=str(self._mutant.path))


class _Loader(importlib.abc.Loader):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def exec_module(self, module: ModuleType) -> None:
        text = self._mutant.path.read_text(encoding="utf-8")
        if text.count(self._mutant.old) != 1:
            raise SystemExit(
                f"{self._mutant.module}: `{self._mutant.old}` is there {text.count(self._mutant.old)} times"
            )
        exec(compile(text.replace(self._mutant.old, self._mutant.new), str(self._mutant.path), "exec"), module.__dict__)


def main() -> int:
    """Exit 1 when a kept case notices, 0 when none does, 2 when the mutant's place is gone."""
    mutant = MUTANTS[sys.argv[1]]
    text = mutant.path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        print(f"{mutant.module}: `{mutant.old}` is there {text.count(mutant.old)} times")
        return 2
    sys.meta_path.insert(0, _Finder(mutant))
    from tests.differential.keep import all_kept, read

    for path in all_kept():
        found = read(path).differences()
        if found:
            seen, differences = found[0]
            print(f"{path.stem} request {seen.request.id}: {differences[0].field}")
            return 1
    print("no kept case notices")
    return 0


if __name__ == "__main__":
    sys.exit(main())
