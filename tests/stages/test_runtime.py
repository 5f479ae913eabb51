"""Runtime layers and overrides."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from envoysim.match.fraction import Fraction
from envoysim.stages.runtime import Runtime, compile_runtime

from .routing import decode

LAYERS = [
    {
        "name": "a",
        "static_layer": {
            "plain": 7,
            "nested": {"key": {"deep": "3.7"}, "flag": True},
            "share": {"numerator": 5, "denominator": "TEN_THOUSAND"},
            "bad": {"numerator": 5, "denominator": "DOZEN"},
            "words": "off",
        },
    },
    {"name": "b", "static_layer": {"plain": 8}},
    {"name": "admin", "admin_layer": {}},
]


def runtime(**overrides: str) -> Runtime:
    bootstrap = decode("envoy.config.bootstrap.v3.Bootstrap", {"layered_runtime": {"layers": LAYERS}})
    resource: Any = SimpleNamespace(message=lambda: bootstrap)
    return compile_runtime(resource, overrides)


def test_layers() -> None:
    """Structs are flattened with dots; later layers win; numbers are cut towards zero."""
    found = runtime()

    assert found.integer("plain", 1) == 8
    assert found.integer("nested.key.deep", 1) == 3
    assert found.double("nested.key.deep", 1.0) == 3.7
    assert found.boolean("nested.flag", False) is True
    assert found.integer("words", 1) == 1
    assert found.get("words") == "off"
    assert found.integer("missing", 1) == 1
    assert found.boolean("missing", True) is True


@pytest.mark.parametrize(
    ("key", "overrides", "expected"),
    [
        ("share", {}, Fraction(5, 10_000)),
        ("plain", {}, Fraction(8, 100)),
        ("bad", {}, Fraction(1, 1_000_000)),
        ("missing", {}, Fraction(1, 1_000_000)),
        ("share", {"share": "30"}, Fraction(30, 100)),
        ("share", {"share": "30/MILLION"}, Fraction(30, 1_000_000)),
        ("share", {"share": "30/10000"}, Fraction(30, 10_000)),
        ("share", {"share": "nonsense"}, Fraction(1, 1_000_000)),
    ],
)
def test_fractions(key: str, overrides: dict[str, str], expected: Fraction) -> None:
    """A plain integer counts in percent whatever the default counts in."""
    assert runtime(**overrides).fraction(key, Fraction(1, 1_000_000)) == expected
