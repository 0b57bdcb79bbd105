"""What is in the table survives `kill -9`, at whatever moment it comes.

``make kills`` does this some hundred times; ``KILLS`` says how often.
"""

import os
import random
import time
from pathlib import Path

import pytest

from tests.e2e.kills import Crowd
from tests.proxy_process import ProxyProcess

KILLS = int(os.environ.get("KILLS", "6"))
# What the documentation promises.
ON_DISK_SECONDS = 1.0


@pytest.fixture
def proxies(tmp_path_factory: pytest.TempPathFactory):
    """Two proxies that are never run at the same time, on one state file."""
    state = tmp_path_factory.mktemp("state") / "state.db"
    made = []
    for exposition in ("merged", "verbatim"):
        directory = Path(tmp_path_factory.mktemp("p"))
        exporter = {"state_file": str(state), "exposition": exposition, "self_metrics": False}
        made.append(ProxyProcess(directory, {"exporter": exporter}))
    yield made
    for process in made:
        if process._process is not None and process.running:
            process.process.kill()
            process.process.wait()


def test_kill_at_any_moment_loses_nothing(proxies: list[ProxyProcess]):
    """An update is on disk a second after it was taken; at SIGTERM all of them are."""
    crowd = Crowd()
    kills = 0
    while kills < KILLS:
        running = random.choice(proxies)
        running.start()
        if random.random() < 0.15:
            # While it starts: what was there has to be there afterwards.
            time.sleep(random.uniform(0.0, 0.5))
            running.process.kill()
            running.wait()
            kills += 1
            continue
        running.wait_ready()
        crowd.check(running.get("/metrics").body)
        crowd.push_to(running)
        time.sleep(random.uniform(0.05, 2.0))
        ended = time.monotonic()
        if random.random() < 0.15:
            assert running.stop() == 0
            allowed = 0.0
        else:
            running.process.kill()
            running.wait()
            kills += 1
            # Time in which the machine stood still doesn't count.
            allowed = ON_DISK_SECONDS + crowd.stalled
        crowd.wait()
        crowd.forget_since(ended - allowed)
    running = proxies[0]
    running.start()
    running.wait_ready()
    crowd.check(running.get("/metrics").body)
    assert running.stop() == 0
    assert crowd.pushes > 10 * KILLS
    for process in proxies:
        assert "damaged" not in process.log_text()
        assert "Traceback" not in process.log_text()
    print(f"kills={kills} pushes={crowd.pushes}")  # noqa: T201 - the report of `make kills`
