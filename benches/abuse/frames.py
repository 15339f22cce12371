"""HTTP/2 as octets (RFC 9113, RFC 7541): frames and header blocks, valid ones and those that no client would send.

Blocks are written by hand, without Huffman code: an attack is encoded once and sent many times.
"""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)
FRAME_MAX = 16384  # what any peer takes
WINDOW_MAX = 2**31 - 1
ERRORS = (
    "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR REFUSED_STREAM "
    "CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED"
).split()

# Indices of the static table.
AUTHORITY, GET, POST, PATH_ROOT, HTTPS, STATUS_200, ACCEPT_ENCODING_GZIP, COOKIE = 1, 2, 3, 4, 7, 8, 16, 32
FIRST_DYNAMIC = 62


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def rst_stream(stream: int, code: int = 8) -> bytes:
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def priority(stream: int, depends_on: int) -> bytes:
    return frame(PRIORITY, 0, stream, struct.pack(">IB", depends_on, 15))


def headers(stream: int, block: bytes, end_stream: bool = True) -> bytes:
    """HEADERS, and CONTINUATION for what a frame has no room for."""
    pieces = [block[at : at + FRAME_MAX] for at in range(0, len(block), FRAME_MAX)] or [b""]
    out = []
    for number, piece in enumerate(pieces):
        flags = END_HEADERS if number == len(pieces) - 1 else 0
        if number == 0:
            out.append(frame(HEADERS, flags | (END_STREAM if end_stream else 0), stream, piece))
        else:
            out.append(frame(CONTINUATION, flags, stream, piece))
    return b"".join(out)


def integer(value: int, prefix_bits: int, first: int) -> bytes:
    """An HPACK integer (RFC 7541, 5.1); `first` has the bits before the prefix."""
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def text(value: bytes) -> bytes:
    return integer(len(value), 7, 0) + value


def indexed(index: int) -> bytes:
    return integer(index, 7, 0x80)


def literal(name: bytes | int, value: bytes, keep: bool = False) -> bytes:
    """A field; `keep` puts it into the peer's dynamic table."""
    index, bits, first = (name if isinstance(name, int) else 0), (6 if keep else 4), (0x40 if keep else 0)
    return integer(index, bits, first) + (b"" if isinstance(name, int) else text(name)) + text(value)


def request(host: str, path: str = "/", method: int = GET, keep: bool = False, scheme: int = HTTPS) -> bytes:
    """The block of a request; with `keep` the authority, and a path other than /, is index 62 and further from then on."""
    where = indexed(PATH_ROOT) if path == "/" else literal(PATH_ROOT, path.encode(), keep)
    return indexed(method) + indexed(scheme) + where + literal(AUTHORITY, host.encode(), keep)


def again(method: int = GET) -> bytes:
    """A request for / after one that kept its authority: four octets."""
    return indexed(method) + indexed(HTTPS) + indexed(PATH_ROOT) + indexed(FIRST_DYNAMIC)


class Reader:
    """Takes frames out of what comes in; whole frames only, payloads of DATA are skipped."""

    def __init__(self):
        self._rest = b""

    def feed(self, data: bytes):
        """Yields (kind, flags, stream, payload)."""
        buffer = self._rest + data if self._rest else data
        at, end = 0, len(buffer)
        while end - at >= 9:
            length_kind, flags, stream = struct.unpack_from(">IBI", buffer, at)
            length = length_kind >> 8
            if end - at < 9 + length:
                break
            yield length_kind & 0xFF, flags, stream & WINDOW_MAX, buffer[at + 9 : at + 9 + length]
            at += 9 + length
        self._rest = buffer[at:]


def error_name(code: int) -> str:
    return ERRORS[code] if code < len(ERRORS) else f"code {code}"
