"""Callbacks as they arrive: the ladder and the bytes on the wire."""

import socket
import threading
import time
import unittest

from sandbox import deliver
from sandbox.orders import Order, Store

from .support import Shop, keys


def wait_for(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not happen in time")
        time.sleep(0.01)


class Base(unittest.TestCase):

    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.close)

    def deliverer(self, speed=1.0, **more):
        result = deliver.Deliverer(keys(), speed, **more)
        self.addCleanup(result.stop)
        return result

    def order(self, provider="wechat_v3", refunds=0):
        self.store = Store()
        order = self.store.add(Order(provider, "ORDER_1", 100,
                                     self.shop.url))
        self.store.pay(order)
        for turn in range(refunds):
            self.store.refund(order, 10, "REFUND_%d" % turn)
        return order


class Ladder(Base):

    def test_the_documented_pauses(self):
        self.assertEqual(sum(deliver.LADDERS["wechat_v3"]),
                         24 * 3600 + 4 * 60)
        self.assertEqual(len(deliver.LADDERS["wechat_v3"]), 15)
        self.assertEqual(len(deliver.LADDERS["alipay"]), 7)

    def climb(self, provider, answers, speed=1e9):
        self.shop.script = list(answers)
        sender, order = self.deliverer(speed), self.order(provider)
        sender.notify(order, order.event())
        wait_for(lambda: sender.log and sender.log[-1].accepted)
        return list(sender.log)

    def test_wechat_is_content_with_200_and_204(self):
        tries = self.climb("wechat_v3", [
            (500, b""), (401, b"{}"), (302, b""), (201, b""), (202, b"")])
        self.assertEqual([d.status for d in tries],
                         [500, 401, 302, 201, 202, 204])
        self.assertEqual([d.attempt for d in tries], [1, 2, 3, 4, 5, 6])
        nonces = {dict(head)["Wechatpay-Nonce"]
                  for head, _ in self.shop.seen}
        self.assertEqual(len(nonces), 6)
        self.assertEqual(len({d.event_id for d in tries}), 1)
        self.assertTrue(self.climb("wechat_v3", [(200, b"any")])[-1]
                        .accepted)

    def test_alipay_wants_exactly_success(self):
        tries = self.climb("alipay", [
            (200, b"SUCCESS"), (200, b"success\n"), (200, b"fail"),
            (204, b""), (201, b"success"), (500, b"success")])
        self.assertEqual(len(tries), 7)
        self.assertEqual(tries[-1].body, "success")

    def test_it_ends(self):
        self.shop.script = [(500, b"")] * 20
        sender, order = self.deliverer(1e9), self.order("alipay")
        sender.notify(order, order.event())
        wait_for(lambda: len(sender.log) == 8)
        time.sleep(0.1)
        self.assertEqual(len(sender.log), 8)
        self.assertEqual(sender.pending, 0)
        self.assertEqual(sender.log[-1].next_in, -1)

    def test_speed(self):
        self.shop.script = [(500, b"")]
        sender, order = self.deliverer(100), self.order()
        sender.notify(order, order.event())
        wait_for(lambda: len(sender.log) == 2)
        pause = sender.log[1].time - sender.log[0].time
        self.assertAlmostEqual(sender.log[0].next_in, 0.15)
        self.assertGreaterEqual(pause, 0.149)
        self.assertLess(pause, 1)

    def test_nobody_there(self):
        sender, order = self.deliverer(), self.order()
        delivery = sender.send(order, order.event(), {},
                               "http://127.0.0.1:1/")
        self.assertFalse(delivery.accepted)
        self.assertTrue(delivery.error)
        for url in ("ftp://x/", "nothing", "http://[x/"):
            self.assertTrue(sender.send(order, order.event(), {}, url).error)

    def test_a_close_is_told_by_alipay_only(self):
        for provider, count in (("wechat_v3", 0), ("alipay", 1)):
            store = Store()
            order = store.add(Order(provider, "ORDER_2", 1, self.shop.url))
            sender = self.deliverer()
            sender.notify(order, store.close(order))
            time.sleep(0.1)
            wait_for(lambda: len(sender.log) == count)

    def test_probes(self):
        sender, order = self.deliverer(probe_every=1), self.order()
        sender.notify(order, order.event())
        wait_for(lambda: len(sender.log) == 2)
        self.assertEqual([d.status for d in sender.log], [401, 204])
        self.assertEqual(sender.log[0].faults, "signtest")


