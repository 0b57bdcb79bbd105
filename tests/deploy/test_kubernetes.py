"""The Kubernetes example, by the schemas of the API."""

import tomllib
from typing import Any

import kubernetes_validate
import pytest
import yaml

from exporter_proxy.config import read
from tests.deploy.files import DEPLOY, load

DOCUMENTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((DEPLOY / "kubernetes" / "sidecar.yaml").read_text(encoding="utf-8"))
)
CONFIG_MAP, DEPLOYMENT = DOCUMENTS
POD = DEPLOYMENT["spec"]["template"]["spec"]
(SIDECAR,) = POD["initContainers"]
CONFIG = CONFIG_MAP["data"]["config.toml"]


# From the first version that has sidecars by default.
@pytest.mark.parametrize("version", ["1.29", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["kind"])
def test_valid_for_the_api(document, version):
    """Strictly: no key that the API doesn't know."""
    kubernetes_validate.validate(document, version, strict=True)


def test_validation_can_fail():
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**CONFIG_MAP, "dta": {}}, "1.29", strict=True)


def test_configuration_is_one():
    config = read(tomllib.loads(CONFIG))

    assert str(config.exporter.scrape_expose_endpoint) == "0.0.0.0:6555"
    assert config.receiver.receiver_unix_socket == "/run/exporter-proxy/receiver.sock"


def test_probes_ask_what_there_is():
    probes = {name: SIDECAR[name]["httpGet"] for name in SIDECAR if name.endswith("Probe")}

    assert {name: probe["path"] for name, probe in probes.items()} == {
        "startupProbe": "/-/ready",
        "readinessProbe": "/-/ready",
        "livenessProbe": "/-/healthy",
    }
    (port,) = SIDECAR["ports"]
    endpoint = tomllib.loads(CONFIG)["exporter"]["scrape_expose_endpoint"]
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    assert endpoint == f"0.0.0.0:{port['containerPort']}"


def test_socket_is_shared():
    """The application sees the directory that the receiver's socket is in."""
    (application,) = POD["containers"]
    shared = {mount["mountPath"] for mount in application["volumeMounts"]}

    assert shared == {"/run/exporter-proxy"}
    assert shared <= {mount["mountPath"] for mount in SIDECAR["volumeMounts"]}
    volumes = {volume["name"] for volume in POD["volumes"]}
    for container in (application, SIDECAR):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        # By the group: the users differ.
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert POD["securityContext"]["fsGroup"] == SIDECAR["securityContext"]["runAsGroup"]


def test_prometheus_finds_it():
    """By the names of container and port."""
    (job,) = load(DEPLOY / "kubernetes" / "prometheus.yml")["scrape_configs"]
    keep = next(rule for rule in job["relabel_configs"] if rule.get("action") == "keep")

    assert keep["regex"] == f"{SIDECAR['name']};{SIDECAR['ports'][0]['name']}"
