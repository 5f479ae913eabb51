"""A short random run, one case of every theme; ``python -m tests.differential`` goes on for as long as is asked."""

from __future__ import annotations

import pytest

from envoysim.errors import OptionError
from envoysim.verify.binary import find_envoy

from .runner import play
from .themes import MAKERS, THEMES, make

pytestmark = [pytest.mark.envoy, pytest.mark.slow]


@pytest.mark.parametrize("theme", dict.fromkeys((*THEMES, *MAKERS)))
def test_both_sides_agree(theme: str) -> None:
    try:
        binary = find_envoy()
    except OptionError:
        pytest.skip("no Envoy binary")

    found = play(binary, make(20261125, (theme,)))

    assert not [(d.request.id, d.request.path, d.differences) for d in found]
