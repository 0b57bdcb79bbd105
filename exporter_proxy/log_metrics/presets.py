"""Presets that are a format and a list of metrics: web servers and sshd."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from exporter_proxy.log_metrics.log_format import METHODS, QUOTED
from exporter_proxy.log_metrics.prefixes import SYSLOG
from exporter_proxy.log_metrics.settings import Action, Match, MetricType


def _access_line(time: str) -> str:
    """Return the pattern for a line in the format "common" or "combined" of either web server.

    Whatever stands before the request, such as the virtual host, is passed over: no quote can be in
    it. After "combined" a ``time`` may follow, and anything else.
    """
    return (
        rf'[^"\n]*+"(?:(?P<method>{METHODS}) )?+{QUOTED}" '
        rf"(?P<status>(?P<status_class>[0-9])[0-9]{{2}}) "
        rf'(?P<body_bytes_sent>[0-9]++|-)(?: "{QUOTED}" "{QUOTED}"(?: {time}(?=[ \n]))?+)?+'
        r"[^\n]*+"
    )


ACCESS_LINES = {
    "nginx": _access_line(r"(?P<request_time>[0-9]++\.[0-9]++)"),
    "apache": _access_line(r"(?P<request_time_us>[0-9]++)"),
}
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# How long a request took, with what makes seconds of it: the finest first.
_TIMES = {"request_time_us": 1e-6, "request_time_ms": 1e-3, "request_time": 1.0}

_SSHD_QUIET = (
    r"Connection (?:from|closed|reset) [^\n]*+|Disconnect(?:ed|ing) [^\n]*+|Received [^\n]*+"
    r"|Server listening [^\n]*+|Starting session: [^\n]*+|User child [^\n]*+|Close session: [^\n]*+"
    r"|pam_[a-z_]++\(sshd:[a-z]++\): [^\n]*+|PAM [^\n]*+|error: [^\n]*+|fatal: [^\n]*+"
    r"|Unable to negotiate [^\n]*+|Did not receive [^\n]*+|banner exchange: [^\n]*+"
    r"|Bad protocol version [^\n]*+|Postponed [^\n]*+|User [^\n]*+|Timeout[ ,][^\n]*+"
    r"|input_userauth_request: [^\n]*+|reverse mapping [^\n]*+|subsystem [^\n]*+|srclimit_[^\n]*+"
    r"|drop connection [^\n]*+|ssh_dispatch_run_fatal: [^\n]*+|kex_[^\n]*+|Exiting [^\n]*+"
)
SSHD_LINE = (
    rf"(?:(?:{SYSLOG})?+sshd(?:-session|-auth)?+(?:\[[0-9]++\])?+: )?+"
    # rsyslog's summary of lines that are the same
    r"(?:message repeated (?P<times>[0-9]{1,9}+) times: \[ )?+"
    r"(?:(?P<event>Accepted|Failed) (?P<method>[a-z0-9/-]{1,40}+) for "
    r"(?:(?P<invalid>invalid) user )?+"
    r"[^\n]*+|(?P<invalid_user>Invalid) user [^\n]*+"
    r"|(?:error: )?+(?P<attempts>maximum) authentication attempts exceeded [^\n]*+"
    r"|pam_unix\(sshd:session\): session (?P<session>opened|closed) for [^\n]*+"
    rf"|{_SSHD_QUIET})"
)


@dataclass(frozen=True, slots=True)
class PresetMetric:
    """A metric of a preset; its attributes are the keys of ``[[log.metrics]]``."""

    name: str
    help: str
    type: MetricType = "counter"
    match: Match = ""
    value: str = ""
    scale: float = 1.0
    action: Action = "set"
    labels: Mapping[str, str] = field(default_factory=dict)
    buckets: Sequence[float] = ()
    max_series: int | None = None


def access_metrics(preset: Literal["nginx", "apache"], groups: Sequence[str]) -> list[PresetMetric]:
    """Return the metrics of a web server whose format has ``groups``."""
    has_method = "method" in groups or "request_method" in groups
    method = "{method|other}" if "method" in groups else "{request_method|other}"
    labels = {"method": method} if has_method else {}
    if "status" in groups:
        # a group of one character costs half of what others do
        labels["status_class"] = "{status_class|-}xx"
    found = [PresetMetric(f"{preset}_requests_total", "Requests.", labels=labels)]
    sizes = [name for name in ("body_bytes_sent", "bytes_sent") if name in groups]
    if sizes:
        found.append(
            PresetMetric(f"{preset}_response_bytes_total", "Bytes of responses.", value=sizes[0])
        )
    times = [name for name in _TIMES if name in groups]
    if times:
        found.append(
            PresetMetric(
                f"{preset}_request_duration_seconds",
                "How long requests took, if the log has it.",
                "histogram",
                value=times[0],
                scale=_TIMES[times[0]],
                buckets=DURATION_BUCKETS,
            )
        )
    return found


def sshd_metrics() -> list[PresetMetric]:
    """Return the metrics of sshd; what rsyslog summed up is counted as often as it says."""
    logins = {"method": "{method}"}
    failures = {"method": "{method}", "user": "{invalid|valid}"}
    found = []
    for name, help_text, match, labels in (
        ("sshd_accepted_logins_total", "Logins.", {"event": ["Accepted"]}, logins),
        ("sshd_failed_logins_total", "Failed attempts to log in.", {"event": ["Failed"]}, failures),
        (
            "sshd_invalid_users_total",
            "Connections for users that there are not.",
            {"invalid_user": ["!= "]},
            {},
        ),
        (
            "sshd_attempts_exceeded_total",
            "Connections with too many attempts.",
            {"attempts": ["!= "]},
            {},
        ),
        ("sshd_sessions_opened_total", "Sessions begun.", {"session": ["opened"]}, {}),
        ("sshd_sessions_closed_total", "Sessions ended.", {"session": ["closed"]}, {}),
    ):
        once: Match = {**match, "times": ["== "]}
        more: Match = {**match, "times": ["!= "]}
        found.append(PresetMetric(name, help_text, match=once, labels=labels))
        found.append(PresetMetric(name, help_text, match=more, labels=labels, value="times"))
    return found
