"""Frames that no client would send, made by hyperframe and hpack, and what has to come of each.

Usage: frames.py ADDRESS PORT HOST
"""

import socket
import sys

from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

ADDRESS, PORT, HOST = sys.argv[1], int(sys.argv[2]), sys.argv[3]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, COMPRESSION_ERROR, CALM = 1, 3, 5, 6, 9, 11


class Client:
    def __init__(self):
        self.socket = socket.create_connection((ADDRESS, PORT), timeout=10)
        self.buffer = b""
        self.hpack = Encoder()
        self.socket.sendall(PREFACE + SettingsFrame(0).serialize())

    def send(self, *frames):
        raw = b"".join(frame if isinstance(frame, bytes) else frame.serialize() for frame in frames)
        try:
            self.socket.sendall(raw)
        except OSError:
            pass

    def take(self, octets):
        while len(self.buffer) < octets:
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not more:
                return None
            self.buffer += more
        taken, self.buffer = self.buffer[:octets], self.buffer[octets:]
        return taken

    def next(self):
        head = self.take(9)
        if head is None:
            return None
        frame, length = Frame.parse_frame_header(memoryview(head))
        body = self.take(length)
        if body is None:
            return None
        frame.parse_body(memoryview(body))
        return frame

    def until(self, wanted):
        while True:
            frame = self.next()
            if frame is None or wanted(frame):
                return frame

    def head(self, stream, method="GET", end=True, fields=(), flags=()):
        frame = HeadersFrame(stream)
        whole = [(":method", method), (":scheme", "http"), (":authority", HOST), (":path", "/"), *fields]
        frame.data = self.hpack.encode(whole)
        frame.flags.add("END_HEADERS")
        if end:
            frame.flags.add("END_STREAM")
        for flag in flags:
            frame.flags.add(flag)
        return frame

    def ends_with(self, *codes):
        frame = self.until(lambda frame: isinstance(frame, GoAwayFrame) and frame.error_code != 0)
        assert frame is not None and frame.error_code in codes, frame

    def resets(self, stream, *codes):
        wanted = lambda frame: isinstance(frame, (RstStreamFrame, GoAwayFrame))
        frame = self.until(wanted)
        assert frame is not None and frame.error_code in codes, frame

    def serves(self, stream):
        self.send(self.head(stream))
        body = b""
        while True:
            frame = self.next()
            assert frame is not None and not isinstance(frame, GoAwayFrame), f"stream {stream}: {frame}"
            if frame.stream_id != stream:
                continue
            assert not isinstance(frame, RstStreamFrame), frame
            if isinstance(frame, DataFrame):
                body += frame.data
            if "END_STREAM" in frame.flags:
                assert body == b"hello", body
                return


def padded_requests(client):
    frame = client.head(1, flags=["PADDED"])
    frame.pad_length = 200
    client.send(frame)
    client.serves(3)


def a_head_in_pieces(client):
    frame = client.head(1)
    whole, frame.data = frame.data, frame.data[:1]
    frame.flags.discard("END_HEADERS")
    rest = ContinuationFrame(1)
    rest.data = whole[1:]
    rest.flags.add("END_HEADERS")
    client.send(frame, rest)
    client.serves(3)


def something_amid_a_head(client):
    frame = client.head(1)
    frame.flags.discard("END_HEADERS")
    client.send(frame, PingFrame(0, b"12345678"))
    client.ends_with(PROTOCOL_ERROR)


def a_type_that_nobody_knows(client):
    client.send(b"\x00\x00\x64\xbe\xff\x00\x00\x00\x00" + b"?" * 100)
    client.serves(1)


def a_setting_that_nobody_knows(client):
    client.send(b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + b"\xbe\xef\x00\x00\x00\x01")
    client.serves(1)


def a_ping_is_answered(client):
    client.send(PingFrame(0, b"abcdefgh"))
    frame = client.until(lambda frame: isinstance(frame, PingFrame))
    assert frame.opaque_data == b"abcdefgh" and "ACK" in frame.flags, frame


def a_window_above_all(client):
    client.send(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 2**31}))
    client.ends_with(FLOW_CONTROL_ERROR)


