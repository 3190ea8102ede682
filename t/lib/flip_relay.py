"""A middle man who changes one byte of what a server says.

    flip_relay.py PORT TO STEP LOG

The connection number N, from 0, has the byte N * STEP - 1 of the server's side
changed: none at first.  How many bytes there were goes into LOG, a line each.
"""

import socket
import sys
import threading


def copy(source, to, at, log):
    """One direction; at is the byte that becomes another, -1: none."""
    seen = 0
    try:
        while True:
            data = source.recv(65536)
            if not data:
                break
            if seen <= at < seen + len(data):
                data = bytearray(data)
                data[at - seen] ^= 1
            seen += len(data)
            to.sendall(data)
    except OSError:
        pass
    for end in (source, to):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
    if log:
        log.write('%d\n' % seen)


def main(port, to, step, log):
    server = socket.create_server(('127.0.0.1', int(port)), backlog=64)
    count = 0
    with open(log, 'a', buffering=1, encoding='ascii') as file:
        while True:
            outer, _ = server.accept()
            inner = socket.create_connection(('127.0.0.1', int(to)))
            for args in ((outer, inner, -1, None),
                         (inner, outer, count * int(step) - 1, file)):
                threading.Thread(target=copy, args=args, daemon=True).start()
            count += 1


main(*sys.argv[1:])
