"""Errors a caller may see.

EnvoysimError          anything this package raises on purpose
├── SourceError        a source cannot be read or is no Envoy configuration
├── RequestError       a request (URL, header, request line) cannot be used
├── OptionError        an option or a name on the command line is wrong
└── ScenarioError      a scenario, upstreams or test file cannot be used
"""

from __future__ import annotations


class EnvoysimError(Exception):
    """Base of all errors; ``place`` is a file, ``file:line`` or JSON pointer; ``help`` a hint."""

    def __init__(self, message: str, *, place: str | None = None, help: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.help = help

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class SourceError(EnvoysimError):
    """A source cannot be read or holds no Envoy configuration."""


class RequestError(EnvoysimError):
    """A request cannot be used."""


class OptionError(EnvoysimError):
    """An option or a name is wrong."""


class ScenarioError(EnvoysimError):
    """A scenario or upstreams file cannot be used."""
