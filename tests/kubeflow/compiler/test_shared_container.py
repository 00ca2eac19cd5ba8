"""What a table may change in a container in which Kubeflow Pipelines' launcher runs as well."""

from __future__ import annotations

import pytest

from agnews.kubeflow.compiler.shared_container import (
    check_mounts,
    require_no_token_for_all,
    shared_variables,
    step_environment,
)
from agnews.pipeline.load_deployment import load_deployment
from agnews.schemas.deployment import Deployment, NodeDeployment, SecretKey, Volume
from agnews.schemas.errors import AgnewsError

SECRET = SecretKey(secret="s", key="k")
CLUSTER = "localhost,127.0.0.1,.svc,.svc.cluster.local,.cluster.local,.kubeflow,$(KUBERNETES_SERVICE_HOST)"


@pytest.mark.parametrize("proxy", ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("hidden", [False, True])
def test_what_the_launcher_calls_goes_past_a_proxy(proxy: str, hidden: bool) -> None:
    row = NodeDeployment(secret_env={proxy: SECRET}) if hidden else NodeDeployment(env={proxy: "http://proxy:3128"})
    env = step_environment("Trainer", row)
    assert env["NO_PROXY"] == env["no_proxy"] == CLUSTER
    assert (proxy in env) is not hidden


def test_what_the_table_sends_past_a_proxy_stays() -> None:
    row = NodeDeployment(env={"HTTPS_PROXY": "http://proxy:3128", "no_proxy": "s3.example, .svc"})
    assert step_environment("Trainer", row)["NO_PROXY"] == f"s3.example,.svc,{CLUSTER.replace('.svc,', '', 1)}"
    everything = NodeDeployment(env={"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"})
    assert step_environment("Trainer", everything)["no_proxy"] == "*"
    assert step_environment("Trainer", NodeDeployment(env={"B": "1", "A": "2"})) == {"A": "2", "B": "1"}


def test_what_goes_past_a_proxy_is_no_secret() -> None:
    row = NodeDeployment(env={"HTTPS_PROXY": "http://proxy:3128"}, secret_env={"NO_PROXY": SECRET})
    with pytest.raises(AgnewsError, match="cannot be completed"):
        step_environment("Trainer", row)


@pytest.mark.parametrize(
    "name",
    [
        "KFP_POD_NAME",
        "ML_PIPELINE_SERVICE_HOST",
        "METADATA_GRPC_SERVICE_HOST",
        "ARGO_TEMPLATE",
        "KUBERNETES_SERVICE_HOST",
        "GRPC_PROXY_EXP",
        "GODEBUG",
        "PATH",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_what_the_launcher_goes_by_is_not_for_a_table(name: str, hidden: bool) -> None:
    row = NodeDeployment(secret_env={name: SECRET}) if hidden else NodeDeployment(env={name: "x"})
    with pytest.raises(AgnewsError, match="a variable of Trainer that is not ours") as raised:
        step_environment("Trainer", row)
    assert name in str(raised.value.found)


def test_ours_are_ours() -> None:
    env = {
        "AWS_ENDPOINT_URL": "http://a:9000",
        "AWS_REGION": "b",
        "GOOGLE_CLOUD_PROJECT": "c",
        "PATHS": "d",
        "TF_X": "e",
    }
    assert step_environment("Trainer", NodeDeployment(env=env)) == env


@pytest.mark.parametrize("path", ["/kfp-launcher", "/s3", "/minio/a", "/var/run", "/.cache/"])
def test_a_volume_does_not_take_the_place_of_the_launchers(path: str) -> None:
    with pytest.raises(AgnewsError, match="in the place of one that every step has"):
        check_mounts("Trainer", NodeDeployment(volumes=(Volume(path=path, claim="news"),)))
    with pytest.raises(AgnewsError, match="in the place of one"):
        check_mounts("Trainer", NodeDeployment(volumes=(Volume(path="/mnt", claim="kfp-launcher"),)))
    check_mounts("Trainer", NodeDeployment(volumes=(Volume(path="/mnt/s3", claim="s3"),)))


def _table(**defaults: object) -> Deployment:
    deployment = load_deployment("cpu")
    return deployment.model_copy(update={"defaults": deployment.defaults.model_copy(update=defaults)})


def test_a_token_for_encoders_is_not_for_all_steps() -> None:
    with pytest.raises(AgnewsError, match="a token for encoders to all steps"):
        require_no_token_for_all(_table(secret_env={"HF_TOKEN": SECRET}))
    require_no_token_for_all(_table(secret_env={"OTHER": SECRET}))


def test_what_both_read_is_said() -> None:
    notes = shared_variables(_table(env={"SSL_CERT_FILE": "/ca.pem", "HTTPS_PROXY": "http://proxy:3128"}))
    assert [note.partition(" ")[0] for note in notes] == ["SSL_CERT_FILE:", "NO_PROXY"]
    assert shared_variables(load_deployment("gpu")) == []
