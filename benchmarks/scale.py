"""How much of everything: for figures, for a quick look, and for a test that it runs at all."""

from dataclasses import dataclass


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


SCALES = {
    "full": Scale(7, 4000, 200_000, 10_000, 200, 500, 5.0, 30.0, 10),
    "quick": Scale(3, 1500, 60_000, 10_000, 60, 500, 5.0, 10.0, 3),
    "smoke": Scale(1, 50, 500, 100, 10, 5, 0.5, 1.0, 1),
}
