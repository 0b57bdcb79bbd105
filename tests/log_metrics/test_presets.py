"""Access logs of web servers, and sshd's messages."""

import pytest

from exporter_proxy.errors import ConfigError
from exporter_proxy.log_metrics.log_format import FormatError, log_format_pattern
from tests.log_metrics.counting import count, counter, samples

FRONT = "10.0.0.1 - - [22/Nov/2026:10:00:00 +0000] "
NGINX = (
    FRONT + '"GET /a?b=\\x22 HTTP/1.1" 200 512 "-" "curl/7.88.1"\n'
    "10.0.0.1 - a b [22/Nov/2026:10:00:00 +0000] " + '"POST / HTTP/2.0" 503 0 "http://x/" "y z"\n'
    "::1 - - [22/Nov/2026:10:00:00 +0000] " + '"\\x16\\x03\\x01" 400 157 "-" "-"\n'
    + FRONT + '"" 400 0 "-" "-"\n'
    + FRONT + '"BREW / HTTP/1.1" 405 1 "-" "-"\n'
)  # fmt: skip
REQUESTS = {
    'requests_total{method="GET",status_class="2xx"}': 1,
    'requests_total{method="POST",status_class="5xx"}': 1,
    'requests_total{method="other",status_class="4xx"}': 3,
}


@pytest.mark.parametrize("preset", ["nginx", "apache"])
@pytest.mark.parametrize("vhost", ["", "example.org:80 "])
def test_combined(preset, vhost):
    lines = "".join(f"{vhost}{line}\n" for line in NGINX.splitlines())

    assert count(lines, preset=preset) == {
        **{f"{preset}_{series}": value for series, value in REQUESTS.items()},
        f"{preset}_response_bytes_total": 670,
    }


@pytest.mark.parametrize("preset", ["nginx", "apache"])
def test_common(preset):
    assert count(FRONT + '"HEAD / HTTP/1.0" 304 -\n', preset=preset) == {
        f'{preset}_requests_total{{method="HEAD",status_class="3xx"}}': 1
    }


@pytest.mark.parametrize(
    ("preset", "written", "seconds"), [("nginx", "0.250", 0.25), ("apache", "250000", 0.25)]
)
def test_combined_with_request_time(preset, written, seconds):
    line = FRONT + f'"GET / HTTP/1.1" 200 5 "-" "-" {written}\n'

    counted = counter(preset=preset)
    counted.feed((line * 4).encode())

    found = samples(counted)
    assert found[f"{preset}_request_duration_seconds_sum"] == 4 * seconds
    assert found[f'{preset}_request_duration_seconds_bucket{{le="0.25"}}'] == 4
    assert found[f'{preset}_request_duration_seconds_bucket{{le="0.1"}}'] == 0


@pytest.mark.parametrize(
    ("preset", "line_format", "line"),
    [
        pytest.param(
            "nginx",
            "log_format timed '$remote_addr [$time_iso8601] \"$request\" $status '\n"
            "'$body_bytes_sent rt=$request_time uct=\"$upstream_connect_time\"';",
            '10.0.0.1 [2026-11-22T10:00:00+00:00] "GET / HTTP/1.1" 200 5 rt=0.250 uct="-"',
            id="nginx.conf",
        ),
        pytest.param(
            "nginx",
            "$status|$request_method|$bytes_sent|$request_time|$http_user_agent",
            "200|GET|5|0.250|a|b",
            id="bars",
        ),
        pytest.param(
            "nginx",
            '$remote_addr - $remote_user [$time_local] "$request" $status $bytes_sent '
            "$request_time",
            "::1 - a [x [22/Nov/2026:10:00:00 +0000] b [22/Nov/2026:10:00:00 +0000] "
            '"GET / HTTP/1.1" 200 5 0.250',
            id="blanks and brackets in a name",
        ),
        pytest.param(
            "apache",
            'LogFormat "%h %l %u %t \\"%r\\" %>s %b \\"%{Referer}i\\" %D %T" timed',
            '::1 - - [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "\\"x\\"" 250000 0',
            id="httpd.conf",
        ),
        pytest.param("apache", "%{ms}T %m %>s %O 100%%", "250 GET 200 5 100%", id="milliseconds"),
        pytest.param(
            "apache",
            "%v:%p %!200,304{User-Agent}i %{%Y}t %m %s %B %^FU %D",
            "h:80 - 2026 GET 200 5 x 250000",
            id="modifiers",
        ),
    ],
)
def test_formats_of_ones_own(preset, line_format, line):
    found = count(f"{line}\n", preset=preset, format=line_format)

    assert found == {
        f'{preset}_requests_total{{method="GET",status_class="2xx"}}': 1,
        f"{preset}_response_bytes_total": 5,
        f"{preset}_request_duration_seconds_sum": 0.25,
        f"{preset}_request_duration_seconds_count": 1,
    }


