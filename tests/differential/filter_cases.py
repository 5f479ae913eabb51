"""Every case of an HTTP filter; all of them have been played on both sides."""

from __future__ import annotations

from . import (
    filter_cases_answers,
    filter_cases_encodings,
    filter_cases_matchers,
    filter_cases_metadata,
    filter_cases_rate_limits,
    filter_cases_upgrades,
)
from .filter_rows import Row

ROWS: tuple[Row, ...] = (
    *filter_cases_encodings.ROWS,
    *filter_cases_metadata.ROWS,
    *filter_cases_rate_limits.ROWS,
    *filter_cases_matchers.ROWS,
    *filter_cases_answers.ROWS,
    *filter_cases_upgrades.ROWS,
)
