"""Verdicts and figures: at a limit, on either side of it, and far away."""

import unittest

from verdict import AIM, MET, MISSED, Limit

TIME = Limit("time", 1.3, 1.0, "psql")
RATE = Limit("rate", 5, 10, "Sling")


class Verdicts(unittest.TestCase):
    def test_a_time_may_be_the_limit_and_no_more(self):
        self.assertEqual([TIME.verdict(value) for value in (1.0, 1.3, 1.3001)], [AIM, MET, MISSED])

    def test_a_rate_may_be_the_limit_and_no_less(self):
        self.assertEqual([RATE.verdict(value) for value in (10.0, 5.0, 4.999)], [AIM, MET, MISSED])

    def test_without_an_aim_a_limit_is_met_at_most(self):
        self.assertEqual(Limit("rate", 20, peer="dlt").verdict(73), MET)


class Figures(unittest.TestCase):
    def test_a_figure_near_a_limit_is_not_rounded_onto_it(self):
        self.assertEqual([TIME.figure(value) for value in (1.3041, 1.2961, 1.004)], ["1.304 ×", "1.296 ×", "1.004 ×"])

    def test_a_figure_far_from_limits_is_short(self):
        self.assertEqual([TIME.figure(0.7123), RATE.figure(7.4)], ["0.71 ×", "7.40 ×"])

    def test_units(self):
        self.assertEqual(Limit("memory", 300, 200).figure(299.6), "299.600 MiB")
        self.assertEqual(Limit("memory", 300, 200).figure(250.4), "250 MiB")
        self.assertEqual(Limit("seconds", 0.060).figure(0.031), "31 ms")
        self.assertEqual(Limit("seconds", 0.060).asked(0.060), "≤ 60 ms")


if __name__ == "__main__":
    unittest.main()
