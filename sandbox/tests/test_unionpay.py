"""UnionPay: the vectors, notices good and bad, and the gateway."""

import base64
import io
import json
import os
import time
import unittest
import zipfile
import zlib

from sandbox import faults, unionpay
from sandbox.alipay import build_form, parse_form
from sandbox.deliver import LADDERS
from sandbox.keys import UNIONPAY, load_private, load_public
from sandbox.orders import Order, Store

from .support import DATA, Running, Shop, check_unionpay, keys

DIR = os.path.join(DATA, "unionpay")

# the root of the vectors is younger than they are
NOW = 1795233600


def load(name):
    with open(os.path.join(DIR, name + ".json"), encoding="utf-8") as file:
        return json.load(file)


def read(name):
    with open(os.path.join(DIR, name), "rb") as file:
        return file.read()


def trust(inputs):
    method = inputs["signMethod_allowed"][0]
    if method != "01":
        return {"method": method, "secret": inputs["secure_key"].encode()}
    names = [UNIONPAY]
    if inputs["trust"]["cn_policy"] == "test":
        names.append("00040000:SIGN")
    return {"root": read(inputs["trust"]["root"]),
            "middle": read(inputs["trust"]["middle"]), "names": names}


class Vectors(unittest.TestCase):

    def test_requests(self):
        key = load_private(os.path.join(DIR, "keys/merchant_private.pem"))
        public = load_public(os.path.join(DIR, "keys/merchant_cert.cer"))
        for v in load("request_sign"):
            i = v["inputs"]
            params = i["params"]
            if params["version"] != "5.1.0":
                continue
            with self.subTest(v["name"]):
                secret = i.get("secure_key", "").encode()
                sent = unionpay.sign_request(
                    params, key, None if secret else "68759663125", secret)
                pairs = [(k.encode(), w.encode()) for k, w in sent.items()
                         if k != "signature"]
                given = v["signature"].encode()
                self.assertEqual(unionpay.verify_request(
                    pairs + [(b"signature", given)], public, secret),
                    v["expect"]["verify"])
                if v["expect"]["verify"]:
                    self.assertEqual(unionpay.message_of(pairs).decode(),
                                     v["string_to_sign"])
                    self.assertEqual(sent["signature"], v["signature"])

    def test_notices(self):
        for v in load("notify"):
            with self.subTest(v["name"]):
                i = v["inputs"]
                account = {k: w for k, w in i["order"].items()
                           if k != "currencyCode"}
                try:
                    unionpay.check_notify(i["body"].encode(), trust(i),
                                          account, NOW)
                    good = True
                except unionpay.Refused:
                    good = False
                self.assertEqual(good, v["expect"]["accept"])

    def test_answers_are_parsed(self):
        for v in load("response_parse"):
            with self.subTest(v["name"]):
                pairs = unionpay.parse_answer(v["inputs"]["body"].encode())
                self.assertEqual({k.decode(): w.decode() for k, w in pairs},
                                 v["expect"]["fields"])

    def test_answers_are_verified(self):
        for v in load("response_verify"):
            with self.subTest(v["name"]):
                pairs = unionpay.parse_answer(v["inputs"]["body"].encode())
                try:
                    unionpay.check_pairs(pairs, trust(v["inputs"]), NOW)
                    good = True
                except unionpay.Refused:
                    good = False
                self.assertEqual(good, v["expect"]["accept"])


