"""Every rule fires where a healthy proxy is broken in its way, stays quiet where it is not, and says what happens."""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import Final

import pytest

from envoysim.checks import ALL
from envoysim.checks.base import Check
from envoysim.checks.subject import Subject
from envoysim.load.dump import Dump
from envoysim.model.finding import Finding
from envoysim.model.outcome import Outcome
from envoysim.simulate import simulate
from envoysim.stages.proxy import Proxy

from .breaking import EDITS
from .healthy import Json, Site, fixture, healthy, loaded

FIXTURES: Final = ("edge", "sidecar", "ingress")
HEADINGS: Final = ("What it finds", "Why it matters", "Example", "When it is harmless", "Fix", "Source")
CODES: Final = [check.code for check in ALL]
BY_CODE: Final = {check.code: check for check in ALL}
ALWAYS: Final = ("ESM311",)
"""What a rule says of every connection manager: its quiet example has none."""
NEEDS_MORE: Final = {"ESM601": "an upstream that takes longer than 15 s"}
"""Findings whose outcome a request alone does not show (``test_claims`` does)."""


def found(check: Check, dump: Dump) -> list[tuple[str, Finding]]:
    return [(dump.pointer(f.ref), f) for f in check.find(Subject(dump))]


@cache
def base(name: str) -> Json:
    return healthy() if name == "healthy" else fixture(name)


def broken(code: str, name: str) -> tuple[Dump, list[tuple[str, Finding]], str]:
    """Break a document; return the findings it did not have before, and where one is expected."""
    site = Site(base(name))
    end = EDITS[code](site)
    dump = loaded(site.document)
    before = [(p, f.message) for p, f in found(BY_CODE[code], loaded(base(name)))]
    return dump, [(p, f) for p, f in found(BY_CODE[code], dump) if (p, f.message) not in before], end


@pytest.mark.parametrize("code", CODES)
def test_a_rule_fires_on_its_bad_example(code: str) -> None:
    _, new, end = broken(code, "healthy")

    assert [p for p, _ in new if p.endswith(end)], [p for p, _ in new]
    assert {f.code for _, f in new} == {code}
    assert all(f.fix and f.message for _, f in new)


@pytest.mark.parametrize("code", CODES)
def test_a_rule_is_quiet_on_its_good_example(code: str) -> None:
    dump = loaded(fixture("tcp") if code in ALWAYS else healthy())

    assert found(BY_CODE[code], dump) == []


@pytest.mark.parametrize("code", CODES)
def test_a_dump_of_the_real_envoy_broken_in_the_rules_way_is_found(code: str) -> None:
    tried = 0
    for name in FIXTURES:
        try:
            _, new, end = broken(code, name)
        except LookupError:
            continue
        tried += 1
        if [p for p, _ in new if p.endswith(end)]:
            return

    pytest.fail(f"the rule did not find it in {tried} dumps")


def test_every_rule_has_an_example() -> None:
    assert set(EDITS) == set(CODES)


def test_codes_and_names_are_unique_and_sorted() -> None:
    assert len(set(CODES)) == len(CODES) >= 70
    assert len({check.name for check in ALL}) == len(ALL)
    assert sorted(CODES) == CODES


@pytest.mark.parametrize("check", ALL, ids=CODES)
def test_a_rules_page_has_all_headings(check: Check) -> None:
    page = sys.modules[check.find.__module__].__doc__ or ""

    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == list(HEADINGS)
    assert page.split("\n", 1)[0].endswith(".")
    assert check.title
    assert check.fix.rstrip(".") == check.fix != ""


def test_the_healthy_proxy_serves() -> None:
    """The base of all examples is a proxy that works."""
    dump = loaded(healthy())
    check = BY_CODE["ESM311"]
    request = next(f.witness for _, f in found(check, dump) if f.witness is not None).request

    assert simulate(Proxy(dump), request).outcome.listener == "web"


CLAIM = re.compile(r"\b([2-5]\d\d) ((?:[A-Z]{2,6},?)+)?(?: ?([a-z_]{6,}))?")


@pytest.mark.parametrize("code", CODES)
def test_the_witness_ends_as_the_message_says(code: str) -> None:
    dump, new, _ = broken(code, "healthy")
    shown = [(f, f.witness) for _, f in new if f.witness is not None]
    for finding, witness in shown:
        outcome = simulate(Proxy(dump), witness.request).outcome
        assert outcome.status is not None or outcome.unknown, finding.message
        claim = CLAIM.search(finding.message)
        if claim is not None and code not in NEEDS_MORE:
            assert_claimed(outcome, *claim.groups())


def test_most_rules_that_a_request_can_show_have_a_witness() -> None:
    witnessed = [code for code in CODES if any(f.witness is not None for _, f in broken(code, "healthy")[1])]

    assert len(witnessed) >= 35, witnessed


def assert_claimed(outcome: Outcome, status: str, flags: str | None, details: str | None) -> None:
    assert str(outcome.status) == status
    assert set((flags or "").split(",")) - {""} <= set(outcome.response_flags)
    if details is not None:
        assert details in (outcome.response_code_details or "")


def outcome_of(code: str) -> tuple[Finding, Outcome]:
    dump, new, end = broken(code, "healthy")
    finding = next(f for p, f in new if p.endswith(end))
    assert finding.witness is not None
    return finding, simulate(Proxy(dump), finding.witness.request).outcome


def test_a_shadowed_routes_witness_is_taken_by_the_blocking_route() -> None:
    finding, outcome = outcome_of("ESM301")

    assert outcome.route_ref is not None
    assert outcome.route_ref.at("match") == finding.related[0].ref


@pytest.mark.parametrize("code", ["ESM303", "ESM304"])
def test_the_earlier_route_takes_the_witness(code: str) -> None:
    finding, outcome = outcome_of(code)

    assert outcome.route_ref is not None
    assert finding.ref.path[: len(outcome.route_ref.path)] == outcome.route_ref.path


def test_the_rewrite_is_as_told() -> None:
    finding, outcome = outcome_of("ESM314")

    assert outcome.attempts[0].path == "//x"
    assert "`//x`" in finding.message


@pytest.mark.parametrize("code", ["ESM501", "ESM504"])
def test_the_other_spelling_passes_the_policy(code: str) -> None:
    _, outcome = outcome_of(code)

    assert outcome.status != 403


def test_the_redirect_leads_to_itself() -> None:
    finding, outcome = outcome_of("ESM313")
    location = dict(outcome.headers)["location"]

    assert f"`{location}`" in finding.message
