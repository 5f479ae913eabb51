"""The index of conditions answers as asking them one by one does."""

from __future__ import annotations

import random

import pytest

from envoysim.checks.reach import Reachability
from envoysim.checks.route_condition import condition
from envoysim.checks.takers import FEW, Takers
from envoysim.load.decode import decode_message
from envoysim.model.ref import NOWHERE
from envoysim.stages.runtime import Runtime

from .test_reach import match


@pytest.mark.parametrize("seed", range(6))
def test_the_index_finds_what_a_scan_finds(seed: int) -> None:
    rng = random.Random(seed)
    made = [match(rng) for _ in range(FEW + 60)]
    messages = [decode_message("envoy.config.route.v3.RouteMatch", m, NOWHERE, []) for m in made]
    conditions = [condition(m, Runtime({})) for m in messages]
    takers, reachability = Takers(conditions), Reachability(conditions)
    found = 0
    for position in range(len(conditions)):
        values = reachability.example(position)
        before = rng.randrange(len(conditions))
        if values is not None:
            scanned = [(i, c) for i, c in enumerate(conditions[:before]) if c.holds(values)]
            found += len(scanned)
            assert list(takers.taking(values, before)) == scanned

    assert found
