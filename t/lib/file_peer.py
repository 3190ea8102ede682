#!/usr/bin/python3
"""A host of files: each request says in its arguments what it is to get.

  size=N        bytes of the bill, which is the same for all, see content()
  frame=WORD    length (default), chunked, or eof: its end is that of the
                connection
  gzip=N        compressed, in N members, each time to the same bytes
  flip=1        a byte in the middle is another
  cut=N         no more than N bytes of it, then the end of the connection
  stall=N       N bytes, and then nothing
  slow=MS       a pause before each piece of 16 k
  piece=N       bytes of a piece
  signed=1      header fields of a signature, which is none
  coding=WORD   Content-Encoding
  status=N

GET /log is what has become of the requests with a token.  It prints its port.
"""

import gzip
import json
import select
import socket
import threading
import time
import urllib.parse

LOG = {}


LINES = (b"`2025-01-02,`a line.\r\n" * 3000)[:65528]


def content(size):
    blocks = -(-size // 65536)
    return b"".join(b"%08d" % i + LINES for i in range(blocks))[:size]


def file_of(args):
    data = content(int(args.get("size", 1000)))
    if args.get("flip"):
        middle = len(data) // 2
        data = data[:middle] + b"X" + data[middle + 1:]
    members = int(args.get("gzip", 0))
    if members:
        part = -(-len(data) // members)
        data = b"".join(gzip.compress(data[i:i + part], mtime=0)
                        for i in range(0, len(data), part))
    return data


def head(args, data):
    lines = ["HTTP/1.1 %s OK" % args.get("status", "200"),
             "Content-Type: text/plain", "Connection: close"]
    frame = args.get("frame", "length")
    if frame == "length":
        lines.append("Content-Length: %d" % len(data))
    elif frame == "chunked":
        lines.append("Transfer-Encoding: chunked")
    if args.get("signed"):
        lines += ["Wechatpay-Timestamp: %d" % time.time(),
                  "Wechatpay-Nonce: x", "Wechatpay-Serial: 1",
                  "Wechatpay-Signature: eA=="]
    if args.get("coding"):
        lines.append("Content-Encoding: " + args["coding"])
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def send_file(conn, args, note):
    data = file_of(args)
    chunked = args.get("frame") == "chunked"
    piece = int(args.get("piece", 16384))
    stop = int(args.get("cut", args.get("stall", len(data))))
    conn.sendall(head(args, data))
    for at in range(0, stop, piece):
        if args.get("slow"):
            time.sleep(int(args["slow"]) / 1000)
        part = data[at:min(at + piece, stop)]
        if chunked:
            part = b"%x\r\n%s\r\n" % (len(part), part)
        conn.sendall(part)
        note["sent"] = at + piece
    if "stall" in args:
        # until the other side has had enough
        select.select([conn], [], [], 60)
        note["end"] = "left"
        return
    if "cut" not in args and chunked:
        conn.sendall(b"0\r\n\r\n")
    note["end"] = "sent"


def serve(conn):
    note = {"sent": 0, "end": ""}
    try:
        text = b""
        while b"\r\n\r\n" not in text:
            more = conn.recv(65536)
            if not more:
                return
            text += more
        target = text.split(b" ")[1].decode()
        path, _, query = target.partition("?")
        args = dict(urllib.parse.parse_qsl(query))
        if path == "/log":
            data = json.dumps(LOG).encode()
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
                         b"Connection: close\r\n\r\n%s" % (len(data), data))
        else:
            note["head"] = text.decode("latin-1")
            LOG[args.get("token", "")] = note
            send_file(conn, args, note)
        # what it has not read yet must not be lost by a reset
        conn.shutdown(socket.SHUT_WR)
        conn.settimeout(60)
        while conn.recv(65536):
            pass
    except OSError:
        note["end"] = note["end"] or "broken"
    finally:
        conn.close()


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        conn, _ = listener.accept()
        threading.Thread(target=serve, args=(conn,), daemon=True).start()


main()
