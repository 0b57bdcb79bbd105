"""What a good configuration becomes."""

import math

import pytest

from exporter_proxy import config
from exporter_proxy.config import Address, BasicAuth, EndpointConfig, Secret


def test_every_key_of_the_published_sections_is_read():
    """Keys, values and spellings that configurations in the field have."""
    loaded = config.read(
        {
            "exporter": {
                "worker_threads": 2,
                "concurrent_requests": 10,
                "scrape_expose_endpoint": "[::1]:7000",
            },
            "receiver": {
                "format": "capnp",
                "receive_on_unix_socket": False,
                "receiver_unix_socket": "/var/run/exporter-proxy-receiver.sock",
                "unix_socket_user": "current_user",
                "unix_socket_group": "nogroup",
                "receive_on_tcp_socket": True,
                "receiver_tcp_socket": "localhost:0",
            },
            "poll_external": {
                "poll_other_scrape_endpoints": True,
                "other_scrape_endpoints": ["http://127.0.0.1:1025/1025.html"],
                "allow_invalid_certs": False,
                "poll_interval": 7,
                "client_timeout": 0.5,
            },
        }
    )

    assert loaded.exporter.worker_threads == 2
    assert loaded.exporter.concurrent_requests == 10
    assert loaded.exporter.scrape_expose_endpoint == Address("::1", 7000)
    assert loaded.receiver.format == "capnp"
    assert not loaded.receiver.receive_on_unix_socket
    assert loaded.receiver.receiver_unix_socket == "/var/run/exporter-proxy-receiver.sock"
    assert loaded.receiver.unix_socket_user == "current_user"
    assert loaded.receiver.unix_socket_group == "nogroup"
    assert loaded.receiver.receive_on_tcp_socket
    assert loaded.receiver.receiver_tcp_socket == Address("localhost", 0)
    poll = loaded.poll_external
    assert poll.poll_other_scrape_endpoints
    assert not poll.allow_invalid_certs
    assert (poll.poll_interval, poll.client_timeout) == (7.0, 0.5)
    assert [endpoint.url for endpoint in poll.other_scrape_endpoints] == [
        "http://127.0.0.1:1025/1025.html"
    ]


@pytest.mark.parametrize(
    ("written", "seconds"), [(0, math.inf), ("never", math.inf), ("0s", math.inf), ("5m", 300.0)]
)
def test_age_zero_is_never(written, seconds):
    """Nothing is dropped after no time."""
    assert seconds == config.read({"exporter": {"expire_after": written}}).exporter.expire_after
    assert seconds == config.read({"receiver": {"expire_after": written}}).receiver.expire_after


@pytest.mark.parametrize(("written", "seconds"), [(0, 0.0), ("1h", 3600.0)])
def test_no_time_to_forget_is_at_once(written, seconds):
    """Unlike an age, of which 0 is never."""
    read = config.read({"exporter": {"forget_after": written}})

    assert seconds == read.exporter.forget_after


@pytest.mark.parametrize("written", ["0640", "640", "0o640", 0o640])
def test_mode_is_octal(written):
    """As a string in the ways chmod and TOML write it, or as a number."""
    assert config.read({"receiver": {"unix_socket_mode": written}}).receiver.unix_socket_mode == (
        0o640
    )


@pytest.mark.parametrize("written", ["2MiB", 2**21, "2048KiB"])
def test_size_is_bytes(written):
    """As a number or with a unit."""
    assert config.read({"receiver": {"max_message_size": written}}).receiver.max_message_size == (
        2**21
    )


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1", "[fe80::1%eth0]:1", "example.org:1", "my_host:65535"]
)
def test_address_keeps_its_spelling(address):
    """What str() gives is what was written."""
    read = config.read({"receiver": {"receiver_tcp_socket": address}}).receiver.receiver_tcp_socket

    assert address == str(read)


def endpoints(*written: object, **section: object) -> tuple[EndpointConfig, ...]:
    """Read a section of endpoints."""
    section["other_scrape_endpoints"] = list(written)
    return config.read({"poll_external": section}).poll_external.other_scrape_endpoints


