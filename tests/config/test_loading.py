"""From a file to a configuration, or to every mistake in it."""

from pathlib import Path

import pytest

from exporter_proxy import config
from exporter_proxy.config import loading
from exporter_proxy.errors import ConfigError
from tests.config.bad_files import BAD, URL

ROOT = Path(__file__).parents[2]
NO_VALUE = 'no value: text stands in quotes, such as "json"; true and false are small'
NO_END = 'the line should have ended: text stands in quotes, such as "5m" or "127.0.0.1:6554"'
LONGER = "is longer than poll_interval"
SLOW = "a slow poll takes the place of the next"
IN_PARTS = "is there already, or a part of it: write all of it in one place"


def problems_of(text: str, directory: Path) -> list[str]:
    """Return what is wrong with a file of this text, without the file's name."""
    path = directory / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    prefix = f"{path}: "
    assert all(problem.startswith(prefix) for problem in caught.value.problems)
    return [problem.removeprefix(prefix) for problem in caught.value.problems]


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_names_key_value_and_remedy(text, problem, tmp_path):
    """One mistake is one line."""
    assert [problem] == problems_of(text, tmp_path)


def test_no_secret_is_in_any_message(tmp_path):
    """Whatever is wrong with a password, its place, or the URL that holds it."""
    said = "\n".join(line for text, _ in BAD for line in problems_of(text, tmp_path))

    assert "hunt" not in said
    assert "12345" not in said


def test_module_may_not_take_longer_than_from_one_poll_to_the_next(tmp_path):
    """Unless it is asked to, which is doubtful."""
    path = tmp_path / "config.toml"
    module = '[[module]]\nname = "%s"\nkind = "file"\npath = "/x"\n%s\n'
    settings = ["", "interval = 5", "interval = 60", "interval = 5\ntimeout = 10"]
    path.write_text("".join(module % pair for pair in enumerate(settings)), encoding="utf-8")
    loaded = config.load(path)

    assert [module.timeout for module in loaded.modules] == [10, 5, 10, 10]
    assert [warning.partition(":")[0] for warning in config.warnings(loaded)] == [
        "module[3].timeout"
    ]


