"""What the reader lets pass, judged by Go's reader of exposition text."""

import subprocess

from hypothesis import HealthCheck, given, settings

from exporter_proxy.exposition.reader import read
from tests.exposition.payloads import anything
from tests.exposition.reader_cases import NOTES, QUARANTINES, REPAIRS, WARNINGS, Case
from tests.exposition.reading import page


def test_promtool_takes_all_that_is_shown(tool):
    """One run for many payloads: each one's names get a prefix of their own."""
    pages: list[bytes] = []

    def add(payload: tuple[bytes, ...]) -> None:
        exposition = read(payload)
        # promtool 2.42 doesn't know names in quotes
        exposition.families = [family for family in exposition.families if not family.quoted]
        pages.append(page(exposition, b"page%d_" % len(pages)))

    @given(anything())
    @settings(
        max_examples=400,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def generate(payload: tuple[bytes, ...]) -> None:
        add(payload)

    generate()
    cases: list[Case] = [*REPAIRS.values(), *WARNINGS.values(), *NOTES.values()]
    cases += [case for cases in QUARANTINES.values() for case in cases]
    for case in cases:
        add((case.payload,))

    done = subprocess.run(
        [tool("promtool"), "check", "metrics"],
        input=b"".join(pages),
        capture_output=True,
        check=False,
    )

    # 3: mere lint, such as missing HELP
    assert done.returncode in {0, 3}, done.stderr[-2000:]
    assert sum(map(bool, pages)) > 200
