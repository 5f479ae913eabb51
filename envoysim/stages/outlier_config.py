"""``envoy.config.cluster.v3.OutlierDetection`` with Envoy's defaults (``DetectorConfig``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy_dataclass import dataclass
from ..schema import Msg, duration_ms

if TYPE_CHECKING:
    from ..model.ref import Ref


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """What makes a host an outlier, and for how long it is ejected; times in ms, ``enforcing`` in percent."""

    ref: Ref
    interval_ms: float
    base_ejection_time_ms: float
    max_ejection_time_ms: float
    max_ejection_time_jitter_ms: float
    max_ejection_percent: int
    always_eject_one_host: bool
    consecutive_5xx: int
    consecutive_gateway_failure: int
    consecutive_local_origin_failure: int
    split_external_local_origin_errors: bool
    success_rate_minimum_hosts: int
    success_rate_request_volume: int
    success_rate_stdev_factor: int
    failure_percentage_threshold: int
    failure_percentage_minimum_hosts: int
    failure_percentage_request_volume: int
    enforcing_consecutive_5xx: int
    enforcing_consecutive_gateway_failure: int
    enforcing_consecutive_local_origin_failure: int
    enforcing_success_rate: int
    enforcing_local_origin_success_rate: int
    enforcing_failure_percentage: int
    enforcing_failure_percentage_local_origin: int
    successful_active_health_check_uneject_host: bool
    detect_degraded_hosts: bool


def compile_outlier_detection(msg: Msg, ref: Ref) -> OutlierDetection:
    """Compile ``msg``."""

    def number(name: str, default: int) -> int:
        return int(getattr(msg, name).value) if msg.HasField(name) else default

    def time(name: str, default: float) -> float:
        return duration_ms(getattr(msg, name)) if msg.HasField(name) else default

    def flag(name: str, default: bool) -> bool:
        known = name in msg.DESCRIPTOR.fields_by_name and msg.HasField(name)
        return bool(getattr(msg, name).value) if known else default

    base = time("base_ejection_time", 30_000.0)
    return OutlierDetection(
        ref=ref,
        interval_ms=time("interval", 10_000.0),
        base_ejection_time_ms=base,
        max_ejection_time_ms=time("max_ejection_time", max(300_000.0, base)),
        max_ejection_time_jitter_ms=time("max_ejection_time_jitter", 0.0),
        max_ejection_percent=number("max_ejection_percent", 10),
        always_eject_one_host=flag("always_eject_one_host", False),
        consecutive_5xx=number("consecutive_5xx", 5),
        consecutive_gateway_failure=number("consecutive_gateway_failure", 5),
        consecutive_local_origin_failure=number("consecutive_local_origin_failure", 5),
        split_external_local_origin_errors=msg.split_external_local_origin_errors,
        success_rate_minimum_hosts=number("success_rate_minimum_hosts", 5),
        success_rate_request_volume=number("success_rate_request_volume", 100),
        success_rate_stdev_factor=number("success_rate_stdev_factor", 1900),
        failure_percentage_threshold=number("failure_percentage_threshold", 85),
        failure_percentage_minimum_hosts=number("failure_percentage_minimum_hosts", 5),
        failure_percentage_request_volume=number("failure_percentage_request_volume", 50),
        enforcing_consecutive_5xx=number("enforcing_consecutive_5xx", 100),
        enforcing_consecutive_gateway_failure=number("enforcing_consecutive_gateway_failure", 0),
        enforcing_consecutive_local_origin_failure=number("enforcing_consecutive_local_origin_failure", 100),
        enforcing_success_rate=number("enforcing_success_rate", 100),
        enforcing_local_origin_success_rate=number("enforcing_local_origin_success_rate", 100),
        enforcing_failure_percentage=number("enforcing_failure_percentage", 0),
        enforcing_failure_percentage_local_origin=number("enforcing_failure_percentage_local_origin", 0),
        successful_active_health_check_uneject_host=flag("successful_active_health_check_uneject_host", True),
        detect_degraded_hosts=flag("detect_degraded_hosts", False),
    )
