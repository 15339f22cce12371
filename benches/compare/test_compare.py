#!/usr/bin/python3
"""What of the comparison needs no proxy: ratios, bars, the page, the chart, and how a disturbance is found in an open loop's slices."""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
HERE = Path(__file__).resolve().parent

import tempfile
import unittest
import xml.etree.ElementTree as xml

import bars
import chart
import report
import saved
import summary
import wrk
from bars import Bar
from block import Block
from columns import COLUMNS
from disturbed import figures_of, without
from peers import NAMES, named
from process import Failure
from rounds import Rounds
from sample import Sample
from scenario import BASELINES, GROUPS, SCENARIOS, TENANTS
from stalls import Stalls

NO_BINARY = Path("/nonexistent")
CONDITION = {
    "date": "2026-01-01", "kernel": "6", "cpu": "a CPU", "cores": 2, "proxy_core": 0, "load_core": 1, "connections": 64, "realtime": True,
    "versions": {name: "1.2.3" for name in NAMES},
}  # fmt: skip


def cpu(scenario: str, peer: str, round_: int, cpu_us: float, errors: int = 0) -> Sample:
    figures = {column.figure: 1.0 for column in COLUMNS[SCENARIOS[scenario].kind]}
    return Sample(scenario, peer, round_, {**figures, "cpu_us": cpu_us}, errors)


def peers():
    return [named(name, NO_BINARY) for name in NAMES]


class Ratios(unittest.TestCase):
    def test_are_over_the_better_baseline_of_the_same_round(self):
        rounds = Rounds([
            cpu("plain", "tollgate", 0, 10), cpu("plain", "haproxy", 0, 20), cpu("plain", "nginx", 0, 40),
            cpu("plain", "tollgate", 1, 30), cpu("plain", "haproxy", 1, 90), cpu("plain", "nginx", 1, 30),
        ])  # fmt: skip
        ratio = rounds.ratio("plain", "tollgate", "cpu_us")
        self.assertEqual((ratio.low, ratio.middle, ratio.high), (0.5, 0.75, 1.0))

    def test_do_not_take_who_failed_requests_for_a_measure(self):
        rounds = Rounds([cpu("plain", "tollgate", 0, 10), cpu("plain", "haproxy", 0, 5, errors=1), cpu("plain", "nginx", 0, 20)])
        self.assertEqual(rounds.ratio("plain", "tollgate", "cpu_us").middle, 0.5)

    def test_of_everything_are_over_plain(self):
        rounds = Rounds([cpu("everything", "tollgate", 0, 30), cpu("plain", "tollgate", 0, 1), cpu("plain", "nginx", 0, 20)])
        self.assertEqual(rounds.ratio("everything", "tollgate", "cpu_us").middle, 1.5)

    def test_of_many_tenants_are_over_the_same_peers_few(self):
        rounds = Rounds([cpu("tenants_100k", "nginx", 0, 30), cpu("tenants", "nginx", 0, 20), cpu("tenants", "haproxy", 0, 1)])
        self.assertEqual(rounds.ratio("tenants_100k", "nginx", "cpu_us").middle, 1.5)

    def test_need_both_in_one_round(self):
        self.assertIsNone(Rounds([cpu("plain", "tollgate", 0, 1), cpu("plain", "nginx", 1, 1)]).ratio("plain", "tollgate", "cpu_us"))


class Bars(unittest.TestCase):
    def test_are_met_or_missed_by_the_median(self):
        rounds = Rounds([sample for r, ours in enumerate((8, 9, 30)) for sample in (cpu("plain", "tollgate", r, ours), cpu("plain", "nginx", r, 10))])
        self.assertIs(Bar("plain", "a", "cpu_us", 0.9, BASELINES).judged(rounds)[1], True)
        self.assertIs(Bar("plain", "a", "cpu_us", 0.85, BASELINES).judged(rounds)[1], False)

    def test_of_the_worst_round_take_no_median(self):
        rounds = Rounds([cpu("plain", "tollgate", 0, 1), cpu("plain", "tollgate", 1, 9)])
        self.assertIs(Bar("plain", "a", "cpu_us", 5, worst=True).judged(rounds)[1], False)

    def test_say_nothing_where_the_machine_alone_is_beyond_them(self):
        loud = Sample("disturbed", "tollgate", 0, {"reload_ms": 7.0, "quiet_ms": 6.0})
        still = Sample("disturbed", "tollgate", 0, {"reload_ms": 7.0, "quiet_ms": 1.0})
        bar = next(bar for bar in bars.BARS if bar.figure == "reload_ms")
        self.assertIsNone(bar.judged(Rounds([loud]))[1])
        self.assertIs(bar.judged(Rounds([still]))[1], False)

    def test_ask_for_figures_that_there_are(self):
        for bar in bars.BARS:
            figures = {column.figure for column in COLUMNS[SCENARIOS[bar.scenario].kind]}
            self.assertTrue({bar.figure, bar.noise or bar.figure} <= figures, bar.what)


