"""Debian's own Prometheus reads an OpenMetrics page of everything that is odd."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from exporter_proxy.exposition.merged.openmetrics_writer import OpenMetricsWriter
from tests.exposition.families import family, index_of, page, parse
from tests.proxy_process import until


@pytest.fixture
def serve() -> Iterator[Callable[[bytes, str], int]]:
    """Serve a page; gives the port."""
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(body: bytes, content_type: str) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return server.server_port

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_prometheus_reads_the_page(prometheus, serve):
    """Every series comes back with its value."""
    now = int(time.time())
    histogram = 'h_bucket{{le="1",app="{0}"}} 1\nh_bucket{{le="+Inf",app="{0}"}} 2\n'
    index = index_of(
        [
            family(
                "a_seconds_total", "counter", "a_seconds_total 1", unit="seconds", help='Say "h".'
            ),
            family("a_seconds_created", "gauge", "a_seconds_created 1.5e9"),
            family("b_total", "counter", "b_total -1", f"b_total -1 # {{}} 1 {now}"),
            family("e_total", "counter", "e_total 5", f'e_total 5 # {{trace="1"}} 1 {now}'),
            family("h", "histogram", histogram.format(1) + 'h_sum{app="1"} 3\nh_count{app="1"} 2'),
            family("h_created", "gauge", 'h_created{app="1"} 1.5e9'),
            family(
                "s_bytes", "summary", 's_bytes{quantile="0.5"} NaN\ns_bytes_sum 1\ns_bytes_count 1'
            ),
            family("i_info", "info", 'i_info{version="1"} 1'),
            family("t", "stateset", 't{t="on"} 1\nt{t="off"} 0'),
            family("g", "gaugehistogram", 'g_bucket{le="+Inf"} 1\ng_gsum 1\ng_gcount 1'),
            family("u", "untyped", f"u 1 {now}000", f"u 1 {now}.000"),
        ],
        [family("h", "histogram", histogram.format(2) + 'h_sum{app="2"} 3\nh_count{app="2"} 2')],
        [family("broken", "histogram", 'broken_bucket{le="1"} 1\nbroken_sum -1\nbroken_count 1')],
    )
    body = page(index, OpenMetricsWriter(index))
    expected = parse(body.decode())
    query = prometheus(serve(body + OpenMetricsWriter.end, OpenMetricsWriter.content_type))
    everything = '{job="exporter-proxy", __name__!~"up|scrape_.*"}'

    shown = {}
    for sample in until(lambda: query(everything), "a scrape"):
        labels = sample["metric"]
        name = labels.pop("__name__")
        del labels["instance"], labels["job"]
        shown[name, tuple(sorted(labels.items()))] = repr(float(sample["value"][1]))
    assert shown == expected
