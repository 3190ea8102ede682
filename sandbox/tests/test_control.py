"""The control API, the pages, and what is kept."""

import json
import os
import tempfile
import time
import unittest

from .support import Running, Shop, keys
from .test_deliver import wait_for


class Control(unittest.TestCase):

    def setUp(self):
        self.shop = Shop()
        self.addCleanup(self.shop.close)
        self.run_ = Running(speed=1000)
        self.addCleanup(self.run_.close)

    def post(self, target, value=None, want=200):
        status, answer = self.run_.control("POST", "/sandbox/" + target,
                                           value)
        self.assertEqual(status, want, answer)
        return answer

    def get(self, target, want=200):
        status, answer = self.run_.control("GET", "/sandbox/" + target)
        self.assertEqual(status, want, answer)
        return answer

    def create(self, provider="wechat_v3", order_id="ORDER_1", **more):
        return self.post("orders", dict(
            {"provider": provider, "order_id": order_id, "amount": 100,
             "notify_url": self.shop.url}, **more), 201)

    def deliveries(self, count):
        wait_for(lambda: len(self.run_.sandbox.deliverer.log) >= count)
        return self.get("deliveries")["deliveries"]

    def test_the_life_of_an_order(self):
        for provider in ("wechat_v3", "alipay"):
            with self.subTest(provider):
                start = len(self.run_.sandbox.deliverer.log)
                where = "orders/L_%s/%%s" % provider
                self.create(provider, "L_" + provider)
                order = self.post(where % "pay")
                self.assertEqual(order["state"], "paid")
                self.deliveries(start + 1)
                order = self.post(where % "refund", {"amount": 30})
                self.assertEqual(order["refunded"], 30)
                self.deliveries(start + 2)
                order = self.post(where % "refund")
                self.assertEqual(order["refunded"], 100)
                tries = self.deliveries(start + 3)[start:]
                self.assertTrue(all(t["accepted"] for t in tries), tries)
                self.post(where % "refund", {}, 409)
                self.post(where % "pay", {}, 409)
                self.post(where % "close", {}, 409)

    def test_close_and_lists(self):
        self.create("alipay")
        self.assertEqual(self.post("orders/ORDER_1/close")["state"],
                         "closed")
        self.assertEqual(len(self.get("orders")["orders"]), 1)
        self.assertEqual(self.get("orders/ORDER_1")["state"], "closed")
        self.deliveries(1)
        found = self.get("deliveries?order_id=nothing")["deliveries"]
        self.assertEqual(found, [])

    def test_paid_at_once(self):
        self.create(pay=True)
        self.assertTrue(self.deliveries(1)[0]["accepted"])

    def test_bad_orders(self):
        good = {"provider": "alipay", "order_id": "X1", "amount": 1}
        for change in ({"provider": "x"}, {"amount": 0}, {"amount": 1.5},
                       {"amount": True}, {"order_id": "a b"},
                       {"order_id": 5}, {"subject": 5}, {"nothing": 1},
                       {"charset": "latin-1"}):
            self.post("orders", dict(good, **change), 400)
        self.post("orders", good, 201)
        self.post("orders", good, 409)
        # the same id at the other provider, then asked for by id only
        self.post("orders", dict(good, provider="wechat_v3",
                                 order_id="BOTH_01"), 201)
        self.post("orders", dict(good, order_id="BOTH_01"), 201)
        self.post("orders/BOTH_01/pay", {}, 409)
        self.post("orders/BOTH_01/pay?provider=alipay")

    def test_callbacks_bent(self):
        self.create(pay=True)
        self.deliveries(1)

        def send(want, **given):
            sent = self.post("callbacks", {"order_id": "ORDER_1",
                                           "faults": given})
            self.assertEqual(sent["deliveries"][0]["accepted"], want)
            return sent["deliveries"]

        send(True)
        send(False, forged=True)
        send(False, signtest=True)
        send(True, key="pub")
        self.assertEqual(len(send(True, copies=3)), 3)
        send(True, replay=True)
        self.post("callbacks", {"order_id": "ORDER_1",
                                "faults": {"forgd": True}}, 400)
        self.post("callbacks", {"order_id": "ORDER_1", "faults": []}, 400)
        self.post("callbacks", {"order_id": "ORDER_1",
                                "event": "refund"}, 409)
        self.post("callbacks", {"order_id": "NOTHING"}, 404)

    def test_keys(self):
        status = self.get("keys")
        self.assertEqual(status["active"], "a")
        self.assertNotIn("PRIVATE", json.dumps(status))
        self.post("keys", {"active": "pub"})
        self.create(pay=True)
        self.assertTrue(self.deliveries(1)[0]["accepted"])
        self.assertEqual(dict(self.shop.seen[0][0])["Wechatpay-Serial"],
                         keys().ids["pub_key_id"])
        self.post("keys", {"active": "c"}, 400)

    def test_page_and_buttons(self):
        self.create("alipay", subject="<script>alert(1)</script>")
        status, head, page = self.run_.raw("GET", "/sandbox/")
        self.assertEqual(status, 200)
        self.assertIn(b"&lt;script&gt;", page)
        self.assertNotIn(b"<script", page)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for body, target in (
                (b"back=/sandbox/", "orders/ORDER_1/pay?provider=alipay"),
                (b"back=/sandbox/&provider=alipay&amount=5&notify_url=",
                 "orders")):
            status, head, _ = self.run_.raw("POST", "/sandbox/" + target,
                                            body, form)
            self.assertEqual((status, head["location"]),
                             (303, "/sandbox/"))
        self.deliveries(1)
        _, _, page = self.run_.raw("GET", "/sandbox/")
        self.assertIn(b"Refund", page)
        self.assertIn(b"accepted", page)

    def test_another_origin_presses_no_button(self):
        self.create()
        for origin, want in (("http://evil.example", 403), ("null", 403),
                             (self.run_.server.url, 200)):
            status, _, _ = self.run_.raw(
                "POST", "/sandbox/orders/ORDER_1/pay", b"",
                {"Origin": origin})
            self.assertEqual(status, want)

    def test_unknown_and_malformed(self):
        self.get("nothing", 404)
        self.get("orders/NOTHING", 404)
        self.post("orders/NOTHING/pay", {}, 404)
        self.assertEqual(self.run_.raw("GET", "/elsewhere")[0], 404)
        self.assertEqual(self.run_.raw("GET", "/")[0], 303)
        self.assertEqual(self.run_.raw("PUT", "/sandbox/orders")[0], 405)
        self.assertEqual(self.run_.raw("POST", "/sandbox/orders",
                                       b"{")[0], 400)
        self.assertEqual(self.run_.raw(
            "POST", "/sandbox/orders", b"",
            {"Content-Length": str((1 << 22) + 1)})[0], 413)

    def test_a_chunked_request(self):
        body = json.dumps({"provider": "alipay", "amount": 7}).encode()
        chunks = b"%x\r\n%s\r\n" % (9, body[:9])
        chunks += b"%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n" % (
            len(body) - 9, body[9:])
        status, _, _ = self.run_.raw("POST", "/sandbox/orders", iter([chunks]),
                                     {"Transfer-Encoding": "chunked"})
        self.assertEqual(status, 201)


class Kept(unittest.TestCase):

    def test_orders_survive_in_their_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "orders.json")
            first = Running(orders=path)
            first.control("POST", "/sandbox/orders", {
                "provider": "alipay", "order_id": "K1", "amount": 5})
            first.control("POST", "/sandbox/orders/K1/pay")
            first.control("POST", "/sandbox/orders/K1/refund", {"amount": 2})
            _, before = first.control("GET", "/sandbox/orders/K1")
            first.close()
            second = Running(orders=path)
            _, after = second.control("GET", "/sandbox/orders/K1")
            second.close()
            self.assertEqual(before, after)
            self.assertEqual(after["refunded"], 2)


class Start(unittest.TestCase):

    def test_a_stop_is_quick_with_callbacks_waiting(self):
        running = Running()
        running.control("POST", "/sandbox/orders", {
            "provider": "alipay", "order_id": "S1", "amount": 5,
            "notify_url": "http://127.0.0.1:1/", "pay": True})
        time.sleep(0.1)
        start = time.monotonic()
        running.close()
        self.assertLess(time.monotonic() - start, 2)
