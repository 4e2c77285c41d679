"""Containers: runc alone, mx-runtime handing on, mx-runtime with two versions. How long one takes to start, redis in one."""

import contextlib
import csv
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from mxtest import settings



def files_of(program):
    """The program, its loader and its libraries."""
    listed = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    return [program, *sorted(set(re.findall(r"/lib\S+", listed)))]


class Workshop:
    """Two root trees with the same programs, a bundle of each kind, and mx's configuration, in the box's folder."""

    def __init__(self, context, programs=("/bin/true",), args=("/bin/true",)):
        self.args = list(args)
        self.folder = pathlib.Path(context.box.folder)
        self.build = pathlib.Path(settings.mx()).resolve().parents[2] if not context.box.native else None
        for version in ("old", "new"):
            for file in [file for program in programs for file in files_of(program)]:
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
        config["process"].update(terminal=False, args=self.args,
                                 rlimits=[{"type": "RLIMIT_NOFILE", "soft": 1000, "hard": 1024}])
        if self.args == ["/bin/true"]:  # a network namespace costs more than all the rest of a start
            config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
        config["annotations"] = annotations
        (bundle / "config.json").write_text(json.dumps(config))

    def install_mx(self):
        libexec = self.folder / "libexec"
        libexec.mkdir()
        for name, place in (("mx-hook", "hooks/mx-hook"), ("mx-enter", "oci/enter/mx-enter"),
                            ("mx-tables", "shim/sites/mx-tables"), ("mx-monitor", "shim/monitor/mx-monitor"),
                            ("mx-analyze", "analyzer/mx-analyze"), ("mx-analyze-full", "analyzer/mx-analyze-full")):
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

    @contextlib.contextmanager
    def running(self, runtime, bundle, name):
        """The bundle's container while the block runs."""
        with open(self.folder / "out", "wb") as out, subprocess.Popen(
                [runtime, "--root", self.folder / "rt", "run", name], cwd=self.folder / bundle, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out) as container:
            try:
                yield
            finally:
                subprocess.run([runtime, "--root", self.folder / "rt", "kill", name, "KILL"], env=self.environment, check=False)
                container.wait(30)

    def check_report(self):
        """A figure of one version alone would be none."""
        for report in self.folder.glob("store/reports/*/report.jsonl"):
            if '"dropped"' in report.read_text():
                raise AssertionError(f"a version was lost:\n{report.read_text()[-2000:]}")

    def execute(self, runtime, name, command, attempts=1):
        """What a command in the container prints."""
        for attempt in range(1, attempts + 1):
            done = subprocess.run([runtime, "--root", self.folder / "rt", "exec", name, *command],
                                  env=self.environment, capture_output=True, text=True, check=False)
            if done.returncode == 0 and "Could not connect" not in done.stdout + done.stderr:
                return done.stdout
            if attempt == attempts:
                raise AssertionError(f"{command[0]} in the container: {done.stdout}{done.stderr}{(self.folder / 'out').read_text()}")
            time.sleep(0.1)
        return ""


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


REDIS = ["/usr/bin/redis-server", "/usr/bin/redis-benchmark", "/usr/bin/redis-cli"]


def container_redis(context):
    """redis in a container, the load in it too (exec): GET and SET, 50 connections; natively runc alone."""
    workshop = Workshop(context, programs=REDIS, args=[REDIS[0], "--save", "", "--protected-mode", "no"])
    runtime, bundle = (workshop.build / "oci/mx-runtime", "two") if workshop.build else ("runc", "one")
    name, result = f"bench-redis-{os.getpid()}", {}
    with workshop.running(runtime, bundle, name):
        workshop.execute(runtime, name, [REDIS[2], "ping"], attempts=50)   # until it listens: redis-benchmark would spin for ever
        for command in ("SET", "GET"):
            text = workshop.execute(runtime, name, [REDIS[1], "-c", "50", "-n", str(context.size(300_000, 60_000)), "-d", "100", "-r", "100000",
                                                    "-t", command.lower(), "--csv"])
            row = next(csv.DictReader(io.StringIO(text)))
            result |= {f"{command} [requests/s]": float(row["rps"]), f"{command} p50 [ms]": float(row["p50_latency_ms"]),
                       f"{command} p99 [ms]": float(row["p99_latency_ms"])}
    workshop.check_report()
    return result
