"""The files in docker/ agree with one another and with the lock, checked without Docker, cloud or Kubernetes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from smore_sweep.cli.main import main
from smore_sweep.execution import jobs, runner
from smore_sweep.execution.jobs import CODE, JOBS_ADDRESS

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
LOCK = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
PROJECT = (ROOT / "pyproject.toml").read_text()
DOCKERFILES = ("Dockerfile", "Dockerfile.gpu")
VERSION = re.search(r'^version = "(.+)"$', PROJECT, re.MULTILINE)
assert VERSION is not None
IMAGE = f"smore-sweep:{VERSION.group(1)}"


def instructions(name: str) -> list[str]:
    """Return the instructions of a Dockerfile, each on one line, without comments."""
    text = re.sub(r"^#.*\n", "", (DOCKER / name).read_text(), flags=re.MULTILINE)
    return [re.sub(r"\s+", " ", line).strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def load(name: str) -> Any:
    return yaml.safe_load((DOCKER / name).read_text())


def images(node: Any) -> set[str]:
    """Return the project's images that a file names."""
    if isinstance(node, dict):
        return set().union(*map(images, node.values()))
    if isinstance(node, list):
        return set().union(*map(images, node))
    return {node} if isinstance(node, str) and re.search(r"smore-sweep:\S+$", node) else set()


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    mapping: dict[str, dict[str, Any]] = load("compose.yaml")["services"]
    return mapping


@pytest.mark.parametrize("name", DOCKERFILES)
def test_dockerfiles_keep_the_usual_rules(name: str) -> None:
    lines = instructions(name)
    assert lines[0].startswith("FROM python:3.11.")
    assert re.fullmatch(
        r"FROM python:\d+\.\d+\.\d+-slim-bookworm", lines[0]
    )  # pinned to the patch: Ray requires equal versions
    assert not [line for line in lines if line.startswith(("ADD ", "MAINTAINER ")) or "sudo" in line]
    for line in lines:
        if "apt-get install" in line:
            assert "apt-get update &&" in line
            assert "--yes --no-install-recommends" in line
            assert line.endswith("rm -rf /var/lib/apt/lists/*")
        if "pip install" in line:
            assert "--constraint constraints.txt" in line or "--no-deps --editable ." in line
    assert any("PIP_NO_CACHE_DIR=1" in line for line in lines)
    users = [line for line in lines if line.startswith("USER ")]
    assert users == ["USER 1000"]  # a number, so that Kubernetes knows that it is not root
    assert not [line for line in lines[lines.index("USER 1000") :] if line.startswith(("RUN ", "COPY "))]
    assert lines[-1].startswith('CMD ["')
    assert not re.search(r"(?i)token=\S*[0-9a-f]{8}|password|secret", " ".join(lines))


def test_the_images_differ_in_their_torch_only() -> None:
    cpu, gpu = (instructions(name) for name in DOCKERFILES)
    assert [line for line in cpu if line not in gpu and "torch" not in line] == [cpu[-2]]
    assert gpu[-2].startswith(cpu[-2])  # the GPU image sets two more variables
    assert [line for line in gpu if line not in cpu] == [gpu[-2]]
    assert "torch" in LOCK


def test_the_recipe_for_apptainer_is_the_gpu_image_without_its_code() -> None:
    recipe = (DOCKER / "apptainer.def").read_text()
    image = instructions("Dockerfile.gpu")
    (base,) = re.findall(r"^From: (.+)$", recipe, re.MULTILINE)
    assert image[0] == f"FROM {base}"
    for option in ("--constraint constraints.txt", ".[cluster,s3]", "libegl1 libegl-mesa0 libgl1-mesa-dri"):
        assert option in recipe
        assert any(option in line for line in image)
    (variables,) = (line for line in image if line.startswith("ENV PYTHONUNBUFFERED"))
    for name, value in re.findall(r"^ +export (\w+)=(\S+)$", recipe.partition("%environment")[2], re.MULTILINE):
        assert f"{name}={value}" in variables
    assert "MINARI_DATASETS_PATH" not in recipe  # the submitting shell's
    for path in re.findall(r"^ +(\S+) /opt/smore_sweep/", recipe, re.MULTILINE):
        assert (ROOT / path).is_file()


