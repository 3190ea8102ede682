"""TLS in front of servers that have none.

    tls_relay.py CERTIFICATE KEY ADDRESS:PORT=PORT ...

Each ADDRESS:PORT takes connections by TLS, and hands what comes to the PORT of
127.0.0.1.
"""

import asyncio
import ssl
import sys


async def copy(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


def relay(port):
    async def handler(reader, writer):
        inner = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, inner[1]), copy(inner[0], writer))

    return handler


async def main(cert, key, *relays):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    servers = []

    for where in relays:
        outer, port = where.split("=")
        addr, outer = outer.rsplit(":", 1)
        servers.append(await asyncio.start_server(
            relay(int(port)), addr, int(outer), ssl=context))

    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main(*sys.argv[1:]))
