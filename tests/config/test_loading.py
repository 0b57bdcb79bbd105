"""From a file to a configuration, or to every mistake in it."""

from pathlib import Path

import pytest

from exporter_proxy import config
from exporter_proxy.config import loading
from exporter_proxy.errors import ConfigError
from tests.config.bad_files import BAD, URL

ROOT = Path(__file__).parents[2]


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
        ("a = 1\nb = \n", "line 2, column 5: Invalid value"),
        ('[receiver]\nformat = "json\n', "line 2, column 15: Illegal character '\\n'"),
        ("[receiver]\n[receiver]\n", "line 2, column 10: Cannot declare ('receiver',) twice"),
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
            {"receiver": {"receive_on_unix_socket": False, "receive_on_tcp_socket": False}},
            [("nothing is received and nothing is polled: turn on receiver.receive_on_tcp_socket, "
             "receiver.receive_on_unix_socket or poll_external.poll_other_scrape_endpoints")],
            id="does-nothing",
        ),
        pytest.param(
            {"poll_external": {"other_scrape_endpoints": [
                {"url": "https://h/", "ca_file": "ca.pem"},
                {"url": "https://i/", "ca_file": "ca.pem", "allow_invalid_certs": False},
            ]}},
            [('poll_external.other_scrape_endpoints: "external_poll: h:443": ca_file has no '
             "effect while allow_invalid_certs is true: set allow_invalid_certs = false")],
            id="verifies-nothing",
        ),
        pytest.param(
            {"exporter": {"exposition": "verbatim", "app_label": "a", "extra_labels": {"b": "c"},
                          "invalid_metrics": "reject"},
             "app": [{"match": "x"}],
             "poll_external": {"other_scrape_endpoints": [
                {"url": "http://h/", "honor_timestamps": False}]}},
            [("exporter.app_label, exporter.extra_labels, exporter.invalid_metrics, [[app]], "
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
    ],
)  # fmt: skip
def test_warns_of_what_is_hardly_meant(document, warnings):
    """It is allowed all the same."""
    assert warnings == config.warnings(config.read(document))
