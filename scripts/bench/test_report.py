"""The tables, from made-up runs."""

import argparse
import unittest

import report
from measure import Result, Run
from verdict import Limit
from works import Work


def result(**runs):
    limits = [Limit("time", 1.2, 1.0, "psql"), Limit("rate", 20, peer="dlt")]
    work = Work("load", "a load", 1000, {}, "", lambda system: "", limits)
    return Result(work, {system: [Run(seconds, 0.1, 250.0 + number) for number, seconds in enumerate(taken)] for system, taken in runs.items()})


class Tables(unittest.TestCase):
    def test_everything_that_is_asked_has_a_verdict(self):
        rows = report.asked([result(ours=[1.0, 2.0, 3.0], psql=[2.0, 2.0, 2.0], dlt=[400.0])])
        self.assertEqual(rows[2:], [
            "| a load | time of psql | ≤ 1.2 × | ≤ 1 × | 1.000 × (0.50 × – 1.50 ×) | aim met |",
            "|  | rows/s of dlt | ≥ 20 × |  | 200.00 × | met |",
            "|  | peak memory | ≤ 300 MiB | ≤ 200 MiB | 252 MiB | met |",
        ])

    def test_a_peer_that_was_left_out_is_not_judged(self):
        rows = report.asked([result(ours=[1.0], psql=[2.0])])
        self.assertEqual(rows[3], "|  | rows/s of dlt | ≥ 20 × |  | – | not measured |")

    def test_who_was_measured_less_often_is_named_with_the_reason(self):
        options = argparse.Namespace(runs=3, slow_runs=1, slow_seconds=300)
        lines = report.fewer([result(ours=[1.0] * 3, dlt=[400.0])], options)
        self.assertEqual(len(lines), 1)
        self.assertIn("dlt was measured 1 instead of 3 times in *a load*, because one run took 400 s", lines[0])

    def test_the_larger_scale_stands_beside_the_smaller(self):
        rows = report.large([result(ours=[1.0])], [result(ours=[3.0, 3.0])], 3)
        self.assertEqual(rows[2], "| a load | 2 | 3.00 | 251 MiB | ≤ 300 MiB | ≤ 200 MiB | 1.00 × | met |")


if __name__ == "__main__":
    unittest.main()
