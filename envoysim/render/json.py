"""The contract's JSON (docs/contract.md): outcomes, traces, notes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..model.outcome import Attempt, Note, Outcome
from ..model.ref import Ref
from ..model.trace import Rejected, Step, Trace

Pointer = Callable[[Ref], str]
Json = dict[str, Any]


def outcome_json(outcome: Outcome, pointer: Pointer) -> Json:
    """Return the contract's outcome object."""
    found: Json = {
        "id": outcome.id,
        "status": outcome.status,
        "closed": outcome.closed,
        "response_flags": list(outcome.response_flags),
        "response_code_details": outcome.response_code_details,
        "listener": outcome.listener,
        "filter_chain": outcome.filter_chain,
        "route_config": outcome.route_config,
        "virtual_host": outcome.virtual_host,
        "route": outcome.route,
        "virtual_cluster": outcome.virtual_cluster,
        "cluster": outcome.cluster,
        "route_ref": None if outcome.route_ref is None else pointer(outcome.route_ref),
        "endpoint": outcome.endpoint,
        "attempts": [attempt_json(a) for a in outcome.attempts],
        "mirrors": [attempt_json(a) for a in outcome.mirrors],
        "headers": [list(h) for h in outcome.headers],
        "body": outcome.body,
        "trailers": [list(h) for h in outcome.trailers],
        "duration_ms": outcome.duration_ms,
        "stats": outcome.stats,
        "access_log": list(outcome.access_log),
        "notes": [note_json(n, pointer) for n in outcome.notes],
    }
    if outcome.unknown is not None:
        found["unknown"] = outcome.unknown
    return found


def attempt_json(attempt: Attempt) -> Json:
    """Return one element of ``attempts`` or ``mirrors``."""
    return {
        "cluster": attempt.cluster,
        "endpoint": attempt.endpoint,
        "at_ms": attempt.at_ms,
        "protocol": attempt.protocol,
        "method": attempt.method,
        "scheme": attempt.scheme,
        "path": attempt.path,
        "authority": attempt.authority,
        "headers": [list(h) for h in attempt.headers],
        "result": attempt.result,
    }


def note_json(note: Note, pointer: Pointer) -> Json:
    """Return one element of ``notes``."""
    return {"ref": None if note.ref is None else pointer(note.ref), "text": note.text}


def step_json(step: Step, pointer: Pointer, *, verbose: bool) -> Json:
    """Return one element of a trace's ``steps``; ``rejected`` only when ``verbose``."""
    found: Json = {
        "stage": step.stage,
        "ref": None if step.ref is None else pointer(step.ref),
        "reason": step.reason,
        "attempt": step.attempt,
        "at_ms": step.at_ms,
    }
    if verbose:
        losers = step.losers() if step.losers is not None else ()
        found["rejected"] = [_rejected_json(r, pointer) for r in losers]
    return found


def _rejected_json(rejected: Rejected, pointer: Pointer) -> Json:
    return {"ref": None if rejected.ref is None else pointer(rejected.ref), "reason": rejected.reason}


def trace_json(
    trace: Trace,
    shares: Sequence[tuple[float, Outcome]],
    pointer: Pointer,
    *,
    verbose: bool,
    assumed: Sequence[str] = (),
) -> Json:
    """Return the object ``trace -o json`` prints; ``shares`` is left out when nothing is left to chance."""
    found: Json = {"outcome": outcome_json(trace.outcome, pointer)}
    if len(shares) > 1:
        found["shares"] = [{"share": share, "outcome": outcome_json(outcome, pointer)} for share, outcome in shares]
    found["steps"] = [step_json(s, pointer, verbose=verbose) for s in trace.steps]
    found["assumed"] = [*assumed, *trace.assumed]
    return found
