"""Every operation of WeChat Pay's API over HTTP."""

import json
import unittest

from cryptography import x509

from sandbox import wechat_v3
from sandbox.keys import serial_hex

from .support import Running

NOTIFY = "http://127.0.0.1:1/n"
BASE = "/v3/pay/transactions/"
PARTNER = "/v3/pay/partner/transactions/"
REFUNDS = "/v3/refund/domestic/refunds"


class WechatApi(unittest.TestCase):

    def setUp(self):
        self.run_ = Running()
        self.addCleanup(self.run_.close)
        self.ids = self.run_.keys.ids

    def call(self, method, target, value=None, want=200, **more):
        """A signed call whose signed answer verifies; its content."""
        status, head, body = self.run_.wechat(method, target, value, **more)
        self.assertEqual(status, want, body)
        wechat_v3.check_headers(head, body,
                                self.run_.keys.platform_public(),
                                int(head["wechatpay-timestamp"]))
        return json.loads(body) if body else None

    def order(self, order_id="T00001", **more):
        return dict({"appid": self.ids["appid"], "mchid": self.ids["mchid"],
                     "description": "\u6d4b\u8bd5", "out_trade_no": order_id,
                     "notify_url": NOTIFY,
                     "amount": {"total": 100, "currency": "CNY"}}, **more)

    def pay(self, order_id="T00001"):
        self.run_.sandbox.store.pay(
            self.run_.sandbox.store.get("wechat_v3", order_id))

    def query(self, order_id="T00001"):
        return self.call("GET", "%sout-trade-no/%s?mchid=%s"
                         % (BASE, order_id, self.ids["mchid"]))

    def test_create(self):
        more = {"jsapi": {"payer": {"openid": "o1"}}, "native": {},
                "app": {}, "h5": {"scene_info": {
                    "payer_client_ip": "127.0.0.1",
                    "h5_info": {"type": "Wap"}}}}
        member = {"native": "code_url", "h5": "h5_url"}
        for method, extra in more.items():
            with self.subTest(method):
                value = self.order("T_" + method + "_1", **extra)
                answer = self.call("POST", BASE + method, value)
                self.assertEqual(list(answer),
                                 [member.get(method, "prepay_id")])
                # the same again is fine, something else is not
                self.call("POST", BASE + method, value)
                value["amount"] = {"total": 101}
                answer = self.call("POST", BASE + method, value, 403)
                self.assertEqual(answer["code"], "OUT_TRADE_NO_USED")

    def test_create_refuses(self):
        def bad(want, **change):
            value = dict(self.order(), **change)
            answer = self.call("POST", BASE + "native", value, 400)
            self.assertEqual(answer["code"], want)

        bad("PARAM_ERROR", amount={"total": 1.5})
        bad("PARAM_ERROR", amount={"total": True})
        bad("PARAM_ERROR", amount={"total": 0})
        bad("PARAM_ERROR", amount=[])
        bad("PARAM_ERROR", out_trade_no="short")
        bad("PARAM_ERROR", notify_url="https://x/?query=1")
        bad("PARAM_ERROR", description="")
        bad("MCH_NOT_EXISTS", mchid="1")
        bad("APPID_MCHID_NOT_MATCH", appid="wx1")
        answer = self.call("POST", BASE + "jsapi", self.order(), 400)
        self.assertEqual(answer["code"], "PARAM_ERROR")

    def test_query_by_both_ids(self):
        self.call("POST", BASE + "native", self.order())
        self.assertEqual(self.query()["trade_state"], "NOTPAY")
        self.pay()
        answer = self.query()
        self.assertEqual(answer["trade_state"], "SUCCESS")
        self.assertEqual(answer["amount"]["total"], 100)
        by_id = self.call("GET", "%sid/%s?mchid=%s" % (
            BASE, answer["transaction_id"], self.ids["mchid"]))
        self.assertEqual(by_id, answer)
        error = self.call("GET", "%sout-trade-no/NOTHING?mchid=%s"
                          % (BASE, self.ids["mchid"]), want=404)
        self.assertEqual(error["code"], "ORDER_NOT_EXIST")
        self.call("GET", BASE + "out-trade-no/T00001", want=400)

    def test_percent_encoded_order_id(self):
        self.call("POST", BASE + "native", self.order("A|B*C-_1"))
        self.assertEqual(self.query("A%7CB*C-_1")["out_trade_no"],
                         "A|B*C-_1")

    def test_close_is_a_signed_204(self):
        self.call("POST", BASE + "native", self.order())
        value = {"mchid": self.ids["mchid"]}
        target = BASE + "out-trade-no/T00001/close"
        self.assertIsNone(self.call("POST", target, value, 204))
        self.assertIsNone(self.call("POST", target, value, 204))
        self.assertEqual(self.query()["trade_state"], "CLOSED")
        answer = self.call("POST", BASE + "native", self.order(), 400)
        self.assertEqual(answer["code"], "ORDER_CLOSED")

    def test_close_of_a_paid_order(self):
        self.call("POST", BASE + "native", self.order())
        self.pay()
        answer = self.call("POST", BASE + "out-trade-no/T00001/close",
                           {"mchid": self.ids["mchid"]}, 400)
        self.assertEqual(answer["code"], "ORDERPAID")

    def test_refund_and_its_query(self):
        self.call("POST", BASE + "native", self.order())
        value = {"out_trade_no": "T00001", "out_refund_no": "R1",
                 "amount": {"refund": 40, "total": 100, "currency": "CNY"}}
        self.call("POST", REFUNDS, value, 400)
        self.pay()
        self.assertEqual(self.call("POST", REFUNDS, value)["status"],
                         "PROCESSING")
        again = self.call("POST", REFUNDS, value)
        self.assertEqual(again["status"], "SUCCESS")
        order = self.run_.sandbox.store.get("wechat_v3", "T00001")
        self.assertEqual(order.refunded, 40)
        self.assertEqual(self.call("GET", REFUNDS + "/R1"), again)
        self.assertEqual(self.query()["trade_state"], "REFUND")
        for change in ({"out_refund_no": "R2", "amount": dict(
                value["amount"], refund=61)},
                {"amount": dict(value["amount"], refund=41)},
                {"amount": dict(value["amount"], total=99)},
                {"amount": {"refund": 1, "total": 100}}):
            self.call("POST", REFUNDS, dict(value, **change), 400)
        self.call("GET", REFUNDS + "/R9", want=404)
        self.assertEqual(order.refunded, 40)

    def test_partner_mode(self):
        ids = self.ids
        value = {"sp_appid": ids["appid"], "sp_mchid": ids["mchid"],
                 "sub_mchid": ids["sub_mchid"], "description": "x",
                 "out_trade_no": "P00001", "notify_url": NOTIFY,
                 "amount": {"total": 100}, "payer": {"sp_openid": "o1"}}
        self.call("POST", PARTNER + "jsapi", value)
        self.pay("P00001")
        answer = self.call("GET", PARTNER + "out-trade-no/P00001?sp_mchid="
                           "%s&sub_mchid=%s" % (ids["mchid"],
                                                ids["sub_mchid"]))
        self.assertEqual(answer["sub_mchid"], ids["sub_mchid"])
        self.assertNotIn("mchid", answer)

    def test_certificates(self):
        answer = self.call("GET", "/v3/certificates")
        serials = []
        for item in answer["data"]:
            pem = wechat_v3.unseal(self.run_.keys.api_v3_key,
                                   item["encrypt_certificate"])
            cert = x509.load_pem_x509_certificate(pem)
            self.assertEqual(serial_hex(cert), item["serial_no"])
            serials.append(item["serial_no"])
        self.assertEqual(serials, [self.ids["serial_a"],
                                   self.ids["serial_b"]])

    def test_wechatpay_serial_chooses_the_key(self):
        for which in ("serial_a", "serial_b", "pub_key_id"):
            _, head, _ = self.run_.wechat("GET", "/v3/certificates",
                                          serial=self.ids[which])
            self.assertEqual(head["wechatpay-serial"], self.ids[which])
        status, head, _ = self.run_.wechat("GET", "/v3/certificates",
                                           serial="00")
        self.assertEqual(status, 400)
        self.assertNotIn("wechatpay-signature", head)

    def test_a_bad_request_gets_an_unsigned_401(self):
        good = {"headers": {}}
        cases = (
            dict(good, now=1),
            dict(good, key=self.run_.keys.rogue),
            {"headers": {"Authorization": "Bearer x"}},
            {"headers": {"Authorization": wechat_v3.SCHEME + ' mchid="1"'}},
        )
        for more in cases:
            status, head, body = self.run_.wechat(
                "GET", "/v3/certificates", **more)
            self.assertEqual(status, 401)
            self.assertEqual(json.loads(body)["code"], "SIGN_ERROR")
            self.assertNotIn("wechatpay-signature", head)
        status, _, _ = self.run_.wechat("POST", BASE + "native",
                                        self.order(), body=b"{}")
        self.assertEqual(status, 401)

    def test_accept_is_required(self):
        status, _, _ = self.run_.wechat("GET", "/v3/certificates",
                                        headers={"Accept": "text/html"})
        self.assertEqual(status, 400)

    def test_unknown_paths(self):
        answer = self.call("GET", "/v3/nothing", want=404)
        self.assertEqual(answer["code"], "RESOURCE_NOT_EXISTS")
        self.call("DELETE", BASE + "native", want=405)
