"""Stripe: the vectors, the API, and every misbehaviour of a webhook."""

import base64
import json
import os
import time
import unittest
import urllib.parse

from sandbox import stripe
from sandbox.orders import Store, Order

from .support import DATA, Running, Shop, check_stripe, keys


def load():
    path = os.path.join(DATA, "stripe", "vectors.json")
    with open(path, encoding="utf-8") as file:
        return json.load(file)["vectors"]


def of_kind(kind):
    return [v for v in load() if v["kind"] == kind]


class Vectors(unittest.TestCase):

    def test_verify_or_refuse_as_they_say(self):
        for vector in of_kind("webhook_verify"):
            i, expect = vector["inputs"], vector["expect"]
            with self.subTest(vector["name"]):
                args = ({"Stripe-Signature": i["header"]},
                        base64.b64decode(i["body_b64"]), i["secrets"],
                        i["now"])
                if expect["ok"]:
                    stripe.check_notify(*args)
                    continue
                with self.assertRaises(stripe.Refused) as caught:
                    stripe.check_notify(*args)
                self.assertEqual(caught.exception.reason, expect["reason"])

    def test_our_digest_is_the_same(self):
        for vector in of_kind("webhook_verify"):
            i = vector["inputs"]
            if not vector["expect"]["ok"]:
                continue
            with self.subTest(vector["name"]):
                stamp, digests = stripe.parse_header(i["header"])
                body = base64.b64decode(i["body_b64"])
                ours = {stripe.mac(s, stamp, body) for s in i["secrets"]}
                self.assertTrue(ours & set(digests))


def paid(refund=0, **more):
    store = Store()
    order = store.add(Order("stripe", "ORDER_1", 8888, "http://127.0.0.1/",
                            "EUR", **more))
    store.pay(order)
    if refund:
        store.refund(order, refund, "REFUND_1")
    return order


class Faults(unittest.TestCase):

    def take(self, _order=None, **given):
        return check_stripe(*stripe.callback(keys(), _order or paid(),
                                             **given))

    def refused(self, reason, **given):
        with self.subTest(str(given)):
            with self.assertRaises(stripe.Refused) as caught:
                self.take(**given)
            self.assertEqual(caught.exception.reason, reason)

    def test_good(self):
        event = self.take()
        self.assertEqual(event["type"], "payment_intent.succeeded")
        content = event["data"]["object"]
        self.assertEqual((content["amount_received"], content["currency"]),
                         (8888, "eur"))
        self.assertEqual(content["metadata"]["out_trade_no"], "ORDER_1")
        event = self.take(paid(88))
        self.assertEqual(event["type"], "refund.created")
        self.assertEqual(event["data"]["object"]["amount"], 88)
        event = self.take(paid(method="checkout"))
        self.assertEqual(event["type"], "checkout.session.completed")
        self.assertEqual(event["data"]["object"]["payment_status"], "paid")
        store = Store()
        order = store.add(Order("stripe", "ORDER_1", 1))
        store.close(order)
        self.assertEqual(self.take(order)["type"], "payment_intent.canceled")

    def test_refused(self):
        for part in ("body", "signature", "timestamp"):
            self.refused("signature", forged=part)
        self.refused("signature", wrong_key="rogue")
        self.refused("signature", secrets="old")
        self.refused("signature", reencoded=True)
        self.refused("timestamp", skew=-302)
        self.refused("header", missing_header="Stripe-Signature")
        self.refused("no_v1", only_v0=True)
        self.refused("livemode", livemode=True)
        self.refused("malformed", thin=True)

    def test_odd_but_genuine(self):
        for given in ({"secrets": "both"}, {"skew": -290}, {"pad": 70000},
                      {"duplicate_key": "envelope"}):
            with self.subTest(given):
                self.take(**given)
        event = self.take(set={"amount_received": 1, "metadata.a": "b"})
        content = event["data"]["object"]
        self.assertEqual((content["amount_received"],
                          content["metadata"]["a"]), (1, "b"))
        self.assertEqual(self.take(event_type="x.y")["type"], "x.y")
        self.assertTrue(self.take(wrong_account="account")["account"])

    def test_each_try_is_signed_anew_under_one_id(self):
        order = paid()
        now = int(time.time())
        one, two = (stripe.callback(keys(), order, now=now + n)
                    for n in (0, 1))
        self.assertNotEqual(one[0], two[0])
        self.assertEqual(json.loads(one[1])["id"], json.loads(two[1])["id"])


