"""The origin of bodies of a GiB: takes what comes, and answers how many octets it was.

`sink.py PORT`. The kernel throws the body away (MSG_TRUNC), so that it is not the limit. Each connection has a thread: a proxy may keep some idle.
"""

import socket
import sys
import threading

BUFFER = 1 << 20


def main() -> None:
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64) as listener:
        while True:
            peer, _ = listener.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=serve, args=(peer,), daemon=True).start()


def serve(peer: socket.socket) -> None:
    with peer:
        try:
            while answer_one(peer):
                pass
        except (OSError, ValueError):
            pass  # the proxy has gone, or sent what is no request: it will notice


def answer_one(peer: socket.socket) -> bool:
    """Whether there was a request."""
    got = b""
    while b"\r\n\r\n" not in got:
        data = peer.recv(65536)
        if not data:
            return False
        got += data
    head, _, begun = got.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    fields = dict(line.split(":", 1) for line in lines[1:] if ":" in line)
    length = int(fields.get("content-length", "0"))
    if "chunked" in fields.get("transfer-encoding", ""):
        raise ValueError("a body of unknown length")
    taken, buffer = len(begun), bytearray(BUFFER)
    while taken < length:
        count = peer.recv_into(buffer, min(BUFFER, length - taken), socket.MSG_TRUNC)
        if not count:
            return False
        taken += count
    text = str(taken).encode()
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
    return True


if __name__ == "__main__":
    main()
