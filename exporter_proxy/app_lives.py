"""From the configuration to how long each app lives that is in the table."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from exporter_proxy.app_sections import section_finder
from exporter_proxy.config import LOG_SOURCE, MODULE_SOURCE, POLL_SOURCE, AppConfig, Config
from exporter_proxy.sources.app_push import SOURCE as PUSH_SOURCE
from exporter_proxy.sources.lives import (
    common_life,
    endpoint_life,
    own_life,
    push_life,
    receiver_life,
)
from exporter_proxy.sources.pushgateway import SOURCE as GATEWAY_SOURCE
from exporter_proxy.table import FindLife, Life, Table

# Apps that are looked at in one go: half a millisecond or so.
_APPS_A_STEP = 100


@dataclass(frozen=True, slots=True)
class Lives:
    """How long apps live whose senders don't say it: a :data:`~exporter_proxy.table.FindLife`.

    It is what updates of theirs would be given now. Equal ones give the same for every app.

    Attributes:
        receivers: Of those that come over receivers, whatever their addresses are or were.
        pushed: Of those that are pushed over HTTP.
        fetched: Of those that the proxy fetches, but for endpoints.
        polled: Of those of endpoints, by name.
        sections: The ``[[app]]`` sections, if any of them says something.
        find_section: Gives the number of an app's section.
    """

    receivers: Life
    pushed: Life
    fetched: Life
    polled: Mapping[str, Life]
    sections: tuple[AppConfig, ...]
    find_section: Callable[[str], int | None] = field(compare=False)

    def __call__(self, app: str, source: str) -> Life:
        """Return how long an app lives that a source wrote."""
        life = self._of_source(app, source)
        if not self.sections or app in self.polled:
            return life
        number = self.find_section(app)
        if number is None:
            return life
        section = self.sections[number]
        return own_life(section.expire_after, section.on_expire, life)

    def _of_source(self, app: str, source: str) -> Life:
        if source.startswith(POLL_SOURCE):
            return self.polled.get(app, self.fetched)
        if source.startswith((LOG_SOURCE, MODULE_SOURCE)):
            return self.fetched
        return self.pushed if source in {PUSH_SOURCE, GATEWAY_SOURCE} else self.receivers


def lives_for(config: Config) -> Lives:
    """Return how long apps live under a configuration."""
    common, poll = common_life(config), config.poll_external
    endpoints = poll.other_scrape_endpoints if poll.poll_other_scrape_endpoints else ()
    says = any((each.expire_after, each.on_expire) != (None, None) for each in config.apps)
    sections = config.apps if says else ()
    return Lives(
        receiver_life(config),
        push_life(config),
        common,
        {each.name: endpoint_life(each, common) for each in endpoints},
        sections,
        section_finder(sections),
    )


def settle(table: Table, find: FindLife) -> Iterator[None]:
    """Have all apps of the table live as long as is configured now, in short steps."""
    for number, row in enumerate(list(table), 1):
        # One that was updated meanwhile has what is configured now.
        if table.get(row.app) is row:
            table.set_life(row, find(row.app, row.source))
        if number % _APPS_A_STEP == 0:
            yield
