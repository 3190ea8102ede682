"""A shop that writes down every delivery before it answers.

usage: shop.py PORT LEDGER SEED

One line when a delivery comes and one when it ends:

    B SERIAL EVENT DELIVERY WORKER TIME
    E SERIAL STATUS TIME

written at once, so that a kill -9 cannot take them back.  The status is what
the shop is about to answer; 0: it answered nothing.  Mostly that is 200,
at times 500, a cut answer, a closed connection, or nothing until the gateway
gives up.
"""

import asyncio
import os
import random
import sys
import time

STEPS = [(0.92, "ok"), (0.95, "error"), (0.97, "cut"), (0.99, "close"),
         (1.00, "hang")]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ERROR = b"HTTP/1.1 500 Error\r\nContent-Length: 5\r\n\r\nerror"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\nok"


class Shop:

    def __init__(self, ledger, seed):
        self.file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT,
                            0o644)
        self.random = random.Random(seed)
        self.count = 0

    def note(self, *words):
        line = " ".join(str(word) for word in words)
        os.write(self.file, ("%s %.6f\n" % (line, time.time())).encode())

    async def connection(self, reader, writer):
        try:
            while await self.delivery(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def delivery(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        fields = {}
        for line in head.decode("latin-1").split("\r\n")[1:-2]:
            name, value = line.split(":", 1)
            fields[name.lower()] = value.strip()
        await reader.readexactly(int(fields.get("content-length", 0)))

        self.count += 1
        serial = "%d-%d" % (os.getpid(), self.count)
        self.note("B", serial, fields.get("x-paygw-event-id", "-"),
                  fields.get("x-paygw-delivery", "-"),
                  fields.get("x-worker", "0"))

        dice = self.random.random()
        step = next(name for limit, name in STEPS if dice <= limit)
        await asyncio.sleep(self.random.random() * 0.06)
        return await getattr(self, step)(serial, reader, writer)

    async def ok(self, serial, reader, writer):
        self.note("E", serial, 200)
        writer.write(OK)
        await writer.drain()
        return True

    async def error(self, serial, reader, writer):
        self.note("E", serial, 500)
        writer.write(ERROR)
        await writer.drain()
        return True

    async def cut(self, serial, reader, writer):
        self.note("E", serial, 0)
        writer.write(CUT)
        await writer.drain()
        return False

    async def close(self, serial, reader, writer):
        self.note("E", serial, 0)
        return False

    async def hang(self, serial, reader, writer):
        await reader.read(1)
        self.note("E", serial, 0)
        return False


async def main(port, ledger, seed):
    shop = Shop(ledger, seed)
    server = await asyncio.start_server(shop.connection, "127.0.0.1", port,
                                        backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
