"""The manifests of docs/clusters.md, against Kubernetes' schemas and KubeRay's fields."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tempo.cli import run
from tempo.core.errors import StoppedError

ROOT = Path(__file__).parents[2]

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
POD = {"type": "object", "required": ["spec"]}
WORKERS = {
    "type": "object",
    "additionalProperties": False,
    "required": ["groupName", "template"],
    "properties": {
        "groupName": {"type": "string"},
        "rayStartParams": TEXTS,
        "template": POD,
        **{
            name: {"type": "integer", "minimum": 0}
            for name in ("replicas", "minReplicas", "maxReplicas", "numOfHosts")
        },
    },
}
RAY_CLUSTER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "ray.io/v1"},
        "kind": {"const": "RayCluster"},
        "metadata": {"type": "object", "required": ["name"]},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "required": ["headGroupSpec"],
            "properties": {
                "rayVersion": {"type": "string"},
                "enableInTreeAutoscaling": {"type": "boolean"},
                "headGroupSpec": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["template"],
                    "properties": {"rayStartParams": TEXTS, "template": POD},
                },
                "workerGroupSpecs": {"type": "array", "items": WORKERS, "minItems": 1},
            },
        },
    },
}
"""What KubeRay's reference of ray.io/v1 says of the fields that the manifest uses."""


def manifest(name: str) -> dict[str, Any]:
    page = (ROOT / "docs" / "clusters.md").read_text()
    text = page.partition(f"<!-- {name}:")[2].partition("```yaml\n")[2].partition("\n```\n")[0]
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def validate(value: dict[str, Any]) -> None:
    """Raise what the schema of Kubernetes 1.33 says of a manifest; nothing in it is unknown."""
    kubernetes = pytest.importorskip("kubernetes_validate", reason="no kubernetes-validate")
    kubernetes.validate(value, "1.33", strict=True)


def pods(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    spec = cluster["spec"]
    return [each["template"] for each in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]


def test_the_cluster_has_the_fields_that_kuberay_knows() -> None:
    jsonschema.validate(manifest("kuberay"), RAY_CLUSTER)


def test_the_pods_of_the_cluster_are_pods() -> None:
    for template in pods(manifest("kuberay")):
        validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **template})


def test_the_validator_finds_what_is_wrong() -> None:
    template = pods(manifest("kuberay"))[0]
    template["spec"]["containers"][0]["workDir"] = "/data"
    with pytest.raises(Exception, match="workDir"):
        validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, **template})
    cluster = manifest("kuberay")
    cluster["spec"]["workerGroupSpecs"][0]["replica"] = 1
    with pytest.raises(jsonschema.ValidationError, match="replica"):
        jsonschema.validate(cluster, RAY_CLUSTER)


def test_the_head_of_the_cluster_carries_out_no_run_and_no_usage_is_reported() -> None:
    cluster = manifest("kuberay")
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for template in pods(cluster):
        (container,) = template["spec"]["containers"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]


def test_the_version_of_ray_is_the_one_that_is_pinned() -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert f"ray=={manifest('kuberay')['spec']['rayVersion']}" in pins


def test_the_job_without_ray_is_one() -> None:
    validate(manifest("batch"))


def test_the_job_without_ray_heeds_the_exit_codes_of_its_command() -> None:
    spec = manifest("batch")["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    program, command, *words = container["command"]
    assert (program, command) == ("tempo", "run")
    parser = argparse.ArgumentParser()
    run.configure(parser)
    assert parser.parse_args(words).slots == 1
    codes = {
        code: rule["action"]
        for rule in spec["podFailurePolicy"]["rules"]
        for code in rule.get("onExitCodes", {}).get("values", ())
    }
    assert codes == {1: "FailIndex", 2: "FailIndex", StoppedError.exit_code: "Ignore"}
    assert {
        rule["onExitCodes"]["containerName"]
        for rule in spec["podFailurePolicy"]["rules"]
        if "onExitCodes" in rule
    } == {container["name"]}
    # The policy is heeded only where Kubernetes itself begins no container again.
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