def test_reports_all_mistakes_at_once(tmp_path):
    """In the order in which they stand in the file, whichever section they are in."""
    text = """
        [exporter]
        max_apps = 0
        worker_threads = -1
        [recevier]
        [poll_external]
        poll_interval = []
        other_scrape_endpoints = ["http://h/", "x", { url = "y", on_failure = "z" }, "http://h/"]
    """

    assert [
        "exporter.max_apps: 0: must be an integer from 1 to 100000000",
        "exporter.worker_threads: -1: must be an integer from 0 to 1024",
        'recevier: unknown section (did you mean "receiver"?)',
        (
            "poll_external.poll_interval: a list: must be a duration of at least 0.1 seconds, "
            'such as 5 or "1m"'
        ),
        f'poll_external.other_scrape_endpoints[1]: "x": {URL}',
        f'poll_external.other_scrape_endpoints[2].url: "y": {URL}',
        'poll_external.other_scrape_endpoints[2].on_failure: "z": must be "keep" or "drop"',
        (
            'poll_external.other_scrape_endpoints[3]: "external_poll: h:80/": names the same app '
            "as poll_external.other_scrape_endpoints[0]: give one of them a name"
        ),
    ] == problems_of(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = 1\nb = \n", f"line 2, column 5: {NO_VALUE}"),
        ("[receiver]\nformat = json\n", f"line 2, column 10: {NO_VALUE}"),
        ("a = True\n", f"line 1, column 5: {NO_VALUE}"),
        ("[receiver]\nidle_timeout = 5m\n", f"line 2, column 17: {NO_END}"),
        ("[receiver]\nreceiver_tcp_socket = 127.0.0.1:6554\n", f"line 2, column 28: {NO_END}"),
        (
            '[receiver]\nformat = "json\n',
            "line 2, column 15: a text has no closing quote in its line",
        ),
        ("[receiver\n", "line 1, column 10: Expected ']' at the end of a table declaration"),
        ("[receiver]\n[exporter]\n[receiver]\n", "line 3: [receiver] is there twice"),
        ("[a]\n  [ a ] # again\n", "line 2: [ a ] is there twice"),
        ("[[app]]\n[app]\n", "line 2: [app] is there already as [[app]]: write [[app]] each time"),
        ("[app]\n[[app]]\n", "line 2: [[app]] is there already as [app]: write [[app]] each time"),
        ("a = 1\nb = 2\na = 3\n", "line 3: a is there twice"),
        ('"b c" = 1\n"b c" = 2', 'line 2: "b c" is there twice'),
        ("a = '''\nb = 1\n'''\na = 2\n", "line 4: a is there twice"),
        ("a = 1\na = [\n2]\n", "line 3: a key or section that is there already"),
        ("a = 1\na = '''\nb = 1'''\n", "line 3: a key or section that is there already"),
        (f"{'k' * 65} = 1\n" * 2, "line 2: a key or section that is there already"),
        ("a = {b = 1, b = 2}\n", 'line 1: "b" is there twice in one table'),
        ("b = 1\nb.c = 2\n", f"line 2: b.c {IN_PARTS}"),
        ("[p]\ne = []\n[[p.e]]\n", f"line 3: [[p.e]] {IN_PARTS}"),
        ("[a.b]\n[a]\nb.c = 1\n", f"line 3: b.c {IN_PARTS}"),
        (f"a = {'9' * 5000}", "not TOML: a number is too long or lists are nested too deep"),
        (f"a = {'[' * 5000}", "not TOML: a number is too long or lists are nested too deep"),
    ],
)
def test_says_where_it_is_not_toml(text, problem, tmp_path):
    """The line and the column are those of the mistake."""
    assert [problem] == problems_of(text, tmp_path)


def test_says_where_it_is_not_utf8(tmp_path):
    """TOML is UTF-8; other encodings are not guessed."""
    path = tmp_path / "bad.toml"
    path.write_bytes(b"[receiver]\n# caf\xe9\n")

    with pytest.raises(ConfigError) as caught:
        config.load(path)

    assert [f"{path}: line 2: not UTF-8, as TOML must be"] == caught.value.problems


@pytest.mark.parametrize(
    ("name", "reason"), [("missing.toml", "No such file or directory"), (".", "Is a directory")]
)
def test_says_why_it_can_not_be_read(name, reason, tmp_path):
    """A file that was named and can't be read is an error, not the defaults."""
    path = tmp_path / name

    with pytest.raises(ConfigError) as caught:
        config.load(path)

    assert [f"{path}: can't be read: {reason}"] == caught.value.problems


def test_shipped_file_loads():
    """It says what a fresh clone needs, and else the defaults."""
    loaded = config.load(ROOT / "config.toml")
    defaults = config.Config()

    assert loaded.exporter == defaults.exporter
    assert loaded.receiver.format == "auto"
    assert loaded.receiver.receiver_unix_socket is None
    assert not loaded.poll_external.poll_other_scrape_endpoints
    assert [endpoint.url for endpoint in loaded.poll_external.other_scrape_endpoints] == [
        f"http://127.0.0.1:{port}/{port}.html" for port in (1025, 1026, 1027)
    ]
    assert config.warnings(loaded) == []


def test_nothing_to_read_is_the_defaults():
    """No file and an empty file are the same."""
    assert config.load(None) == config.read({}) == config.Config()


