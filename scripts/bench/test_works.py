"""What every work gives to ours, without a server."""

import pathlib
import tempfile
import unittest

import works
from bench import Bench
from command import Command, named
from postgres import Server


class Unmeasured(Bench):
    """Makes commands; what would be asked of databases has no answer."""

    def __init__(self, folder):
        self.binary, self.scale, self.lineitem_rows = pathlib.Path("/bin/aggregator"), 3, 18_000_000
        self.data, self.work = folder / "data", folder / "work"
        self.data.mkdir()
        (self.data / "lineitem.csv").write_text("header\n" + "1,1,1,1,1,1\n" * 1999)
        self.server = Server(folder / "postgres")
        self.server.execute = lambda *_: ""

    def duckdb(self, query):
        return ""


class Works(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.bench = Unmeasured(pathlib.Path(folder.name))

    def test_every_run_of_ours_has_a_ledger_rejects_and_checkpoints(self):
        for name in works.NAMES:
            with self.subTest(name):
                command = works.prepare(name, self.bench).systems["ours"]()
                self.assertRegex(command.files["work.yaml"], r"\n  rejects: \{connector: rejects, stream: rejects/, budget: \{(rows: 0|percent: \"1\")\}\}\n")
                self.assertIn("metadata: {name: rejects, namespace: bench}", command.files["work.yaml"])
                self.assertIn("--state", command.arguments)

    def test_every_work_has_limits_and_a_title_of_its_scale(self):
        for name in works.NAMES:
            with self.subTest(name):
                self.assertTrue(works.prepare(name, self.bench).limits)
        self.assertEqual(works.prepare("upsert", self.bench).title, "PostgreSQL → PostgreSQL, upsert of 3 M rows into 18 M")

    def test_one_row_of_a_thousand_is_spoilt_and_listed(self):
        works.prepare("bad-rows", self.bench)
        bad = (self.bench.work / "bad/lineitem.csv").read_text().splitlines()
        self.assertEqual([number for number, line in enumerate(bad, 1) if ",many," in line], [1000, 2000])
        self.assertEqual((self.bench.work / "bad/spoilt.csv").read_text(), "line,l_orderkey,l_linenumber\n1000,1,1\n2000,1,1\n")

    def test_a_command_can_be_copied_from_the_page(self):
        shown = Command(["/bin/psql", "-c", "\\copy t FROM '/a/t.csv'", 'say "$x"'], {"PORT": "1"}).shown({"/bin/psql": "psql", "/a": "$A"})
        self.assertEqual(shown, """PORT=1 psql -c "\\copy t FROM '$A/t.csv'" 'say "$x"'""")

    def test_a_place_within_another_keeps_its_own_name(self):
        self.assertEqual(named("/a/b/c /a/d", {"/a": "$A", "/a/b": "$B"}), "$B/c $A/d")


if __name__ == "__main__":
    unittest.main()
