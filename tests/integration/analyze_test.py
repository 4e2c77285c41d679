"""mx analyze as its users call it: output in every format, bad input, speed and memory, and real pairs: the releases that
Debian serves and sources built with and without one patch."""

import fcntl
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "crash"))

import builds  # noqa: E402  (it finds mxtest)
import debian_patch  # noqa: E402
import jsonschema  # noqa: E402  (Debian: python3-jsonschema)
from mxtest import settings  # noqa: E402
from mxtest.debian import release, served, two_releases  # noqa: E402

SCHEMA = pathlib.Path(__file__).resolve().parents[2] / "docs/analyze.schema.json"
SHOP = pathlib.Path(__file__).resolve().parents[1] / "unit/analyzer/corpus/shop.c"
ZOO = SHOP.with_name("zoo.cpp")
MOST_PATCHES = int(os.environ.get("MX_PATCHES", "4"))
STATUSES = {"identical", "changed", "added", "removed", "moved"}
LIBRARIES = "usr/lib/x86_64-linux-gnu"


class AnalyzeTest(unittest.TestCase):
    """A private folder and cache."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mx-analyze-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.environment = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache")}

    def analyze(self, *words, status=0, binary=False):
        done = subprocess.run([settings.mx(), "analyze", *map(str, words)], capture_output=True, check=False,
                              stdin=subprocess.DEVNULL, env=self.environment, timeout=200)
        self.assertEqual(status, done.returncode, done.stderr.decode(errors="replace"))
        out = done.stdout if status == 0 else done.stderr
        return out if binary else out.decode()

    def json(self, old, new):
        return json.loads(self.analyze(old, new, "--format", "json"))

    def shop(self):
        return self.pair_of("gcc", SHOP)

    def pair_of(self, compiler, source):
        for name, define in (("old", "-DOLD_VERSION"), ("new", "-DNEW_VERSION")):
            subprocess.run([compiler, "-g", "-w", "-O1", define, "-o", self.folder / name, source], check=True)
        return self.folder / "old", self.folder / "new"

    def cost(self, *words):
        """Seconds of processor time (all threads and children), seconds on the wall and MiB at the peak."""
        with open(os.devnull, "w", encoding="ascii") as null:
            start = time.monotonic()
            child = subprocess.Popen([settings.mx(), "analyze", *map(str, words)], stdout=null, env=self.environment)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(0, child.returncode)
        return used.ru_utime + used.ru_stime, time.monotonic() - start, used.ru_maxrss / 1024


class Output(AnalyzeTest):
    def test_text_is_plain_in_a_pipe_and_coloured_on_a_terminal(self):
        old, new = self.shop()
        text = self.analyze(old, new)
        self.assertRegex(text, r"functions +\d+ identical, \d+ changed, 1 added, 1 removed")
        self.assertRegex(text, r"changed +sell ")
        self.assertNotIn("\x1b", text)
        shown = self.on_terminal("analyze", old, new, "--function", "sell")
        self.assertIn("\x1b[", shown)
        self.assertIn("analysing", shown)  # progress
        self.assertIn("equal instructions", self.analyze(old, new, "--function", "main"))
        self.assertNotIn("equal instructions", self.analyze(old, new, "--function", "main", "--whole"))
        sides = [line for line in self.analyze(old, new, "--function", "sell").splitlines() if " | " in line]
        self.assertGreater(len(sides), 10)
        self.assertEqual(1, self.analyze(old, new, "--function", "nobody", status=2).count("\n"))

    def test_cxx_names_are_readable(self):
        old, new = self.pair_of("g++", ZOO)
        text = self.analyze(old, new)
        self.assertRegex(text, r"added +zoo::House::sort\(\)")
        self.assertNotIn("_ZN", text)
        self.assertIn("zoo::House::sort()", self.analyze(old, new, "--function", "zoo::House::sort"))
        self.assertIn("zoo::House::sort()", self.analyze(old, new, "--function", "_ZN3zoo5House4sortEv"))

    def test_a_number_that_changed_is_shown(self):
        source = self.folder / "number.c"
        source.write_text("int main(int c, char** v) { return c > 1 ? __builtin_puts(c > 2 ? TEXT : v[0]) : NUMBER; }\n")
        pair = []
        for name, text, number in (("old", "first", 4951), ("new", "second", 4958)):
            pair.append(self.folder / name)
            subprocess.run(["gcc", "-O1", f'-DTEXT="{text}"', f"-DNUMBER={number}", "-o", pair[-1], source], check=True)
        text = self.analyze(*pair)
        self.assertRegex(text, r"changed +main +2 of \d+ instructions: .* -> .*")
        self.assertIn("1 differ in numbers or strings only", text)

    def on_terminal(self, *words):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        environment = {k: v for k, v in self.environment.items() if k != "NO_COLOR"}
        child = subprocess.Popen([settings.mx(), *map(str, words)], stdin=slave, stdout=slave, stderr=slave, env=environment)
        os.close(slave)
        out = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            out += piece
        os.close(master)
        self.assertEqual(0, child.wait())
        return out.decode()

    def test_json_keeps_its_contract(self):
        old, new = self.shop()
        j = self.json(old, new)
        self.assertEqual(1, j["schema"])
        by_name = {f["name"]: f for f in j["functions"]}
        for f in j["functions"]:
            self.assertIn(f["status"], STATUSES)
            self.assertEqual("old" in f, f["status"] != "added")
            self.assertEqual("new" in f, f["status"] != "removed")
            for side in ("old", "new"):
                if side in f:
                    self.assertRegex(f[side]["address"], r"^0x[0-9a-f]+$")
            if f["status"] == "changed":
                for direction in ("old_to_new", "new_to_old"):
                    verdict = f["transplantable"][direction]
                    self.assertIn(verdict["possible"], {"yes", "when-inactive", "no"})
                    self.assertEqual(verdict["possible"] == "yes", verdict["reasons"] == [])
        self.assertEqual("changed", by_name["sell"]["status"])
        self.assertEqual(("added", "removed"), (by_name["refund"]["status"], by_name["clear"]["status"]))
        self.assertEqual(sum(j["counts"].values()), len(j["functions"]))
        self.assertEqual(["struct item"], [t["name"] for t in j["types"]])
        self.assertIn({"from": "main", "to": "refund"}, j["call_graph"]["added"])

    def test_json_is_as_its_schema_says(self):
        old, new = self.shop()
        subprocess.run(["strip", "-o", self.folder / "bare", new], check=True)
        for pair in ((old, new), (self.folder / "bare", old), ("/bin/bash", "/bin/dash")):
            jsonschema.validate(self.json(*pair), json.loads(SCHEMA.read_text()))

    def test_two_runs_write_the_same_mapping(self):
        old, new = self.shop()
        made = []
        for name in ("first", "second"):
            self.environment["XDG_CACHE_HOME"] = str(self.folder / name)
            self.analyze(old, new, "--format", "mapping", binary=True)
            made.append({p.name: p.read_bytes() for p in (self.folder / name / "mx").glob("*.mxmap")})
        self.assertEqual(made[0], made[1])
        self.assertEqual(1, len(made[0]))
        (name, content), = made[0].items()
        ids = [self.json(old, new)[side]["build_id"] for side in ("old", "new")]
        self.assertRegex(name, rf"^{ids[0]}\.[0-9a-f]+-{ids[1]}\.[0-9a-f]+\.v\d+\.mxmap$")
        again = self.analyze(old, new, "--format", "mapping", binary=True)
        self.assertEqual(content, again)            # now from the cache

    def test_dot_is_a_graph_around_the_changes(self):
        dot = self.analyze(*self.shop(), "--format", "dot")
        self.assertTrue(dot.startswith("digraph"))
        self.assertEqual(dot.count("{"), dot.count("}"))
        self.assertIn('"refund"', dot)
        if shutil.which("dot"):
            svg = subprocess.run(["dot", "-Tsvg"], input=dot.encode(), capture_output=True, check=True).stdout
            self.assertIn(b"<svg", svg)

    def test_html_is_one_page_that_loads_nothing(self):
        page = self.analyze(*self.shop(), "--format", "html")
        self.assertTrue(page.lstrip().lower().startswith("<!doctype html>"))
        for loads in (r"<script[^>]+src", r"<link[^>]+href", r"@import", r"url\(\s*['\"]?http", r"<img[^>]+src=['\"]?http"):
            self.assertIsNone(re.search(loads, page), loads)
        for part in ("sell", "refund", "<input", "<svg"):
            self.assertIn(part, page)

    def test_the_page_works_in_a_browser(self):
        browser = shutil.which("chromium")
        if not browser:
            self.skipTest("no chromium here")
        (self.folder / "page.html").write_text(self.analyze(*self.shop(), "--format", "html"))
        done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.folder}/profile",
                               "--virtual-time-budget=8000", "--dump-dom", f"file://{self.folder}/page.html"],
                              capture_output=True, timeout=120, check=True)
        dom = done.stdout.decode()
        self.assertGreater(dom.count("<circle") + dom.count("<rect") + dom.count("<text"), 3, "the graph is drawn")
        self.assertIn("refund", dom)


class BadInput(AnalyzeTest):
    def refused(self, bad, *names):
        good = "/bin/true"
        for pair in ((bad, good), (good, bad)):
            error = self.analyze(*pair, status=2)
            self.assertEqual(1, error.count("\n"), error)
            for name in (os.path.basename(str(bad)), *names):
                self.assertIn(name, error)

    def made(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def test_wrong_kinds_of_file(self):
        good = pathlib.Path("/bin/true").read_bytes()

        def with_bytes(at, new):
            return good[:at] + new + good[at + len(new):]
        self.refused(self.folder / "missing", "cannot open")
        self.refused(self.folder, "regular file")
        self.refused(self.made("empty", b""), "empty")
        self.refused(self.made("text", b"#!/bin/sh\n"), "not an ELF file")
        self.refused(self.made("cut", good[:70]), "truncated")
        self.refused(self.made("arm", with_bytes(18, b"\xb7\0")), "architecture")
        self.refused(self.made("core", with_bytes(16, b"\4\0")), "core file")
        self.refused(self.made("object", with_bytes(16, b"\1\0")), "object file")
        (self.folder / "small.c").write_text("void _start(void) {}")
        subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-o", self.folder / "small", self.folder / "small.c"], check=True)
        self.refused(self.folder / "small", "64-bit")
        os.mkfifo(self.folder / "pipe")
        self.refused(self.folder / "pipe", "regular file")
        with open(self.folder / "sparse", "wb") as f:
            f.truncate(4 << 30)
        self.refused(self.folder / "sparse", "larger than")
        with open(self.folder / "program", "wb") as f:
            f.write(good)
            f.truncate(4 << 30)
        self.refused(self.folder / "program", "larger than")

    def test_a_core_file_that_the_kernel_wrote(self):
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text().strip()
        if "/" in pattern or "%" in pattern or pattern.startswith("|"):
            self.skipTest(f"core files go to {pattern}")
        limit = resource.getrlimit(resource.RLIMIT_CORE)
        if limit[1] != resource.RLIM_INFINITY:
            self.skipTest("core files are forbidden here")
        subprocess.run(["sh", "-c", "ulimit -c unlimited; kill -SEGV $$"], cwd=self.folder, check=False)
        cores = list(self.folder.glob(pattern + "*"))
        self.assertEqual(1, len(cores))
        self.refused(cores[0], "core file")

    def test_headers_that_lie(self):
        good = pathlib.Path("/bin/true").read_bytes()
        headers, sections = struct.unpack_from("<QQ", good, 32)
        _, segments = struct.unpack_from("<HH", good, 54)
        count = struct.unpack_from("<H", good, 60)[0]
        loads = [at for at in range(headers, headers + 56 * segments, 56) if good[at:at + 4] == b"\1\0\0\0"]

        def refused(why, *changes):
            content = bytearray(good)
            for at, form, value in changes:
                struct.pack_into(form, content, at, value)
            self.refused(self.made("lies", content), why)
        first = struct.unpack_from("<QQ", good, loads[0] + 16)
        refused("overlap", (loads[1] + 16, "<Q", first[0]), (loads[1] + 24, "<Q", first[1]))
        refused("overlap", (loads[0] + 40, "<Q", 1 << 20))          # its size in memory
        refused("outside the file", (loads[1] + 32, "<Q", 1 << 20), (loads[1] + 40, "<Q", 1 << 20))
        refused("outside the file", (loads[1] + 8, "<Q", 1 << 40))
        refused("impossible size", (loads[1] + 40, "<Q", 1))
        refused("program headers", (32, "<Q", 1 << 40))
        refused("program headers", (56, "<H", 0xfff0))
        refused("no program headers", (56, "<H", 0))
        refused("section headers", (40, "<Q", 1 << 40))
        refused("section headers", (60, "<H", 0xfff0))
        refused("names", (62, "<H", 0xfff0))
        refused("section", *((sections + 64 * k + 24, "<Q", 1 << 33) for k in range(1, count)))
        refused("section", *((sections + 64 * k + 32, "<Q", 1 << 62) for k in range(1, count)))
        refused("entry", (24, "<Q", 1 << 50))

    def test_a_part_of_a_program_is_refused(self):
        good = pathlib.Path("/bin/bash").read_bytes()
        for share in (0.1, 0.3, 0.5, 0.9, 0.99):
            self.refused(self.made("part", good[:int(len(good) * share)]), "part is truncated")

    def test_wrong_command_lines(self):
        for words in ((), ("/bin/true",), ("/bin/true", "/bin/true", "--format", "poem"), ("/bin/true", "/bin/true", "--nonsense")):
            self.assertEqual(1, self.analyze(*words, status=2).count("\n"))


class RealPairs(AnalyzeTest):
    """The releases that Debian serves. Where it serves one only, that one against itself: nothing may differ."""

    def pair(self, package, path):
        old, new = (folder / path for folder in two_releases(*package))
        j = self.json(old, new)
        counts = j["counts"]
        print(f"\n{package[0]} {old.parts[-len(pathlib.Path(path).parts) - 1]} → {new.parts[-len(pathlib.Path(path).parts) - 1]}: {counts}")
        changed = [f["name"] for f in j["functions"] if f["status"] != "identical"]
        print("  " + " ".join(changed[:60]))
        if old == new:
            self.assertEqual([], changed)
        return counts

    def test_redis(self):
        counts = self.pair(("redis-server", "redis-tools"), "usr/bin/redis-server")
        self.assertGreater(counts["identical"], 100 * counts["changed"])

    def test_nginx(self):
        counts = self.pair(("nginx",), "usr/sbin/nginx")
        self.assertGreater(counts["identical"], 20 * counts["changed"])

    def test_libcrypto(self):
        counts = self.pair(("libssl3",), LIBRARIES + "/libcrypto.so.3")
        self.assertGreater(counts["identical"], 3 * (counts["changed"] + counts["added"] + counts["removed"]))

    def test_bash(self):
        self.pair(("bash",), "bin/bash")

    def test_coreutils(self):
        for program in ("ls", "sort", "cp"):
            self.pair(("coreutils",), f"bin/{program}" if program != "sort" else "usr/bin/sort")


class OtherCompilers(AnalyzeTest):
    """What is not gcc or clang with glibc, and link-time optimisation: the edited functions are found, and little else."""

    GO = """package main
