"""What of the benchmark needs no gateway: `python3 -B benches/scale/test_scale.py`."""

import collections
import json
import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]
sys.path.append(str(HERE.parent / "compare"))

import breakage
import client
import figures
import others
import page
import tenants
import wrk
import zipf
from bench import Bar, Outcome
from closed_loop import Law
from experiments.imports import frames
from ledger import Ledger, shape


class Zipf(unittest.TestCase):
    def test_a_table_draws_its_weights(self):
        for count, exponent in ((1, 1.0), (2, 1.0), (7, 0.5), (1000, 1.0), (1000, 1.5)):
            given = zipf.weights(count, exponent)
            drawn = zipf.probabilities(*zipf.alias_table(given))
            for weight, probability in zip(given, drawn):
                self.assertAlmostEqual(weight / sum(given), probability, places=12)

    def test_a_file_holds_both_columns(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "table")
            zipf.write_table(path, 1200)
            self.assertEqual(path.stat().st_size, 12 * 1200)

    def test_the_top_has_its_share(self):
        self.assertAlmostEqual(zipf.share_of_top(1, 2), 2 / 3)
        self.assertAlmostEqual(zipf.share_of_top(100_000, 1_200_000), 0.8295, places=4)


class Sustained(unittest.TestCase):
    def rate(self, goal, used):
        tried = []

        def told(rate):
            tried.append(rate)
            return used(rate)

        return others.sustained(goal, told), tried

    def test_a_goal_with_room_is_reached_and_never_passed(self):
        rate, tried = self.rate(20_000, lambda rate: rate / 100_000)
        self.assertEqual(rate, 20_000)
        self.assertEqual(max(tried), 20_000)

    def test_a_rate_without_room_is_not_held(self):
        # A fixed part and one that grows, as batches do, less than the rate.
        for used in (lambda rate: 0.2 + rate / 20_000, lambda rate: (rate / 8_000) ** 0.8, lambda rate: rate / 1_100):
            rate, _ = self.rate(50_000, used)
            self.assertLessEqual(used(rate), others.MOST)
            self.assertGreater(used(rate), others.AIM * 0.5)

    def test_lost_requests_lower_the_rate(self):
        rate, _ = self.rate(50_000, lambda rate: 1.0 if rate > 3_000 else 0.3)
        self.assertLessEqual(rate, 3_000)

    def test_where_no_rate_is_sustained_that_is_told(self):
        with self.assertRaises(others.Failure):
            self.rate(50_000, lambda _rate: 1.0)


class Population(unittest.TestCase):
    def test_every_host_has_its_owner(self):
        for count in (1, 4, 5, 6, 1000):
            population = tenants.Population(count)
            hosts = [population.host(index) for index in range(population.hosts)]
            self.assertEqual(len(set(hosts)), population.hosts)
            owned = [domain for number in range(count) for domain in tenants.domains(number)]
            self.assertEqual(sorted(hosts), sorted(owned))
            for index, host in enumerate(hosts):
                self.assertIn(host, tenants.domains(population.owner(index)))

    def test_scattering_is_a_permutation(self):
        for count in (1, 2, 5, 1000, 4999):
            population = tenants.Population(count)
            self.assertEqual(len({population.scattered(rank) for rank in range(population.hosts)}), population.hosts)
        # The load multiplies in doubles.
        self.assertLess(1_200_000 * tenants.multiplier(1_200_000), 2**53)

    def test_a_line_is_a_document(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "tenants.ndjson")
            tenants.Population(100).write_ndjson(path)
            read = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual(read, [tenants.document(number) for number in range(100)])
        self.assertEqual(sum(len(tenant["domains"]) for tenant in read), 120)
        self.assertEqual(sum("limits" in tenant for tenant in read), 5)
        self.assertEqual({tenant["plan"] for tenant in read}, {"free", "enterprise"})

    def test_texts_are_counted(self):
        self.assertEqual(tenants.text_bytes({"id": "ab", "domains": ["c", "de"], "limit": 7}), 2 + 2 + 7 + 3 + 5)

    def test_a_file_carries_its_mark(self):
        self.assertIn('response_headers: {"set": {"X-Scale": "7"}}', tenants.file_text(3, "7"))
        self.assertNotIn("id:", tenants.file_text(3))


