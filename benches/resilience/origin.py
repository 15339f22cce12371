#!/usr/bin/env python3
"""One endpoint of the resilience runs: `origin.py PORT LEDGER DELAY_MS`, until it is killed.

Says back a request's target after DELAY_MS, names itself by its port, and writes the target of each POST into the ledger
before it answers, so that one which had its effect twice is seen whatever became of this process. `/bytes/N` is N octets;
a POST there is read to its end and counted.
"""

import asyncio
import sys

PIECE = bytes(256 * 1024)


def main() -> None:
    port, ledger, delay_ms = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    with open(ledger, "a", buffering=1, encoding="ascii") as executed:
        asyncio.run(serve(port, executed, delay_ms / 1e3))


async def serve(port, executed, delay_s):
    async def connection(reader, writer):
        try:
            while await exchange(reader, writer, port, executed, delay_s):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


async def exchange(reader, writer, port, executed, delay_s) -> bool:
    """One request; False at the connection's end."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.split(b" ", 2)
    name, _, value = head.lower().partition(b"\r\ncontent-length:")
    left = int(value.split(b"\r\n", 1)[0]) if value else 0
    streams = target.startswith(b"/bytes/")
    got = left
    while left > 0:
        left -= len(await reader.read(min(left, len(PIECE))) or _end())
    if streams and method == b"GET":
        await send(writer, port, int(target.removeprefix(b"/bytes/")))
        return True
    if method == b"POST":
        executed.write(target.decode() + "\n")
    if delay_s:
        await asyncio.sleep(delay_s)
    body = b"%d" % got if streams else target
    writer.write(b"HTTP/1.1 200 OK\r\nX-Origin: %d\r\nContent-Length: %d\r\n\r\n%b" % (port, len(body), body))
    await writer.drain()
    return True


async def send(writer, port, left):
    writer.write(b"HTTP/1.1 200 OK\r\nX-Origin: %d\r\nContent-Length: %d\r\n\r\n" % (port, left))
    while left > 0:
        piece = PIECE[: min(left, len(PIECE))]
        writer.write(piece)
        left -= len(piece)
        await writer.drain()


def _end():
    raise asyncio.IncompleteReadError(b"", None)


if __name__ == "__main__":
    main()