class TestFindFile:
    """Which file is read."""

    @pytest.fixture(autouse=True)
    def places(self, tmp_path, monkeypatch):
        """Put the usual places into a directory of the test's own."""
        monkeypatch.setattr(loading, "PLACES", (tmp_path / "here", tmp_path / "etc"))

    def test_option_wins(self):
        """Even over a variable, and though it is missing."""
        assert Path("x") == config.find_file("x", {"EXPORTER_PROXY_CONFIG": "y"})

    def test_variable_is_next(self, tmp_path):
        """Even over a file in the working directory."""
        (tmp_path / "here").touch()

        assert Path("y") == config.find_file(None, {"EXPORTER_PROXY_CONFIG": "y"})

    def test_then_the_usual_places(self, tmp_path):
        """The first that is there; an empty variable is none."""
        (tmp_path / "etc").touch()
        assert tmp_path / "etc" == config.find_file(None, {"EXPORTER_PROXY_CONFIG": ""})

        (tmp_path / "here").touch()
        assert tmp_path / "here" == config.find_file(None, {})

    def test_else_none(self):
        """Then the defaults apply."""
        assert config.find_file(None, {}) is None


def test_usual_places():
    """The working directory comes before the system's."""
    assert [str(place) for place in loading.PLACES] == [
        "config.toml",
        "/etc/exporter-proxy/config.toml",
    ]


def test_reports_two_ways_to_authenticate_beside_another_mistake(tmp_path):
    """What is wrong in one of them doesn't hide that there are two."""
    endpoint = (
        '{ url = "http://h/", bearer_token_file = "f", basic_auth = { password = 1, '
        'password_file = "p" }, headers = { Authorization = 2 } }'
    )
    where = "poll_external.other_scrape_endpoints[0]"

    assert [
        f"{where}.basic_auth.password: an integer: must be a string",
        f"{where}.basic_auth.username: missing: must be a user's name",
        f"{where}.basic_auth: only one of password and password_file can be used",
        f"{where}.headers.Authorization: an integer: must be a header's value, without line breaks",
        (
            f"{where}: only one of basic_auth and bearer_token_file and headers.Authorization can "
            "be used"
        ),
    ] == problems_of(f"[poll_external]\nother_scrape_endpoints = [{endpoint}]", tmp_path)