def test_the_images_hold_the_code_and_nothing_else() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [word for line in instructions("Dockerfile") if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert sorted(allowed) == sorted(copied)
    assert set(CODE) == {name for name in allowed if (ROOT / name).is_dir()}
    assert "*" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_lock_has_all_that_the_images_install() -> None:
    required = {"ray", "mlflow", "torch", "minari", "mujoco", "aiohttp-cors", "grpcio", "virtualenv", "s3fs", "boto3"}
    assert required <= LOCK.keys()
    assert 'cluster = ["ray[default]' in PROJECT
    assert 's3 = ["s3fs' in PROJECT
    assert '".[cluster,s3]"' in (DOCKER / "Dockerfile").read_text()
    assert f"rayVersion: {LOCK['ray']}\n" in (DOCKER / "kuberay" / "rayjob.yaml").read_text()
    assert re.search(r'requires-python = ">=3\.11"', PROJECT)


def test_all_files_name_the_same_images() -> None:
    names = images(load("compose.yaml")) | images(load("ray-cluster.yaml")) | images(load("kuberay/rayjob.yaml"))
    assert {name.rsplit("/", 1)[-1] for name in names} == {IMAGE, f"{IMAGE}-gpu"}


def test_compose_binds_to_loopback_and_keeps_its_token_secret(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert "privileged" not in service
        assert "user" not in service
        if name != "mlflow":
            assert service["secrets"] == ["ray_token"]
            assert service["environment"]["RAY_AUTH_MODE"] == "token"
            assert service["environment"]["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/ray_token"
            assert "RAY_AUTH_TOKEN" not in service["environment"]
    assert load("compose.yaml")["secrets"] == {"ray_token": {"environment": "RAY_AUTH_TOKEN"}}


def test_compose_has_one_shared_volume_at_one_path(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert [mount for mount in service["volumes"] if mount.startswith("shared:")] == ["shared:/shared"], name
    text = (DOCKER / "Dockerfile").read_text()
    assert "MINARI_DATASETS_PATH=/shared/" in text
    assert "--group sweep /shared /database" in text  # so the user owns the volumes
    assert services["mlflow"]["volumes"] == ["shared:/shared", "database:/database"]
    assert "--backend-store-uri=sqlite:////database/mlflow.db" in services["mlflow"]["command"]
    assert "--results=/shared/results" in services["sweep"]["entrypoint"]


def test_compose_starts_things_in_order_and_checks_their_health(services: dict[str, dict[str, Any]]) -> None:
    assert "--workers=1" in services["mlflow"]["command"]
    for name, service in services.items():
        for other, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}, name
            assert "healthcheck" in services[other]
    assert services["worker"].keys() & {"container_name", "ports", "hostname"} == set()  # these prevent scaling
    assert services["ray-head"]["environment"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert services["ray-head"]["environment"]["RAY_AUTH_MODE"] == "token"
    assert f"127.0.0.1:{JOBS_ADDRESS.rsplit(':')[-1]}:8265" in services["ray-head"]["ports"]


def test_the_commands_of_compose_have_the_options_they_give(
    services: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a process of its own: both warn when imported.
    listing = (
        "from mlflow.cli import server; from ray.scripts.scripts import healthcheck, start\n"
        "for command in (server, start, healthcheck): print(*(flag for param in command.params for flag in param.opts))"
    )
    output = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True).stdout
    mlflow, start, health = (set(line.split()) for line in output.splitlines()[-3:])

    def flags(words: list[str]) -> set[str]:
        return {word.split("=")[0] for word in words if word.startswith("--")}

    assert flags(services["mlflow"]["command"]) <= mlflow
    for name in ("ray-head", "worker", "gpu-worker"):
        assert flags(services[name]["command"]) <= start
    assert flags(services["ray-head"]["healthcheck"]["test"]) <= health
    sweep = services["sweep"]
    calls: list[tuple[str, str, str]] = []

    def submit(sweep: str, _: list[str], *, results: str, address: str, detach: bool) -> int:
        calls.append((sweep, results, address))
        return 0

    monkeypatch.setattr(jobs, "submit", submit)
    assert main([*sweep["entrypoint"][1:], *sweep["command"]]) == 0
    assert calls == [("quickstart", "/shared/results", "http://ray-head:8265")]


def test_the_cloud_cluster_passes_rays_own_check() -> None:
    check = (
        "import sys, yaml; from ray.autoscaler._private.util import prepare_config, validate_config;"
        "validate_config(prepare_config(yaml.safe_load(open(sys.argv[1]))))"
    )
    file = str(DOCKER / "ray-cluster.yaml")
    result = subprocess.run([sys.executable, "-c", check, file], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    cluster = load("ray-cluster.yaml")
    types = cluster["available_node_types"]
    assert types[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    workers = {name: kind for name, kind in types.items() if name != cluster["head_node_type"]}
    assert all(kind["min_workers"] == kind["max_workers"] for kind in workers.values())
    assert sum(kind["max_workers"] for kind in workers.values()) <= cluster["max_workers"]
    (path,) = cluster["file_mounts"]
    assert f"--env RAY_AUTH_TOKEN_PATH={path}" in cluster["docker"]["run_options"]
    assert "--dashboard-host=127.0.0.1" in cluster["head_start_ray_commands"][-1]


def test_the_kubernetes_job_retries_into_the_same_results(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def run(_: str, **options: Any) -> int:
        calls.append(options)
        return 0

    monkeypatch.setattr(runner, "run", run)
    job = load("kuberay/rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    assert spec["backoffLimit"] > 0
    assert spec["shutdownAfterJobFinishes"] is True
    cluster = spec["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    assert main(spec["entrypoint"].split()[1:]) == 0
    assert [(call["address"], str(call["results"])) for call in calls] == [("auto", "/shared/results")]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert container["volumeMounts"] == [{"name": "shared", "mountPath": "/shared"}]
        assert pod["securityContext"]["runAsNonRoot"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
        (container,) = group["template"]["spec"]["containers"]
        wants_gpu = "nvidia.com/gpu" in container["resources"]["limits"]
        assert wants_gpu == (group["groupName"] == "gpu") == container["image"].endswith("-gpu")
    claims = {claim["metadata"]["name"]: claim["spec"] for claim in _services() if claim["kind"].endswith("Claim")}
    (volume,) = groups[0]["template"]["spec"]["volumes"]
    assert claims[volume["persistentVolumeClaim"]["claimName"]]["accessModes"] == ["ReadWriteMany"]


def test_the_kubernetes_services_are_those_of_compose(services: dict[str, dict[str, Any]]) -> None:
    (deployment,) = (manifest for manifest in _services() if manifest["kind"] == "Deployment")
    (service,) = (manifest for manifest in _services() if manifest["kind"] == "Service")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["command"] == services["mlflow"]["command"]
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    head = load("kuberay/rayjob.yaml")["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    name, port = service["metadata"]["name"], service["spec"]["ports"][0]["port"]
    assert head["env"] == [{"name": "MLFLOW_TRACKING_URI", "value": f"http://{name}:{port}"}]


def _services() -> list[Any]:
    return list(yaml.safe_load_all((DOCKER / "kuberay" / "services.yaml").read_text()))