def frames_that_are_too_small(client):
    client.send(SettingsFrame(0, {SettingsFrame.MAX_FRAME_SIZE: 16383}))
    client.ends_with(PROTOCOL_ERROR)


def push_that_is_no_bit(client):
    client.send(SettingsFrame(0, {SettingsFrame.ENABLE_PUSH: 2}))
    client.ends_with(PROTOCOL_ERROR)


def a_promise_of_a_client(client):
    frame = PushPromiseFrame(1)
    frame.promised_stream_id = 2
    frame.data = client.hpack.encode([(":method", "GET")])
    frame.flags.add("END_HEADERS")
    client.send(client.head(1, end=False), frame)
    client.ends_with(PROTOCOL_ERROR)


def a_stream_that_depends_on_itself(client):
    client.send(PriorityFrame(1, depends_on=1, stream_weight=1))
    # RFC 9113 deprecates it: an error of the stream, or nothing.
    client.send(client.head(3))
    frame = client.until(lambda frame: isinstance(frame, (HeadersFrame, GoAwayFrame)))
    assert frame is not None, frame


def compression_that_is_none(client):
    frame = client.head(1)
    frame.data = b"\xff\xff\xff\xff\xff\xff\xff"
    client.send(frame)
    client.ends_with(COMPRESSION_ERROR, PROTOCOL_ERROR)


def an_entry_that_is_not_there(client):
    frame = client.head(1)
    frame.data = b"\xbf\xfe"
    client.send(frame)
    client.ends_with(COMPRESSION_ERROR, PROTOCOL_ERROR)


def data_behind_the_end(client):
    late = DataFrame(1, b"late")
    client.send(client.head(1), late)
    client.resets(1, STREAM_CLOSED, PROTOCOL_ERROR)


def a_stream_that_goes_back(client):
    client.serves(5)
    client.send(client.head(3))
    frame = client.until(lambda frame: isinstance(frame, (GoAwayFrame, RstStreamFrame)))
    assert frame is not None and frame.error_code in (PROTOCOL_ERROR, STREAM_CLOSED), frame


def a_window_by_nothing(client):
    client.send(WindowUpdateFrame(0, 0).serialize()[:9] + b"\x00\x00\x00\x00")
    client.ends_with(PROTOCOL_ERROR)


def a_reset_of_nothing(client):
    client.send(RstStreamFrame(1, 8))
    client.ends_with(PROTOCOL_ERROR)


def trailers_that_do_not_end(client):
    frame = HeadersFrame(1)
    frame.data = client.hpack.encode([("x", "y")])
    frame.flags.add("END_HEADERS")
    client.send(client.head(1, method="POST", end=False), DataFrame(1, b"abc"), frame)
    client.resets(1, PROTOCOL_ERROR)


def a_get_with_data(client):
    data = DataFrame(1, b"abc")
    data.flags.add("END_STREAM")
    client.send(client.head(1, end=False), data)
    client.serves(3)


def crumbs_of_a_cookie(client):
    client.send(client.head(1, fields=[("cookie", "a=1"), ("cookie", "b=2")]))
    client.serves(3)


CASES = [
    padded_requests,
    a_head_in_pieces,
    something_amid_a_head,
    a_type_that_nobody_knows,
    a_setting_that_nobody_knows,
    a_ping_is_answered,
    a_window_above_all,
    frames_that_are_too_small,
    push_that_is_no_bit,
    a_promise_of_a_client,
    a_stream_that_depends_on_itself,
    compression_that_is_none,
    an_entry_that_is_not_there,
    data_behind_the_end,
    a_stream_that_goes_back,
    a_window_by_nothing,
    a_reset_of_nothing,
    trailers_that_do_not_end,
    a_get_with_data,
    crumbs_of_a_cookie,
]

failed = 0
for case in CASES:
    try:
        case(Client())
        # Nobody else has noticed.
        Client().serves(1)
    except Exception as why:  # noqa: BLE001
        failed += 1
        print(f"{case.__name__}: {type(why).__name__}: {why}")
print("all as it should be" if failed == 0 else f"{failed} of {len(CASES)} are wrong")
sys.exit(failed != 0)