class Figures(unittest.TestCase):
    def test_percentiles_are_of_the_nearest_rank(self):
        values = [float(value) for value in range(1, 201)]
        random.Random(1).shuffle(values)
        for percent, expected in ((50, 100), (99, 198), (100, 200), (0.1, 1)):
            self.assertEqual(figures.percentile(values, percent), expected)
        self.assertEqual(figures.percentile([3.0], 99), 3.0)
        self.assertEqual(client.rank(sorted(values), 99), 198)

    def test_a_spread_names_its_ends(self):
        self.assertEqual(figures.spread([3, 1, 2]), "2.0 (1.0–3.0)")
        self.assertEqual(figures.spread([1234.5], 0), "1,234")

    def test_bars(self):
        self.assertTrue(Bar("", 5, 5).met)
        self.assertFalse(Bar("", 5, 5, strict=True).met)
        self.assertTrue(Bar("", 5, 5, at_least=True).met)
        self.assertFalse(Bar.nothing("", 1).met)
        self.assertEqual(Bar("a", 0.94, 0.9, at_least=True).cells(), ["a", "0.94", "≥ 0.9", "pass"])
        self.assertEqual(Bar("a", 6, 5, "ms", 1, strict=True).cells(), ["a", "6.0 ms", "< 5 ms", "**miss**"])


class Pages(unittest.TestCase):
    CONDITION = {
        "date": "2026-01-02", "kernel": "6.1", "cpu": "CPU", "cores": 2, "proxy_core": 0, "load_core": 1, "tenants": 10,
        "rounds": 1, "duration_s": 2, "realtime": False, "quick": False, "version": "tollgate 0.1.0",
    }  # fmt: skip

    def test_results_outlive_a_run(self):
        with tempfile.TemporaryDirectory() as folder:
            path, readme = Path(folder, "found.json"), Path(folder, "README.md")
            page.Results(path).record("cold", "Cold", Outcome([Bar("p99", 6, 5, "ms")], ["| a |"]), self.CONDITION, 0.5, 1)
            page.Results(path).failed("kill", "Kill", "it broke\nthere", self.CONDITION)
            block = page.markdown(page.Results(path).found, ["cold", "kill", "start"])
            readme.write_text(f"before\n{page.BLOCK.begin}\nold\n{page.BLOCK.end}\nafter\n")
            page.BLOCK.write(readme, block)
            page.BLOCK.write(readme, block)
            text = readme.read_text()
        self.assertEqual(text, f"before\n{page.BLOCK.begin}\n{block}{page.BLOCK.end}\nafter\n")
        for part in ("| p99 | 6.00 ms | ≤ 5 ms | **miss** |", "### `cold`: Cold", "**Noisy**", "it broke", "**not measured**"):
            self.assertIn(part, block)

    def test_frames_of_a_progress_bar(self):
        shown = b"\r\x1b[2K 1,000/10,000\r\x1b[2K 5,000/10,000\r\x1b[2K 5,000/10,000\n done"
        self.assertEqual(frames(shown), ["1,000/10,000", "5,000/10,000"])


class Ledgers(unittest.TestCase):
    def test_what_is_acknowledged_must_be_there_and_nothing_in_between(self):
        old, new = tenants.document(5), {**tenants.document(5), "plan": "enterprise", "domains": ["x.test"]}
        half = {**old, "domains": ["x.test"]}
        ledger = Ledger()
        ledger.begins("t", old)
        ledger.ends("t", old)
        self.assertEqual(ledger.faults({"t": shape(old)}), [])
        self.assertEqual(len(ledger.faults({})), 1)
        self.assertEqual(len(ledger.faults({"t": shape(old), "u": shape(new)})), 1)
        ledger.begins("t", new)
        for there, faults in ((old, 0), (new, 0), (half, 1)):
            self.assertEqual(len(ledger.faults({"t": shape(there)})), faults)
        ledger.settle({"t": shape(new)})
        self.assertEqual(len(ledger.faults({"t": shape(old)})), 1)

    def test_order_and_defaults_make_no_difference(self):
        one = {"id": "t", "plan": "free", "domains": ["b.test", "a.test"], "revision": 7}
        other = {"plan": "free", "state": "active", "domains": ["a.test", "b.test"], "labels": {}}
        self.assertEqual(shape(one), shape(other))


