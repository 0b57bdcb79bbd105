"""How much of everything: for figures, for a quick look, and for a test that it runs at all."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Scale:
    """Counts and times; everything is bounded by them.

    Attributes:
        rounds: How often ours and the others take turns.
        pushes: Connections a round, one push of 4 samples each.
        messages: Messages of 4 samples a round on one connection.
        connections: Open at once.
        scrapes: Scrapes a round.
        targets: Polled targets, of 1,000 samples.
        poll_interval: Seconds between two polls of a target.
        poll_seconds: How long polling is measured.
        starts: How often the proxy is started.
        pages: Apps of large tables, of 1,000 samples: of the smaller one and the larger one.
        page_rounds: How often ours and the others take turns at them.
        page_scrapes: Scrapes a round of the smaller one; a tenth of the larger one.
        tables: Apps of the tables that pushes go to.
        paced_pushes: Pushes a round whose times are taken.
        flood_bytes: Of a message that is as large as it may be.
        polled_bytes: Of a polled page that is larger than all others.
        warm_seconds: From the start of a load to what is measured beside it.
        steady_seconds: How long a table is pushed to and scraped before its memory is read.
        groups: That pushes over HTTP go to.
        clients: That push over HTTP at once.
        log_lines: Of a log that is read from its start.
        log_rounds: How often ours and the other take turns at it.
        log_seconds: How long lines come in.
    """

    rounds: int
    pushes: int
    messages: int
    connections: int
    scrapes: int
    targets: int
    poll_interval: float
    poll_seconds: float
    starts: int
    pages: tuple[int, int]
    page_rounds: int
    page_scrapes: int
    tables: tuple[int, ...]
    paced_pushes: int
    flood_bytes: int
    polled_bytes: int
    warm_seconds: float
    steady_seconds: float
    groups: tuple[int, ...]
    clients: tuple[int, ...]
    log_lines: int
    log_rounds: int
    log_seconds: float


_FULL = Scale(
    rounds=7,
    pushes=4000,
    messages=200_000,
    connections=10_000,
    scrapes=200,
    targets=500,
    poll_interval=5.0,
    poll_seconds=30.0,
    starts=10,
    pages=(100, 1000),
    page_rounds=5,
    page_scrapes=20,
    tables=(10, 1000, 10_000),
    paced_pushes=500,
    flood_bytes=64 * 2**20,
    polled_bytes=940_000_000,
    warm_seconds=1.0,
    steady_seconds=60.0,
    groups=(10, 1000, 10_000),
    clients=(1, 16, 256),
    log_lines=2_000_000,
    log_rounds=3,
    log_seconds=60.0,
)

SCALES = {
    "full": _FULL,
    "quick": replace(
        _FULL,
        rounds=3,
        pushes=1500,
        messages=60_000,
        scrapes=60,
        poll_seconds=10.0,
        starts=3,
        page_rounds=3,
        page_scrapes=10,
        paced_pushes=300,
        polled_bytes=190_000_000,
        steady_seconds=30.0,
        log_lines=500_000,
        log_rounds=2,
        log_seconds=10.0,
    ),
    "smoke": Scale(
        rounds=1,
        pushes=50,
        messages=500,
        connections=100,
        scrapes=10,
        targets=5,
        poll_interval=0.5,
        poll_seconds=1.0,
        starts=1,
        pages=(2, 4),
        page_rounds=1,
        page_scrapes=2,
        tables=(2, 4, 6),
        paced_pushes=10,
        flood_bytes=2 * 2**20,
        polled_bytes=4_000_000,
        warm_seconds=0.1,
        steady_seconds=1.0,
        groups=(2, 10),
        clients=(1, 4),
        log_lines=5_000,
        log_rounds=1,
        log_seconds=1.0,
    ),
}
