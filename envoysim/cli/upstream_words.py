"""``--upstream 'WHO=WHAT[, WHAT...] [after TIME]'``: scripted upstreams in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from ..errors import OptionError
from ..model.behaviour import Action, Behaviour, Upstream

ACTIONS = tuple(a for a in get_args(Action) if a != "reply")
NATURES = {"plaintext": Upstream(tls=False, protocol="HTTP/1.1"), "tls": Upstream(tls=True)}
"""What an endpoint speaks, whatever its cluster is configured to speak; beside what it does."""
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m)?$")  # not a configuration regex: our own words
_UNIT_MS = {"ms": 1.0, "s": 1000.0, "m": 60_000.0, None: 1.0}
HELP = "WHO=STATUS|ACTION[, ...] [after TIME], e.g. '*=503', '10.1.2.3:9080=reset', 'reviews|v2=200 after 2s'"


def parse_upstreams(words: Sequence[str]) -> dict[str, Upstream]:
    """Read every ``--upstream``; WHO is ``ip:port``, a cluster name or ``*``; a list is gone through in turn.

    Raises OptionError with what is wrong.
    """
    found: dict[str, Upstream] = {}
    for word in words:
        who, equals, what = word.rpartition("=")
        if not equals or not who or not what.strip():
            raise OptionError(f"malformed `--upstream {word}`", help=HELP)
        upstream = found.get(who, Upstream())
        for part in what.split(","):
            nature = NATURES.get(part.strip())
            if nature is None:
                behaviours = (*upstream.behaviours, _behaviour(part.strip(), word))
                upstream = replace(upstream, behaviours=behaviours)
            else:
                upstream = replace(nature, behaviours=upstream.behaviours)
        found[who] = upstream
    return found


def _behaviour(text: str, word: str) -> Behaviour:
    what, _, when = text.partition(" after ")
    behaviour = _action(what.strip(), word)
    return replace(behaviour, delay_ms=_time_ms(when.strip(), word)) if when else behaviour


def _action(what: str, word: str) -> Behaviour:
    if what.isdigit() and 100 <= int(what) <= 599:
        return Behaviour(status=int(what))
    if what.startswith("grpc ") and what[5:].isdigit():
        return Behaviour(grpc_status=int(what[5:]))
    if what in ACTIONS:
        return Behaviour(action=what)  # type: ignore[arg-type]  # one of the literal's words
    import difflib

    close = difflib.get_close_matches(what, (*NATURES, *ACTIONS), n=1)
    hint = (
        f"did you mean `{close[0]}`?" if close else f"a status, `grpc N`, or one of {', '.join((*NATURES, *ACTIONS))}"
    )
    raise OptionError(f"malformed `--upstream {word}`: unknown behaviour `{what}`", help=hint)


def _time_ms(text: str, word: str) -> float:
    match = _TIME.match(text)
    if match is None:
        raise OptionError(f"malformed `--upstream {word}`: `{text}` is not a time such as 250ms or 2s")
    return float(match[1]) * _UNIT_MS[match[2]]
