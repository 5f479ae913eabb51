"""A trace as a person reads it: the answer first, then one line per stage in Envoy's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..model.outcome import Note, Outcome
from ..model.ref import Ref
from ..model.trace import Rejected, Step, Trace

Pointer = Callable[[Ref], str]
Style = Callable[[str, str], str]
"""``style(kind, text)``: kinds are good, bad, dim, strong."""

MAX_LOSERS = 12
"""Losers shown per step: the first ones and the nearest; the number of the others is said."""


def plain(kind: str, text: str) -> str:
    """Leave ``text`` as it is."""
    return text


def headline(outcome: Outcome, style: Style = plain) -> str:
    """Say in one line how the request ended and who answered."""
    if outcome.unknown is not None:
        return f"{style('bad', 'UNKNOWN')}   what would settle it: {outcome.unknown}"
    flags = ",".join(outcome.response_flags) or "-"
    details = outcome.response_code_details or "-"
    if outcome.status is None:
        how = CLOSED.get(outcome.closed or "", "no answer")
        return f"{style('bad', 'no answer')} {flags} {details}   {how}"
    kind = "good" if outcome.status < 400 else "bad"
    return f"{style(kind, str(outcome.status))} {flags} {details}   {_who(outcome)}"


CLOSED = {
    "refused": "nobody listens there: the connection is refused",
    "no_filter_chain": "no filter chain matches: the connection is closed",
    "reset": "the connection is reset",
    "eof": "the connection is closed",
    "tls": "the TLS handshake fails",
}
"""What the contract's ``closed`` means in words."""


def _who(outcome: Outcome) -> str:
    attempts = [a for a in outcome.attempts if a.result not in ("overflow",)]
    if not attempts:
        return "answered by Envoy; nothing was sent upstream"
    times = f" after {len(attempts)} attempts" if len(attempts) > 1 else ""
    last = attempts[-1]
    where = f"`{last.endpoint}` of cluster `{last.cluster}`"
    if outcome.response_code_details == "via_upstream" or last.result == str(outcome.status):
        return f"answered by {where}{times}"
    return f"answered by Envoy{times}; last tried: {where} ({last.result})"


def trace_text(
    trace: Trace,
    shares: Sequence[tuple[float, Outcome]],
    pointer: Pointer,
    *,
    verbose: bool = False,
    assumed: Sequence[str] = (),
    doubt: str = "",
    unexplored: float = 0.0,
    style: Style = plain,
) -> str:
    """Return the whole text of ``envoysim trace``; ``verbose`` adds losers, headers and access log.

    ``doubt`` is the assumption that the answer hangs on, said with it.
    """
    first = headline(trace.outcome, style) + (f" ({doubt})" if doubt else "")
    if len(shares) > 1:
        first += f", {shares[0][0]:.1%} of requests"
    lines = [first]
    if len(shares) > 1:
        lines += ["", *_share_lines(shares, unexplored, style)]
    lines.append("")
    width = max((len(s.stage) for s in trace.steps), default=0)
    for step in trace.steps:
        lines += _step_lines(step, width, pointer, verbose=verbose, style=style)
    lines += _notes("not modelled or not known", trace.notes, pointer, style)
    said = [*assumed, *trace.assumed]
    if said:
        lines += ["", *(f"  {style('dim', 'assumed:')} {text}" for text in said)]
    if verbose:
        lines += _details(trace.outcome, style)
    return "\n".join(lines) + "\n"


def _share_lines(shares: Sequence[tuple[float, Outcome]], unexplored: float, style: Style) -> list[str]:
    lines = [style("strong", "  left to chance:")]
    for share, outcome in shares[:20]:
        lines.append(f"  {share:8.3%}  {_brief(outcome)}")
    if len(shares) > 20:
        rest = sum(share for share, _ in shares[20:])
        lines.append(f"  {rest:8.3%}  {len(shares) - 20} more (all of them with -o json)")
    if unexplored > 0:
        lines.append(f"  {unexplored:8.3%}  not explored: more choices than are gone through")
    return lines


def _brief(outcome: Outcome) -> str:
    if outcome.unknown is not None:
        return f"UNKNOWN: {outcome.unknown}"
    status = "closed" if outcome.status is None else str(outcome.status)
    flags = ",".join(outcome.response_flags)
    where = f"{outcome.cluster or '-'} {outcome.endpoint or ''}".strip()
    attempts = f", {len(outcome.attempts)} attempts" if len(outcome.attempts) > 1 else ""
    return f"{status}{' ' + flags if flags else ''}  {where}{attempts}"


def _step_lines(step: Step, width: int, pointer: Pointer, *, verbose: bool, style: Style) -> list[str]:
    when = f" [{step.at_ms:g} ms]" if step.at_ms else ""
    attempt = f"#{step.attempt} " if step.attempt > 1 else ""
    lines = [f"  {style('strong', step.stage.ljust(width))}  {attempt}{step.reason}{style('dim', when)}"]
    indent = " " * (width + 4)
    if step.ref is not None:
        lines.append(style("dim", f"{indent}{pointer(step.ref)}"))
    if verbose and step.losers is not None:
        losers = step.losers()
        lines += [_loser_line(r, indent, pointer, style) for r in _some(losers)]
        if len(losers) > MAX_LOSERS:
            lines.append(style("dim", f"{indent}  … {len(losers) - MAX_LOSERS} more rejected"))
    return lines


def _some(losers: Sequence[Rejected]) -> Sequence[Rejected]:
    """Keep the nearest miss (marked by its maker) and the first others."""
    if len(losers) <= MAX_LOSERS:
        return losers
    near = [r for r in losers[MAX_LOSERS:] if r.reason.startswith("nearest miss")]
    return [*losers[: MAX_LOSERS - len(near)], *near]


def _loser_line(rejected: Rejected, indent: str, pointer: Pointer, style: Style) -> str:
    place = f"  {style('dim', pointer(rejected.ref))}" if rejected.ref is not None else ""
    return f"{indent}- {rejected.reason}{place}"


def _notes(title: str, notes: Sequence[Note], pointer: Pointer, style: Style) -> list[str]:
    if not notes:
        return []
    lines = ["", f"  {style('strong', title)}:"]
    for note in notes:
        place = f"  {style('dim', pointer(note.ref))}" if note.ref is not None else ""
        lines.append(f"  - {note.text}{place}")
    return lines


def _details(outcome: Outcome, style: Style) -> list[str]:
    lines: list[str] = []
    for attempt in outcome.attempts:
        lines += [
            "",
            f"  {style('strong', 'sent')} to {attempt.endpoint or '-'} ({attempt.protocol}): {attempt.result}",
        ]
        if attempt.method is not None:
            lines.append(f"    {attempt.method} {attempt.path}")
            lines.append(f"    host: {attempt.authority}")
        lines += [f"    {name}: {value}" for name, value in attempt.headers]
    if outcome.status is not None:
        lines += ["", f"  {style('strong', 'response')}: {outcome.status}"]
        lines += [f"    {name}: {value}" for name, value in outcome.headers]
        if outcome.body:
            lines.append(f"    {outcome.body[:400]}")
    lines += [line for text in outcome.access_log for line in ("", f"  {style('strong', 'access log')}: {text}")]
    return lines