def test_what_a_client_sends_can_not_pass_for_another_field():
    """Quotes are escaped by the server: what stands between two of them is one field."""
    line = FRONT + '"GET /\\x22 200 5 \\x22POST HTTP/1.1" 404 7 "\\" 500 1 \\"" "x"\n'

    assert count(line, preset="nginx") == {
        'nginx_requests_total{method="GET",status_class="4xx"}': 1,
        "nginx_response_bytes_total": 7,
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nothing", 'it has no variable such as "$status" or "%s"'),
        ("%{x}T", '"%{x}T": the unit must be s, ms or us'),
        ("%h%u", 'nothing stands between "remote_addr" and "remote_user"'),
    ],
)
def test_mistakes_of_log_formats(text, problem):
    with pytest.raises(FormatError) as caught:
        log_format_pattern(text)

    assert str(caught.value) == problem


def test_a_mistake_names_the_file_key():
    with pytest.raises(ConfigError) as caught:
        counter("$a$b", preset="nginx", format_file="/etc/f")

    assert caught.value.problems == [
        'log[0].format_file: "$a$b": nothing stands between "a" and "b"'
    ]


FRONTS = [
    "Nov  2 10:00:00 host sshd[7]: ",
    "<38>Nov 22 10:00:00 host sshd[7]: ",
    "2026-11-22T10:00:00.123456+01:00 host sshd-session[7]: ",
    "2026-11-22T10:00:00+0100 host sshd[7]: ",
    "Nov 22 10:00:00.123456 host sshd[7]: ",
    "Sun 2026-11-22 10:00:00 UTC host sshd[7]: ",
    "1700000000.123456 host sshd[7]: ",
    "[12345.678901] host sshd[7]: ",
    "",
]


@pytest.mark.parametrize("front", FRONTS)
def test_sshd(front):
    messages = [
        "Accepted publickey for bob from 10.0.0.1 port 5 ssh2: ED25519 SHA256:x",
        "Accepted keyboard-interactive/pam for bob from ::1 port 5 ssh2",
        "Failed password for root from 10.0.0.1 port 5 ssh2",
        "Failed password for invalid user x from 10.0.0.1 port 5 ssh2",
        "message repeated 3 times: [ Failed password for root from 10.0.0.1 port 5 ssh2]",
        "Invalid user x from 10.0.0.1 port 5",
        "error: maximum authentication attempts exceeded for root from 10.0.0.1 port 5 ssh2",
        "pam_unix(sshd:session): session opened for user bob(uid=1000) by (uid=0)",
        "pam_unix(sshd:session): session closed for user bob",
        "Connection closed by authenticating user root 10.0.0.1 port 5 [preauth]",
        "Received disconnect from 10.0.0.1 port 5:11: disconnected by user",
    ]
    counted = counter(preset="sshd")
    counted.feed("".join(f"{front}{message}\n" for message in messages).encode())

    assert {series: value for series, value in samples(counted).items() if value} == {
        'sshd_accepted_logins_total{method="publickey"}': 1,
        'sshd_accepted_logins_total{method="keyboard-interactive/pam"}': 1,
        'sshd_failed_logins_total{method="password",user="valid"}': 4,
        'sshd_failed_logins_total{method="password",user="invalid"}': 1,
        "sshd_invalid_users_total": 1,
        "sshd_attempts_exceeded_total": 1,
        "sshd_sessions_opened_total": 1,
        "sshd_sessions_closed_total": 1,
    }
    assert counted.unmatched == 0


@pytest.mark.parametrize(
    "line",
    [
        "Nov  2 10:00:00 host sudo[7]: Accepted password for x from",
        "Nov  2 10:00:00 host sshd[7]: Invalid user Accepted password for x from 1.1.1.1 port 2",
        "Nov  2 10:00:00 host cron[7]: sshd[7]: Failed password for root from 1.1.1.1 port 2 ssh2",
    ],
)
def test_sshd_counts_no_forged_logins(line):
    """Neither another program's message nor a user's name."""
    found = count(f"{line}\n", preset="sshd")

    assert not any("logins" in series for series in found)
