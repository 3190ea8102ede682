"""Every operation of Alipay's gateway over HTTP."""

import base64
import json
import unittest
import urllib.parse

from sandbox import alipay
from sandbox.keys import cert_sn

from .support import Running, check_alipay

T = "alipay.trade."


class AlipayApi(unittest.TestCase):

    def setUp(self):
        self.run_ = Running()
        self.addCleanup(self.run_.close)
        self.store = self.run_.sandbox.store

    def call(self, method, _want="10000", _sub=None, _more=None, **biz):
        answer = self.run_.alipay(method, biz, **(_more or {}))
        self.assertIsNotNone(answer)
        self.assertEqual(answer["code"], _want, answer)
        if _sub:
            self.assertEqual(answer["sub_code"], _sub)
        return answer

    def create(self, order_id="T1", amount="88.88"):
        return self.call(T + "create", out_trade_no=order_id,
                         total_amount=amount, subject="\u6d4b\u8bd5 + & %",
                         buyer_id="2088000000000001")

    def pay(self, order_id="T1"):
        self.store.pay(self.store.get("alipay", order_id))

    def test_create_pay_query(self):
        self.create()
        answer = self.call(T + "query", out_trade_no="T1")
        self.assertEqual(answer["trade_status"], "WAIT_BUYER_PAY")
        self.pay()
        answer = self.call(T + "query", trade_no=answer["trade_no"])
        self.assertEqual(answer["trade_status"], "TRADE_SUCCESS")
        self.assertEqual(answer["total_amount"], "88.88")
        self.call(T + "query", "40004", "ACQ.TRADE_NOT_EXIST",
                  out_trade_no="T2")

    def test_precreate_is_no_trade_before_the_scan(self):
        answer = self.call(T + "precreate", out_trade_no="T1",
                           total_amount="1", subject="x")
        self.call(T + "query", "40004", "ACQ.TRADE_NOT_EXIST",
                  out_trade_no="T1")
        url = urllib.parse.urlsplit(answer["qr_code"])
        status, _, page = self.run_.raw("GET", url.path + "?" + url.query)
        self.assertEqual(status, 200)
        self.assertIn(b"1.00 CNY", page)
        answer = self.call(T + "query", out_trade_no="T1")
        self.assertEqual(answer["trade_status"], "WAIT_BUYER_PAY")

    def test_barcode(self):
        biz = {"out_trade_no": "T1", "total_amount": "1.5", "subject": "x",
               "scene": "bar_code", "auth_code": "280000000000000001"}
        answer = self.call(T + "pay", **biz)
        self.assertEqual(answer["receipt_amount"], "1.50")
        self.call(T + "pay", "40004", "ACQ.TRADE_HAS_SUCCESS", **biz)
        biz.update(out_trade_no="T2", auth_code="280000000000010003")
        self.call(T + "pay", "10003", **biz)
        biz.update(out_trade_no="T3", auth_code="123")
        self.call(T + "pay", "40004", "ACQ.PAYMENT_AUTH_CODE_INVALID", **biz)

    def test_create_refuses(self):
        for change in ({"total_amount": "0"}, {"total_amount": "1.001"},
                       {"subject": ""}, {"out_trade_no": "a b"},
                       {"buyer_id": ""}):
            biz = dict({"out_trade_no": "T9", "total_amount": "1",
                        "subject": "x", "buyer_id": "1"}, **change)
            self.call(T + "create", "40004", "ACQ.INVALID_PARAMETER", **biz)
        self.create()
        self.call(T + "create", "40004", "ACQ.CONTEXT_INCONSISTENT",
                  out_trade_no="T1", total_amount="1", subject="x",
                  buyer_id="1")

    def test_close(self):
        self.create()
        self.call(T + "close", out_trade_no="T1")
        answer = self.call(T + "query", out_trade_no="T1")
        self.assertEqual(answer["trade_status"], "TRADE_CLOSED")
        self.create("T2")
        self.pay("T2")
        self.call(T + "close", "40004", "ACQ.REASON_TRADE_STATUS_INVALID",
                  out_trade_no="T2")

    def test_cancel(self):
        self.create()
        answer = self.call(T + "cancel", out_trade_no="T1")
        self.assertEqual((answer["action"], answer["retry_flag"]),
                         ("close", "N"))
        self.create("T2")
        self.pay("T2")
        for _ in range(2):
            answer = self.call(T + "cancel", out_trade_no="T2")
            self.assertEqual(answer["action"], "refund")
        self.assertEqual(self.store.get("alipay", "T2").refunded, 8888)

    def test_refund(self):
        self.create()
        biz = {"out_trade_no": "T1", "refund_amount": "8.88",
               "out_request_no": "R1"}
        self.call(T + "refund", "40004", "ACQ.TRADE_STATUS_ERROR", **biz)
        self.pay()
        answer = self.call(T + "refund", **biz)
        self.assertEqual(answer["fund_change"], "Y")
        answer = self.call(T + "refund", **biz)
        self.assertEqual(answer["fund_change"], "N")
        self.assertEqual(answer["refund_fee"], "8.88")
        query = T + "fastpay.refund.query"
        answer = self.call(query, out_trade_no="T1", out_request_no="R1")
        self.assertEqual(answer["refund_status"], "REFUND_SUCCESS")
        # unknown: success without data
        answer = self.call(query, out_trade_no="T1", out_request_no="R9")
        self.assertNotIn("refund_status", answer)
        self.call(T + "refund", "40004", "ACQ.REASON_TRADE_REFUND_FEE_ERR",
                  out_trade_no="T1", refund_amount="80.01",
                  out_request_no="R2")
        self.call(T + "refund", out_trade_no="T1", refund_amount="80",
                  out_request_no="R2")
        answer = self.call(T + "query", out_trade_no="T1")
        self.assertEqual(answer["trade_status"], "TRADE_CLOSED")

    def test_pages_pay_and_go_back_signed(self):
        for word in ("page", "wap", "app"):
            with self.subTest(word):
                params = self.run_.alipay_request(
                    T + word + ".pay",
                    {"out_trade_no": "W_" + word, "total_amount": "2",
                     "subject": "<b>\u6d4b\u8bd5</b>"},
                    return_url="https://shop.example.com/back?a=1")
                target = "/gateway.do?" + urllib.parse.urlencode(params)
                status, head, page = self.run_.raw("GET", target)
                self.assertEqual(status, 200)
                self.assertIn("text/html", head["content-type"])
                self.assertIn(b"&lt;b&gt;", page)
                self.assertNotIn(b"<b>", page)
                form = urllib.parse.urlencode(
                    {"back": "https://shop.example.com/back?a=1"})
                status, head, _ = self.run_.raw(
                    "POST", "/sandbox/orders/W_%s/pay?provider=alipay"
                    % word, form.encode(), {
                        "Content-Type": "application/x-www-form-urlencoded"})
                self.assertEqual(status, 303)
                query = head["location"].split("?a=1&", 1)[1]
                values = check_alipay(query.encode(), total_amount="2.00")
                self.assertNotIn("trade_status", values)

    def test_certificate_mode(self):
        self.create()
        ids = self.run_.keys.ids
        more = {"cert": True}
        answer = self.call(T + "query", out_trade_no="T1", _more=more)
        self.assertEqual(answer["alipay_cert_sn"], ids["alipay_cert_sn"])
        method = "alipay.open.app.alipaycert.download"
        answer = self.call(method, _more=more,
                           alipay_cert_sn=ids["alipay_next_cert_sn"])
        pem = base64.b64decode(answer["alipay_cert_content"])
        self.assertEqual(cert_sn(pem), ids["alipay_next_cert_sn"])
        for word, sub_code in (
                ("app_cert_sn", "isv.app-cert-not-exist"),
                ("alipay_root_cert_sn", "isv.invalid-alipay-root-cert-sn")):
            body = self.run_.alipay_raw(T + "query", {}, cert=True,
                                        **{word: "0" * 32})
            self.assertIn(sub_code.encode(), body)

    def test_gbk(self):
        self.call(T + "create", _more={"charset": "gbk"}, out_trade_no="G1",
                  total_amount="1", subject="\u82f9\u679c", buyer_id="1")
        order = self.store.get("alipay", "G1")
        self.assertEqual((order.subject, order.charset),
                         ("\u82f9\u679c", "GBK"))
        body = self.run_.alipay_raw(T + "query", {"out_trade_no": "\u82f9"},
                                    charset="gbk")
        self.assertIn(b"ACQ.TRADE_NOT_EXIST", body)

    def test_charset_missing_in_the_url(self):
        params = self.run_.alipay_request(T + "create", {
            "out_trade_no": "T1", "total_amount": "1",
            "subject": "\u82f9\u679c", "buyer_id": "1"})
        status, _, body = self.run_.raw(
            "POST", "/gateway.do", urllib.parse.urlencode(params).encode())
        self.assertEqual(status, 200)
        self.assertIn(b"isv.invalid-signature", body)

    def test_errors_of_the_gateway_are_unsigned(self):
        good = self.run_.alipay_request(T + "query", {"out_trade_no": "T1"})

        def answer(params, **change):
            params = {k: v for k, v in dict(params, **change).items()
                      if v is not None}
            _, _, body = self.run_.raw(
                "POST", "/gateway.do?charset=utf-8",
                urllib.parse.urlencode(params).encode())
            return json.loads(body)

        for change, sub_code in (
                ({"app_id": "1"}, "isv.invalid-app-id"),
                ({"sign": "AAAA"}, "isv.invalid-signature"),
                ({"sign": None}, "isv.missing-signature"),
                ({"empty": ""}, "isv.invalid-signature"),
                ({"version": None}, "isv.missing-version"),
                ({"sign_type": "MD5"}, "isv.invalid-signature-type"),
                ({"timestamp": "now"}, "isv.invalid-timestamp")):
            with self.subTest(change):
                value = answer(good, **change)
                self.assertNotIn("sign", value)
                content = value["alipay_trade_query_response"]
                self.assertEqual(content["sub_code"], sub_code)
        value = answer(good, method="alipay.unknown")
        self.assertEqual(list(value), ["error_response"])
        self.assertEqual(self.run_.raw("PUT", "/gateway.do")[0], 200)

    def test_rsa_of_old_is_still_taken(self):
        self.create()
        body = self.run_.alipay_raw(T + "query", {"out_trade_no": "T1"},
                                    sign_type="RSA")
        self.assertIn(b'"code":"10000"', body)
        self.assertEqual(alipay.DIGESTS["RSA"], "sha1")
