"""The log of an rsync daemon; the captured ones are of real daemons with real clients."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter_proxy.log_metrics.rsyncd.reader import MOST_SESSIONS
from tests.log_metrics.counting import count, counter, samples
from tests.log_metrics.rsyncd import reference

HERE = Path(__file__).parent
LOG = (HERE / "rsync-3.5.0.log").read_bytes()
FORMATTED = (HERE / "rsync-3.2.7.log").read_bytes()
FORMAT = "%t|%p|%o|%m|%b|%c|%l|%f|%h|%a|%u|%P|%i"
TIME = "2026/11/22 10:07:11"
TOTALS = "sent 146 bytes  received 29 bytes  total size 3000007\n"


def session(pid: int, module: str = "mod", totals: str = TOTALS, front: str = TIME) -> str:
    begin = f"{front} [{pid}] "
    return (
        f"{begin}connect from localhost (127.0.0.1)\n"
        f"{begin}rsync allowed access on module {module} from localhost (127.0.0.1)\n"
        f"{begin}rsync on {module}/ from localhost (127.0.0.1)\n"
        f"{begin}building file list\n"
        f"{begin}{totals}"
    )


def grep(pattern: str, log: bytes = LOG) -> list[re.Match[bytes]]:
    return list(re.finditer(rb"(?m)^[0-9/: ]{19} \[\d+\] " + pattern.encode(), log))


def test_counts_of_a_real_log_are_those_of_grep():
    found = count(LOG, preset="rsyncd")

    def total(name: str) -> float:
        return sum(value for series, value in found.items() if series.startswith(name))

    totals = grep(r"sent (\d+) bytes  received (\d+) bytes  total size (\d+)$")
    sent, received, size = (sum(int(match[n]) for match in totals) for n in (1, 2, 3))
    assert total("rsync_connections_total") == len(grep("connect from")) == 25
    assert total("rsync_executions_total") == len(grep("rsync (on|to) ")) == 15
    assert total("rsync_sent_bytes_total") == sent > 0
    assert total("rsync_received_bytes_total") == received > 0
    assert total("rsync_exchanged_bytes_total") == sent + received
    assert total("rsync_execution_exchanged_bytes_sum") == sent + received
    assert total("rsync_execution_exchanged_bytes_count") == len(totals)
    assert total("rsync_file_size_bytes_total") == size > 0
    assert total("rsync_auth_failures_total") == len(grep("auth failed")) == 2
    assert total("rsync_unknown_modules_total") == len(grep("unknown module")) == 2
    assert total("rsync_files_total") == len(grep(r"(send|recv|del\.) "))


def test_codes_are_those_that_the_clients_reported():
    """Of 23 to 25 there is no line with the code; 5 is a module whose directory isn't there."""
    found = count(LOG, preset="rsyncd")

    assert {series: value for series, value in found.items() if "errors" in series} == {
        'rsync_errors_total{status_code="1"}': 1,
        'rsync_errors_total{status_code="5"}': 1,
        'rsync_errors_total{status_code="10"}': 1,
        'rsync_errors_total{status_code="12"}': 2,
        'rsync_errors_total{status_code="20"}': 1,
        'rsync_errors_total{status_code="23"}': 4,
        'rsync_errors_total{status_code="25"}': 1,
        'rsync_errors_total{status_code="30"}': 1,
    }


def test_every_line_of_a_real_log_is_known():
    counted = counter(preset="rsyncd")
    counted.feed(LOG)

    assert (counted.lines, counted.unmatched) == (LOG.count(b"\n"), 0)


def test_modules_directions_and_operations():
    found = count(LOG, preset="rsyncd")

    assert found['rsync_executions_total{module="mod",direction="receive"}'] == 1
    assert found['rsync_executions_total{module="with space",direction="send"}'] == 1
    assert found['rsync_files_total{module="up",operation="receive"}'] == 4
    assert found['rsync_files_total{module="up",operation="delete"}'] == 1
    assert found['rsync_received_bytes_total{module="up"}'] == 3001034
    assert found['rsync_denied_total{module="denied",reason="host"}'] == 1
    assert found['rsync_denied_total{module="__unknown__",reason="max_connections"}'] == 1
    assert found["rsync_module_lists_total"] == 1


