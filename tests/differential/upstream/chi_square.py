"""Where chance decides: the shares ``explore`` prints against how often Envoy took each of 2,000 requests there."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from envoysim.explore import explore
from envoysim.load import load
from envoysim.stages.proxy import Proxy

from ..build import Bench, Json, route
from ..generate import Case
from .findings import Findings
from .hosts import BY_LOCALITY, LOCALITIES, PRIORITIES, Subject, add, typed
from .quick import by_path, observe, world_of

DRAWS = 2_000
SIGNIFICANCE = 1e-4
"""A share is disbelieved when counts as far off would come up this seldom."""

SUBJECTS = (
    Subject("random", {"lb_policy": "RANDOM"}),
    Subject("random typed", typed("random.v3.Random")),
    Subject("least request", {"lb_policy": "LEAST_REQUEST"}, weighted=False),
    Subject("least request weighted", {"lb_policy": "LEAST_REQUEST"}),
    Subject("random over weighted localities", {"lb_policy": "RANDOM", **BY_LOCALITY}, LOCALITIES),
    Subject("round robin over weighted localities", {"lb_policy": "ROUND_ROBIN", **BY_LOCALITY}, LOCALITIES),
    Subject("round robin over priorities", {"lb_policy": "ROUND_ROBIN"}, PRIORITIES, sick=0.5),
    Subject("random over priorities", {"lb_policy": "RANDOM"}, PRIORITIES, sick=0.5),
    Subject(
        "random over zones",
        {"lb_policy": "RANDOM", "common_lb_config": {"zone_aware_lb_config": {"min_cluster_size": 1}}},
        LOCALITIES,
    ),
)
SPLIT: Json = {
    "weighted_clusters": {
        "clusters": [{"name": s.name, "weight": w} for s, w in zip(SUBJECTS, (1, 2, 7), strict=False)]
    }
}


def make(seed: int, draws: int = DRAWS) -> Case:
    """Return a case with ``draws`` requests to every subject, and to clusters that share a route."""
    bench = Bench(random.Random(seed))
    routes = [*add(bench, list(SUBJECTS)), route("split", {"path": "/split"}, action=SPLIT)]
    destination = bench.serve(routes)
    zones = [
        {"locality": {"zone": f"z{i}"}, "lb_endpoints": [bench.endpoint("local", dead=True) for _ in range(count)]}
        for i, count in enumerate((3, 2, 1))
    ]
    bench.cluster("local", localities=zones)
    for path in (*(f"/{i}" for i in range(len(SUBJECTS))), "/split"):
        for _ in range(draws):
            bench.send(destination, path=path, reuse="one")
    case = bench.case(seed, "chi square")
    case.bootstrap["node"]["locality"] = {"zone": "z0"}
    case.bootstrap["cluster_manager"] = {"local_cluster_name": "local"}
    return case


def play(binary: Path, seed: int, draws: int = DRAWS) -> Findings:
    """Play the subjects on both sides."""
    case = make(seed, draws)
    judgement = observe(binary, case)
    proxy, wrong = Proxy(load([judgement.config_dump])), []
    for path, group in by_path(judgement.observed).items():
        counts = Counter(seen.sightings[0].endpoint if seen.sightings else "none" for seen in group)
        shares: Counter[str] = Counter()
        for share, trace in explore(proxy, group[0].request, world_of(case)).shares:
            shares[trace.outcome.endpoint or "none"] += share  # type: ignore[assignment]
        p = p_value(counts, shares)
        if p < SIGNIFICANCE:
            wrong.append(f"{path}: p = {p:.2g}: envoy {dict(counts)}, envoysim {dict(shares)}")
    return Findings(f"chi square of {draws} requests each, p >= {SIGNIFICANCE:g}", len(SUBJECTS) + 1, tuple(wrong))


def p_value(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """Return how likely counts at least this far from ``shares`` are; 0 when something impossible was counted."""
    total = sum(counts.values())
    expected = {place: share * total for place, share in shares.items() if share > 0}
    if counts.keys() - expected.keys():
        return 0.0
    statistic = sum((counts.get(place, 0) - wanted) ** 2 / wanted for place, wanted in expected.items())
    return survival(statistic, len(expected) - 1)


def survival(statistic: float, degrees: int) -> float:
    """Return the share of a chi-square distribution beyond ``statistic``: 1 - P(degrees / 2, statistic / 2)."""
    a, x = degrees / 2, statistic / 2
    if degrees <= 0 or x <= 0:
        return 1.0
    term = total = 1 / a
    n = a
    while term > total * 1e-15:
        n += 1
        term *= x / n
        total += term
    return max(0.0, 1 - total * math.exp(a * math.log(x) - x - math.lgamma(a)))
