"""What a source takes away: its own, and nothing of another source that writes the same app."""

from exporter_proxy.table import Table


def drop_own(table: Table, app: str, source: str) -> None:
    """Drop ``app`` if what the table has of it is from ``source``."""
    row = table.get(app)
    if row is not None and row.source == source:
        table.drop(app)


def leave(table: Table, app: str, source: str) -> None:
    """Take away all of ``app`` that is from ``source``, which brings it no more.

    The app is not down after that: it is not meant to be there.
    """
    problem = table.problems.get(app)
    if problem is not None and problem.source == source:
        table.set_problem(app, None, source=source)
    drop_own(table, app, source)
    ghost = table.ghosts.get(app)
    if ghost is not None and ghost.source == source:
        table.forget(app)
