"""The generator refuses tables that do not add up, and says where."""

import os
import subprocess
import sys
import tempfile
import unittest

FOLDER = sys.argv.pop(1)
TABLE = os.path.join(FOLDER, "syscalls.table")
GENERATOR = os.path.join(FOLDER, "generate.py")


def generate(*options):
    return subprocess.run([sys.executable, GENERATOR, *options], capture_output=True, text=True, check=False)


class Generator(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        with open(TABLE, encoding="utf-8") as source:
            self.text = source.read()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def refuses(self, old, new, message):
        """The table with `old` replaced is refused with `message`."""
        self.assertIn(old, self.text)
        with open(self.path("table"), "w", encoding="utf-8") as changed:
            changed.write(self.text.replace(old, new, 1))
        done = generate(self.path("table"), "--cpp", self.path("out"))
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(message, done.stderr)

    def test_missing_number(self):
        self.refuses("  219 restart_syscall ", "# 219 restart_syscall ", "missing [219]")

    def test_number_twice(self):
        self.refuses("  75  fdatasync ", "  74  fdatasync ", "twice [74]")

    def test_name_twice(self):
        self.refuses("  75  fdatasync ", "  75  fsync ", "a name stands twice")

    def test_unknown_treatment(self):
        self.refuses("fsync             leader", "fsync             follow", "no treatment 'follow'")

    def test_form_of_an_unknown_call(self):
        self.refuses("= dup3 oldfd newfd 0", "= dup4 oldfd newfd 0", "no call 'dup4'")

    def test_form_with_too_few_arguments(self):
        self.refuses("= dup3 oldfd newfd 0", "= dup3 oldfd newfd", "'dup3' has 3 arguments")

    def test_form_with_an_unknown_argument(self):
        self.refuses("= dup3 oldfd newfd 0", "= dup3 oldfd other 0", "no argument 'other'")

    def test_form_of_a_call_that_has_a_form_itself(self):
        self.refuses("= faccessat2 dirfd pathname mode 0", "= access pathname mode", "has another form itself")

    def test_unknown_attribute(self):
        self.refuses("fsync             leader blocking", "fsync             leader sleeping", "no attribute 'sleeping'")

    def test_unknown_argument_in_a_size(self):
        self.refuses("buf:in[count] count:size", "buf:in[size] count:size", "no argument 'size'")

    def test_size_missing(self):
        self.refuses("buf:in[count] count:size", "buf:in count:size", "a size is missing")

    def test_size_not_wanted(self):
        self.refuses("write             leader blocking restart tells    : size fd:fd", "write             leader : size fd:fd[4]", "a size is not wanted")

    def test_process_call_without_handler(self):
        self.refuses("fork              process handler", "fork              process", "needs a handler")

    def test_line_is_named(self):
        line = self.text[: self.text.index("  74  fsync")].count("\n") + 1
        self.refuses("fsync             leader", "fsync             follow", f"table:{line}: ")

    def test_check_tells_a_difference(self):
        self.assertEqual(generate(TABLE, "--docs", self.path("doc.md")).returncode, 0)
        self.assertEqual(generate(TABLE, "--docs", self.path("doc.md"), "--check").returncode, 0)
        with open(self.path("doc.md"), "a", encoding="utf-8") as document:
            document.write("by hand\n")
        done = generate(TABLE, "--docs", self.path("doc.md"), "--check")
        self.assertEqual(done.returncode, 1)
        self.assertIn("-by hand", done.stdout)


if __name__ == "__main__":
    unittest.main()
