"""What the scrape port does before anybody knows what a connection speaks.

``wires`` tells that by the first bytes, without I/O; ``answers`` has what is said to those that are
not taken. ``opening`` is a connection until it is told; ``front`` has what connections have in
common, and hands them on.
"""

from exporter_proxy.front.front import Front, FrontPort, FrontSettings, Hooks
from exporter_proxy.front.metrics import FrontCollector

__all__ = ["Front", "FrontCollector", "FrontPort", "FrontSettings", "Hooks"]