class Breakages(unittest.TestCase):
    def test_what_is_broken_is_mended(self):
        for kind in breakage.KINDS:
            with self.subTest(kind.name), tempfile.TemporaryDirectory() as folder:
                store, log = Path(folder, "t.db"), Path(folder, "t.db-wal")
                content = random.Random(3).randbytes(3 * breakage.PAGE * 256 + 17)
                store.write_bytes(content)
                log.write_bytes(b"log")
                inode = store.stat().st_ino
                broken = kind(store)
                broken.break_()
                self.assertTrue(store.is_dir() or store.read_bytes() != content)
                broken.mend()
                self.assertEqual((store.read_bytes(), log.read_bytes(), store.stat().st_ino), (content, b"log", inode))


@unittest.skipUnless(shutil.which("wrk"), "wrk is not installed")
class Scripts(unittest.TestCase):
    """What wrk asks for, seen by a server."""

    def test_hosts_are_drawn_by_their_law(self):
        population = tenants.Population(100)
        weights = zipf.weights(population.hosts)
        with tempfile.TemporaryDirectory() as folder:
            for law, expected in (
                (Law.zipf(Path(folder), population), [weight / sum(weights) for weight in weights]),
                (Law.uniform(Path(folder), population), [1 / population.hosts] * population.hosts),
            ):
                asked = self._asked(law)
                seen = collections.Counter(host.decode() for host in asked)
                # Every rank may come up, and nothing else does.
                self.assertLessEqual(set(seen), {population.host(index) for index in range(population.hosts)})
                for rank in (0, 1, 9, 59):
                    share, due = seen[population.host(population.scattered(rank))] / len(asked), expected[rank]
                    # Five standard deviations: once in a million runs by chance.
                    self.assertLess(abs(share - due), 5 * (due * (1 - due) / len(asked)) ** 0.5 + 1e-9)

    def test_in_turn_every_host_is_asked_for_before_one_is_again(self):
        population = tenants.Population(100)
        with tempfile.TemporaryDirectory() as folder:
            asked = self._asked(Law.in_turn(Path(folder), population))
        seen = collections.Counter(asked)
        self.assertEqual(len(seen), population.hosts)
        self.assertLessEqual(max(seen.values()) - min(seen.values()), 2)

    def _asked(self, law):
        asked = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=_serve, args=(listener, asked), daemon=True).start()
            load = wrk.run(listener.getsockname()[1], law.script, 4, 1, 7, min(os.sched_getaffinity(0)))
            self.assertEqual(load.errors, 0)
        return asked


class Clients(unittest.TestCase):
    """The open loop against a server of its own."""

    def test_each_host_is_asked_for_once(self):
        asked = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=_serve, args=(listener, asked), daemon=True).start()
            for rate in (0, 2000):
                asked.clear()
                hosts = [f"h{number}.test".encode() for number in range(50)]
                options = _options(listener.getsockname()[1], rate)
                report = client.Load(options, hosts).run()
                self.assertEqual(sorted(asked), sorted(hosts))
                self.assertEqual((report["sent"], report["statuses"][200], report["errors"]), (50, 49, {}))
                # One was refused, and counts as nobody's latency.
                self.assertEqual(report["statuses"][503], 1)
                self.assertGreater(report["p99_ms"], 0)


def _options(port: int, rate: float):
    return type("Options", (), {"port": port, "rate": rate, "seconds": 0, "connections": 4, "cycle": False, "announce": False, "seed": 1})


def _serve(listener: socket.socket, asked: list) -> None:
    def answer(peer: socket.socket) -> None:
        with peer:
            while data := peer.recv(4096):
                host = data.split(b"Host: ")[1].split(b"\r\n")[0]
                asked.append(host)
                status = b"503 Busy" if host == b"h7.test" else b"200 OK"
                peer.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")

    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(peer,), daemon=True).start()


if __name__ == "__main__":
    unittest.main()
