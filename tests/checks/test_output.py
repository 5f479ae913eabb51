"""What `envoysim check` prints for people and for tools."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from envoysim.checks import ALL
from envoysim.cli.check import command
from envoysim.cli.explain import command as explain
from envoysim.errors import OptionError

from .breaking import EDITS
from .healthy import Site, healthy

Check = Callable[..., str]
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Run the command on a proxy that is broken in the ways of some rules."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str, broken: tuple[str, ...] = ("ESM301", "ESM401")) -> str:
        site = Site(healthy())
        for code in broken:
            EDITS[code](site)
        Path("my dump.json").write_text(json.dumps(site.document), encoding="utf-8")
        result = CliRunner().invoke(command, ["my dump.json", *args], standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        return result.output

    return run


def test_text_says_where_why_how_to_see_and_how_to_mend(check: Check) -> None:
    text = check("--select", "ESM301")

    assert text.startswith("error ESM301 shadowed-route: no request can reach route `pay`")
    assert "\n    at /configs/3/dynamic_route_configs/0/" in text
    assert "\n    try envoysim trace my dump.json http://shop.example" in text
    assert "\n    fix move the route" in text


def test_json_has_the_witness_with_its_outcome(check: Check) -> None:
    found = json.loads(check("--select", "ESM401", "-o", "json", broken=("ESM401",)))["findings"]

    assert [f["code"] for f in found] == ["ESM401"]
    assert found[0]["witness"]["outcome"]["status"] == 503
    assert found[0]["witness"]["outcome"]["response_flags"] == ["NC"]


def test_sarif_has_what_its_schema_requires(check: Check) -> None:
    """The required properties of SARIF 2.1.0 and the types of those that are used."""
    log = json.loads(check("-o", "sarif"))
    run: Any = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]

    assert (log["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "envoysim")
    assert [rule["id"] for rule in rules] == [c.code for c in ALL]
    assert run["results"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        assert result["occurrenceCount"] >= 1
        for place in (*result["locations"], *result.get("relatedLocations", ())):
            assert place["physicalLocation"]["artifactLocation"]["uri"] == "my%20dump.json"
            assert place["logicalLocations"][0]["fullyQualifiedName"].startswith("/")


def test_junit_has_a_failure_per_finding(check: Check) -> None:
    suite = ElementTree.fromstring(check("--select", "ESM3", "-o", "junit"))

    assert suite.get("failures") == str(len(suite)) != "0"
    assert {case.get("classname") for case in suite} >= {"ESM301"}


def test_github_annotations_are_escaped(check: Check) -> None:
    lines = check("--select", "ESM401", "-o", "github").splitlines()

    assert lines[0].startswith("::error file=my dump.json,title=ESM401 unknown-cluster::route `pay`")


def test_a_baseline_hides_what_was_there(check: Check) -> None:
    Path("old.json").write_text(check("-o", "json", broken=("ESM301",)), encoding="utf-8")

    assert "ESM301" not in check("--baseline", "old.json")
    assert "ESM401" in check("--baseline", "old.json")


def test_configuration_selects_and_ignores(check: Check) -> None:
    Path("envoysim.toml").write_text('select = ["ESM301", "ESM401"]\nignore = ["unknown-*"]\n', encoding="utf-8")

    assert {word for word in check().split() if word.startswith("ESM")} == {"ESM301"}


@pytest.mark.parametrize(
    ("args", "file", "message"),
    [
        (("--select", "ESM999"), None, "unknown rule `ESM999`"),
        (("--select", "shadowed-rout"), None, "unknown rule `shadowed-rout`"),
        (("--baseline", "other.json"), ("other.json", '{"tool": "x"}'), "`other.json` is not a baseline"),
        (("--baseline", "absent.json"), None, "cannot read baseline `absent.json`"),
        ((), ("envoysim.toml", "select = ["), "envoysim.toml: cannot be read"),
        ((), ("envoysim.toml", "selct = []"), "envoysim.toml: unknown key `selct`"),
    ],
)
def test_bad_input_is_told(check: Check, args: tuple[str, ...], file: tuple[str, str] | None, message: str) -> None:
    if file is not None:
        Path(file[0]).write_text(file[1], encoding="utf-8")
    with pytest.raises(OptionError, match=message):
        check(*args)


def test_explain_prints_a_page_and_lists_all() -> None:
    listed = CliRunner().invoke(explain, [], standalone_mode=False).output
    page = CliRunner().invoke(explain, ["ESM301"], standalone_mode=False).output

    assert len(listed.splitlines()) == len(ALL)
    assert "## Why it matters" in page


def test_the_document_of_all_rules_is_up_to_date() -> None:
    """`python docs/make_checks.py` makes it."""
    spec = importlib.util.spec_from_file_location("make_checks", DOCS / "make_checks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    assert (DOCS / "checks.md").read_text(encoding="utf-8") == module.document()