class Api(unittest.TestCase):

    def setUp(self):
        self.run_ = Running(speed=1e6)
        self.addCleanup(self.run_.close)
        self.shop = Shop()
        self.addCleanup(self.shop.close)

    def call(self, method, target, values=None, want=200, **head):
        head = {"Authorization": "Bearer " + keys().stripe("api"), **head}
        body = urllib.parse.urlencode(values or {}).encode()
        status, answer, text = self.run_.raw(method, "/v1/" + target, body,
                                             head)
        self.assertEqual(status, want, text)
        self.assertTrue(answer["request-id"].startswith("req_"))
        return json.loads(text)

    def intent(self, order_id="T1", **more):
        return {"amount": 1099, "currency": "eur",
                "metadata[out_trade_no]": order_id, "metadata[a b]": "c[d]",
                **more}

    def test_search_and_list(self):
        first = self.call("POST", "payment_intents", self.intent())
        query = ("payment_intents/search?query="
                 + urllib.parse.quote("metadata['out_trade_no']:'T1'"))
        self.assertEqual([item["id"] for item in self.call("GET", query)
                          ["data"]], [first["id"]])
        self.assertEqual(self.call("GET", query.replace("T1", "T2"))["data"],
                         [])
        self.call("GET", "payment_intents/search?query=x", want=400)
        listing = "refunds?payment_intent=%s" % first["id"]
        self.assertEqual(self.call("GET", listing)["data"], [])
        self.call("GET", "refunds?payment_intent=pi_none", want=404)
        self.run_.sandbox.store.pay(self.run_.sandbox.store.get("stripe",
                                                                "T1"))
        made = [self.call("POST", "refunds",
                          {"payment_intent": first["id"], "amount": 1,
                           "metadata[out_refund_no]": "R%d" % n})["id"]
                for n in range(3)]
        page = self.call("GET", listing + "&limit=2")
        self.assertEqual(([item["id"] for item in page["data"]],
                          page["has_more"]), ([made[2], made[1]], True))
        page = self.call("GET", listing + "&limit=2&starting_after=" + made[1])
        self.assertEqual(([item["id"] for item in page["data"]],
                          page["has_more"]), ([made[0]], False))
        self.call("GET", listing + "&starting_after=re_none", want=404)

    def test_the_requests_of_the_vectors(self):
        made = {}
        for vector in of_kind("api_request"):
            i = vector["inputs"]
            with self.subTest(vector["name"]):
                head = dict(i["headers"], Authorization="Bearer "
                            + keys().stripe("api"))
                del head["Content-Type"]
                target = i["path"].replace(
                    "pi_3Test000000000000001", made.get("id", "pi_none"))
                body = vector["expect"]["body"].encode()
                if "refund" in target or "cs_test" in target:
                    continue
                if "Content-Length" in head:
                    head["Content-Length"] = str(len(body))
                if vector["name"] == "st_req_session":
                    body = body.replace(b"20241027_000001", b"S1")
                    head["Content-Length"] = str(len(body))
                status, _, text = self.run_.raw(i["method"], target, body,
                                                head)
                self.assertEqual(status, 200, text)
                made.setdefault("id", json.loads(text)["id"])

    def test_a_payment_from_order_to_ack(self):
        endpoint = self.call("POST", "webhook_endpoints",
                             {"url": self.shop.url})
        self.assertEqual(endpoint["secret"], keys().stripe())
        made = self.call("POST", "payment_intents", self.intent())
        self.assertEqual(made["status"], "requires_payment_method")
        self.assertEqual(made["metadata"]["a b"], "c[d]")
        self.run_.control("POST", "/sandbox/orders/T1/pay")
        made = self.call("GET", "payment_intents/" + made["id"])
        self.assertEqual((made["status"], made["amount_received"]),
                         ("succeeded", 1099))
        refund = self.call("POST", "refunds", {
            "payment_intent": made["id"], "amount": 400,
            "metadata[out_refund_no]": "R1"})
        self.assertEqual(self.call("GET", "refunds/" + refund["id"]), refund)
        error = self.call("POST", "refunds", {
            "payment_intent": made["id"], "amount": 700}, 400)
        self.assertEqual(error["error"]["type"], "invalid_request_error")
        self.call("POST", "payment_intents/%s/cancel" % made["id"], {}, 400)
        for _ in range(200):
            log = self.run_.sandbox.deliverer.plain("T1")
            if len(log) == 2:
                break
            time.sleep(0.02)
        self.assertEqual([d["accepted"] for d in log], [True, True])
        kinds = sorted(json.loads(body)["type"]
                       for _, body in self.shop.seen)
        self.assertEqual(kinds, ["payment_intent.succeeded",
                                 "refund.created"])

    def test_a_session(self):
        made = self.call("POST", "checkout/sessions", {
            "mode": "payment", "client_reference_id": "S1",
            "success_url": "https://shop.example.com/ok",
            "line_items[0][quantity]": 2,
            "line_items[0][price_data][currency]": "jpy",
            "line_items[0][price_data][unit_amount]": 50})
        self.assertEqual((made["amount_total"], made["currency"],
                          made["status"], made["payment_intent"]),
                         (100, "jpy", "open", None))
        self.assertIn("/sandbox/cashier/S1", made["url"])
        again = self.call("POST",
                          "checkout/sessions/%s/expire" % made["id"])
        self.assertEqual(again["status"], "expired")

    def test_a_failing_shop_is_asked_again(self):
        self.shop.script = [(500, b""), (302, b"")]
        self.call("POST", "webhook_endpoints", {"url": self.shop.url})
        self.call("POST", "payment_intents", self.intent())
        self.run_.control("POST", "/sandbox/orders/T1/pay")
        for _ in range(200):
            if len(self.shop.seen) == 3:
                break
            time.sleep(0.02)
        ids = {json.loads(body)["id"] for _, body in self.shop.seen}
        self.assertEqual((len(self.shop.seen), len(ids)), (3, 1))

    def test_idempotency(self):
        head = {"Idempotency-Key": "k1"}
        one = self.call("POST", "payment_intents", self.intent(), **head)
        two = self.call("POST", "payment_intents", self.intent(), **head)
        self.assertEqual(one, two)
        error = self.call("POST", "payment_intents",
                          self.intent(amount=1), 400, **head)
        self.assertEqual(error["error"]["type"], "idempotency_error")
        self.call("POST", "payment_intents", self.intent(), 400)

    def test_refused(self):
        self.call("GET", "payment_intents/pi_x", want=401,
                  Authorization="Bearer sk_test_x")
        self.call("GET", "payment_intents/pi_x", want=404)
        self.call("GET", "charges", want=404)
        self.call("DELETE", "refunds/re_1", want=405)
        for change in ({"amount": "10.99"}, {"amount": 0}, {"currency": "e"},
                       {"metadata[out_trade_no]": ""}):
            self.call("POST", "payment_intents", self.intent(**change), 400)


if __name__ == "__main__":
    unittest.main()
