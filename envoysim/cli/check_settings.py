"""What ``envoysim check`` looks for and what it fails on: options, configuration files, baselines."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ..checks.base import Check
from ..errors import OptionError
from ..lazy_dataclass import dataclass
from ..lint import select
from ..model.finding import SEVERITIES, Finding

FILES: Final = ("envoysim.toml", "pyproject.toml")
"""Where settings may stand; the first that has some counts."""
LISTS: Final = ("select", "ignore")
CHOICES: Final = {"severity": SEVERITIES, "fail-on": (*SEVERITIES, "never")}
KEYS: Final = (*LISTS, *CHOICES)


@dataclass(frozen=True, slots=True)
class Settings:
    """The rules that are run, the least severity that is shown, and the least that fails (or ``never``)."""

    checks: tuple[Check, ...]
    severity: str
    fail_on: str

    def shows(self, finding: Finding) -> bool:
        """Tell whether a finding is reported."""
        return SEVERITIES.index(finding.severity) <= SEVERITIES.index(self.severity)

    def fails(self, finding: Finding) -> bool:
        """Tell whether a finding makes the exit status 1."""
        return self.fail_on != "never" and SEVERITIES.index(finding.severity) <= SEVERITIES.index(self.fail_on)


def settings(options: Mapping[str, Any]) -> Settings:
    """Return what the options say, and where they do not, a file of the current folder.

    Rules to ignore add up. Raises OptionError, with the file where it stands in one.
    """
    name, table = _from_file()
    if name:
        _checked(name, table)
    return Settings(
        select(options["only"] or table.get("select", ()), (*options["without"], *table.get("ignore", ()))),
        options["severity"] or table.get("severity", "info"),
        options["fail_on"] or table.get("fail-on", "error"),
    )


def _from_file() -> tuple[str, dict[str, Any]]:
    for name in FILES:
        path = Path(name)
        if not path.exists():
            continue
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise OptionError(f"cannot be read: {error.strerror}", place=name) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise OptionError(f"is not TOML: {error}", place=name) from None
        table = data.get("tool", {}).get("envoysim", {}) if name == "pyproject.toml" else data
        if not isinstance(table, dict):
            raise OptionError("`tool.envoysim` must be a table", place=name)
        if table:
            return name, table
    return "", {}


def _checked(name: str, table: dict[str, Any]) -> None:
    """Raise OptionError for a setting that is unknown or of the wrong kind, or a rule that does not exist."""
    for key, value in table.items():
        if key not in KEYS:
            close = difflib.get_close_matches(key, KEYS, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"known keys: {', '.join(KEYS)}"
            raise OptionError(f"unknown key `{key}`", place=name, help=hint)
        if key in CHOICES and value not in CHOICES[key]:
            raise OptionError(f"`{key}` must be one of {', '.join(CHOICES[key])}: {value!r}", place=name)
        if key in LISTS:
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise OptionError(f"`{key}` must be a list of rules: {value!r}", place=name)
            try:
                select(value)
            except OptionError as error:
                raise OptionError(error.message, place=name, help=error.help) from None


def known_findings(path: str | None) -> frozenset[str]:
    """Return the fingerprints of an earlier report; raises OptionError for what is none."""
    if path is None:
        return frozenset()
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"cannot read baseline: {error.strerror}", place=path) from None
    except UnicodeDecodeError:
        raise _no_baseline(path, "not a text") from None
    except json.JSONDecodeError as error:
        raise _no_baseline(f"{path}:{error.lineno}", f"not JSON: {error.msg}") from None
    found = data.get("findings") if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise _no_baseline(path, "it has no list of `findings`")
    known: set[str] = set()
    for index, finding in enumerate(found):
        try:
            prints = [finding["fingerprint"], *(place["fingerprint"] for place in finding["places"])]
        except (KeyError, TypeError):
            raise _no_baseline(path, f"finding {index} has no fingerprint of envoysim") from None
        known.update(map(str, prints))
    return frozenset(known)


def _no_baseline(place: str, why: str) -> OptionError:
    return OptionError(f"not a baseline: {why}", place=place, help="make one with: envoysim check SOURCE -o json")
