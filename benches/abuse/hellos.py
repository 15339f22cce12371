"""ClientHellos as octets (RFC 8446, 4.1.2): real ones, made by Python's OpenSSL, and what can be made of them."""

import os
import ssl
import struct

HANDSHAKE_RECORD, ALERT_RECORD = 22, 21
SESSION_TICKET = 0x0023
RECORD_MAX = 16384


def client_hello(name: str, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """One record; each has a random and a key share of its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = newest
    context.set_alpn_protocols(["h2", "http/1.1"])
    return of_context(context, name)


def of_context(context: ssl.SSLContext, name: str) -> bytes:
    outgoing = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def record(payload: bytes, kind: int = HANDSHAKE_RECORD) -> bytes:
    return struct.pack(">BHH", kind, 0x0301, len(payload)) + payload


def message(hello: bytes) -> bytes:
    """The handshake message of a record."""
    return hello[5:]


def fragments(payload: bytes, size: int) -> bytes:
    """A handshake message in records of `size` octets each."""
    return b"".join(record(payload[at : at + size]) for at in range(0, len(payload), size))


def with_extension(hello: bytes, kind: int, data: bytes) -> bytes:
    """The same ClientHello with this extension's content replaced, or with it as the first."""
    body = message(hello)[4:]
    at = 34  # version and random
    at += 1 + body[at]  # session id
    at += 2 + struct.unpack_from(">H", body, at)[0]  # cipher suites
    at += 1 + body[at]  # compression
    before, extensions = body[:at], body[at + 2 :]
    kept, position = [struct.pack(">HH", kind, len(data)) + data], 0
    while position < len(extensions):
        found, length = struct.unpack_from(">HH", extensions, position)
        if found != kind:
            kept.append(extensions[position : position + 4 + length])
        position += 4 + length
    joined = b"".join(kept)
    body = before + struct.pack(">H", len(joined)) + joined
    whole = b"\x01" + len(body).to_bytes(3, "big") + body
    return fragments(whole, RECORD_MAX)


def promised(length: int) -> bytes:
    """The head of a ClientHello that says it is `length` octets long; its body never comes."""
    return b"\x01" + length.to_bytes(3, "big") + b"\x03\x03" + os.urandom(32)


def random_name(suffix: str = "scan.example.net") -> str:
    return f"{os.urandom(6).hex()}.{suffix}"
