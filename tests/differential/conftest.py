"""What the tests beside the real Envoy share."""

from __future__ import annotations

from pathlib import Path

import pytest

from envoysim.errors import OptionError
from envoysim.verify.binary import find_envoy


@pytest.fixture(scope="session")
def envoy() -> Path:
    """The binary; the test is skipped where there is none."""
    try:
        return find_envoy()
    except OptionError:
        pytest.skip("no Envoy binary")
