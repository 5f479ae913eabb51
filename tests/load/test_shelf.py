"""Names found by looking and names remembered are the same, whichever way a lookup goes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from envoysim.load import load
from envoysim.load.shelf import SEARCHES

SECTION = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump"
STRUCT = "type.googleapis.com/udpa.type.v1.TypedStruct"
NAMES = [f"c{i}" for i in range(9)]


def usual(name: str, lists: str) -> dict[str, Any]:
    return {"cluster": {"name": name, "alt_stat_name": lists}}


def element(shape: str, name: str, lists: str) -> dict[str, Any]:
    if shape == "struct":
        return {"cluster": {"@type": STRUCT, "type_url": "x/envoy.config.cluster.v3.Cluster", "value": {"name": name}}}
    if shape == "nothing":
        return {"version_info": name}
    return usual(name, lists)


elements = st.lists(st.tuples(st.sampled_from(["usual"] * 5 + ["struct", "nothing"]), st.sampled_from(NAMES)))


@given(active=elements, static=elements, asked=st.lists(st.sampled_from([*NAMES, "missing"]), max_size=SEARCHES * 3))
def test_lookups(active: list[tuple[str, str]], static: list[tuple[str, str]], asked: list[str]) -> None:
    lists = {"dynamic_active_clusters": active, "static_clusters": static}
    section = {key: [element(shape, name, key) for shape, name in items] for key, items in lists.items()}
    expected: dict[str, str] = {}
    for key, items in lists.items():
        for index, (shape, name) in enumerate(items):
            if shape != "nothing":
                expected.setdefault(name, f"/configs/0/{key}/{index}/cluster")

    clusters = load({"configs": [{"@type": SECTION, **section}]}).clusters

    for name in asked:
        found = clusters.get(name)
        assert (None if found is None else str(found.ref)) == expected.get(name)
        assert (name in clusters) == (name in expected)
    assert list(clusters) == list(expected)
    assert {name: str(found.ref) for name, found in clusters.items()} == expected