class Notices(unittest.TestCase):

    def order(self):
        store = Store()
        order = store.add(Order("unionpay", "ORDER0001", 8888))
        store.pay(order)
        return store, order

    def reason(self, **given):
        _, order = self.order()
        _, body = unionpay.callback(keys(), order, order.event(), **given)
        try:
            check_unionpay(body)
        except unionpay.Refused as error:
            return error.reason
        return None

    def test_payment_and_refund(self):
        store, order = self.order()
        _, body = unionpay.callback(keys(), order)
        text = check_unionpay(body, orderId="ORDER0001", txnAmt="8888",
                              txnType="01")
        self.assertEqual(text["queryId"], order.trade_no)
        store.refund(order, 88, "REFUND0001")
        _, body = unionpay.callback(keys(), order)
        text = check_unionpay(body, orderId="REFUND0001", txnAmt="88",
                              txnType="04")
        self.assertEqual(text["origQryId"], order.trade_no)
        self.assertNotEqual(text["queryId"], order.trade_no)

    def test_the_certificate_is_as_the_gateway_sends_it(self):
        _, order = self.order()
        _, body = unionpay.callback(keys(), order)
        pem = dict(parse_form(body))[b"signPubKeyCert"]
        self.assertTrue(pem.startswith(b"-----BEGIN CERTIFICATE-----\r\n"))
        self.assertTrue(pem.endswith(b"\r\n-----END CERTIFICATE-----"))

    def test_good_ones(self):
        for given in ({}, {"key": "next"}, {"gbk": True}, {"pad": 1000},
                      {"empty_values": "signed"},
                      {"empty_values": "unsigned"}):
            with self.subTest(given):
                self.assertIsNone(self.reason(**given))

    def test_bad_ones(self):
        for given, reason in (
                ({"forged": "body"}, "signature"),
                ({"forged": "timestamp"}, "signature"),
                ({"forged": "nonce"}, "signature"),
                ({"forged": "signature"}, "signature"),
                ({"wrong_key": "rogue"}, "signature"),
                ({"wrong_key": "own"}, "name"),
                ({"certificate": "self_signed"}, "chain"),
                ({"certificate": "other_ca"}, "chain"),
                ({"certificate": "other_name"}, "name"),
                ({"certificate": "expired"}, "expired"),
                ({"line_ends": True}, "signature"),
                ({"hashed_once": True}, "signature"),
                ({"sign_type": "11"}, "sign_method"),
                ({"sign_type": "02"}, "sign_method"),
                ({"wrong_account": "merId"}, "merId"),
                ({"missing_param": "signature"}, "no_signature"),
                ({"missing_param": "signPubKeyCert"}, "certificate"),
                ({"duplicate_param": "txnAmt"}, "duplicate"),
                ({"set": {"version": "5.0.0"}}, "version")):
            with self.subTest(given):
                self.assertEqual(self.reason(**given), reason)

    def test_secret(self):
        _, order = self.order()
        for method in ("11", "12"):
            _, body = unionpay.callback(keys(), order, sign_type=method)
            pairs = parse_form(body)
            unionpay.check_pairs(pairs, {"method": method,
                                         "secret": keys().unionpay_secret})
            with self.assertRaises(unionpay.Refused):
                unionpay.check_pairs(pairs, {"method": method,
                                             "secret": b"other"})

    def test_unknown_misbehaviour(self):
        _, order = self.order()
        for given in ({"signtest": True}, {"certificate": "good"}):
            with self.assertRaises(ValueError):
                unionpay.callback(keys(), order, **given)
        self.assertIn("certificate", faults.TABLE)