@pytest.mark.parametrize(
    ("scrape", "receiver"),
    [
        ("0.0.0.0:1", "127.0.0.1:1"),
        ("127.0.0.1:1", "0.0.0.0:1"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("localhost:1", "127.0.0.1:1"),
        ("[::]:1", "[::1]:1"),
        ("[::1]:1", "[0::1]:1"),
        ("example.org:1", "Example.org:1"),
    ],
)
def test_two_sockets_need_two_addresses(scrape, receiver):
    """Also where one of them is every address; without the receiver there is no clash."""
    document = {
        "exporter": {"scrape_expose_endpoint": scrape},
        "receiver": {"receiver_tcp_socket": receiver},
    }

    with pytest.raises(ConfigError) as caught:
        config.read(document)

    assert [
        (
            f'receiver.receiver_tcp_socket: "{receiver}": must have another port than '
            f'exporter.scrape_expose_endpoint, "{scrape}"'
        )
    ] == caught.value.problems
    document["receiver"]["receive_on_tcp_socket"] = False
    assert config.read(document).receiver.receiver_tcp_socket.port == 1


@pytest.mark.parametrize(
    ("scrape", "receiver"),
    [
        ("127.0.0.1:1", "127.0.0.1:2"),
        ("127.0.0.1:1", "127.0.0.2:1"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("[::]:1", "127.0.0.1:1"),
        ("example.org:1", "example.com:1"),
    ],
)
def test_addresses_that_may_go_together_are_let_through(scrape, receiver):
    """Only what is certain is a mistake; the kernel says the rest."""
    document = {
        "exporter": {"scrape_expose_endpoint": scrape},
        "receiver": {"receiver_tcp_socket": receiver},
    }

    assert str(config.read(document).receiver.receiver_tcp_socket) == receiver


def test_defaults_of_a_section_with_a_mistake_are_not_judged():
    """The receiver would clash with the default alone, and that isn't what the file says."""
    document = {
        "exporter": {"scrape_expose_endpoint": "127.0.0.1:1", "max_apps": 0},
        "receiver": {"receiver_tcp_socket": "127.0.0.1:6555"},
    }

    with pytest.raises(ConfigError) as caught:
        config.read(document)

    (problem,) = caught.value.problems
    assert problem == "exporter.max_apps: 0: must be an integer from 1 to 100000000"


@pytest.mark.parametrize(
    ("document", "warnings"),
    [
        pytest.param({}, [], id="defaults"),
        pytest.param(
            {"poll_external": {"poll_other_scrape_endpoints": True}},
            [("poll_external.other_scrape_endpoints: empty: nothing is polled though "
             "poll_other_scrape_endpoints is true")],
            id="polls-nothing",
        ),
        pytest.param(
            {
                "receiver": {"receive_on_unix_socket": False, "receive_on_tcp_socket": False},
                "push": {"pushgateway_api": False, "app_api": False},
            },
            [("nothing is received and nothing is polled: turn on receiver.receive_on_tcp_socket, "
             "receiver.receive_on_unix_socket, push.pushgateway_api, push.app_api or "
             "poll_external.poll_other_scrape_endpoints, or add a [[log]] section")],
            id="does-nothing",
        ),
        pytest.param(
            {"poll_external": {"other_scrape_endpoints": [
                {"url": "https://h/", "ca_file": "ca.pem"},
                {"url": "https://i/", "ca_file": __file__, "allow_invalid_certs": False},
            ]}},
            [('poll_external.other_scrape_endpoints: "external_poll: h:443": ca_file has no '
             "effect while allow_invalid_certs is true: set allow_invalid_certs = false")],
            id="verifies-nothing",
        ),
        pytest.param(
            {"exporter": {"exposition": "verbatim", "app_label": "a", "extra_labels": {"b": "c"},
                          "invalid_metrics": "reject"},
             "app": [{"match": "x", "drop": ["y"]}],
             "poll_external": {"other_scrape_endpoints": [
                {"url": "http://h/", "honor_timestamps": False}]}},
            [("exporter.app_label, exporter.extra_labels, exporter.invalid_metrics, "
              "labels, keep, drop and honor_timestamps of [[app]], "
              "labels, keep, drop and honor_timestamps of endpoints: without effect while "
              'exporter.exposition is "verbatim": set it to "merged"')],
            id="verbatim-changes-nothing",
        ),
        pytest.param(
            {"exporter": {"exposition": "merged", "app_label": "a", "invalid_metrics": "reject"},
             "app": [{"match": "x"}]},
            [],
            id="merged-does",
        ),
        pytest.param(
            {"exporter": {"exposition": "merged", "app_label": "a", "extra_labels": {"a": "c"}}},
            ["exporter.extra_labels.a: takes the place of app_label, which has the same name"],
            id="one-label-twice",
        ),
        pytest.param(
            {"receiver": {"receive_on_tcp_socket": False}}, [], id="one-receiver-is-enough"
        ),
        pytest.param(
            {"poll_external": {"client_timeout": 6}},
            [f"poll_external.client_timeout: 6 s: {LONGER}, 5 s: {SLOW}"],
            id="longer-than-the-interval",
        ),
        pytest.param(
            {"poll_external": {"client_timeout": "1m", "other_scrape_endpoints": [
                "http://a/", "http://b/",
                {"url": "http://c/", "poll_interval": "1m"},
                {"url": "http://d/", "poll_interval": "30s"},
            ]}},
            [f"poll_external.client_timeout: 60 s: {LONGER}, 5 s: {SLOW}",
             ('poll_external.other_scrape_endpoints: "external_poll: d:80": client_timeout: 60 s: '
              f"{LONGER}, 30 s: {SLOW}")],
            id="once-for-all-that-inherit",
        ),
        pytest.param(
            {"poll_external": {"client_timeout": 6, "other_scrape_endpoints": [
                {"url": "http://c/", "poll_interval": "1m"},
            ]}},
            [],
            id="nobody-inherits",
        ),
    ],
)  # fmt: skip
def test_warns_of_what_is_hardly_meant(document, warnings):
    """It is allowed all the same."""
    assert warnings == config.warnings(config.read(document))
