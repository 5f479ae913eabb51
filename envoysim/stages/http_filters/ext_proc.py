"""External processing (``source/extensions/filters/http/ext_proc/ext_proc.cc``): a service that may change everything.

What the service does is not in a dump. The user may say it lets requests pass (``allow``), answers itself (``deny`` and
a status) or fails (``error``); without a word it is taken as changing nothing, and a note says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...lazy_dataclass import dataclass
from ...model.ref import Ref
from ...model.reply import Aborted, LocalReply, Response
from ...schema import Msg, enum_name
from .base import FilterModule, Verdict
from .grpc_service import GrpcService, compile_grpc_service
from .verdicts import assume, given_verdict

if TYPE_CHECKING:
    from ..proxy import Proxy
    from ..stream import Story, Stream

PROCESS: Final = "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
FAILED: Final = "ext_proc_error_gRPC_error_14{{{}}}"


@dataclass(frozen=True, slots=True)
class PerRoute:
    """A route's settings; ``None`` leaves the filter's."""

    disabled: bool
    failure_mode_allow: bool | None
    service: GrpcService | None


@dataclass(frozen=True, slots=True)
class ExtProc:
    """The compiled filter."""

    ref: Ref
    service: GrpcService
    failure_mode_allow: bool
    observability_mode: bool
    sees_requests: bool
    sees_responses: bool
    status_on_error: int

    def decode(self, stream: Stream, overrides: tuple[object, ...]) -> Verdict:
        """Do what the user says the service does."""
        service, fails_open = self._settings(overrides)
        telling = stream.telling
        if self._is_off(overrides):
            telling.step(
                "http filter", self.ref, "ext_proc changes nothing: disabled on the route, or it only observes"
            )
            return None
        given = given_verdict(stream, "ext_proc")
        if given is None and not self.sees_requests:
            return None
        if given is None:
            return self._ask(stream, service, fails_open=fails_open)
        if given.word == "deny":
            telling.step("http filter", self.ref, "ext_proc answers the request itself, as given")
            return LocalReply(given.status or 403, "")
        return None if given.word == "allow" else self._fail(stream, "", fails_open=fails_open)

    def encode(self, stream: Stream, response: Response, overrides: tuple[object, ...]) -> Verdict:
        """A service that is asked about responses alone is asked now."""
        if self.sees_requests or not self.sees_responses or self._is_off(overrides):
            return None
        if given_verdict(stream, "ext_proc") is not None:
            return None
        service, fails_open = self._settings(overrides)
        return self._ask(stream, service, fails_open=fails_open)

    def _settings(self, overrides: tuple[object, ...]) -> tuple[GrpcService, bool]:
        service, fails_open = self.service, self.failure_mode_allow
        for override in overrides:
            assert isinstance(override, PerRoute)
            if override.failure_mode_allow is not None:
                fails_open = override.failure_mode_allow
            service = override.service or service
        return service, fails_open

    def _is_off(self, overrides: tuple[object, ...]) -> bool:
        return self.observability_mode or any(isinstance(last, PerRoute) and last.disabled for last in overrides[-1:])

    def _ask(
        self, stream: Stream, service: GrpcService, *, fails_open: bool
    ) -> Story[LocalReply | Aborted | Response | None]:
        failure = yield from service.failure(stream)
        if failure is not None:
            return self._fail(stream, failure, fails_open=fails_open)
        assume(stream, self.ref, "what the external processor does is not known: taken as changing nothing")
        return None

    def _fail(self, stream: Stream, message: str, *, fails_open: bool) -> LocalReply | None:
        if fails_open:
            at = self.ref.at("failure_mode_allow")
            stream.telling.step("http filter", at, "ext_proc fails: passed on by failure_mode_allow")
            return None
        words = "ext_proc fails, and failure_mode_allow is off: {}"
        stream.telling.step("http filter", self.ref.at("failure_mode_allow"), words, self.status_on_error)
        return LocalReply(self.status_on_error, FAILED.format(message.replace(" ", "_")))


def _compile(msg: Msg, ref: Ref, proxy: Proxy) -> ExtProc:
    mode = msg.processing_mode
    return ExtProc(
        ref,
        compile_grpc_service(msg.grpc_service, PROCESS, 0, ref.at("grpc_service"), proxy),
        msg.failure_mode_allow,
        msg.observability_mode,
        enum_name(mode, "request_header_mode") != "SKIP" or enum_name(mode, "request_body_mode") != "NONE",
        enum_name(mode, "response_header_mode") != "SKIP" or enum_name(mode, "response_body_mode") != "NONE",
        msg.status_on_error.code or 500,
    )


def _compile_per_route(msg: Msg, ref: Ref, proxy: Proxy) -> PerRoute:
    overrides = msg.overrides
    return PerRoute(
        msg.disabled,
        overrides.failure_mode_allow.value if overrides.HasField("failure_mode_allow") else None,
        compile_grpc_service(overrides.grpc_service, PROCESS, 0, ref.at("overrides", "grpc_service"), proxy)
        if overrides.HasField("grpc_service")
        else None,
    )


MODULE: Final = FilterModule(
    "envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
    _compile,
    ("envoy.extensions.filters.http.ext_proc.v3.ExtProcPerRoute",),
    _compile_per_route,
)
