"""A real Envoy on loopback: started with a bootstrap, asked through its admin port, stopped for certain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import EnvoysimError
from ..lazy_dataclass import dataclass

START_SECONDS = 20.0


class EnvoyFailed(EnvoysimError):
    """The binary refused the configuration or did not become ready."""


@dataclass(frozen=True, slots=True)
class Envoy:
    """A running Envoy: its admin port, its folder, its process."""

    admin_port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def admin(self, path: str, *, method: str = "GET") -> str:
        """Ask the admin interface; ``path`` such as ``/clusters?format=json``."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode("utf-8", "replace"))

    def config_dump(self) -> Any:
        """Return ``/config_dump?include_eds`` decoded."""
        return json.loads(self.admin("/config_dump?include_eds"))

    def log(self) -> str:
        """Return what Envoy wrote on stderr so far."""
        return (self.folder / "envoy.log").read_text(encoding="utf-8", errors="replace")


@contextmanager
def run_envoy(binary: Path, bootstrap: dict[str, Any], admin_port: int) -> Iterator[Envoy]:
    """Run Envoy with ``bootstrap`` (its ``admin`` is set here) until the block ends.

    The process gets SIGTERM, then SIGKILL; it also ends when this process dies. Raises EnvoyFailed with the reason
    from Envoy's log when the configuration is refused.
    """
    with tempfile.TemporaryDirectory(prefix="envoysim-") as name:
        folder = Path(name)
        config = {**bootstrap, "admin": {"address": _socket(admin_port)}}
        (folder / "bootstrap.json").write_text(json.dumps(config), encoding="utf-8")
        with open(folder / "envoy.log", "wb") as log:
            process = subprocess.Popen(
                [
                    str(binary),
                    *("-c", str(folder / "bootstrap.json"), "--use-dynamic-base-id", "--concurrency", "1"),
                    *("-l", "warning", "--disable-hot-restart", "--file-flush-interval-msec", "10"),
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                preexec_fn=_die_with_parent,
            )
        envoy = Envoy(admin_port, folder, process)
        try:
            _wait_ready(envoy)
            yield envoy
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process: politely, then for certain."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _die_with_parent() -> None:
    """Ask Linux to end Envoy when the verifying process is killed; elsewhere nothing is lost but that."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    except (OSError, AttributeError):
        return
    if os.getppid() == 1:
        os._exit(1)


def _wait_ready(envoy: Envoy) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if envoy.process.poll() is not None:
            raise EnvoyFailed(f"envoy refused the configuration: {_reason(envoy.log())}")
        try:
            if envoy.admin("/ready").startswith("LIVE"):
                return
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.02)
    raise EnvoyFailed(f"envoy was not ready within {START_SECONDS:g} s: {_reason(envoy.log())}")


def _reason(log: str) -> str:
    """Pick the reason out of the last critical or error message, which may quote the whole configuration first."""
    lines = log.strip().splitlines()
    starts = [i for i, line in enumerate(lines) if "][critical]" in line or "][error]" in line]
    if not starts:
        return lines[-1][:500] if lines else "no output"
    message = lines[starts[-1] :]
    reasons = [line.removeprefix(": ") for line in message if line.startswith(": ")]
    text = reasons[-1] if reasons else message[0].rsplit("] ", 1)[-1]
    text = text.partition("goo.gle/")[0].removesuffix("'").removesuffix("initializing config ")
    return text.removeprefix("error ").strip("` :")[:500]


def _socket(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
