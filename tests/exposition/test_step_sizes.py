"""No step of what is done for very many apps takes long, whatever they have in common."""

from exporter_proxy.catalog import Catalog
from exporter_proxy.exposition.merged import Layout, OpenMetricsWriter, TextWriter
from exporter_proxy.exposition.merged.layout import Writer
from exporter_proxy.exposition.rules import Rules
from exporter_proxy.table import Table
from tests.step_sizes import calls_of_steps

APPS = 20_000
MOST_CALLS = 60_000


def test_many_apps_with_the_same_series() -> None:
    """They are found, told of, and left out; and it is taken back when they are told apart."""
    table = Table(max_apps=APPS)
    for number in range(APPS):
        table.update(f"app{number}", (b"# HELP a %d\na 1\n" % (number % 2),), source="x")
    catalog = Catalog(table, rules=lambda _app: Rules(), wall_ns=lambda: 0)
    taken: list[int] = []

    def take(*work: object) -> None:
        for steps in work:
            taken.extend(calls_of_steps(steps)[1])  # type: ignore[arg-type]

    take(catalog.refresh())
    writers: list[Writer] = [
        TextWriter(catalog.index),
        OpenMetricsWriter(catalog.index, catalog.conflicts.duplicates.held),
    ]
    layouts = [Layout(catalog.index, writer) for writer in writers]
    for _ in range(2):
        take(*(layout.refresh() for layout in layouts))
        take(catalog.search_duplicates(), catalog.settle_duplicates())
    findings = catalog.readings[f"app{APPS - 1}"].all_findings
    assert findings["same_series"] == 1
    assert findings["help_conflict"] == 1

    for number in range(APPS):
        table.update(f"app{number}", (b'a{i="%d"} 1\n' % number,), source="x")
    take(catalog.refresh(), catalog.search_duplicates(), catalog.settle_duplicates())
    take(*(layout.refresh() for layout in layouts))
    assert "same_series" not in catalog.readings[f"app{APPS - 1}"].all_findings

    assert max(taken) < MOST_CALLS