import ("bufio"; "fmt"; "os"; "sort"; "strings")
//go:noinline
func price(s string) int { n := len(s) * FACTOR; if strings.HasPrefix(s, "a") { n += 3 }; return n }
func main() {
  sums, names := map[string]int{}, []string{}
  for lines := bufio.NewScanner(os.Stdin); lines.Scan(); { sums[lines.Text()] += price(lines.Text()) }
  for name := range sums { names = append(names, name) }
  sort.Strings(names)
  for _, name := range names { fmt.Println(name, sums[name]) }
}
"""

    def changes(self, command, source=None):
        """{name: status} of what differs in two builds, the number of all functions, and the number that differ stripped."""
        paths = []
        for version, value in (("old", "7"), ("new", "9")):
            folder = self.folder / version
            folder.mkdir()
            if source:
                (folder / "m.go").write_text(source.replace("FACTOR", value))
            words = [w.format(VERSION=version.upper()) for w in command]
            subprocess.run([*words, "-o", folder / "program", *(["m.go"] if source else [])], cwd=folder, check=True,
                           env={**os.environ, "GO111MODULE": "off", "GOFLAGS": ""})
            subprocess.run(["strip", "-o", folder / "bare", folder / "program"], check=True)
            paths.append(folder)
        named = self.json(*(p / "program" for p in paths))
        bare = self.json(*(p / "bare" for p in paths))
        differ = {f["name"]: f["status"] for f in named["functions"] if f["status"] != "identical"}
        print(f"\n{command[0]}: {named['counts']}, stripped {bare['counts']}: {' '.join(differ)[:400]}")
        return differ, len(named["functions"]), len(bare["functions"]), sum(f["status"] != "identical" for f in bare["functions"])

    def test_go(self):
        if not shutil.which("go"):
            self.skipTest("no go here")
        differ, count, bare, bare_differ = self.changes(["go", "build"], self.GO)
        self.assertIn("main.price", differ)
        self.assertLess(len(differ), count * 0.02)
        self.assertGreater(bare, count * 0.95)
        self.assertLess(bare_differ, count * 0.02)

    def test_musl_static(self):
        differ, *_ = self.changes(["musl-gcc", "-g", "-w", "-O2", "-static", "-D{VERSION}_VERSION", str(SHOP)])
        self.assertEqual("changed", differ["sell"])
        self.assertEqual([], [name for name in differ if name.startswith("_")])      # libc's

    def test_link_time_optimisation(self):
        differ, _, _, bare_differ = self.changes(["g++", "-w", "-g", "-O3", "-flto", "-D{VERSION}_VERSION", str(ZOO)])
        self.assertEqual("added", differ["_ZN3zoo5House4sortEv"])
        self.assertEqual(len(differ), bare_differ)


class PatchTest(AnalyzeTest):
    """The same source built with and without one patch of Debian's: what differs are exactly the functions for which the
    compiler writes other assembly, those which it inlined into others among them."""

    def changed(self, old, new):
        j = self.json(old, new)
        found = {f["name"]: f for f in j["functions"] if f["status"] != "identical"}
        print(f"\n{len(found)} of {len(j['functions'])} functions differ: {' '.join(sorted(found))}")
        return found

    def check(self, name, without, tree, make, program):
        files = debian_patch.files(tree, name, r"(src/)?\w+\.c")
        print(f"\n{name} changes {' '.join(files)}", end="")
        truth = debian_patch.differing(without, tree, files, make)
        self.assertEqual(truth, set(self.changed(without / program, tree / program)))
        return truth


class SmallPatches(PatchTest):
    """unzip has a series of patches for one vulnerability each, of which this takes the latest (all with MX_PATCHES=99)."""

    def test_patches_of_unzip(self):
        tree, changed = builds.unzip_tree(), 0
        for name in reversed(debian_patch.series(tree)):
            if changed < MOST_PATCHES and "cve" in name and debian_patch.files(tree, name, r"\w+\.c") and debian_patch.reverses(tree, name):
                with self.subTest(name):
                    without = builds.unzip_tree_without(name, self.folder)
                    truth = self.check(name, without, tree, builds.MAKE_UNZIP, "unzip")
                    changed += bool(truth)      # some change what this build leaves out
        self.assertGreater(changed, 3)


class OnePatch(PatchTest):
    """A large program: redis."""

    def test_hmget(self):
        found = self.changed(builds.redis(), builds.redis("hmget"))
        for name in ("hmgetCommand", "hashTypeGetValue"):
            self.assertEqual("changed", found[name]["status"])
        for name, f in found.items():  # the others of this file have another __LINE__ in an assertion
            self.assertEqual("changed", f["status"], name)
            self.assertIn("/t_hash.c:", f["source"], name)
        for direction in ("old_to_new", "new_to_old"):
            self.assertEqual("yes", found["hmgetCommand"]["transplantable"][direction]["possible"])
            self.assertNotEqual("no", found["hashTypeGetValue"]["transplantable"][direction]["possible"])
        self.assertEqual(found["hmgetCommand"]["calls"]["old"], len(found["hmgetCommand"]["call_sites"]))
        self.assertTrue(all(s["frame_same"] for s in found["hmgetCommand"]["call_sites"]))

    def test_a_debian_patch(self):
        tree = builds.redis_tree()
        name = next(n for n in reversed(debian_patch.series(tree))
                    if debian_patch.files(tree, n, r"src/\w+\.c") and debian_patch.reverses(tree, n))
        without = builds.redis_tree_without(name)
        self.assertTrue(self.check(name, without, tree, builds.MAKE_REDIS, "src/redis-server"))


class Cost(AnalyzeTest):
    """Processor seconds, because other tests share the machine: on an idle one the wall clock shows less (two threads)."""

    def best(self, old, new):
        cold = min(self.cost(old, new)[:2] for _ in range(3))
        self.cost(old, new, "--format", "mapping")  # fills the cache
        cached = min(self.cost(old, new, "--format", "mapping")[:2] for _ in range(5))
        print(f"\n{old.name}: cold {cold[0]:.2f} s of processor, {cold[1]:.2f} s wall; cached {cached[0] * 1000:.0f} ms, {cached[1] * 1000:.0f} ms")
        return cold[0], cached[0]

    def test_redis_and_nginx(self):
        for package, path in ((("redis-server", "redis-tools"), "usr/bin/redis-server"), (("nginx",), "usr/sbin/nginx")):
            old, new = (folder / path for folder in two_releases(*package))
            cold, cached = self.best(old, new)
            self.assertLessEqual(cold, 2.0)
            self.assertLessEqual(cached, 0.020)

    def test_a_hundred_megabytes(self):
        library = release(("libllvm14",), served("libllvm14")[-1]) / LIBRARIES / "libLLVM-14.so.1"
        size = library.stat().st_size / (1 << 20)
        self.assertGreater(size, 100)
        used, wall, peak = self.cost(library, library)
        print(f"\n{library.name}, {size:.0f} MiB: {used:.0f} s of processor, {wall:.0f} s wall, {peak:.0f} MiB")
        self.assertLessEqual(peak, 10 * size)


if __name__ == "__main__":
    unittest.main(verbosity=2)
