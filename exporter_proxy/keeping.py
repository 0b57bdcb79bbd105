"""Whether the table is kept on disk, and who is still wanted of those that were."""

from collections import defaultdict
from typing import TYPE_CHECKING

from exporter_proxy.config import LOG_SOURCE, MODULE_SOURCE, POLL_SOURCE, Config
from exporter_proxy.table import FindLife, Table

if TYPE_CHECKING:
    from exporter_proxy.state.keeper import Keeper


def keeper_for(config: Config, table: Table, find_life: FindLife) -> "Keeper | None":
    """Return what keeps the table on disk, if that is wanted."""
    exporter, poll = config.exporter, config.poll_external
    if not exporter.state_file:
        return None
    # sqlite is not needed by others.
    from exporter_proxy.state.keeper import Keeper  # noqa: PLC0415

    polled = {each.name for each in poll.other_scrape_endpoints}
    if not poll.poll_other_scrape_endpoints:
        polled.clear()
    log_apps: dict[str, set[str]] = defaultdict(set)
    for each in config.logs:
        log_apps[each.source].add(each.app_name)
    modules = {module.source for module in config.modules if module.interval}

    def is_wanted(app: str, source: str) -> bool:
        """Tell whether there is still who updates an app; one that is pushed may come again."""
        if source.startswith(MODULE_SOURCE):
            return source in modules
        if source.startswith(LOG_SOURCE):
            return app in log_apps[source]
        return app in polled or not source.startswith(POLL_SOURCE)

    return Keeper(
        table,
        exporter.state_file,
        forget_after=exporter.forget_after,
        is_wanted=is_wanted,
        find_life=find_life,
    )
