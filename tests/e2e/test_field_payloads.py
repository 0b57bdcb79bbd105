"""Payloads as they are met in the field: untidy, and none of the proxy's business in verbatim."""

import json

OLD_SAMPLES = """\
# HELP plant_power_watts Power drawn.
# TYPE plant_power_watts gauge
plant_power_watts{line="1"}    4023.5 1262304000000
plant_power_watts{line="2"} \t  17 1262304000000
plant_power_watts{line="3"}      NaN   946684800000
"""

QUOTED_PAGE = """\
"# HELP 1wire_temp Of the bus.",
"# TYPE 1wire_temp gauge",
"1wire_temp{sensor=\\"28-00\\"}   21.4 1262304000000",
"3phase_volts{phase=\\"L1\\"} 231",
"""


def test_old_timestamps_and_blanks_come_through(proxy):
    """Samples years old, with several blanks before the value, are served as they were pushed."""
    running = proxy(exporter={"exposition": "verbatim", "self_metrics": False})
    assert running.push_tcp(json.dumps({"plant": OLD_SAMPLES}).encode()) == ""
    assert running.push_unix(json.dumps({"plant2": OLD_SAMPLES.splitlines()}).encode()) == ""

    assert running.get("/metrics").body == OLD_SAMPLES.encode() * 2


def test_polled_quoted_lines_come_through(proxy, http_server, tmp_path):
    """A polled page of quoted lines and names that start with a digit is served byte for byte."""
    (tmp_path / "metrics.html").write_text(QUOTED_PAGE)
    port = http_server(tmp_path)
    running = proxy(
        exporter={"exposition": "verbatim", "self_metrics": False},
        poll_external={
            "poll_other_scrape_endpoints": True,
            "other_scrape_endpoints": [f"http://127.0.0.1:{port}/metrics.html"],
        },
    )
    running.wait_metrics("3phase_volts")

    assert running.get("/metrics").body == QUOTED_PAGE.encode()


def test_polled_bytes_that_only_look_like_lines(proxy, http_server, tmp_path):
    """Carriage returns, empty lines and a missing last newline: only the newline is added."""
    page = b"# a comment\r\n\r\n\n0 bytes left 7\r\n  indented_metric  1\n\tx 2"
    (tmp_path / "page").write_bytes(page)
    port = http_server(tmp_path)
    running = proxy(
        exporter={"exposition": "verbatim", "self_metrics": False},
        poll_external={
            "poll_other_scrape_endpoints": True,
            "other_scrape_endpoints": [f"http://127.0.0.1:{port}/page"],
        },
    )
    running.wait_metrics("indented_metric")

    assert running.get("/metrics").body == page + b"\n"


def test_untidy_apps_stand_side_by_side(proxy, http_server, tmp_path):
    """Neither kind of app costs another one anything: the page is all of them, in order."""
    (tmp_path / "metrics.html").write_text(QUOTED_PAGE)
    port = http_server(tmp_path)
    running = proxy(
        exporter={"exposition": "verbatim", "self_metrics": False},
        poll_external={
            "poll_other_scrape_endpoints": True,
            "other_scrape_endpoints": [f"http://127.0.0.1:{port}/metrics.html"],
        },
    )
    running.wait_metrics("3phase_volts")
    running.push_tcp(json.dumps({"plant": OLD_SAMPLES, "tidy": ["tidy 1"]}).encode())

    expected = QUOTED_PAGE + OLD_SAMPLES + "tidy 1\n"
    assert running.get("/metrics").body == expected.encode()