def test_a_format_of_ones_own_and_raw_newlines_in_names():
    """Up to 3.2.7 names hold raw newlines: what follows them is no line that is known."""
    counted = counter(preset="rsyncd", format=FORMAT)
    counted.feed(FORMATTED)

    found = samples(counted)
    assert found['rsync_files_total{module="mod",operation="send"}'] == 7
    assert found['rsync_files_total{module="up",operation="delete"}'] == 1
    assert found['rsync_sent_bytes_total{module="mod"}'] == 307 + 104 + 3001567
    assert counted.unmatched == 5


def test_the_format_may_come_from_a_file():
    assert count(FORMATTED, FORMAT, preset="rsyncd", format_file="/etc/f") == count(
        FORMATTED, preset="rsyncd", format=FORMAT
    )


@pytest.mark.parametrize(
    ("log_format", "line"),
    [
        pytest.param("%o %h [%a] %m (%u) %f %l", "send h [::1] mod (bob) a b 3", id="default"),
        pytest.param("%o %h [%a] %m (%u) %f %l", "send UNDETERMINED [10.0.0.1] m () x 3", id="dns"),
        pytest.param("%f %o", "name send", id="name first"),
        pytest.param("%-5o|%f", "send |x", id="left"),
        pytest.param("%7o %''l", "   send 1.23M", id="width and units"),
        pytest.param("transfer %f", "transfer x", id="no operation"),
        pytest.param("%t %f", "2026/11/22 10:07:11 x", id="no operation, time first"),
    ],
)
def test_log_formats(log_format, line):
    begin = f"{TIME} [7] rsync on mod/ from localhost (127.0.0.1)\n"

    found = count(f"{begin}{TIME} [7] {line}\n", preset="rsyncd", format=log_format)

    assert found['rsync_files_total{module="mod",operation="send"}'] == 1


@pytest.mark.parametrize(
    "front",
    [
        "2026/11/22 10:07:11 [7] ",
        "Nov 22 10:07:11 host rsyncd[7]: ",
        "<30>Nov  2 10:07:11 host rsyncd[7]: ",
        "2026-11-22T10:07:11.123456+00:00 host rsyncd[7]: ",
        "2026-11-22T10:07:11+0000 host rsyncd[7]: ",
        "Sun 2026-11-22 10:07:11 UTC host rsyncd[7]: ",
        "1700000000.123456 host rsyncd[7]: ",
        "[ 1234.567890] host rsyncd[7]: ",
        "Nov 22 10:07:11 host rsyncd: ",
        "2026/11/22 10:07:11 ",
        "",
    ],
)
@pytest.mark.parametrize(
    "peer", ["localhost (127.0.0.1)", "UNKNOWN (::1)", "UNDETERMINED (fe80::1%eth0)"]
)
def test_with_and_without_process_id_in_files_syslog_and_journal(front, peer):
    lines = [
        f"connect from {peer}",
        f"rsync to mod/x from bob@{peer}",
        "receiving file list",
        TOTALS,
    ]

    found = count("".join(f"{front}{line.strip()}\n" for line in lines), preset="rsyncd")

    assert found == {
        "rsync_connections_total": 1,
        'rsync_executions_total{module="mod",direction="receive"}': 1,
        'rsync_sent_bytes_total{module="mod"}': 146,
        'rsync_received_bytes_total{module="mod"}': 29,
        'rsync_exchanged_bytes_total{module="mod"}': 175,
        'rsync_file_size_bytes_total{module="mod"}': 3000007,
        'rsync_execution_exchanged_bytes_sum{module="mod"}': 175,
        'rsync_execution_exchanged_bytes_count{module="mod"}': 1,
    }


@pytest.mark.parametrize(
    ("sent", "number"),
    [
        ("1,234,567", 1234567),
        ("1.234.567", 1234567),
        ("1'234", 1234),
        ("1,234", 1234),
        ("1.23K", 1230),
        ("4,56M", 4560000),
        ("17G", 17 * 10**9),
        ("999", 999),
    ],
)
def test_numbers_by_locale_and_units(sent, number):
    totals = f"sent {sent} bytes  received 1 bytes  total size 2\n"

    assert (
        count(session(7, totals=totals), preset="rsyncd")['rsync_sent_bytes_total{module="mod"}']
        == number
    )


