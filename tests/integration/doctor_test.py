"""`mx doctor`: all is well here; what a sandbox refuses is named, with a remedy; engines and settings."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from mxtest import settings

PYTHON = "/usr/bin/python3"
REFUSE = settings.LIB / "mxtest" / "refuse.py"
RUN = ["kernel", "/proc", "seccomp", "memory", "ptrace", "process_vm_readv", "pidfd_getfd", "processors", "scheduling", "trial", "survival"]


@unittest.skipUnless(settings.mx(), "there is no mx")
class Doctor(unittest.TestCase):

    def doctor(self, *options, refused=None, env=None):
        prefix = [PYTHON, REFUSE, refused] if refused else []
        done = subprocess.run([*prefix, settings.mx(), "doctor", "--json", *options], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **(env or {})}, check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(done.returncode, int(any(f["state"] == "failed" for f in found)), found)
        for f in found:
            self.assertEqual(f["state"] != "ok", "remedy" in f, f)
        return {f["name"]: f for f in found}

    def test_all_is_well_here(self):
        found = self.doctor("--no-containers")
        self.assertEqual(RUN, list(found))
        self.assertEqual([], [f for f in found.values() if f["state"] == "failed"])
        self.assertIn("went on", found["survival"]["text"])

    def test_leaves_nothing_running(self):
        self.doctor("--no-containers")
        self.assertEqual("", subprocess.run(["/usr/bin/pgrep", "-f", f"^{settings.mx()} doctor"], capture_output=True, text=True, check=False).stdout)

    def test_what_is_refused_is_named(self):
        for calls, names in (("ptrace", {"ptrace", "trial", "survival"}), ("seccomp,prctl:22", {"seccomp", "trial", "survival"}),
                             ("pidfd_getfd", {"pidfd_getfd", "survival"}), ("process_vm_readv", {"process_vm_readv", "trial", "survival"})):
            with self.subTest(calls):
                found = self.doctor("--no-containers", refused=calls)
                self.assertEqual(names, {n for n, f in found.items() if f["state"] == "failed"}, found)

    def test_settings_and_folders(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("mine", "open"):
                pathlib.Path(folder, name).mkdir()
            pathlib.Path(folder, "open").chmod(0o777)
            config = pathlib.Path(folder, "config.toml")
            config.write_text(f"""[paths]
state = "{folder}/mine"
store = "{folder}/open"
[runtime]
inner = ["no-such-runtime"]
[unknown]
key = 1
""")
            found = self.doctor(env={"MX_CONFIG": str(config)})
            self.assertEqual({"state": "ok", "store": "failed", "runtime": "failed", "settings": "note"},
                             {n: found[n]["state"] for n in ("state", "store", "runtime", "settings")}, found)
            self.assertIn("unknown.key", found["settings"]["text"])
            config.write_text("not toml")
            self.assertEqual("failed", self.doctor(env={"MX_CONFIG": str(config)})["settings"]["state"])

    def test_for_people(self):
        done = subprocess.run([settings.mx(), "doctor", "--no-containers"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertEqual(RUN, [line.split()[1] for line in done.stdout.splitlines() if not line.startswith(" ")])


if __name__ == "__main__":
    unittest.main()
