"""What of the attacks needs no proxy: `python3 -B benches/abuse/test_abuse.py`."""

import socket
import ssl
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]
sys.path.append(str(HERE.parent / "compare"))

import endings
import frames
import hellos
import page
from case import HOST
from cases import CASES
from trial import Sample, percentile


class Frames(unittest.TestCase):
    def test_what_is_written_is_read(self):
        reader = frames.Reader()
        octets = frames.settings((4, 0)) + frames.rst_stream(3, 11) + frames.frame(frames.PING, 0, 0, b"12345678")
        # An octet at a time: a frame counts when it is whole.
        found = [one for at in range(len(octets)) for one in reader.feed(octets[at : at + 1])]
        self.assertEqual(
            found,
            [
                (frames.SETTINGS, 0, 0, bytes([0, 4, 0, 0, 0, 0])),
                (frames.RST_STREAM, 0, 3, bytes([0, 0, 0, 11])),
                (frames.PING, 0, 0, b"12345678"),
            ],
        )

    def test_integers_are_those_of_the_standard(self):
        # RFC 7541, C.1.
        self.assertEqual(frames.integer(10, 5, 0), bytes([10]))
        self.assertEqual(frames.integer(1337, 5, 0), bytes([31, 154, 10]))
        self.assertEqual(frames.integer(42, 8, 0), bytes([42]))

    def test_blocks_are_what_others_read(self):
        try:
            import hpack
        except ImportError:
            self.skipTest("python3-hpack is not installed")
        decoder = hpack.Decoder()
        wanted = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", HOST)]
        self.assertEqual([tuple(field) for field in decoder.decode(frames.request(HOST, keep=True))], wanted)
        self.assertEqual([tuple(field) for field in decoder.decode(frames.again())], wanted)
        decoded = decoder.decode(frames.request(HOST, "/slow", method=frames.POST, keep=True))
        self.assertEqual(dict(map(tuple, decoded))[":path"], "/slow")

    def test_a_long_block_is_continued(self):
        found = list(frames.Reader().feed(frames.headers(1, bytes(frames.FRAME_MAX + 1))))
        self.assertEqual([(kind, flags, len(payload)) for kind, flags, _, payload in found],
                         [(frames.HEADERS, frames.END_STREAM, frames.FRAME_MAX), (frames.CONTINUATION, frames.END_HEADERS, 1)])  # fmt: skip


class Cases(unittest.TestCase):
    def test_every_script_is_to_be_had_and_says_something(self):
        for case in CASES.values():
            script = case.script()
            opening = script.opening() if callable(script.opening) else script.opening
            silent = case.name in ("silent", "tls_silent", "one_address", "connect_and_leave")
            self.assertTrue(opening or script.repeat or silent, case.name)
            self.assertIn(script.hangs_up, ("", "answered", "sent"))
            self.assertGreaterEqual(case.addresses * 1000, case.connections if case.addresses > 1 else 0, case.name)

    def test_h2_scripts_are_whole_frames(self):
        for case in CASES.values():
            if case.layer != "h2" or case.name == "preface_stall":
                continue
            script = case.script()
            self.assertTrue(script.opening.startswith(frames.PREFACE), case.name)
            reader = frames.Reader()
            kinds = [kind for kind, *_ in reader.feed(script.opening[len(frames.PREFACE) :] + script.repeat)]
            self.assertEqual(kinds[0], frames.SETTINGS, case.name)
            self.assertFalse(reader._rest, f"{case.name} ends within a frame")


class Hellos(unittest.TestCase):
    def test_an_extension_is_replaced(self):
        hello = hellos.client_hello(HOST, ssl.TLSVersion.TLSv1_2)
        large = hellos.with_extension(hello, hellos.SESSION_TICKET, b"t" * 12_000)
        self.assertEqual(int.from_bytes(large[3:5], "big"), len(large) - 5)
        self.assertEqual(int.from_bytes(large[6:9], "big"), len(large) - 9)
        self.assertIn(b"\x00\x23" + (12_000).to_bytes(2, "big") + b"ttt", large)
        self.assertIn(HOST.encode(), large)

    def test_fragments_are_records(self):
        pieces = hellos.fragments(b"abc", 1)
        self.assertEqual(pieces, b"".join(b"\x16\x03\x01\x00\x01" + bytes([octet]) for octet in b"abc"))

    def test_a_server_takes_what_was_made(self):
        """The ClientHello with a large ticket is one that OpenSSL answers: it is no garbage."""
        from certificate import Certificate

        with tempfile.TemporaryDirectory() as folder:
            certificate = Certificate.of(Path(folder), HOST)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate.cert, certificate.key)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            server = context.wrap_bio(incoming, outgoing, server_side=True)
            hello = hellos.client_hello(HOST, ssl.TLSVersion.TLSv1_2)
            incoming.write(hellos.with_extension(hello, hellos.SESSION_TICKET, b"t" * 12_000))
            with self.assertRaises(ssl.SSLWantReadError):
                server.do_handshake()
            self.assertEqual(outgoing.read(1), bytes([hellos.HANDSHAKE_RECORD]))