class Wire(Base):

    def bent(self, order=None, provider="wechat_v3", **given):
        order = order or self.order(provider)
        return self.deliverer().send_bent(order, given)

    def test_slow_and_chunked_arrive_whole(self):
        for provider in ("wechat_v3", "alipay"):
            for given in ({"slow": 0.00001}, {"chunked": 7},
                          {"chunked": True}, {"chunked": 50, "pad": 30000}):
                with self.subTest(str(given)):
                    sent = self.bent(provider=provider, **given)
                    self.assertTrue(sent[0].accepted, sent)

    def test_copies(self):
        sent = self.bent(copies=8)
        self.assertEqual(len(sent), 8)
        self.assertEqual(len({d.event_id for d in sent}), 1)
        self.assertTrue(all(d.accepted for d in sent))
        with self.assertRaises(ValueError):
            self.bent(copies=1000)

    def test_replay_is_the_exact_bytes(self):
        sender, order = self.deliverer(), self.order()
        with self.assertRaises(ValueError):
            sender.send_bent(order, {"replay": True})
        sender.send_bent(order, {})
        sender.send_bent(order, {"replay": True, "copies": 2})
        self.assertEqual(len(self.shop.seen), 3)
        self.assertEqual(self.shop.seen[0], self.shop.seen[1])
        self.assertEqual(self.shop.seen[0], self.shop.seen[2])

    def test_reordered(self):
        for provider in ("wechat_v3", "alipay"):
            order = self.order(provider, refunds=2)
            sent = self.bent(order, reordered=True)
            self.assertEqual([d.kind for d in sent],
                             ["refund", "refund", "payment"])
            self.assertEqual(len({d.event_id for d in sent}), 3)
            self.assertTrue(all(d.accepted for d in sent))

    def test_late(self):
        for provider in ("wechat_v3", "wechat_v2", "alipay", "unionpay",
                         "stripe"):
            for word in ("pending", "failed"):
                order = self.order(provider)
                paid, = self.bent(order)
                sent, = self.bent(order, late=word)
                self.assertEqual(sent.order_id, paid.order_id)
                self.assertNotEqual(sent.event_id, paid.event_id)
                self.assertNotEqual(self.shop.seen[-1][1],
                                    self.shop.seen[-2][1])
        sent, = self.bent(self.order("alipay"), late="failed",
                          set={"trade_status": "WAIT_BUYER_PAY"})
        self.assertIn(b"WAIT_BUYER_PAY", self.shop.seen[-1][1])
        with self.assertRaises(ValueError):
            self.bent(late="paid")
        order = self.store.add(Order("alipay", "UNPAID", 100, self.shop.url))
        with self.assertRaises(ValueError):
            self.bent(order, late="failed")

    def test_repeat_header(self):
        self.bent(repeat_header="Wechatpay-Nonce")
        names = [name for name, _ in self.shop.seen[0][0]]
        self.assertEqual(names.count("Wechatpay-Nonce"), 2)

    def test_cut(self):
        got = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            def serve():
                connection, _ = listener.accept()
                with connection:
                    while True:
                        data = connection.recv(65536)
                        if not data:
                            break
                        got.append(data)
            thread = threading.Thread(target=serve)
            thread.start()
            order = self.order()
            sent = self.deliverer().send_bent(
                order, {"cut": True},
                "http://127.0.0.1:%d/" % listener.getsockname()[1])
            thread.join(5)
        self.assertFalse(sent[0].accepted)
        head, _, body = b"".join(got).partition(b"\r\n\r\n")
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        self.assertEqual(len(body), length // 2)

    def test_a_good_one_through_each_misbehaviour_of_the_wire(self):
        order = self.order("alipay")
        sent = self.bent(order, provider="alipay", forged="body")
        self.assertEqual(sent[0].body, "fail signature")