def test_a_number_that_is_none_is_said_to_be_unread():
    counted = counter(preset="rsyncd")
    counted.feed(session(7, totals="sent 1,2,3 bytes  received 1 bytes  total size 2\n").encode())

    assert (counted.unread_values, counted.unmatched) == (1, 0)
    assert 'rsync_sent_bytes_total{module="mod"}' not in samples(counted)


@pytest.mark.parametrize("neighbour", ["5", "1.5K"])
def test_a_number_of_too_many_digits_is_unread_whatever_comes_with_it(neighbour):
    counted = counter(preset="rsyncd")
    for pid, sent in enumerate((neighbour, "9" * 19, "9" * 5000)):
        totals = f"sent {sent} bytes  received 1 bytes  total size 2\n"
        counted.feed(session(pid, totals=totals).encode())

    found = samples(counted)
    assert counted.unread_values == 2
    assert found['rsync_execution_exchanged_bytes_count{module="mod"}'] == 1
    assert found['rsync_received_bytes_total{module="mod"}'] == 1


@pytest.mark.parametrize(
    "name",
    [
        "a [9] connect from h (1.2.3.4)",
        "sent 5 bytes  received 6 bytes  total size 7",
        "x\n" + TIME + " [7] sent 5 bytes  received 6 bytes  total size 7",
        "x\nsent 5 bytes  received 6 bytes  total size 7 ",
        "\udcff\udcfe",
    ],
)
def test_names_that_read_like_messages_count_for_nothing(name):
    """Not even a whole forged line: the first totals of an execution are the ones that count."""
    begin, end = session(7).rsplit(f"{TIME} [7] sent", 1)
    lines = f"{begin}{TIME} [7] send localhost [127.0.0.1] mod () {name} 3\n{TIME} [7] sent{end}"

    found = count(lines.encode(errors="surrogateescape"), preset="rsyncd")

    if "[7] sent" in name and name.startswith("x\n"):  # cut off: its line ends in " 3"
        assert found['rsync_sent_bytes_total{module="mod"}'] == 146
    assert found["rsync_connections_total"] == 1
    assert found['rsync_files_total{module="mod",operation="send"}'] == 1
    assert found['rsync_sent_bytes_total{module="mod"}'] == 146
    assert 'rsync_sent_bytes_total{module="__unknown__"}' not in found


def test_totals_after_those_of_an_execution_are_not_believed():
    forged = f"{TIME} [7] sent 5 bytes  received 6 bytes  total size 7\n"

    assert count(session(7) + forged * 3, preset="rsyncd") == count(session(7), preset="rsyncd")


def test_totals_without_a_beginning_have_an_unknown_module():
    found = count(f"{TIME} [7] {TOTALS}", preset="rsyncd")

    assert found['rsync_sent_bytes_total{module="__unknown__"}'] == 146


def test_executions_at_once_are_told_apart_by_process_and_stream():
    counted = counter(preset="rsyncd")
    for stream, module in (("a", "mod"), ("b", "up")):
        counted.feed(f"{TIME} [7] rsync on {module}/ from h (::1)\n".encode(), stream)
    counted.feed(f"{TIME} [8] rsync on third/ from h (::1)\n".encode(), "a")
    for stream, pid in (("a", 7), ("a", 8), ("b", 7)):
        counted.feed(f"{TIME} [{pid}] {TOTALS}".encode(), stream)

    found = samples(counted)
    assert [found[f'rsync_sent_bytes_total{{module="{m}"}}'] for m in ("mod", "up", "third")] == [
        146
    ] * 3


def test_a_failure_counts_once_for_an_execution():
    begin = f"{TIME} [7] "
    cause = (
        f'{begin}rsync: [sender] send_files failed to open "x" (in mod): Permission denied (13)\n'
    )
    line = f"{begin}rsync error: some files (code 23) at main.c(1) [sender=3.1.0]\n"
    vanished = f'{begin}file has vanished: "/x" (in mod)\n'
    one = session(7, totals="x\n") + cause * 3 + vanished + line

    found = count(one + one, preset="rsyncd")

    assert found['rsync_errors_total{status_code="23"}'] == 2
    assert found['rsync_errors_total{status_code="24"}'] == 2


