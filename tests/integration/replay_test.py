"""mx replay: crashes of a program of our own, and of redis if it is built, come again from their bundles, offline."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "carry"))

from carry_test import SOURCE, Run  # noqa: E402
from control_test import mx, wait_for_file  # noqa: E402

KINDS = ("null", "divide", "assert", "stack")
FUNCTIONS = {"null": "null_pointer", "divide": "division", "assert": "assertion", "stack": "deep"}


class Replay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.builds = pathlib.Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
        for name, flags in (("good", ()), ("bad", ("-DBAD",))):
            subprocess.run(["g++", "-std=c++17", "-O1", "-g", *flags, "-o", cls.builds / name, SOURCE], check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.builds)

    def setUp(self):
        self.folder = self.builds / self.id().rsplit(".", 1)[1]
        self.folder.mkdir()

    def crashes(self, bad, kinds, *options):
        """Crashes the program by each of these lines; the folders of the crashes."""
        pair = [self.builds / "bad", self.builds / "good"]
        run = Run(self.folder, *(pair if bad == "old" else pair[::-1]), "--crash-dir", self.folder / "crashes", *options)
        for number, kind in enumerate(kinds, 1):
            run.until("a checkpoint", lambda: run.checkpoint(bad))
            run.ask(kind)
            run.until("the recovery", lambda n=number: len(run.report.events("recovery")) >= n)
            if "--replay-bundle" in options:    # the next one would find it at work
                wait_for_file(pathlib.Path(run.report.events("crash")[-1]["directory"]) / "replay" / "bundle.json")
        lines = run.report.events("crash", version=bad)
        self.assertEqual(len(kinds), len(lines), run.report.text())
        folders = [pathlib.Path(line["directory"]) for line in lines]
        return run, folders

    def replayed(self, folder, kind, *options):
        done = mx("replay", folder, *options, check=False)
        self.assertEqual((0, ""), (done.returncode, done.stderr), done.stdout)
        self.assertIn(FUNCTIONS[kind], done.stdout)
        self.assertIn("the crash came again at the same place", done.stdout)
        return done.stdout

    def each_comes_again(self, bad, kinds):
        run, folders = self.crashes(bad, kinds, "--replay-bundle")
        self.assertEqual(5, run.end())
        for kind, folder in zip(kinds, folders):
            with self.subTest(kind):
                self.replayed(folder, kind)
        return folders

    def test_leader(self):
        self.each_comes_again("old", KINDS)

    def test_follower(self):
        self.each_comes_again("new", KINDS)

    def test_gdb(self):
        """Under gdb, which stops where the program faulted."""
        if not shutil.which("gdb"):
            self.skipTest("gdb is not installed")
        folder, = self.each_comes_again("old", ["null"])
        text = self.replayed(folder, "null", "--gdb")
        self.assertIn("SIGSEGV", text)
        self.assertIn("#0", text)

    def test_other_file(self):
        """The program was built anew since: its addresses mean something else."""
        folder, = self.each_comes_again("old", ["null"])
        bad, kept = self.builds / "bad", self.builds / "kept"
        bad.rename(kept)
        try:
            shutil.copy(self.builds / "good", bad)
            done = mx("replay", folder, check=False)
            self.assertEqual(125, done.returncode, done.stdout)
            self.assertIn("is not the file that the program had mapped", done.stderr)
        finally:
            kept.replace(bad)

    def test_root_trees(self):
        """The crashed version's root is where it was, then elsewhere; one with other files is refused."""
        trees = self.folder / "trees"
        for tree, flags in (("good", ()), ("bad", ("-DBAD",))):
            (trees / tree / "proc").mkdir(parents=True)
            subprocess.run(["g++", "-std=c++17", "-O1", "-g", "-static", *flags, "-o", trees / tree / "program", SOURCE], check=True)
        run = Run(self.folder, "/program", "/program", "--old-root", trees / "bad", "--new-root", trees / "good", "--crash-dir", self.folder / "crashes",
                  "--replay-bundle")
        run.until("a checkpoint", lambda: run.checkpoint("old"))
        run.ask("null")
        run.until("the recovery", lambda: run.report.events("recovery"))
        folder = pathlib.Path(run.report.events("crash")[-1]["directory"])
        wait_for_file(folder / "replay" / "bundle.json")
        self.assertEqual(5, run.end())
        self.replayed(folder, "null")
        (trees / "bad").rename(trees / "moved")
        for tree, words in ((trees / "bad", "is gone"), (trees / "good", "is not the file that the program had mapped")):
            done = mx("replay", folder, *(["--root", tree] if tree.exists() else []), check=False)
            self.assertEqual(125, done.returncode, done.stdout)
            self.assertIn(words, done.stderr)
        for options in [(), *[("--gdb",)] * bool(shutil.which("gdb"))]:
            self.replayed(folder, "null", "--root", trees / "moved", *options)

    def test_core(self):
        """--core: a core file that readelf and gdb understand; nothing else is kept without the options."""
        run, (folder,) = self.crashes("old", ["null"], "--core")
        wait_for_file(folder / "core")
        self.assertEqual(5, run.end())
        self.assertFalse((folder / "replay").exists())
        self.assertIn("CORE", subprocess.run(["readelf", "-n", folder / "core"], capture_output=True, text=True, check=True).stdout)
        if shutil.which("gdb"):
            text = subprocess.run(["gdb", "-batch", "-ex", "bt", self.builds / "bad", folder / "core"], capture_output=True, text=True,
                                  check=True).stdout
            self.assertIn("null_pointer", text)
            self.assertIn("main", text)

    def test_off(self):
        run, (folder,) = self.crashes("old", ["null"])
        wait_for_file(folder / "crash.json")
        self.assertEqual(5, run.end())
        self.assertEqual(set(), {"replay", "core"} & set(os.listdir(folder)))

    def test_bad_input(self):
        for make in (lambda p: None, lambda p: p.mkdir(), lambda p: (p.mkdir(), (p / "bundle.json").write_text("{"))):
            shutil.rmtree(self.folder / "b", ignore_errors=True)
            make(self.folder / "b")
            done = mx("replay", self.folder / "b", check=False)
            self.assertEqual(125, done.returncode, done.stdout)
            self.assertEqual(1, done.stderr.count("\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