class Gateway(unittest.TestCase):

    def setUp(self):
        self.running = Running(speed=20000)
        self.shop = Shop()
        self.addCleanup(self.running.close)
        self.addCleanup(self.shop.close)

    def call(self, path, bad=False, **params):
        """The verified answer of the gateway, or its bytes."""
        k = keys()
        sent = dict({"version": "5.1.0", "encoding": "UTF-8",
                     "signMethod": "01", "bizType": "000201",
                     "accessType": "0", "merId": k.unionpay_ids["merId"],
                     "txnTime": unionpay.clock(time.time())}, **params)
        key, _ = k.unionpay("merchant")
        sent = unionpay.sign_request(sent, k.rogue if bad else key,
                                     k.unionpay_ids["certId"])
        form = build_form([(n.encode(), v.encode())
                                    for n, v in sent.items()])
        status, _, body = self.running.raw(
            "POST", path if path == "/" else "/gateway/api/" + path, form)
        self.assertEqual(status, 200)
        if body.startswith(b"<"):
            return body
        values = unionpay.check_pairs(
            unionpay.parse_answer(body),
            {"root": k.read("unionpay/root.cer"),
             "middle": k.read("unionpay/middle.cer")})
        return {n.decode(): v.decode() for n, v in values.items()}

    def pay(self, path="appTransReq.do", **more):
        return self.call(path, orderId="ORDER0001", txnType="01",
                         txnAmt="8888", currencyCode="156",
                         backUrl=self.shop.url,
                         **dict({"txnSubType": "01"}, **more))

    def wait(self, count):
        for _ in range(200):
            if len(self.shop.seen) >= count \
                    and not self.running.sandbox.deliverer.pending:
                break
            time.sleep(0.02)
        return self.shop.seen

    def test_order_payment_notice_and_query(self):
        answer = self.pay()
        self.assertEqual(answer["respCode"], "00")
        self.assertTrue(answer["tn"])
        status, order = self.running.control(
            "POST", "/sandbox/orders/ORDER0001/pay", {})
        self.assertEqual((status, order["state"]), (200, "paid"))
        text = check_unionpay(self.wait(1)[0][1], orderId="ORDER0001")
        self.assertEqual(text["txnTime"], answer["txnTime"])
        query = self.call("queryTrans.do", orderId="ORDER0001", txnType="00",
                          txnTime=answer["txnTime"])
        self.assertEqual((query["respCode"], query["origRespCode"],
                          query["queryId"]), ("00", "00", text["queryId"]))
        query = self.call("queryTrans.do", orderId="ORDER0001", txnType="00",
                          txnTime="20250101000000")
        self.assertEqual(query["respCode"], "34")

    def test_refund(self):
        self.pay()
        self.running.control("POST", "/sandbox/orders/ORDER0001/pay", {})
        paid = check_unionpay(self.wait(1)[0][1])
        answer = self.call("backTransReq.do", orderId="REFUND0001",
                           txnType="04", txnSubType="00", txnAmt="88",
                           origQryId=paid["queryId"], backUrl=self.shop.url)
        self.assertEqual(answer["respCode"], "00")
        text = check_unionpay(self.wait(2)[1][1], orderId="REFUND0001",
                              txnType="04", txnAmt="88")
        self.assertEqual(text["origQryId"], paid["queryId"])
        for amount, code in (("88", "12"), ("9000", "64")):
            again = self.call(
                "backTransReq.do", orderId="REFUND0001" if code == "12"
                else "REFUND0002", txnType="04", txnSubType="00",
                txnAmt=amount, origQryId=paid["queryId"])
            self.assertEqual(again["respCode"], code)

    def test_notices_are_repeated_until_200(self):
        self.shop.script = [(500, b""), (302, b""), (200, b"anything")]
        self.pay()
        self.running.control("POST", "/sandbox/orders/ORDER0001/pay", {})
        seen = self.wait(3)
        self.assertEqual(len(seen), 3)
        self.assertEqual(seen[0][1], seen[2][1])
        self.assertEqual(LADDERS["unionpay"], (60, 120, 240, 300))

    def test_page_and_code(self):
        self.assertIn(b"ORDER0001", self.pay("frontTransReq.do"))
        answer = self.call("backTransReq.do", orderId="ORDER0002",
                           txnType="01", txnSubType="07", txnAmt="1",
                           currencyCode="156")
        self.assertIn("/sandbox/cashier/ORDER0002", answer["qrCode"])

    def test_file(self):
        self.pay()
        self.running.control("POST", "/sandbox/orders/ORDER0001/pay", {})
        order = self.running.sandbox.store.get("unionpay", "ORDER0001")
        day = unionpay.clock(order.paid)[4:8]
        answer = self.call("/", txnType="76", txnSubType="01",
                           fileType="00", settleDate=day)
        data = zlib.decompress(base64.b64decode(answer["fileContent"]))
        with zipfile.ZipFile(io.BytesIO(data)) as box:
            name, = box.namelist()
            text = box.read(name)
        self.assertEqual(answer["fileName"], name + ".zip")
        self.assertIn(b"ORDER0001 ", text)
        self.assertIn(b"8888", text)
        self.assertEqual(self.call("/", txnType="76",
                                   settleDate="x")["respCode"], "10")

    def test_secrets(self):
        k = keys()
        for method in ("11", "12"):
            sent = unionpay.sign_request(
                {"version": "5.1.0", "encoding": "UTF-8",
                 "signMethod": method, "merId": k.unionpay_ids["merId"],
                 "txnTime": unionpay.clock(time.time()),
                 "orderId": "ORDER0009", "txnType": "00"}, None, None,
                k.unionpay_secret)
            _, _, body = self.running.raw(
                "POST", "/gateway/api/queryTrans.do", build_form(
                    [(n.encode(), v.encode()) for n, v in sent.items()]))
            values = unionpay.check_pairs(
                unionpay.parse_answer(body),
                {"method": method, "secret": k.unionpay_secret})
            self.assertEqual(values[b"respCode"], b"34")

    def test_refusals(self):
        self.assertEqual(self.call("appTransReq.do", True,
                                   orderId="ORDER0001")["respCode"], "11")
        self.assertEqual(self.pay()["respCode"], "00")
        self.assertEqual(self.pay()["respCode"], "12")
        self.assertEqual(self.call("nothing.do",
                                   orderId="ORDER0001")["respCode"], "10")
        self.assertEqual(self.call("appTransReq.do",
                                   orderId="x")["respCode"], "10")


if __name__ == "__main__":
    unittest.main()
