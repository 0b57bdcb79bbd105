"""The proxy does what its OpenAPI document says, with all that schemathesis thinks of."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from exporter_proxy.views.openapi import pushing
from exporter_proxy.views.openapi.document import make_document
from tests.ports import free_port
from tests.proxy_process import ProxyProcess, until

EXAMPLES = 20
DOCUMENT = json.loads(json.dumps(make_document()))
OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()]
# What is pushed has a grammar, and groups have to go together: no schema says that.
NOT_ALL_TAKEN = {operation.path for operation in pushing.OPERATIONS}

# Apps about which there is something to tell.
PUSHED = {
    # Not those that schemathesis writes into a path as other names.
    **dict.fromkeys(("plain", "with blanks in it", 'say "hi"', "漢" * 256), "a 1\n"),
    "repaired and held back": "# TYPE b gauge\r\nb 1\r\nb{ 2\nc{ 1\n",
    "at odds": "# TYPE a counter\n# HELP a other\na 2\n",
    "short-lived": {"metrics": "d 1\n", "ttl": "1h"},
    "dropped": {"metrics": "e 1\n", "ttl": "1ms"},
}
FAILING = "polled in vain"


def can_be_violated(operation: Any) -> bool:
    """Tell whether a request can be other than the schema says."""
    described: Mapping[str, Any] = DOCUMENT["paths"][operation.path][operation.method]
    schemas = [each["schema"] for each in described["parameters"] if each["in"] == "query"]
    return any(
        {"enum", "pattern"} & schema.keys() for schema in schemas
    ) or "application/json" in described.get("requestBody", {}).get("content", {})


def state_of(process: ProxyProcess, app: str) -> Any:
    """Return the state of an app; None: it is not known."""
    answer = process.get(f"/apps/{app}", headers={"Accept": "application/json"})
    return json.loads(answer.body)["state"] if answer.status == 200 else None


@pytest.fixture(scope="module")
def running() -> Iterator[ProxyProcess]:
    """Run a proxy with some apps, for all tests."""
    poll = {
        "poll_other_scrape_endpoints": True,
        "other_scrape_endpoints": [{"name": FAILING, "url": f"http://127.0.0.1:{free_port()}/"}],
    }
    with tempfile.TemporaryDirectory(prefix="proxy-") as directory:
        process = ProxyProcess(Path(directory), {"poll_external": poll})
        process.start()
        try:
            process.wait_ready()
            assert process.push_tcp(json.dumps(PUSHED).encode()) == ""
            until(lambda: process.get("/apps/polled%20in%20vain").status == 200, "a poll")
            until(lambda: state_of(process, "dropped") == "dropped", "an app to expire")
            yield process
            assert "Traceback" not in process.log_text()
        finally:
            process.stop()


@pytest.fixture
def validate(running: ProxyProcess) -> Callable[..., Any]:
    """Return what sends a case and checks its answer."""

    def send(case: Any, **options: Any) -> Any:
        return case.call_and_validate(base_url=f"http://127.0.0.1:{running.http_port}", **options)

    return send


CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in OPERATIONS
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or can_be_violated(operation)
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_answers_are_as_described(
    operation: Any, mode: GenerationMode, validate: Callable[..., Any]
):
    """Statuses, media types, headers and documents; and nothing is an error of the proxy's own."""
    excluded = [positive_data_acceptance] if operation.path in NOT_ALL_TAKEN else []

    @given(data=st.data())
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        validate(case, excluded_checks=excluded)

    run()


READING_AN_APP = [
    pytest.param(operation, app, id=f"{operation.label} {app[:30]}")
    for operation in OPERATIONS
    if "{app}" in operation.path and operation.method in {"get", "head"}
    for app in (*PUSHED, FAILING)
]


@pytest.mark.parametrize(("operation", "app"), READING_AN_APP)
def test_what_there_is_of_an_app_is_as_described(
    operation: Any, app: str, validate: Callable[..., Any]
):
    answer = validate(
        operation.Case(path_parameters={"app": app}),
        excluded_checks=[schemathesis.checks.not_a_server_error],
    )

    if operation.path == "/apps/{app}":
        assert answer.status_code == 200
    else:
        expected = {"dropped": 404, FAILING: 502}
        assert answer.status_code == expected.get(app, 200)