def test_endpoint_takes_from_its_section_what_it_leaves_out():
    """And keeps what it says itself."""
    url = "http://127.0.0.1:1/"
    plain, own = endpoints(
        url,
        {
            "url": url,
            "name": "own",
            "poll_interval": "1h",
            "client_timeout": 9,
            "on_failure": "keep",
            "max_body_size": 10,
            "expire_after": 0,
            "allow_invalid_certs": True,
        },
        poll_interval="1m",
        client_timeout=1,
        on_failure="drop",
        max_body_size="1kB",
        expire_after="1d",
        allow_invalid_certs=False,
    )

    assert (plain.poll_interval, plain.client_timeout, plain.on_failure) == (60.0, 1.0, "drop")
    assert (plain.max_body_size, plain.expire_after) == (1000, 86400.0)
    assert not plain.allow_invalid_certs
    assert (own.poll_interval, own.client_timeout, own.on_failure) == (3600.0, 9.0, "keep")
    assert (own.max_body_size, own.expire_after) == (10, math.inf)
    assert own.allow_invalid_certs


def test_endpoint_keeps_all_that_its_table_says():
    """Labels and patterns too, whichever page is served."""
    (endpoint,) = endpoints(
        {
            "url": "https://h/metrics",
            "headers": {"X-Scope-OrgID": "team"},
            "basic_auth": {"username": "me", "password_file": "secret"},
            "ca_file": "ca.pem",
            "labels": {"job": "node"},
            "keep": ["node_.*"],
            "drop": ["node_cpu_.*", "go_.*"],
            "honor_timestamps": False,
        }
    )

    assert endpoint.headers == {"X-Scope-OrgID": Secret("team")}
    assert endpoint.basic_auth == BasicAuth("me", None, "secret")
    assert endpoint.bearer_token_file is None
    assert endpoint.ca_file == "ca.pem"
    assert endpoint.labels == {"job": "node"}
    assert (endpoint.keep, endpoint.drop) == (("node_.*",), ("node_cpu_.*", "go_.*"))
    assert not endpoint.honor_timestamps


def test_user_info_becomes_basic_auth():
    """And is gone from all that is shown."""
    (endpoint,) = endpoints("http://me:hunter2@h:1/x")

    assert endpoint.basic_auth == BasicAuth("me", Secret("hunter2"))
    assert endpoint.url == "http://h:1/x"
    assert "hunter2" not in repr(endpoint)


def test_endpoints_that_share_an_address_are_told_apart():
    """All of them by path and query; those alone at theirs by the address."""
    found = endpoints(
        "http://h:1/a",
        {"url": "http://H:1/b?c=d", "name": "named"},
        "http://h:2/a",
        "https://h",
        "http://[::1]/",
    )

    assert [(endpoint.name, endpoint.source) for endpoint in found] == [
        ("external_poll: h:1/a", "external_poll: h:1/a"),
        ("named", "external_poll: h:1/b?c=d"),
        ("external_poll: h:2", "external_poll: h:2"),
        ("external_poll: h:443", "external_poll: h:443"),
        ("external_poll: [::1]:80", "external_poll: [::1]:80"),
    ]


def test_one_address_may_be_polled_twice_under_two_names():
    """With other headers, for example."""
    first, second = endpoints("http://h/", {"url": "http://h/", "name": "again"})

    assert (first.name, second.name) == ("external_poll: h:80/", "again")
    assert first.source == second.source


def test_apps_are_read_in_their_order():
    """Each with the defaults of what it leaves out."""
    first, second = config.read(
        {
            "app": [
                {"match": "a.*"},
                {
                    "match": "b",
                    "labels": {"team": "é"},
                    "override_labels": False,
                    "keep": ["x_.*"],
                    "drop": ["y"],
                    "honor_timestamps": False,
                },
            ]
        }
    ).apps

    assert first == config.AppConfig(match="a.*")
    assert (first.labels, first.keep, first.drop) == ({}, (), ())
    assert first.override_labels is None
    assert first.honor_timestamps
    assert (second.match, second.labels, second.override_labels) == ("b", {"team": "é"}, False)
    assert (second.keep, second.drop, second.honor_timestamps) == (("x_.*",), ("y",), False)
