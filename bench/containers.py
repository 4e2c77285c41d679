"""The start of a container: runc alone, mx-runtime handing on, mx-runtime with two versions."""

import json
import os
import pathlib
import shutil
import subprocess
import time

from mxtest import settings

LIBRARIES = ["/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"]


class Workshop:
    """Two root trees with /bin/true, a bundle of each kind, and mx's configuration, in the box's folder."""

    def __init__(self, context):
        self.folder = pathlib.Path(context.box.folder)
        self.build = pathlib.Path(settings.mx()).resolve().parents[2] if not context.box.native else None
        for version in ("old", "new"):
            for file in ["/bin/true", *LIBRARIES]:
                target = self.folder / version / file[1:]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
            for name in ("proc", "sys", "dev", "tmp", "etc"):
                (self.folder / version / name).mkdir()
        for name, annotations in (("one", {}), ("two", {"run.mx.new": "image:app:new"})):
            self.make_bundle(name, annotations)
        self.environment = dict(os.environ)
        if self.build:
            self.install_mx()

    def make_bundle(self, name, annotations):
        bundle = self.folder / name
        bundle.mkdir()
        subprocess.run(["runc", "spec"], cwd=bundle, check=True)
        config = json.loads((bundle / "config.json").read_text())
        config["root"] = {"path": str(self.folder / "old"), "readonly": False}
        config["process"].update(terminal=False, args=["/bin/true"],
                                 rlimits=[{"type": "RLIMIT_NOFILE", "soft": 1000, "hard": 1024}])
        config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
        config["annotations"] = annotations
        (bundle / "config.json").write_text(json.dumps(config))

    def install_mx(self):
        libexec = self.folder / "libexec"
        libexec.mkdir()
        for name, place in (("mx-hook", "hooks/mx-hook"), ("mx-enter", "oci/enter/mx-enter"),
                            ("mx-tables", "shim/sites/mx-tables"), ("mx-monitor", "shim/monitor/mx-monitor")):
            (libexec / name).symlink_to(self.build / place)
        (self.folder / "mx.toml").write_text(
            f'[runtime]\ninner = "runc"\n[paths]\nstate = "{self.folder}/state"\nstore = "{self.folder}/store"\n'
            f'cache = "{self.folder}/cache"\nlibexec = "{libexec}"\n')
        self.environment["MX_CONFIG"] = str(self.folder / "mx.toml")
        subprocess.run([settings.mx(), "image", "add", "app:new", f"dir:{self.folder}/new"], env=self.environment,
                       check=True, stdout=subprocess.DEVNULL)

    def start(self, runtime, bundle, number):
        """Seconds from the command to the end of the container."""
        begin = time.perf_counter()
        subprocess.run([runtime, "--root", self.folder / "rt", "run", f"bench-{os.getpid()}-{bundle}-{number}"],
                       cwd=self.folder / bundle, env=self.environment, check=True, stdin=subprocess.DEVNULL)
        return time.perf_counter() - begin


def container_start(context):
    """A container with /bin/true, from the start of the runtime to its end (natively by runc in both rows)."""
    workshop = Workshop(context)
    runtime = workshop.build / "oci/mx-runtime" if workshop.build else "runc"
    result = {}
    for name, bundle in (("handed on [ms]", "one"), ("two versions [ms]", "one" if context.box.native else "two")):
        workshop.start(runtime, bundle, "first")  # fills the caches
        times = sorted(workshop.start(runtime, bundle, n) for n in range(context.size(20, 7)))
        result[name] = times[len(times) // 2] * 1000
    return result