class Endings(unittest.TestCase):
    def test_a_goaway_is_named(self):
        http2 = endings.Http2()
        http2.feed(frames.frame(frames.GOAWAY, 0, 0, bytes([0, 0, 0, 1, 0, 0, 0, 11])))
        self.assertEqual(http2.how("closed"), "GOAWAY ENHANCE_YOUR_CALM")

    def test_an_alert_is_named(self):
        records = endings.Records()
        for octet in hellos.record(b"server hello") + b"\x15\x03\x03\x00\x02\x02\x2f":
            records.feed(bytes([octet]))
        self.assertEqual(records.how("closed"), "alert illegal_parameter")

    def test_statuses_are_counted_across_pieces(self):
        http1 = endings.Http1()
        octets = b"HTTP/1.1 200 OK\r\n\r\nbodyHTTP/1.1 431 Request\r\n\r\n"
        for at in range(0, len(octets), 5):
            http1.feed(octets[at : at + 5])
        self.assertEqual(dict(http1.statuses), {"200": 1, "431": 1})
        self.assertEqual(http1.how("closed"), "431, closed")

    def test_processes_are_merged(self):
        one, other = {"closed": {"count": 1, "after_s": 1.0, "sent": 1}}, {"closed": {"count": 3, "after_s": 2.0, "sent": 5}}
        self.assertEqual(endings.merged([one, other]), {"closed": {"count": 4, "after_s": 2.0, "sent": 5}})


class Page(unittest.TestCase):
    def sample(self, **further):
        given = {
            "case": "rapid_reset", "proxy": "tollgate", "round": 0, "p99_alone_ms": 1.0, "p99_ms": 1.1, "p50_alone_ms": 0.5, "p50_ms": 0.5,
            "by_protocol": {}, "requests": 100, "lost": 0, "lost_alone": 0, "cpu_alone": 0.05, "cpu": 0.2, "rss_idle_mib": 20.0,
            "rss_grown_mib": 1.5, "attack_mib_s": 30.0, "connections": 100, "connections_s": 25.0, "answered": {}, "died": "", "settled_s": 0.0,
            "endings": {"GOAWAY ENHANCE_YOUR_CALM": {"count": 99, "after_s": 0.008, "sent": 2**20}, "held": {"count": 1, "after_s": 1, "sent": 1}},
        }  # fmt: skip
        return Sample(**{**given, **further})

    def test_the_bar(self):
        self.assertTrue(page.met([self.sample()]))
        self.assertTrue(page.met([self.sample(p99_ms=1.3), self.sample(), self.sample()]))
        for missed in ({"p99_ms": 1.3}, {"lost": 1}, {"died": "panicked"}, {"rss_grown_mib": 300.0}):
            self.assertFalse(page.met([self.sample(**missed)]), missed)

    def test_a_row(self):
        told = page.row("x", "Tollgate", [self.sample()])
        self.assertIn("| 1.00 → 1.10 | 1.10 | 0 | 5% → 20% | +1.5 |", told)
        self.assertIn("99% GOAWAY ENHANCE_YOUR_CALM after 1.0 MiB, 8 ms", told)
        self.assertIn("**1 of 100**", page.row("x", "Tollgate", [self.sample(lost=1)]))

    def test_the_block_is_replaced(self):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "page.md")
            file.write_text(f"before\n{page.BLOCK.begin}\nold\n{page.BLOCK.end}\nafter\n")
            page.BLOCK.write(file, "new\n")
            self.assertEqual(file.read_text(), f"before\n{page.BLOCK.begin}\nnew\n{page.BLOCK.end}\nafter\n")

    def test_percentiles_are_by_nearest_rank(self):
        found = [(0.0, number / 1000, True, "h1") for number in range(1, 101)]
        self.assertAlmostEqual(percentile(found, 99), 99.0)
        self.assertAlmostEqual(percentile(found, 50), 50.0)
        self.assertEqual(percentile([], 99), float("inf"))


class Load(unittest.TestCase):
    """The comparison's load under TLS, as far as it needs none."""

    SAID = (
        "finished in 1.50s, 4000.00 req/s, 4.00MB/s\n"
        "requests: 6 total, 6 started, 5 done, 4 succeeded, 2 failed, 1 errored, 0 timeout\n"
        "traffic: 1.00MB (1048576) total, 1.00KB (1024) headers (space savings 90.00%), 4.00KB (4096) data\n"
    )
    LOG = ["1\t200\t1000", "2\t200\t2000", "3\t200\t3000", "4\t200\t4000", "5\t503\t9000"]

    def test_h2load_is_read(self):
        import h2load

        load = h2load.parse(self.SAID, "", self.LOG, None)
        self.assertEqual((load.requests, load.duration_s, load.p50_ms, load.max_ms), (5, 1.5, 3.0, 9.0))
        self.assertEqual((load.status_errors, load.socket_errors), (1, {"errored": 1, "timeout": 0, "missing": 1}))

    def test_bodies_that_are_not_whole_are_a_failure(self):
        import h2load
        from process import Failure

        with self.assertRaises(Failure):
            h2load.parse(self.SAID.replace("4096", "4095"), "", self.LOG, None)


if __name__ == "__main__":
    socket.setdefaulttimeout(10)
    unittest.main()
