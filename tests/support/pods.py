"""A pod that kwok only pretends to run, run as a real process at the pod's own address, as the pod says.

The command, the variables, the volumes and the readiness probe are the pod's, so the chart is tested with the process:
files appear below a folder of the pod's own, and a variable that names a mounted path names the file in that folder.
Service-account tokens come from TokenRequest, bound to the pod. What differs from a kubelet: no cluster DNS, one
process a pod, and volumes are brought up to date at `start` and `refresh`, not by and by.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.support.api_client import Object
from tests.support.control_plane import ControlPlane
from tests.support.processes import ChildProcess
from tests.support.waiting import wait_until

_REFERENCE = re.compile(r"\$\((\w+)\)")
"""`$(NAME)` in a command or an argument stands for a variable, as Kubernetes has it."""

SERVICE_ACCOUNT_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


class PodProcess:
    """One pod's process: `start` and `kill` it as often as the test likes; the pod, its address and its state stay.

    `extra` are variables of the test's own, which win over the pod's. `folder` takes the pod's files and its log.
    `command` stands for the container's own where that is a program of an image that nobody can run here.
    """

    command: Sequence[str] | None = None

    def __init__(self, plane: ControlPlane, pod: Object, folder: Path, extra: Mapping[str, str]) -> None:
        self.name: str = pod["metadata"]["name"]
        self.namespace: str = pod["metadata"]["namespace"]
        self.address: str = pod["status"]["podIP"]
        self.log = folder / f"{self.namespace}.{self.name}.log"
        self.extra = dict(extra)
        self._plane = plane
        self._pod = pod
        self._container: Object = pod["spec"]["containers"][0]
        self._root: Path = folder / f"{self.namespace}.{self.name}"
        self._process: ChildProcess | None = None

    # -- life cycle --------------------------------------------------------------------------------------------------

    def start(self, *, ready: bool = True, seconds: float = 30) -> None:
        """Bring the volumes up to date, start the process, and wait for its readiness probe unless `ready` is False.

        Main thread only. `ProcessDied` when it ends instead, `TimeoutError` when the probe stays bad.
        """
        self.refresh()
        command = self.command or [*self._container["command"], *self._container.get("args", [])]
        program = Path(sys.executable).with_name(command[0])
        environment = self.environment()
        words = [_REFERENCE.sub(lambda found: environment.get(found[1], found[0]), word) for word in command[1:]]
        self._process = ChildProcess(self.name, [program, *words], self.log, cwd=self._root, environment=environment)
        if ready:
            self.wait_ready(seconds)

    def kill(self, with_signal: signal.Signals = signal.SIGKILL, seconds: float = 60) -> int:
        """Send the signal and wait for the end; the exit code, negative for a signal. The pod stays as it is."""
        if self._process is None:
            raise RuntimeError(f"{self.name} does not run: start() it first")
        code = self._process.stop(with_signal, seconds)
        self._process = None
        return code

    def restart(self, with_signal: signal.Signals = signal.SIGKILL, *, ready: bool = True) -> None:
        self.kill(with_signal)
        self.start(ready=ready)

    def stop(self) -> None:
        """Kill it if it runs; safe at any time."""
        if self._process is not None:
            self.kill()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal without waiting, such as SIGSTOP and SIGCONT."""
        if self._process is not None:
            self._process.send(number)

    def wait_ready(self, seconds: float = 30) -> None:
        try:
            wait_until(self.is_ready, f"{self.name} to be ready at {self.probe_url()}", seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {self.log} ends with:\n{self.tail()}") from None

    def is_ready(self) -> bool:
        """Whether the readiness probe answers 200 now. `ProcessDied` when the process has ended."""
        if self._process is None:
            return False
        self._process.check()
        try:
            with urllib.request.urlopen(self.probe_url(), timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def tail(self, lines: int = 20) -> str:
        return self._process.tail(lines) if self._process else ""

    # -- addresses ---------------------------------------------------------------------------------------------------

    def url(self, port: str) -> str:
        """`http://address:port` for a port's name in the pod."""
        numbers = {declared["name"]: declared["containerPort"] for declared in self._container["ports"]}
        return f"http://{self.address}:{numbers[port]}"

    def probe_url(self) -> str:
        probe = self._container["readinessProbe"]["httpGet"]
        return self.url(probe["port"]) + str(probe["path"])

    def set_ready(self, ready: bool) -> None:
        """Say in the pod's status whether it is Ready, as a kubelet would; its EndpointSlices follow."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        conditions = self._plane.admin.get(path)["status"]["conditions"]
        for condition in conditions:
            if condition["type"] in {"Ready", "ContainersReady"}:
                condition["status"] = str(ready)
        self._plane.admin.merge(f"{path}/status", {"status": {"conditions": conditions}})

    # -- what the pod says -------------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """The container's variables with mounted paths moved; of the test's own environment only PATH."""
        given = {variable["name"]: self._value(variable) for variable in self._container.get("env", [])}
        own = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self._root), "TMPDIR": str(self._root / "tmp")}
        mounts = [mount["mountPath"] for mount in self._container.get("volumeMounts", [])]
        return own | {name: move_path(value, mounts, self._root) for name, value in given.items()} | self.extra

    def _value(self, variable: Object) -> str:
        if "value" in variable:
            return str(variable["value"])
        field = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        fields = {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "status.podIP": self.address,
            "spec.nodeName": self._pod["spec"].get("nodeName", ""),
            "spec.serviceAccountName": self._pod["spec"]["serviceAccountName"],
        }
        if field not in fields:
            raise NotImplementedError(f"variable {variable['name']} of pod {self.name}: add its source to pods.py")
        return str(fields[field])

    def refresh(self) -> None:
        """Write the volumes anew: tokens, ConfigMaps and Secrets as they are now. An emptyDir keeps what it holds."""
        (self._root / "tmp").mkdir(parents=True, exist_ok=True)
        volumes = {volume["name"]: volume for volume in self._pod["spec"].get("volumes", [])}
        for mount in self._container.get("volumeMounts", []):
            folder = self._moved(mount["mountPath"])
            folder.mkdir(parents=True, exist_ok=True)
            for source in _sources(volumes[mount["name"]]):
                for path, content in self._files(source).items():
                    _replace(folder / path, content)

    def _files(self, source: Object) -> dict[str, bytes]:
        match source:
            case {"serviceAccountToken": wanted}:
                return {wanted["path"]: self._token(wanted)}
            case {"configMap": wanted}:
                return self._keys("configmaps", wanted, wanted["name"])
            case {"secret": wanted}:
                return self._keys("secrets", wanted, wanted.get("secretName") or wanted["name"])
            case {"downwardAPI": {"items": items}}:
                return {item["path"]: self._value({"name": item["path"], "valueFrom": item}).encode() for item in items}
            case {"emptyDir": _}:
                return {}
        raise NotImplementedError(f"a volume of pod {self.name} has a source that pods.py does not know: {source}")

    def _token(self, wanted: Object) -> bytes:
        audiences = [wanted["audience"]] if "audience" in wanted else []
        account = self._pod["spec"]["serviceAccountName"]
        return self._plane.token(self.namespace, account, audiences=audiences, pod=self.name).encode()

    def _keys(self, plural: str, wanted: Object, name: str) -> dict[str, bytes]:
        found = self._plane.admin.find(f"/api/v1/namespaces/{self.namespace}/{plural}/{name}")
        if found is None:
            if wanted.get("optional"):
                return {}
            raise FileNotFoundError(f"pod {self.name} mounts {plural} {name}, which does not exist")
        content = keys_of(found)
        items = wanted.get("items") or [{"key": key, "path": key} for key in content]
        return {item["path"]: content[item["key"]] for item in items if item["key"] in content}

    def service_account_kubeconfig(self) -> Path:
        """A kubeconfig that stands for the token that kubelet mounts, since clients look for that at a fixed place."""
        folder = self._moved(SERVICE_ACCOUNT_MOUNT)
        folder.mkdir(parents=True, exist_ok=True)
        return self._plane.service_account_kubeconfig(folder / "kubeconfig", folder / "token", self.namespace)

    def _moved(self, path: str) -> Path:
        return self._root / path.lstrip("/")


class PodSet:
    """The pods that a label selector finds, each with its process: `sync` follows what Deployments did to them.

    `extra` gives the test's own variables for a pod, `command` what runs in place of its image. Processes are in the
    order of their pods' names.
    """

    def __init__(
        self,
        plane: ControlPlane,
        namespace: str,
        selector: str,
        folder: Path,
        extra: Callable[[PodProcess], Mapping[str, str]] = lambda _: {},
        command: Sequence[str] | None = None,
    ) -> None:
        self.namespace = namespace
        self.selector = selector
        self._plane = plane
        self._folder = folder
        self._extra = extra
        self._command = command
        self._processes: dict[str, PodProcess] = {}

    @property
    def processes(self) -> list[PodProcess]:
        return [self._processes[name] for name in sorted(self._processes)]

    def pods(self) -> list[Object]:
        """Pods that kwok runs and that nobody has asked to go."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        pods = self._plane.admin.items(path, {"labelSelector": self.selector})
        return [pod for pod in pods if pod["status"].get("podIP") and "deletionTimestamp" not in pod["metadata"]]

    def sync(self, with_signal: signal.Signals = signal.SIGTERM) -> list[PodProcess]:
        """Stop the processes of pods that went, start those of pods that came, wait until these are ready; all."""
        pods = {pod["metadata"]["name"]: pod for pod in self.pods()}
        for name in self._processes.keys() - pods.keys():
            process = self._processes.pop(name)
            if process.running:
                process.kill(with_signal)
        came = sorted(pods.keys() - self._processes.keys())
        for name in came:
            process = PodProcess(self._plane, pods[name], self._folder, {})
            process.command = self._command
            process.extra.update(self._extra(process))
            self._processes[name] = process
            process.start(ready=False)
        for name in came:
            self._processes[name].wait_ready()
        return self.processes

    def stop(self) -> None:
        for process in self._processes.values():
            process.stop()


def move_path(value: str, mounts: list[str], root: Path) -> str:
    """A path inside one of the mounts, below `root`; any other value unchanged."""
    inside = any(value == mount or value.startswith(mount.rstrip("/") + "/") for mount in mounts)
    return str(root / value.lstrip("/")) if inside else value


def keys_of(found: Object) -> dict[str, bytes]:
    """The keys of a ConfigMap or a Secret."""
    encoded = (found.get("binaryData") or {}) | ((found.get("data") or {}) if found["kind"] == "Secret" else {})
    plain = {} if found["kind"] == "Secret" else found.get("data") or {}
    decoded = {key: base64.b64decode(value) for key, value in encoded.items()}
    return decoded | {key: str(value).encode() for key, value in plain.items()}


def _sources(volume: Object) -> list[Object]:
    if "projected" in volume:
        return list(volume["projected"]["sources"])
    return [{kind: value for kind, value in volume.items() if kind != "name"}]


def _replace(path: Path, content: bytes) -> None:
    """Readers see the old file or the new one, never a part."""
    partial = path.with_name(path.name + ".new")
    partial.touch(mode=0o600)
    partial.write_bytes(content)
    partial.replace(path)
