"""Speak aggregated xDS to a control plane as a node, until everything that was named has come or time is up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from ..errors import SourceError
from ..schema import Msg
from .document import cluster_statuses, sections
from .holdings import Holdings
from .kinds import KINDS
from .record import missing, node_words, not_asked, now, rejected
from .retry import Retry
from .save import Fetched
from .target import CallFailed, Target, call_failed, grpc_module, open_channel
from .variants import DISCOVERY, Variant, variant

Progress = Callable[[str], None]


def fetch_ads(target: Target, node: Msg, *, delta: bool, seconds: float, settle: float, progress: Progress) -> Fetched:
    """Return what a proxy that asks ``target`` as ``node`` would run; raises an EnvoysimError when nothing came."""
    holdings, partial = follow(target, node, delta=delta, seconds=seconds, settle=settle, progress=progress)
    record: dict[str, Any] = {
        "by": "delta ADS" if delta else "ADS",
        "from": target.address,
        "at": now(),
        "node": node_words(node),
        "resources": holdings.summary(),
        "missing": missing(holdings),
        "not_asked": not_asked(holdings),
        "rejected": rejected(holdings),
    }
    if partial:
        record["partial"] = partial
    said = [", ".join(f"{count} {title}" for title, count in holdings.summary().items()) or "nothing"]
    said += _said(record["missing"], "never came")
    said += _said(record["rejected"], "cannot be used")
    document = {"configs": sections(holdings, node), "cluster_statuses": cluster_statuses(holdings)}
    return Fetched(document, record, said)


def _said(items: list[dict[str, Any]], words: str, most: int = 5) -> list[str]:
    lines = [f"{i['kind']} `{i['name']}` {words}" + (f": {i['reason']}" if "reason" in i else "") for i in items[:most]]
    return lines + ([f"… and {len(items) - most} more {words}"] if len(items) > most else [])


def follow(
    target: Target, node: Msg, *, delta: bool, seconds: float, settle: float, progress: Progress
) -> tuple[Holdings, str | None]:
    """Return what came, and why it is partial (``None`` when it is not).

    Raises CallFailed or SourceError when nothing came at all.
    """
    holdings = Holdings()
    retry = Retry(time.monotonic() + seconds)
    while True:
        answered = len(holdings.answered)
        try:
            with open_channel(target) as channel:
                _Talk(target, variant(delta)(node, holdings), holdings, progress).run(channel, retry.end, settle)
            break
        except CallFailed as error:
            progress(f"{error.message}: trying again")
            try:
                retry.wait(error, progressed=len(holdings.answered) > answered)
            except CallFailed:
                if not holdings.answered:
                    raise
                return holdings, f"{error.place}: {error.message}"
    if not holdings.answered:
        raise SourceError(f"did not answer within {seconds:g} s", place=target.address)
    return holdings, _partial(holdings, seconds)


def _partial(holdings: Holdings, seconds: float) -> str | None:
    unanswered = [name for name in ("cluster", "listener") if name not in holdings.answered]
    if unanswered:
        return f"no answer to the request for {' and '.join(f'{name}s' for name in unanswered)} within {seconds:g} s"
    if holdings.rejected:
        return f"{len(holdings.rejected)} resources cannot be used"
    return None


class _Talk:
    """One stream."""

    def __init__(self, target: Target, talk: Variant, holdings: Holdings, progress: Progress) -> None:
        self._target = target
        self._talk = talk
        self._holdings = holdings
        self._progress = progress
        self._requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._responses: queue.SimpleQueue[bytes | BaseException | None] = queue.SimpleQueue()
        self._asked_for: object = None

    def run(self, channel: Any, end: float, settle: float) -> None:
        """Talk until all is there and the server is quiet, or until ``end``; raises CallFailed."""
        call = channel.stream_stream(
            f"/{DISCOVERY}.AggregatedDiscoveryService/{self._talk.method}",
            request_serializer=None,
            response_deserializer=None,
        )(iter(self._requests.get, None), metadata=self._target.metadata)
        threading.Thread(target=self._read, args=(call,), daemon=True).start()
        try:
            self._ask()
            while True:
                now = time.monotonic()
                quiet = settle if self._holdings.complete() else end - now
                try:
                    found = self._responses.get(timeout=max(0.0, min(quiet, end - now)))
                except queue.Empty:
                    return
                self._take(found)
                if time.monotonic() >= end:
                    return
        finally:
            self._requests.put(None)
            call.cancel()

    def _read(self, call: Any) -> None:
        grpc = grpc_module()
        try:
            for data in call:
                self._responses.put(data)
            self._responses.put(None)
        except grpc.RpcError as error:
            self._responses.put(error)

    def _take(self, found: bytes | BaseException | None) -> None:
        if found is None:
            raise CallFailed("it ended the stream", place=self._target.address, passing=True)
        if isinstance(found, BaseException):
            raise call_failed(self._target, found)
        try:
            response = self._talk.parse(found)
        except DecodeError:
            words = f"what it sent is no {self._talk.response}"
            raise CallFailed(words, place=self._target.address, help="another service listens there") from None
        kind, problems = self._talk.take(response)
        if kind is not None:
            self._send(self._talk.answer(kind, response, problems))
        self._ask()
        self._progress(self._holdings.progress())

    def _ask(self) -> None:
        wanted = self._holdings.wanted
        if wanted is self._asked_for:
            return
        self._asked_for = wanted
        for kind in KINDS:
            if kind.kind in wanted and (request := self._talk.ask(kind, frozenset(wanted[kind.kind]))) is not None:
                self._send(request)

    def _send(self, request: Msg) -> None:
        self._requests.put(request.SerializeToString())
