"""Some apps, some families: an index of these alone, made at the cost of what is in it."""

from collections.abc import Collection, Generator, Iterable, Iterator

from exporter_proxy.exposition.merged.family import COMPOUND, MergedFamily
from exporter_proxy.exposition.merged.index import MergedIndex

# Cells after which the event loop may be served.
_STEP = 500
_SAMPLE_SUFFIXES = (b"_bucket", b"_sum", b"_count", b"_gsum", b"_gcount")
_TYPE_SUFFIXES = (b"_total", b"_info")


def select(
    index: MergedIndex,
    into: MergedIndex,
    *,
    apps: Collection[int] | None,
    names: Iterable[bytes] | None,
) -> Generator[None, None, None]:
    """Put what is selected of an index into another, in steps between which the first must stay.

    Args:
        index: Has everything.
        into: Gets the same cells, under the same numbers.
        apps: Which apps; None: all.
        names: Which families, as :func:`families_named` understands it; None: all.
    """
    families = None if names is None else list(families_named(index, names))
    if apps is None:
        every = index.apps if families is None else {n for each in families for n in each.cells}
        apps = list(every)
    done = 0
    for app in sorted(apps):
        places = index.apps.get(app)
        if places is None:
            continue
        if families is None:
            cells = [index.families[name].cells[app] for name in places]
        else:
            carried = [each for each in families if app in each.cells]
            carried.sort(key=lambda family: places[family.name])
            cells = [each.cells[app] for each in carried]
        into.set_app(app, cells)
        done += 1 + len(cells)
        if done > _STEP:
            done = 0
            yield


def families_named(index: MergedIndex, names: Iterable[bytes]) -> Iterator[MergedFamily]:
    """Yield the families that names mean, each once.

    A name is that of a family in the text format, in OpenMetrics (a counter's without ``_total``),
    or that of a sample of a histogram or summary.
    """
    found: set[bytes] = set()
    for name in names:
        for meant in _meant(index, name):
            if meant not in found:
                found.add(meant)
                yield index.families[meant]


def _meant(index: MergedIndex, name: bytes) -> Iterator[bytes]:
    families = index.families
    yield from (
        each for each in (name, *(name + end for end in _TYPE_SUFFIXES)) if each in families
    )
    for suffix in _SAMPLE_SUFFIXES:
        base = name.removesuffix(suffix)
        if base != name and base in families and families[base].type in COMPOUND:
            yield base
