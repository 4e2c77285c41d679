#!/usr/bin/python3
"""`cmake --install` and the Debian package: what a user gets. The package is installed in a clean Debian 12 of its own.

package_test.py BUILD CACHE: the build folder; where the clean Debian is kept as an archive (made once, by debootstrap)."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BUILD, CACHE = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
PROGRAMS = ["usr/bin/mx", "usr/bin/mx-runtime", "usr/libexec/mx/mx-analyze", "usr/libexec/mx/mx-analyze-full",
            "usr/libexec/mx/mx-enter", "usr/libexec/mx/mx-hook", "usr/libexec/mx/mx-monitor", "usr/libexec/mx/mx-tables"]
SOURCE = pathlib.Path(__file__).resolve().parents[3]
CLEAN_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def run(*command, **options):
    """Standard output; an error with all output if the command fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def clean_debian():
    """The archive of a Debian 12 with nothing but what every Debian has."""
    archive = CACHE / "debian-12-clean.tar"
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            root = pathlib.Path(folder) / "root"
            run("debootstrap", "--variant=minbase", "bookworm", root)
            run("chroot", root, "apt-get", "clean", env=CLEAN_PATH)
            run("tar", "-C", root, "-cf", f"{archive}.new", ".")
        os.rename(f"{archive}.new", archive)
    return archive


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory(prefix="mx-package-")
        cls.folder = pathlib.Path(cls.place.name)
        run("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder / "cpack", cwd=BUILD)
        cls.package, = (cls.folder / "cpack").glob("*.deb")

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def test_install_tree(self):
        tree = self.folder / "tree"
        run("cmake", "--install", BUILD, "--prefix", "/opt/mx", env={**os.environ, "DESTDIR": str(tree)})
        hook = json.loads((tree / "opt/mx/share/mx/hooks.d/run.mx.json").read_text())["hook"]["path"]
        self.assertEqual("/opt/mx/libexec/mx/mx-hook", hook)
        for path in [hook, "/opt/mx/bin/mx-runtime", "/opt/mx/libexec/mx/mx-monitor"]:
            self.assertTrue(os.access(f"{tree}{path}", os.X_OK), path)
        self.assertTrue((tree / "etc/mx/config.toml").exists())

    def test_lintian(self):
        run("lintian", "--fail-on", "error", "--allow-root", self.package)

    def test_manual_pages(self):
        pages = sorted((BUILD / "packaging").glob("*.[1-8].gz"))
        self.assertEqual(["mx-config.5.gz", "mx-runtime.8.gz", "mx.1.gz"], [page.name for page in pages])
        for page in pages:
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)], check=False,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                  env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""})
            self.assertEqual((0, ""), (done.returncode, done.stderr), page)

    def install_on_node(self, root, inside):
        """What the installer of examples/kubernetes does in its pod: the node's folders are mounted below /host."""
        node = root / "host"
        (node / "etc/containerd").mkdir(parents=True)
        (node / "etc/containerd/config.toml").write_text('version = 2\n# kept\n[plugins."io.containerd.grpc.v1.cri"]\n')
        run("cp", pathlib.Path(__file__).resolve().parents[3] / "examples/kubernetes/install.sh", root / "install.sh")
        inside("sh", "/install.sh")
        for name in ["bin/mx-runtime", "bin/mx", "libexec/mx/mx-monitor", "libexec/mx/mx-hook", "libexec/mx/mx-analyze-full"]:
            self.assertTrue(os.access(node / "opt/mx" / name, os.X_OK), name)
        written = "".join(file.read_text() for file in (node / "etc/containerd").rglob("*.toml"))
        self.assertIn("# kept", written)
        self.assertIn('BinaryName = "/opt/mx/bin/mx-runtime"', written)

    def test_installer_image(self):
        """The DaemonSet's image, built by its Dockerfile over the clean Debian, does what its pod may do to a node."""
        place, kubernetes = self.folder / "podman", SOURCE / "examples/kubernetes"
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]    # root here may not raise them

        def podman(*command):
            return run("podman", "--root", place / "p", "--runroot", place / "r", "--tmpdir", place / "t", "--storage-driver",
                       "overlay", "--cgroup-manager", "cgroupfs", "--events-backend", "file", "--runtime", "runc", *command,
                       stdin=subprocess.DEVNULL)

        context, node = self.folder / "context", self.folder / "node"
        (context / "examples/kubernetes").mkdir(parents=True)
        run("cp", kubernetes / "install.sh", kubernetes / "Dockerfile", context / "examples/kubernetes")
        run("cp", self.package, context / "mx.deb")
        for name in ["opt/mx", "etc/mx", "etc/containerd"]:
            (node / name).mkdir(parents=True)
        (node / "etc/containerd/config.toml").write_text('version = 2\n# kept\n')
        try:
            podman("import", clean_debian(), "docker.io/library/debian:bookworm-slim")
            podman("build", "--pull=never", "--isolation", "chroot", "--network", "host", *limits, "-f",
                   context / "examples/kubernetes/Dockerfile", "--build-arg", "DEB=mx.deb", "-t", "mx-installer:0.1.0", context)
            podman("run", "--rm", "--network", "none", *limits, "--cap-drop", "ALL", "--cap-add", "DAC_OVERRIDE", "--security-opt",
                   "no-new-privileges", *[word for name in ["opt/mx", "etc/mx", "etc/containerd"]
                                          for word in ("-v", f"{node}/{name}:/host/{name}")], "localhost/mx-installer:0.1.0")
        finally:
            podman("rmi", "--all", "--force")
        written = (node / "etc/containerd/config.toml").read_text()
        self.assertIn("# kept", written)
        self.assertIn('BinaryName = "/opt/mx/bin/mx-runtime"', written)
        self.assertTrue((node / "etc/mx/config.toml").exists())
        # What was copied runs on the node itself, and finds the node's runtime.
        self.assertEqual(run("runc", "--version"), run(node / "opt/mx/bin/mx-runtime", "--version"))

    def test_clean_debian(self):
        root = self.folder / "root"
        root.mkdir()
        run("tar", "-C", root, "-xf", clean_debian())
        for file in ["/etc/resolv.conf", "/etc/hosts"]:
            run("cp", "-L", file, f"{root}{file}")
        run("cp", self.package, root / "mx.deb")

        def inside(*command):
            return run("unshare", "--mount", "--pid", "--fork", "--mount-proc=" + str(root / "proc"), "--kill-child",
                       "chroot", root, *command, env=CLEAN_PATH, stdin=subprocess.DEVNULL)

        before = set(inside("find", "/usr", "/etc", "-xdev").split("\n"))
        inside("apt-get", "update")
        inside("apt-get", "install", "-y", "--no-install-recommends", "/mx.deb")
        listed = inside("dpkg", "-L", "mx").split()
        for program in PROGRAMS:
            self.assertIn("/" + program, listed)
            self.assertNotIn("not found", subprocess.run(["chroot", root, "ldd", "/" + program], check=False, text=True,
                                                         capture_output=True, env=CLEAN_PATH).stdout)
        self.assertEqual("two versions\n", inside("mx", "run", "--old", "/bin/echo", "--new", "/bin/echo", "--", "two versions"))
        self.assertIn('"identical"', inside("mx", "analyze", "--format", "json", "/bin/true", "/bin/true"))
        self.assertIn("mx-runtime", inside("mx", "configure", "docker", "--dry-run"))
        hook = json.loads(inside("cat", "/usr/share/mx/hooks.d/run.mx.json"))["hook"]["path"]
        self.assertTrue((root / hook[1:]).exists())
        self.assertEqual("/etc/mx/config.toml\n", inside("dpkg-query", "-W", "-f", "${Conffiles}", "mx").split()[0] + "\n")
        self.install_on_node(root, inside)
        inside("dpkg", "--purge", "mx")
        left = {path for path in set(inside("find", "/usr", "/etc", "-xdev").split("\n")) - before if "mx" in path.split("/")[-1]}
        self.assertEqual(set(), left)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
