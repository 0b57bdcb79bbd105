"""What is first on the scrape port runs on uvloop in the tests, too: it hands transports on."""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

import pytest
import uvloop


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], AbstractEventLoop]]:
    """Return the event loops that a test is run with."""
    return {"uvloop": uvloop.new_event_loop}
