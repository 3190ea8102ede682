#!/usr/bin/python3
"""A provider's address that can die: connections go on to another one.

relay.py PORT        prints its own port

Lines on stdin: "die" resets all connections and refuses new ones, "live" takes
them again, at the same port.  Each is answered with "ok".
"""

import socket
import struct
import sys
import threading

TARGET = ("127.0.0.1", int(sys.argv[1]))
LOCK = threading.Lock()
OPEN = set()


def reset(sock):
    """Nothing is left of it, not even a polite end."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        sock.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    sock.close()


def copy(source, target):
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(listener):
    while True:
        try:
            client, _ = listener.accept()
            host = socket.create_connection(TARGET)
        except OSError:
            return
        with LOCK:
            OPEN.update((client, host))
        for pair in ((client, host), (host, client)):
            threading.Thread(target=copy, args=pair, daemon=True).start()


def listen(port):
    listener = socket.create_server(("127.0.0.1", port), backlog=256)
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    return listener


def main():
    listener = listen(0)
    port = listener.getsockname()[1]
    print(port, flush=True)
    for line in sys.stdin:
        if line == "die\n":
            # a thread that waits in accept() keeps the socket otherwise
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            with LOCK:
                for sock in OPEN:
                    reset(sock)
                OPEN.clear()
        else:
            listener = listen(port)
        print("ok", flush=True)


main()
