"""What formats can't say alike: the families of an exporter's page as the other format has them."""

from collections import Counter
from collections.abc import Iterator

from tests.e2e.exporters import Capture
from tests.e2e.reading import Family, Reading


def expected_families(capture: Capture, form: str) -> Iterator[Family]:
    """Yield the families of a capture as a page of a format has them."""
    sent = capture.read()
    if capture.form == form:
        yield from sent.families
    elif form == "openmetrics":
        yield from in_openmetrics(sent)
    else:
        yield from in_text(sent)


def in_openmetrics(sent: Reading) -> Iterator[Family]:
    """Yield what OpenMetrics makes of families of the text format."""
    times = Counter(family.name for family in sent.families)
    for family in sent.families:
        if family.type == "gauge" and family.name.endswith("_created"):
            # a sample of the counter, histogram or summary
            continue
        if family.type == "counter" and times[family.name] > 1:
            # Go's gauge x beside its counter x_total, which would be a family x as well
            yield family._replace(name=family.name + "_total", type="unknown")
        else:
            yield family


def in_text(sent: Reading) -> Iterator[Family]:
    """Yield what the text format, which has no units, makes of families of OpenMetrics."""
    names = {name for name, _ in sent.points}
    for family in sent.families:
        plain = family._replace(unit="")
        if family.type == "info":
            yield plain._replace(name=family.name + "_info", type="gauge")
        elif family.type == "stateset":
            yield plain._replace(type="gauge")
        elif family.type == "gaugehistogram":
            # untyped; so the parser takes each sample of another name for a family of its own
            yield plain._replace(type="unknown")
            for suffix in ("_bucket", "_bucket", "_bucket", "_gcount", "_gsum"):
                yield Family(family.name + suffix, "unknown", "", "")
        else:
            yield plain
        if family.name + "_created" in names:
            yield plain._replace(name=family.name + "_created", type="gauge")