class Scenarios(unittest.TestCase):
    def test_have_their_yardsticks_in_their_own_rounds(self):
        for group in GROUPS:
            for scenario in group:
                self.assertIn(scenario.yardstick, [one.name for one in group])
                self.assertEqual(scenario.rounds, group[0].rounds)


class Pages(unittest.TestCase):
    def setUp(self):
        self.samples = [
            cpu(name, peer.name, round_, 10.0 + round_)
            for name, scenario in SCENARIOS.items() for peer in peers() if peer.does(scenario) for round_ in range(2)
        ]  # fmt: skip

    def test_show_every_scenario_and_bar(self):
        page = report.markdown(Rounds(self.samples), peers(), CONDITION, {("idle", "caddy"): "why\nmore"}, "chart.svg")
        for name in SCENARIOS:
            self.assertIn(f"### `{name}`", page)
        self.assertEqual(page.count("bar ≤ "), len(bars.BARS))
        self.assertIn("**caddy could not be measured**: why\n", page)
        tables = [line for line in page.splitlines() if line.startswith("|---")]
        self.assertEqual(len(tables), len(SCENARIOS))

    def test_come_out_the_same_from_what_was_saved(self):
        failures = {("plain", "envoy"): "why"}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "rounds.json")
            saved.save(path, CONDITION, self.samples, failures)
            self.assertEqual(saved.load(path), (CONDITION, self.samples, failures))

    def test_have_a_chart_that_is_xml_with_a_bar_for_each_ratio(self):
        drawn = xml.fromstring(chart.svg(Rounds(self.samples), peers()))
        bars_drawn = [one for one in drawn.iter() if one.tag.endswith("rect")]
        wanted = {(s.scenario, s.peer) for s in self.samples if SCENARIOS[s.scenario].kind in ("requests", "transfers")}
        self.assertEqual(len(bars_drawn), len(wanted))

    def test_are_summed_up_in_a_table_of_as_many_columns_as_its_head(self):
        lines = summary.markdown(Rounds(self.samples), peers(), CONDITION["versions"]).splitlines()
        table = [line for line in lines if line.startswith("|")]
        self.assertEqual({line.count("|") for line in table}, {table[0].count("|")})

    def test_have_the_blocks_that_a_run_writes(self):
        root = HERE.parents[1]
        for page in (root / "README.md", root / "benches" / "README.md"):
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder, "page.md")
                copy.write_text(page.read_text())
                Block("compare").write(copy, "new\n")
                self.assertIn("\nnew\n", copy.read_text())


class Disturbances(unittest.TestCase):
    def test_are_told_from_what_the_machine_does(self):
        worst = [1.0] * 190
        worst[31], worst[120], worst[5] = 9.0, 4.0, 2.0
        figures = figures_of(worst, {"reload": 3.0, "scrape": 7.0})
        self.assertEqual(figures["reload_ms"], 9.0)
        self.assertEqual(figures["scrape_ms"], 1.0)
        self.assertEqual(figures["quiet_ms"], 4.0)
        self.assertEqual(figures["quiet_median_ms"], 1.0)

    def test_are_not_told_of_moments_at_which_the_machine_stood_still(self):
        worst, aside = without(Stalls([(103.15, 14.0)]), [1.0] * 31 + [80.0] * 2 + [2.0] * 157, 100.0)
        self.assertEqual([at for at, one in enumerate(worst) if one is None], [31, 32])
        self.assertEqual(aside, 2)
        self.assertEqual(figures_of(worst, {"reload": 3.0})["reload_ms"], 2.0)
        with self.assertRaises(Failure):
            figures_of([None] * 190, {"reload": 3.0})


class Load(unittest.TestCase):
    def test_knows_every_tenants_host(self):
        with tempfile.TemporaryDirectory() as folder:
            script = wrk.script(Path(folder), TENANTS).read_text()
            hosts = Path(folder, f"hosts-{TENANTS.name}")
            self.assertIn(str(hosts), script)
            self.assertEqual(hosts.read_text().split(), list(TENANTS.hosts))

    def test_without_a_result_is_a_failure(self):
        with self.assertRaises(Failure):
            wrk.parse("nothing", "", None)


if __name__ == "__main__":
    unittest.main()
