"""Prometheus, so to speak: scrapes each second in every form, and compares with the books."""

import asyncio
import gzip
import statistics
import time

import zstandard

from tests.soak.connections import GONE
from tests.soak.ledger import Ledger
from tests.soak.subject import Subject

_FORMS = (
    ("gzip", b"Accept: text/plain\r\nAccept-Encoding: gzip\r\n"),
    ("plain", b"Accept: text/plain\r\n"),
    (
        "OpenMetrics",
        b"Accept: application/openmetrics-text;version=1.0.0\r\nAccept-Encoding: gzip\r\n",
    ),
    ("zstd", b"Accept: */*\r\nAccept-Encoding: zstd\r\n"),
)
_PATIENCE_SECONDS = 30.0


class Scraper:
    """Scrapes on one connection after another, as long as each lasts.

    Args:
        subject: Whom.
        ledger: What has to be on the page.

    Attributes:
        seconds: What scrapes took that were not disturbed, from the request to the last byte.
        disturbed: How many were: by a pause or a kill.
        bytes: Of the last page, as text.
        shown: What of each app was seen last.
        kept: The first page that was wrong, and its form.
    """

    def __init__(self, subject: Subject, ledger: Ledger) -> None:
        self._subject = subject
        self._ledger = ledger
        self._seen: dict[str, int] = {}
        self._life = 0
        self.seconds: list[float] = []
        self.disturbed = 0
        self.bytes = 0
        self.shown: dict[str, int] = {}
        self.kept: tuple[str, bytes] | None = None

    async def run(self) -> None:
        """Scrape each second until cancelled."""
        turn = 0
        while True:
            started = time.monotonic()
            await self.scrape(turn)
            turn += 1
            await asyncio.sleep(max(0.0, started + 1 - time.monotonic()))

    async def scrape(self, turn: int = 0) -> None:
        """Scrape once; what is wrong with the page is told."""
        form, headers = _FORMS[turn % len(_FORMS)]
        asked = self._ledger.moment()
        started = time.monotonic()
        try:
            page = await self._get(headers)
        except (*GONE, TimeoutError) as error:
            if self._subject.was_disturbed(started) or asked.life != self._ledger.life:
                self.disturbed += 1
            else:
                self._ledger.complain("scrape", f"{form}: {error!r}")
            return
        took = time.monotonic() - started
        if self._subject.was_disturbed(started):
            self.disturbed += 1
        else:
            self.seconds.append(took)
        if form == "OpenMetrics" and not page.endswith(b"# EOF\n"):
            self._ledger.complain("torn", "an OpenMetrics page without its end")
        self.bytes = len(page)
        wrong = self._ledger.wrong.total()
        self.shown = self._ledger.check(page, asked)
        if self._ledger.wrong.total() > wrong and not self.kept:
            self.kept = form, page
        self._compare_with_before(asked.life)

    def _compare_with_before(self, life: int) -> None:
        """See that no app goes back, nor goes away: also those that are polled."""
        if life != self._ledger.life:
            return
        if life != self._life:
            self._life, self._seen = life, {}
        for app, number in self._seen.items():
            if self.shown.get(app, 0) < number:
                now = self.shown.get(app)
                self._ledger.complain("went back", f"{app} showed {number}, now {now}")
        self._seen = self.shown

    async def _get(self, headers: bytes) -> bytes:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            reader, writer = await self._subject.connect("http")
            try:
                head = b"GET /metrics HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n"
                writer.write(head + headers + b"\r\n")
                answer = await reader.readuntil(b"\r\n\r\n")
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise EOFError(answer[:100])
                lines = answer.lower().split(b"\r\n")
                fields = dict(line.split(b": ", 1) for line in lines if b": " in line)
                body = await reader.readexactly(int(fields[b"content-length"]))
            finally:
                writer.close()
        match fields.get(b"content-encoding"):
            case b"gzip":
                return gzip.decompress(body)
            case b"zstd":
                # A page is several frames.
                with zstandard.ZstdDecompressor().stream_reader(
                    body, read_across_frames=True
                ) as frames:
                    return frames.read()
        return body

    def quantile(self, part: float) -> float:
        """Return what that part of all scrapes took at most; 0 where there was none."""
        if not self.seconds:
            return 0.0
        if part >= 1 or len(self.seconds) == 1:
            return max(self.seconds)
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[round(part * 100) - 1]
