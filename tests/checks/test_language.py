"""Sets of texts: the automata agree with RE2 and with the matchers, and searches find what there is."""

from __future__ import annotations

import itertools
from bisect import bisect_right

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envoysim.checks.language import Texts, Unsupported, find_text, numbers, texts
from envoysim.checks.language.texts import before_query
from envoysim.match.regex import compile_regex

WORDS = ["".join(w) for n in range(5) for w in itertools.product("ab/1A", repeat=n)]
ATOMS = ["a", "b", "/", ".", "[ab]", "[^a]", r"\d", r"\w", "(?i:A)", "1", "[a-b/]", r"\/", "[[:alpha:]]", r"\x61"]


def accepts(wanted: Texts, text: str) -> bool:
    state = 0
    for character in text:
        moves = wanted.automaton.moves(state)
        state = moves.targets[bisect_right(moves.starts, ord(character)) - 1]
        if state < 0:
            return False
    return wanted.automaton.accepting[state]


patterns = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("({}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{1,2}", "*?", "{0,1}"])),
        st.builds("^{}".format, inner),
        st.builds("{}$".format, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(patterns)
def test_automata_agree_with_re2(pattern: str) -> None:
    regex = compile_regex(pattern)
    wanted = texts("regex", pattern)

    assert [w for w in WORDS if accepts(wanted, w)] == [w for w in WORDS if regex.matches(w)]


@pytest.mark.parametrize("kind", ["exact", "prefix", "suffix", "contains", "segments"])
@pytest.mark.parametrize("any_case", [False, True])
@pytest.mark.parametrize("text", ["/a", "a", "/a/b", "", "1A"])
def test_automata_agree_with_the_matchers(kind: str, any_case: bool, text: str) -> None:
    wanted = texts(kind, text, any_case=any_case)

    assert [w for w in WORDS if accepts(wanted, w)] == [w for w in WORDS if wanted.has(w)]


@pytest.mark.parametrize(("start", "end"), [(0, 10), (-5, 7), (5, 123), (99, 1001), (-20, -3), (7, 8), (0, 0)])
def test_automata_of_numbers_agree_with_parsing(start: int, end: int) -> None:
    wanted = numbers(start, end)
    words = [form % n for n in range(-130, 1010, 3) for form in ("%d", "%03d", "+%d", " %d ", "-%d")]

    assert [w for w in words if accepts(wanted, w)] == [w for w in words if wanted.has(w)]


def test_a_path_condition_on_the_whole_path_stops_at_the_query() -> None:
    wanted = before_query(texts("regex", "/a.*b"))

    assert accepts(wanted, "/ab?x=1")
    assert not accepts(wanted, "/a?x=b")


@pytest.mark.parametrize(
    ("inside", "outside", "found"),
    [
        (["/.*/v[0-9]+", "/api.*"], ["/api/.*", ".*x.*"], "/apia/v0"),
        (["/a.*"], ["/.*"], None),
        (["/(a|b)"], ["/a", "/b"], None),
        (["/[a-c]"], ["/a", "/b"], "/c"),
        (["a{3,5}"], ["aaaa?"], "aaaaa"),
    ],
)
def test_a_search_finds_a_shortest_text_or_tells_that_there_is_none(
    inside: list[str], outside: list[str], found: str | None
) -> None:
    automata = [[texts("regex", p).automaton for p in some] for some in (inside, outside)]

    assert find_text(*automata) == found


@pytest.mark.parametrize("pattern", [r"\bapi\b", r"\pL+", "(?m)^a$"])
def test_what_falls_outside_says_so(pattern: str) -> None:
    with pytest.raises(Unsupported):
        _ = texts("regex", pattern).automaton