def test_a_long_execution_keeps_its_module_while_many_short_ones_end():
    counted = counter(preset="rsyncd")
    counted.feed(f"{TIME} [1] rsync on long/ from h (::1)\n".encode())
    for pid in range(2, 3 * MOST_SESSIONS, 1000):
        counted.feed("".join(session(each) for each in range(pid, pid + 1000)).encode())
    counted.feed(f"{TIME} [1] {TOTALS}".encode())

    found = samples(counted)
    assert found['rsync_sent_bytes_total{module="long"}'] == 146
    assert len(counted.state()) < 800_000


def test_connections_count_whatever_comes_between_them_and_the_execution():
    """Of one process or mixed with others, whether or not an execution begins."""
    front = f"{TIME} [7] "
    connect, begin = f"{front}connect from h (::1)\n", f"{front}rsync on m/ from h (::1)\n"
    quiet, other = f"{front}building file list\n", connect.replace("[7]", "[70]")

    for lines in (
        connect + begin,
        connect + quiet + begin,
        connect + other + begin + begin,
        connect + "x\n" + begin,
        other + begin,
        connect,
        connect + quiet * 50,
        connect * 3 + begin,
    ):
        found = count(lines, preset="rsyncd")
        assert found["rsync_connections_total"] == lines.count("connect from")
        assert sum(found.values()) == lines.count("connect from") + lines.count("rsync on")


def test_what_is_remembered_is_bounded():
    """Ten thousand executions, two thousand modules, and no name as long as a line may be."""
    counted = counter(preset="rsyncd", max_series=10)
    lines = "".join(
        f"{TIME} [{pid}] rsync on m{pid}/ from h (::1)\n" for pid in range(MOST_SESSIONS + 100)
    )
    counted.feed(lines.encode())
    counted.feed(f"{TIME} [1] rsync on {'x' * 2**20}/ from h (::1)\n".encode())
    counted.feed(f"{TIME} [{MOST_SESSIONS + 50}] {TOTALS}".encode())

    found = samples(counted)
    assert len(counted.state()) < 800_000
    assert sum("executions" in series for series in found) == 11
    assert found['rsync_executions_total{module="__overflow__",direction="__overflow__"}'] == (
        MOST_SESSIONS + 100 + 1 - 10
    )
    assert found['rsync_sent_bytes_total{module="__overflow__"}'] == 146


PIECES = st.sampled_from(
    [
        *(line + b"\n" for line in LOG.split(b"\n")),
        *(line + b"\n" for line in FORMATTED.split(b"\n")),
        b"\n",
        b"\xff\r\n",
        f"{TIME} [7] {TOTALS}".encode(),
        TOTALS.encode(),
        b"rsync on x/ from y (::1)\n",
    ]
)


@given(st.lists(PIECES | st.binary().map(lambda line: line + b"\n"), max_size=30), st.data())
def test_blocks_change_nothing_nor_does_a_checkpoint(lines, data):
    """Whatever the lines, wherever blocks end, and with the counter begun anew in between."""
    whole, parts = counter(preset="rsyncd"), counter(preset="rsyncd")
    whole.feed(b"".join(lines))
    for line in lines:
        parts.feed(line)
        if data.draw(st.booleans()):
            state = parts.state()
            parts = counter(preset="rsyncd")
            parts.restore(state)

    assert parts.exposition() == whole.exposition()
    assert (parts.lines, parts.matched) == (whole.lines, whole.matched)


REAL = [line + b"\n" for line in (LOG + FORMATTED).split(b"\n") if b"|" not in line]


@given(st.permutations(REAL), st.lists(st.sampled_from(REAL)))
def test_counts_what_a_slow_reader_counts(lines, more):
    """In whichever order: executions end up mixed, without beginnings, and with two ends."""
    block = b"".join([*lines, *more])

    found = count(block, preset="rsyncd")

    assert {
        name: value
        for name, value in found.items()
        if "exchanged_bytes_" not in name or "total" in name
    } == reference.count(block.decode(errors="replace"))
