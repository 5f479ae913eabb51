"""Imports point one way, modules stay small, pages name files that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "envoysim"
MODULES = sorted(p for p in PACKAGE.rglob("*.py"))
LINES = 400

# Which layers a layer may import; errors and lazy_dataclass are everybody's. A layer is the first part below envoysim.
ALLOWED: dict[str, set[str]] = {
    "model": set(),
    "errors": set(),
    "lazy_dataclass": set(),
    "schema": {"errors"},
    "load": {"model", "schema", "errors"},
    "fetch": {"model", "schema", "errors", "load"},
    "match": {"model", "schema", "errors", "load"},
    "stages": {"model", "schema", "errors", "load", "match"},
    "simulate": {"model", "stages"},
    "run": {"model", "stages", "simulate"},
    "explore": {"model", "stages", "simulate"},
    "virtual_address": {"load", "errors"},
    "entry": {"model", "schema", "errors", "load", "virtual_address"},
    "scenario": {"model", "errors", "load", "contract", "entry", "stages", "simulate"},
    "contract": {"model", "errors"},
    "render": {"model"},
}


def _layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def _imports(path: Path) -> set[str]:
    """Return the layers of envoysim that a module imports, at run time or for its types."""
    package = ("envoysim", *path.relative_to(PACKAGE).parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            names = [module] if module != "envoysim" else [f"envoysim.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        found |= {n.split(".")[1] for n in names if n.startswith("envoysim.")}
    return found - {"lazy_dataclass"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    layer = _layer(path)
    if layer not in ALLOWED:
        return

    assert _imports(path) <= ALLOWED[layer] | {layer, "errors"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_imports_the_command_line(path: Path) -> None:
    if _layer(path) not in ("cli", "__main__"):
        assert "cli" not in _imports(path)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_has_one_job(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"])
def test_paths_named_in_pages_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:envoysim|tests|docs|fixtures|benchmarks|protos)/[\w./-]*)`", text))

    assert not [p for p in sorted(paths) if not (ROOT / p).exists()]


def test_the_guard_sees_something() -> None:
    """The helpers above find modules and imports: an empty walk would prove nothing."""
    assert len(MODULES) > 20
    assert "stages" in _imports(PACKAGE / "simulate.py")
