"""The proxy as a process: its signals, and what its service manager is told."""

import logging
import signal
from collections.abc import Callable
from pathlib import Path

from exporter_proxy.config import Config
from exporter_proxy.process.hangups import early_hangups
from exporter_proxy.process.inherited import InheritedSockets
from exporter_proxy.process.interpreter import tame_interpreter
from exporter_proxy.process.notify import Heartbeat, Notifier
from exporter_proxy.process.signals import StopSignals, ignore_signals, on_signal, stop_in_order
from exporter_proxy.proxy import Proxy
from exporter_proxy.reload import ReadFile

logger = logging.getLogger(__name__)


async def run(config: Config, path: Path | None, read: Callable[[], ReadFile]) -> None:
    """Run the proxy until it is asked to end.

    Args:
        config: What it begins with.
        path: The file that this was read from; None: the defaults.
        read: Reads the file at a reload.

    Raises:
        StartError: An address or a file can't be had; nothing is left open.
    """
    tame_interpreter()
    notifier = Notifier.from_environment()
    asked = StopSignals()
    asked.listen()
    proxy = Proxy(
        config,
        InheritedSockets.from_environment(),
        path=path,
        read=read,
        end=asked.end,
        notifier=notifier,
    )
    on_signal(signal.SIGHUP, proxy.hang_up)
    if early_hangups.came:
        proxy.hang_up()
    heartbeat = Heartbeat(notifier, lambda: proxy.status, lambda: proxy.well)
    try:
        await proxy.start()
        notifier.ready(proxy.status)
        heartbeat.start()
        await asked.once.wait()
        logger.info("stopping")
        notifier.stopping()
    finally:
        heartbeat.stop()
        await stop_in_order(proxy.stop, asked.again)
        ignore_signals()
    notifier.close()
    logger.info("stopped")
