"""
The command line: serve, send and keys.

    python3 -m sandbox serve --dir DIR --port 8890
    python3 -m sandbox send  --dir DIR --provider alipay --url URL --forged
    python3 -m sandbox keys  --dir DIR --write-conf FILE
"""

import argparse
import json
import os
import signal
import sys
import time

from . import faults
from .deliver import Deliverer, compose, raw_request, transmit
from .keys import Keys
from .orders import PROVIDERS, Order, OrderError, Store
from .server import Sandbox, Server, write_whole


def add_common(parser):
    parser.add_argument("--dir", default="build/sandbox",
                        help="the key directory (build/sandbox)")


def add_conf(parser):
    parser.add_argument("--write-conf", metavar="FILE",
                        help="write paygw_channel blocks for the keys")
    parser.add_argument("--cert-mode", action="store_true",
                        help="Alipay with certificates in --write-conf")
    parser.add_argument("--partner", action="store_true",
                        help="WeChat partner mode in --write-conf")


def add_faults(parser):
    """One option for each misbehaviour of the table."""
    group = parser.add_argument_group("misbehaviours")
    for fault in faults.TABLE.values():
        option = "--" + fault.name.replace("_", "-")
        only = "" if len(fault.providers) > 2 \
            else " (%s only)" % ", ".join(fault.providers)
        text = (fault.help + only).replace("%", "%%")
        if fault.kind == "flag":
            group.add_argument(option, dest=fault.name, help=text,
                               action="store_true")
        elif fault.kind == "map":
            group.add_argument(option, dest=fault.name, help=text,
                               action="append", metavar="NAME=VALUE")
        else:
            kind = {"int": int, "float": float}.get(fault.kind, str)
            group.add_argument(
                option, dest=fault.name, help=text, type=kind,
                nargs="?" if fault.const is not None else None,
                const=fault.const,
                metavar="|".join(fault.words) or fault.kind.upper())


def parser():
    top = argparse.ArgumentParser(
        prog="sandbox", description="An offline stand-in for payment "
        "providers. Nothing that it makes is worth money.")
    commands = top.add_subparsers(dest="command", required=True)

    serve = commands.add_parser("serve", help="be the providers")
    add_common(serve)
    add_conf(serve)
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8890,
                       help="0: any free one, which is printed (8890)")
    serve.add_argument("--base-url", help="how others reach this server")
    serve.add_argument("--speed", type=float, default=1.0,
                       help="let the retry ladder pass so much faster")
    serve.add_argument("--orders", metavar="FILE",
                       help="keep the orders in this file")
    serve.add_argument("--probe-every", type=int, default=0, metavar="N",
                       help="a signature probe before each Nth callback")
    serve.add_argument("--ready-file", metavar="FILE",
                       help="written, with the URL, once requests are taken")
    serve.add_argument("--verbose", action="store_true")
    serve.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"),
                       help="listen with TLS, with this certificate")

    keys = commands.add_parser("keys", help="only make the keys")
    add_common(keys)
    add_conf(keys)

    send = commands.add_parser("send", help="send one callback")
    add_common(send)
    send.add_argument("--provider", choices=PROVIDERS, required=True)
    send.add_argument("--url", required=True, help="where to")
    send.add_argument("--event", default="payment",
                      choices=("payment", "refund", "close"))
    send.add_argument("--order-id", default="ORDER_000001")
    send.add_argument("--amount", type=int, default=100, help="fen (100)")
    send.add_argument("--currency", default="CNY")
    send.add_argument("--subject")
    send.add_argument("--attach", default="")
    send.add_argument("--trade-no", default="")
    send.add_argument("--payer", default="")
    send.add_argument("--event-id", help="instead of a new one")
    send.add_argument("--refund-id", default="REFUND_000001")
    send.add_argument("--refund-amount", type=int, help="fen (all)")
    send.add_argument("--now", type=int, help="the clock, Unix seconds")
    send.add_argument("--count", type=int, default=1,
                      help="so many one after the other")
    send.add_argument("--dump", nargs="?", const="-", metavar="FILE",
                      help="write the raw request instead of sending it")
    send.add_argument("--raw", metavar="FILE",
                      help="send the bytes of this file, as --dump wrote it")
    send.add_argument("--expect", choices=("accepted", "refused"),
                      help="exit 1 if an answer is not this")
    add_faults(send)
    return top


