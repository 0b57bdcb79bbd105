"""Pushes to ``/push/<app>``."""

import gzip
from collections.abc import Mapping

import pytest

from exporter_proxy.access import Peer, Refusal
from exporter_proxy.budgets import Budget, Limit
from exporter_proxy.config import PushConfig
from exporter_proxy.sources.admission import Admission, Terms
from exporter_proxy.sources.answers import Answer, ForbiddenError
from exporter_proxy.sources.app_push import AppPush
from exporter_proxy.steps import all_at_once
from exporter_proxy.table import Life, Table

JSON = {"content-type": "application/json"}


class Stage:
    """A source on a table of its own."""

    def __init__(self, terms: Terms | None = None, max_apps: int = 100) -> None:
        self.table = Table(max_apps=max_apps)
        find = None if terms is None else lambda _app: terms
        self.push = AppPush(Admission(self.table, terms=find), self._permit)
        self.push.configure(PushConfig(max_body_size=1000), Life(60.0))

    def _permit(self, _peer: Peer, app: str) -> None:
        if app == "forbidden":
            raise ForbiddenError(Refusal("forbidden", "may not", 403))

    def ask(
        self,
        target: str,
        body: bytes = b"x 1\n",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
    ) -> Answer:
        answer = self.push.handle(method, target, headers or {}, body, Peer(address="127.0.0.1"))
        return answer if isinstance(answer, Answer) else all_at_once(answer)

    @property
    def apps(self) -> dict[str, bytes]:
        return {row.app: b"".join(row.payload or ()) for row in self.table}


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_text(method: str):
    """It replaces all that the app had, whatever the content type says but JSON."""
    stage = Stage()
    for number in range(2):
        body = b"x%d 1" % number
        assert stage.ask("/push/my%2Fapp%20%C3%A9", body, method=method) == Answer(200)
    assert stage.apps == {"my/app é": b"x1 1"}
    row = next(iter(stage.table))
    assert (row.source, stage.push.stats.updates) == ("push", 2)


@pytest.mark.parametrize(
    ("target", "headers", "seconds"),
    [
        ("/push/a", {}, 60),
        ("/push/a", {"x-ttl": "5m"}, 300),
        ("/push/a?ttl=30s", {}, 30),
        ("/push/a?ttl=30s", {"x-ttl": "never"}, float("inf")),
    ],
)
def test_time_to_live(target: str, headers: dict[str, str], seconds: float):
    stage = Stage()
    assert stage.ask(target, headers=headers).status == 200
    assert stage.table.seconds_left(next(iter(stage.table))) == pytest.approx(seconds, abs=5)


def test_json():
    """Documents of any apps; of an app the last one counts."""
    stage = Stage()
    body = b'{"a": "a 1\\n", "b": ["b 1", "b 2"]}\n{"a": {"metrics": "a 2\\n", "ttl": 5}}'
    assert stage.ask("/push?ttl=1h", body, JSON) == Answer(200)
    assert stage.apps == {"a": b"a 2\n", "b": b"b 1\nb 2\n"}
    left = {row.app: stage.table.seconds_left(row) for row in stage.table}
    assert left == {"a": pytest.approx(5, abs=2), "b": pytest.approx(3600, abs=5)}
    assert stage.ask("/push/a", b'{"a": "a 3\\n"}', JSON | {"x-ttl": "9"}).status == 200


def test_compressed():
    stage = Stage()
    for _ in range(2):
        body = gzip.compress(b"x 1\n" * 10)
        assert stage.ask("/push/a", body, {"content-encoding": "gzip"}).status == 200
    assert stage.apps == {"a": b"x 1\n" * 10}


