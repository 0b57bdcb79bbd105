"""Kinds that several sections share: what an app may send, and how its life ends."""

from exporter_proxy.config.kinds import Integer, Rate, SizeLimit
from exporter_proxy.config.texts import Choice

ON_EXPIRE = Choice("drop", "mark")
SAMPLES = Integer(0, 1_000_000_000)
SIZE = SizeLimit()
RATE = Rate()