def prepare(options):
    """The keys, and the configuration if it was asked for."""
    keys = Keys(options.dir)
    if options.write_conf:
        write_whole(options.write_conf,
                    keys.conf(options.cert_mode, options.partner))
    return keys


def run_serve(options):
    if options.speed <= 0:
        raise ValueError("--speed is above 0")
    # blocked before there are threads, and waited for in this one
    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    sandbox = Sandbox(prepare(options), options.orders, options.speed,
                      options.probe_every, options.base_url)
    server = Server(sandbox, options.host, options.port,
                    options.verbose, options.tls).start()
    print("sandbox listens on %s" % server.url, flush=True)
    if options.ready_file:
        write_whole(options.ready_file, server.url + "\n")
    signal.sigwait(stop)
    server.stop()
    if options.ready_file and os.path.exists(options.ready_file):
        os.unlink(options.ready_file)
    return 0


def run_keys(options):
    print(json.dumps(prepare(options).describe(), indent=1))
    return 0


def given_faults(options):
    """The misbehaviours of the command line as a mapping."""
    given = {}
    for name, fault in faults.TABLE.items():
        value = getattr(options, name)
        if value is None or value is False:
            continue
        if fault.kind == "map":
            pairs = {}
            for item in value:
                word, _, text = item.partition("=")
                try:
                    pairs[word] = json.loads(text) \
                        if options.provider != "alipay" else text
                except ValueError:
                    pairs[word] = text
            value = pairs
        given[name] = value
    return given


def order_of(options):
    """An order in the state that the event needs; its event is the last."""
    store = Store()
    now = options.now or time.time()
    extra = {"subject": options.subject} if options.subject else {}
    order = store.add(Order(
        options.provider, options.order_id, options.amount, options.url,
        options.currency, attach=options.attach, payer=options.payer,
        trade_no=options.trade_no, created=now - 60,
        charset="GBK" if options.gbk else "utf-8", **extra))
    if options.event == "close":
        store.close(order, now)
    else:
        store.pay(order, now)
    if options.event == "refund":
        amount = options.refund_amount
        store.refund(order, order.amount if amount is None else amount,
                     options.refund_id, now=now)
    if options.event_id:
        order.events[-1].id = options.event_id
    return order


def show(delivery):
    """One line for one answer."""
    if delivery.status:
        print(delivery.status, delivery.body.replace("\n", " "), flush=True)
    else:
        print("000", delivery.error or "no answer", flush=True)


def run_raw(options):
    """Sends a recorded request, byte for byte."""
    with open(options.raw, "rb") as file:
        data = file.read()
    wire = faults.read(options.provider, {})
    try:
        status, body = transmit(options.url, data, b"", wire)
        print(status, body.decode("utf-8", "replace"))
    except OSError as error:
        print("000", error)
        status = 0
    good = status in (200, 204)
    return int(options.expect is not None
               and good != (options.expect == "accepted"))


def run_dump(options, keys, order, given):
    message = compose(keys, order, order.event(), given, options.url,
                      options.now)
    wire = faults.read(options.provider, faults.split(given)[1])
    data = raw_request(message, wire)
    if options.dump == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        with open(options.dump, "wb") as file:
            file.write(data)
    return 0


def run_send(options):
    if options.raw:
        return run_raw(options)
    given = given_faults(options)
    faults.read(options.provider, given)
    if options.now is not None and options.dump is None:
        # what is sent is sent at this moment; its clock may be off
        given["skew"] = given.get("skew", 0) + options.now - int(time.time())
    keys, order = Keys(options.dir), order_of(options)
    if options.dump is not None:
        return run_dump(options, keys, order, given)
    deliverer = Deliverer(keys)
    replay = given.pop("replay", False)
    count = max(options.count, 2 if replay else 1)
    good = True
    for turn in range(count):
        bent = {"replay": True} if replay and turn else given
        for delivery in deliverer.send_bent(order, bent, options.url):
            show(delivery)
            good = good and (options.expect is None or delivery.accepted
                             == (options.expect == "accepted"))
    deliverer.stop()
    return 0 if good else 1


def main(argv=None):
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or (argv[0].startswith("-")
                    and argv[0] not in ("-h", "--help")):
        argv.insert(0, "serve")
    options = parser().parse_args(argv)
    run = {"serve": run_serve, "send": run_send, "keys": run_keys}
    try:
        return run[options.command](options)
    except (ValueError, OrderError, OSError) as error:
        print("sandbox: %s" % error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