@pytest.mark.parametrize(
    ("target", "body", "headers", "status", "line"),
    [
        ("/push/a/b", b"x 1", {}, 400, "a slash in an app's name is written %2F in the path"),
        ("/push/%00", b"x 1", {}, 400, 'the app\'s name "\\x00" has a control character in it: U+'),
        ("/push/%FF", b"x 1", {}, 400, "the app's name is not UTF-8"),
        ("/push", b"x 1", {}, 400, "/push takes JSON (Content-Type: application/json); text"),
        ("/push/a", b"x\0 1", {}, 400, 'the metrics of "a" hold a NUL byte'),
        ("/push/a", b"x\xff 1", {}, 400, 'the metrics of "a" are not UTF-8'),
        ("/push/a", b"x 1", {"x-ttl": "soon"}, 400, 'the ttl of "a" is "soon", expected seconds'),
        ("/push/a", b'{"b": "x 1"}', JSON, 400, 'the document has the app "b", but the path'),
        ("/push/a", b'{"a": "x', JSON, 400, "the connection ended within a message, after 8"),
        ("/push", b"", JSON, 400, "the body is empty, expected"),
        ("/push", b"[1]", JSON, 400, "malformed JSON: expected a JSON object"),
        (
            "/push/a",
            gzip.compress(b"x" * 2000, mtime=0),
            {"content-encoding": "gzip"},
            413,
            "the body is larger than 1000 bytes (push.max_body_size)",
        ),
        ("/push/a", b"x", {"content-encoding": "br"}, 415, "can't read Content-Encoding"),
        (
            "/push/a",
            b"--b\r\n\r\nx 1\r\n--b--\r\n",
            {"content-type": "multipart/form-data; boundary=b"},
            415,
            "the body is a form, expected the metrics themselves: curl --data-binary @FILE",
        ),
        (
            "/push/a",
            b"x",
            {"content-type": "application/vnd.google.protobuf; encoding=delimited"},
            415,
            "the body is protobuf, expected text: /metrics/job/<job> takes both",
        ),
    ],
)
def test_refusals(target: str, body: bytes, headers: dict[str, str], status: int, line: str):
    """One line, a count, and nothing is written."""
    stage = Stage()
    answer = stage.ask(target, body, headers)
    assert answer.status == status
    assert answer.body.decode().startswith(f"error: {line}")
    assert answer.body.count(b"\n") == 1
    assert stage.apps == {}
    assert stage.push.stats.rejected.total() == 1


def test_budgets():
    stage = Stage(Terms(budget=Budget(bytes=Limit(10, "b"), rate=Limit(1.0, "r"))))
    assert stage.ask("/push/a", b"x" * 11).status == 413
    assert [stage.ask("/push/b").status for _ in range(12)][-1] == 429


def test_full_table():
    """A document of several apps is taken as a whole or not at all."""
    stage = Stage(max_apps=2)
    assert stage.ask("/push", b'{"a": "x 1", "b": "x 1", "c": "x 1"}', JSON).status == 503
    assert stage.apps == {}


def test_other_methods():
    answer = Stage().ask("/push/a", method="GET")
    assert (answer.status, dict(answer.headers)["Allow"]) == (405, "POST, PUT")


@pytest.mark.parametrize(
    ("target", "body", "headers"),
    [("/push/forbidden", b"x 1", {}), ("/push", b'{"a": "x 1", "forbidden": "x 1"}', JSON)],
)
def test_who_may_not(target: str, body: bytes, headers: dict[str, str]):
    stage = Stage()
    with pytest.raises(ForbiddenError):
        stage.ask(target, body, headers)
    assert stage.apps == {}


def test_turned_off():
    stage = Stage()
    stage.push.configure(PushConfig(app_api=False), Life())
    answer = stage.ask("/push/a")
    assert (answer.status, stage.apps) == (404, {})
    assert answer.body == b"error: turned off by the configuration (push.app_api)\n"


async def test_is_a_source():
    stage = Stage()
    await stage.push.start()
    assert stage.push.stats.listening
    stage.push.pause()
    stage.ask("/push/a/b")
    await stage.push.stop(0)
    assert not stage.push.stats.listening


@pytest.mark.parametrize(
    "kind", [None, "application/x-www-form-urlencoded", "application/octet-stream; x=y"]
)
@pytest.mark.parametrize("body", [b'{"a": "a 1\\n"}', b'\xef\xbb\xbf \n{ "a" : ["a 1"]}\n'])
def test_json_by_its_content(kind: str | None, body: bytes):
    """Where the type says nothing: curl -d calls everything a form."""
    headers = {} if kind is None else {"content-type": kind}
    for target in ("/push", "/push/a"):
        stage = Stage()
        assert stage.ask(target, body, headers) == Answer(200)
        assert stage.apps["a"].rstrip() == b"a 1"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"my.metric",a="b:"} 1\n', {}),
        (b'{"my.metric"} 1\n{"b": 1}\n', {}),
        (b'{"a\\": "b"} 1\n', {}),
        (b'{"a": "a 1\\n"}', {"content-type": "text/plain"}),
    ],
)
def test_text_that_begins_as_json(body: bytes, headers: dict[str, str]):
    """A name in quotes, or what is said to be text."""
    stage = Stage()
    assert stage.ask("/push/a", body, headers) == Answer(200)
    assert stage.apps == {"a": body}


@pytest.mark.parametrize("headers", [{}, {"x-ttl": "5m"}])
def test_unknown_parameters(headers: dict[str, str]):
    """A mistyped one would have an app live for ever."""
    stage = Stage()
    answer = stage.ask("/push/a?ttl=5m&tll=30s", headers=headers)
    assert (answer.status, answer.body) == (
        400,
        b'error: unknown parameter "tll": there is but ttl\n',
    )
    assert stage.apps == {}
