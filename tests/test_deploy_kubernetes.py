"""deploy/kubernetes: put together by Kustomize, checked by Kubernetes' own schemas and by rules of ours, without a
cluster.
"""

import re
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from consent_engine.api.service import prometheus
from consent_engine.config.settings import Settings, warnings
from consent_engine.domain.effects import Lane
from tests import needs
from tests.waiting import HANGS_S
from workers.__main__ import _options

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
OLDEST, NEWEST = "1.30", "1.37"
ALL = [
    (path.name, document)
    for path in sorted(FOLDER.rglob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text("utf-8"))
]
OVERLAYS = ("one-redis", "cluster")
PODS = [each for _, each in ALL if each["kind"] == "Deployment"]
SCALED = [each for _, each in ALL if each["kind"] == "ScaledObject"]
LANES = [lane.value for lane in Lane]


def named(each):
    return f"{each['kind']}-{each['metadata']['name']}"


def of(kind, name="consent"):
    [found] = [each for _, each in ALL if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", [m for _, m in ALL if m["kind"] != "ScaledObject"], ids=named)
def test_a_manifest_keeps_the_schema(manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)


def kustomization(overlay):
    return yaml.safe_load((FOLDER / overlay / "kustomization.yaml").read_text("utf-8"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_put_together_and_says_who_counts_the_workers(overlay):
    told = subprocess.run(
        [needs.program("kustomize", "kustomize"), "build", FOLDER / overlay],
        capture_output=True, text=True, timeout=HANGS_S, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    built = list(yaml.safe_load_all(told.stdout))
    for each in (each for each in built if each["kind"] != "ScaledObject"):
        kubernetes_validate.validate(each, NEWEST, strict=True)
    whole = [
        named(each) for _, each in ALL if each["kind"] != "Secret" and (each not in SCALED or overlay == "cluster")
    ]
    assert sorted(map(named, built)) == sorted(whole)
    counted = {
        each["metadata"]["name"] for each in built if each["kind"] == "Deployment" and "replicas" in each["spec"]
    }
    counted |= {each["spec"]["scaleTargetRef"]["name"] for each in built if each["kind"] == "ScaledObject"}
    assert counted == {f"consent-worker-{lane}" for lane in LANES}
    [settings] = [each["data"] for each in built if each["kind"] == "ConfigMap"]
    assert settings == settings_of(overlay)


def test_the_schemas_can_say_no():
    broken = {**PODS[0], "spec": {**PODS[0]["spec"], "replicaz": 3}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, NEWEST, strict=True)


@pytest.mark.parametrize("deployment", PODS, ids=named)
def test_a_pod_may_do_little(deployment):
    pod = deployment["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert [next(iter(set(volume) - {"name"})) for volume in pod["volumes"]] == ["emptyDir"]
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"]["cpu"]
    assert re.fullmatch(r"[a-z0-9./-]+:\d+\.\d+\.\d+", container["image"])
    assert {"startupProbe", "livenessProbe"} <= set(container), "a slow start is no reason to be killed"
    longest = Settings.load({}, env_file=None).call_timeout.total_seconds()
    assert pod["terminationGracePeriodSeconds"] > longest
    assert {kind for source in container["envFrom"] for kind in source} == {"configMapRef", "secretRef"}


@pytest.mark.parametrize("deployment", PODS, ids=named)
def test_what_selects_finds_its_pods_and_a_budget_keeps_some(deployment):
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    budget = of("PodDisruptionBudget", deployment["metadata"]["name"])
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert "replicas" not in deployment["spec"], "whoever scales it would be undone by the next apply"
    [spread] = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels


def test_the_doors_are_asked_whether_they_live_and_whether_they_are_ready():
    [container] = of("Deployment", "consent-api")["spec"]["template"]["spec"]["containers"]
    asked = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
    assert asked == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    ports = {port["name"] for port in container["ports"]}
    for service in ("consent-api", "consent-metrics"):
        spec = of("Service", service)["spec"]
        assert spec["ports"][0]["targetPort"] in ports
        assert spec["selector"] == of("Deployment", "consent-api")["spec"]["selector"]["matchLabels"]


def test_every_lane_has_workers_and_their_command_is_one_that_workers_understand():
    found = []
    for deployment in PODS:
        [container] = deployment["spec"]["template"]["spec"]["containers"]
        if container["command"][:3] == ["python", "-m", "workers"]:
            [lane] = _options(container["command"][3:]).lanes
            assert deployment["metadata"]["name"] == f"consent-worker-{lane}"
            found.append(lane.value)
    assert sorted(found) == sorted(LANES)


def test_each_lane_is_scaled_on_its_own_oldest_age_by_a_metric_that_is_published():
    """KEDA's kind has no schema here: its fields are those that the documentation names."""
    names = {f"consent_lane_{name}{unit}" for name, unit, _, _ in prometheus._LANES}  # noqa: SLF001 - the page's own table
    for scaled in SCALED:
        assert scaled["apiVersion"] == "keda.sh/v1alpha1"
        spec = scaled["spec"]
        assert set(spec) == {
            "scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "fallback", "advanced",
            "triggers",
        }  # fmt: skip
        assert set(spec["fallback"]) == {"failureThreshold", "replicas"}
        assert set(spec["advanced"]) == {"horizontalPodAutoscalerConfig"}
        assert 2 <= spec["minReplicaCount"] <= spec["fallback"]["replicas"] <= spec["maxReplicaCount"]
        [trigger] = spec["triggers"]
        assert (trigger["type"], trigger["metricType"]) == ("prometheus", "Value")
        assert set(trigger["metadata"]) == {"serverAddress", "query", "threshold"}
        metric, lane = re.fullmatch(r'max\((\w+)\{lane="(\w+)"\}\)', trigger["metadata"]["query"]).groups()
        assert metric in names
        assert spec["scaleTargetRef"] == {"name": f"consent-worker-{lane}"} == {"name": scaled["metadata"]["name"]}
        assert float(trigger["metadata"]["threshold"]) > 0
        # The autoscaler that KEDA makes from it is Kubernetes' own, with a schema.
        behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        made = of("HorizontalPodAutoscaler", "consent-api")
        kubernetes_validate.validate({**made, "spec": {**made["spec"], "behavior": behaviour}}, NEWEST, strict=True)
    assert sorted(scaled["metadata"]["name"] for scaled in SCALED) == sorted(f"consent-worker-{n}" for n in LANES)


def settings_of(overlay):
    patches = [yaml.safe_load(each["patch"])["data"] for each in kustomization(overlay).get("patches", ())]
    return {name: value for data in [of("ConfigMap")["data"], *patches] for name, value in data.items()}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_engine_starts_on_these_settings(overlay):
    config, secret = settings_of(overlay), of("Secret")["stringData"]
    if overlay == "one-redis":
        secret = {**secret, "CONSENT_REDIS_URL": "redis://redis.stores:6379/0"}
    assert not set(config) & set(secret)
    assert not [name for name in config if "SECRET" in name or "REDIS" in name]
    loaded = Settings.load({**config, **secret}, env_file=None)
    assert loaded.unknown == ()
    assert (loaded.cells > 1) == loaded.redis_url.startswith("redis+cluster://")
    assert loaded.archive_url.startswith("postgresql"), "one archive for all pods: a file in each would be many"
    assert not warnings(loaded)


def test_nothing_comes_in_or_goes_out_that_is_not_named():
    closed = of("NetworkPolicy", "nothing-else")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, deployment in (
        ("to-the-doors", "consent-api"),
        *(("to-the-workers", f"consent-worker-{n}") for n in LANES),
    ):
        doors = of("NetworkPolicy", name)["spec"]["ingress"]
        ports = {port["port"] for rule in doors for port in rule["ports"]}
        [container] = of("Deployment", deployment)["spec"]["template"]["spec"]["containers"]
        assert ports == {port["containerPort"] for port in container["ports"]}
        assert all(rule["from"] for rule in doors)
    assert all(each["metadata"]["namespace"] == "consent" for _, each in ALL if each["kind"] != "Namespace")


def test_traces_and_a_gateways_own_port_are_let_out():
    rules = [rule for _, each in ALL if each["kind"] == "NetworkPolicy" for rule in each["spec"].get("egress", ())]
    assert {443, 4318, 5432, 6379, 13013} <= {port["port"] for rule in rules for port in rule["ports"]}
    assert all(rule["to"] for rule in rules)


def test_the_readme_names_every_file():
    told = (FOLDER / "README.md").read_text("utf-8")
    files = [path for path in FOLDER.rglob("*.yaml") if path.name != "kustomization.yaml"]
    assert [path.name for path in files if path.name not in told] == []
    assert [name for name in OVERLAYS if f"-k {name}" not in told] == []
