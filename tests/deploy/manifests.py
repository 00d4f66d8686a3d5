"""What the manifests say must fit what the configuration beside them says: ports, waits, names."""

import configparser
import sys

import yaml


def seconds(text):
    assert text.endswith("s"), text
    return int(text[:-1])


def configuration(path):
    with open(path) as file:
        return yaml.safe_load(file)


def kubernetes(path):
    with open(path) as file:
        objects = {entry["kind"]: entry for entry in yaml.safe_load_all(file)}
    assert set(objects) == {"ConfigMap", "Deployment"}, set(objects)
    config_map, pod = objects["ConfigMap"], objects["Deployment"]["spec"]["template"]["spec"]
    server = yaml.safe_load(config_map["data"]["config.yaml"])["server"]
    [sidecar], [app] = pod["initContainers"], pod["containers"]

    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["image"].endswith("/chipp-proxy:" + version()), sidecar["image"]
    assert [variable["valueFrom"]["secretKeyRef"] for variable in sidecar["env"]] == [
        {"name": "chipp", "key": "CHIPP_API_KEY"}
    ]

    # The configuration arrives, and a new one in the pods that run: the name stays, and the folder is mounted whole.
    [volume], [mount] = pod["volumes"], sidecar["volumeMounts"]
    assert volume["configMap"]["name"] == config_map["metadata"]["name"] == "chipp-proxy"
    assert mount["name"] == volume["name"] and "subPath" not in mount
    assert sidecar["args"] == ["serve", "--config", mount["mountPath"] + "/config.yaml"]

    # Probes meet the admin address, the app the other one.
    [port] = sidecar["ports"]
    assert server["admin"] == f"0.0.0.0:{port['containerPort']}"
    for probe in "startupProbe", "readinessProbe", "livenessProbe":
        assert sidecar[probe]["httpGet"]["port"] == port["name"], probe
    address = next(variable["value"] for variable in app["env"] if variable["name"] == "OPENAI_BASE_URL")
    assert address == f"http://{server['listen']}/v1"

    # Time for the app to stop, and then for the proxy.
    assert pod["terminationGracePeriodSeconds"] >= 30 + seconds(server["drain"]) + 5

    security = sidecar["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] and security["runAsUser"] == 65532
    assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert sidecar["resources"]["requests"] and sidecar["resources"]["limits"]


def compose(path):
    services = configuration(path)["services"]
    proxy, app = services["chipp-proxy"], services["app"]
    assert proxy["volumes"] == ["./sidecar.yaml:/config.yaml:ro"]
    server = configuration("deploy/sidecar.yaml")["server"]
    assert app["network_mode"] == "service:chipp-proxy"
    assert app["environment"]["OPENAI_BASE_URL"] == f"http://{server['listen']}/v1"
    # `health` asks there.
    assert server["admin"] == "127.0.0.1:9090"
    assert seconds(proxy["stop_grace_period"]) >= seconds(server.get("drain", "30s")) + 5


def systemd(path):
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str
    unit.read(path)
    service = unit["Service"]
    server = configuration("deploy/gateway.yaml")["server"]
    assert seconds(service["TimeoutStopSec"]) >= seconds(server.get("drain", "30s")) + 5
    credential = service["LoadCredential"].split(":")[0]
    with open(path) as file:
        assert f"Environment=CHIPP_PROXY__UPSTREAM__API_KEY_FILE=%d/{credential}\n" in file


def version():
    with open("Cargo.toml") as file:
        return next(line.split('"')[1] for line in file if line.startswith("version"))


if __name__ == "__main__":
    {"kubernetes": kubernetes, "compose": compose, "systemd": systemd}[sys.argv[1]](sys.argv[2])
