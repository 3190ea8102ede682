"""WeChat Pay v2: misbehaviours, the interface, the way of a payment."""

import gzip
import http.client
import ssl
import tempfile
import time
import unittest

from cryptography import x509
from cryptography.x509.oid import NameOID

from sandbox import wechat_v2
from sandbox.keys import certificate, private_pem
from sandbox.orders import Order
from sandbox.server import Sandbox, Server
from sandbox.wechat_v2 import (Refused, check_notify, document, parse, sign,
                               to_pairs, verify)

from .support import Running, Shop, keys
from .test_deliver import wait_for
from .test_faults import paid


def account(partner=False):
    ids = keys().ids
    result = {"appid": ids["appid"], "mch_id": ids["mchid"]}
    if partner:
        result.update({"sub_mch_id": ids["sub_mchid"],
                       "sub_appid": ids["sub_appid"]})
    return result


def check(body, partner=False):
    k = keys()
    return check_notify(body, [k.api_key, k.api_key_next], account(partner),
                        k.sign_type)


class Messages(unittest.TestCase):

    def take(self, _order=None, _partner=False, **given):
        order = _order or paid("wechat_v2")
        head, body = wechat_v2.callback(keys(), order, **given)
        self.assertEqual(head["Content-Type"], "text/xml; charset=utf-8")
        return check(body, _partner)

    def refused(self, reason, _refund=0, **given):
        with self.subTest(str(given)):
            with self.assertRaises(Refused) as caught:
                self.take(paid("wechat_v2", _refund), **given)
            self.assertEqual(caught.exception.reason, reason)

    def test_good(self):
        signed, values = self.take()
        self.assertTrue(signed)
        self.assertEqual(values["total_fee"], "8888")
        self.assertRegex(values["time_end"], r"^\d{14}$")
        signed, values = self.take(paid("wechat_v2", 88))
        self.assertFalse(signed)
        self.assertEqual(values["refund_fee"], "88")
        self.assertEqual(values["out_refund_no"], "REFUND_1")
        _, values = self.take({"order_id": "ORDER_2", "amount": 5})
        self.assertEqual(values["out_trade_no"], "ORDER_2")

    def test_each_try_has_a_nonce_of_its_own_and_nothing_else(self):
        for refund in (0, 88):
            order = paid("wechat_v2", refund)
            one, two = (parse(wechat_v2.callback(keys(), order, now=n)[1])
                        for n in (1, 1000))
            differ = {name for name in one if one[name] != two[name]}
            self.assertEqual(differ, {"nonce_str"} if refund
                             else {"nonce_str", "sign"})

    def test_refused(self):
        for part in ("body", "signature", "timestamp", "nonce"):
            self.refused("signature", forged=part)
        for given in ({"wrong_key": "rogue"}, {"wrong_key": "own"},
                      {"lower_sign": True}, {"sign_type": "MD5"},
                      {"missing_param": "openid"}):
            self.refused("signature", **given)
        self.refused("sign_type", say_sign_type="MD5")
        self.refused("sign_type", say_sign_type="MD5", sign_type="MD5")
        self.refused("no_sign", missing_param="sign")
        self.refused("duplicate_element", duplicate_param=True)
        self.refused("appid_mismatch", wrong_account="appid")
        self.refused("mch_id_mismatch", wrong_account="mchid")
        self.refused("sub_mch_id_mismatch", partner=True)
        self.refused("malformed", gbk=True)
        for word in ("empty", "file", "bomb"):
            self.refused("doctype", doctype=word)

    def test_refused_refunds(self):
        for given in ({"wrong_key": "rogue"}, {"forged": "body"},
                      {"padding": "wrong"}, {"blocks": "swap"},
                      {"blocks": "drop"}, {"blocks": "double"},
                      {"gbk": True}):
            self.refused("decrypt", 88, **given)
        self.refused("appid_mismatch", 88, wrong_account="appid")

    def test_odd_but_genuine(self):
        self.take(key="next")
        self.take(paid("wechat_v2", 88), key="next")
        self.take(paid("wechat_v2", 88), padding="none")
        self.take(plain=True, set={"attach": "<&>"})
        self.take(say_sign_type="HMAC-SHA256")
        self.take(empty_values="unsigned")
        self.take(empty_values="signed")
        self.take(_partner=True, partner=True)
        self.assertEqual(len(self.take(pad=70000)[1]["attach"]), 70000)
        self.assertEqual(self.take(set={"total_fee": "1"})[1]["total_fee"],
                         "1")
        early, late = (self.take(paid("wechat_v2"), skew=n)[1]["time_end"]
                       for n in (-86400, 0))
        self.assertLess(early, late)

    def test_a_close_has_no_callback(self):
        with self.assertRaises(ValueError):
            wechat_v2.callback(keys(), Order("wechat_v2", "O", 1),
                               Order("wechat_v2", "O", 1).add_event("close",
                                                                    1))


class Interface(unittest.TestCase):

    def setUp(self):
        self.running = Running(speed=1e9)
        self.addCleanup(self.running.close)
        self.shop = Shop()
        self.addCleanup(self.shop.close)

    def call(self, path, kind="HMAC-SHA256", **values):
        """The verified answer to a signed call."""
        k = keys()
        params = {"appid": k.ids["appid"], "mch_id": k.ids["mchid"],
                  "nonce_str": "n", "sign_type": kind, **values}
        params = {name: value for name, value in params.items()
                  if value is not None}
        params.setdefault("sign", sign(to_pairs(params), k.api_key, kind))
        status, head, body = self.running.raw(
            "POST", path, document(to_pairs(params)),
            {"Content-Type": "text/xml"})
        self.assertEqual((status, head["content-type"]), (200, "text/xml"))
        answer = parse(body)
        if answer["return_code"] == "SUCCESS":
            verify(answer, [k.api_key], kind)
        else:
            self.assertNotIn("sign", answer)
        return answer

    def create(self, **more):
        return self.call("/pay/unifiedorder", **{
            "body": "x", "out_trade_no": "ORDER_1", "total_fee": 100,
            "spbill_create_ip": "127.0.0.1", "trade_type": "NATIVE",
            "notify_url": self.shop.url, **more})

    def test_the_way_of_a_payment(self):
        self.assertIn("/sandbox/cashier/ORDER_1",
                      self.create()["code_url"])
        answer = self.call("/pay/orderquery", out_trade_no="ORDER_1")
        self.assertEqual(answer["trade_state"], "NOTPAY")
        self.shop.script = [(200, b"success"), (500, wechat_v2.ACK),
                            (204, b""), (200, wechat_v2.ACK)]
        status, _ = self.running.control("POST", "/sandbox/orders/ORDER_1/pay")
        self.assertEqual(status, 200)
        wait_for(lambda: len(self.shop.seen) == 4)
        seen = [check(body)[1] for _, body in self.shop.seen]
        self.assertEqual({v["transaction_id"] for v in seen},
                         {seen[0]["transaction_id"]})
        self.assertEqual(seen[0]["total_fee"], "100")
        answer = self.call("/pay/orderquery", "MD5",
                           transaction_id=seen[0]["transaction_id"])
        self.assertEqual(answer["trade_state"], "SUCCESS")
        self.shop.script = [(200, wechat_v2.ACK)]
        answer = self.call("/secapi/pay/refund", out_trade_no="ORDER_1",
                           out_refund_no="R1", total_fee=100, refund_fee=40)
        self.assertEqual(answer["result_code"], "SUCCESS")
        wait_for(lambda: len(self.shop.seen) == 5)
        signed, values = check(self.shop.seen[4][1])
        self.assertFalse(signed)
        self.assertEqual(values["refund_id"], answer["refund_id"])
        answer = self.call("/pay/refundquery", out_trade_no="ORDER_1")
        self.assertEqual((answer["refund_count"], answer["refund_fee_0"],
                          answer["refund_status_0"]),
                         ("1", "40", "SUCCESS"))
        wait_for(lambda: self.running.sandbox.deliverer.pending == 0)
        self.assertEqual(len(self.shop.seen), 5)

    def test_micropay(self):
        def scan(code, number="SCAN_1", **more):
            return self.call("/pay/micropay", **{
                "out_trade_no": number, "body": "tea", "total_fee": 100,
                "spbill_create_ip": "127.0.0.1", "auth_code": code, **more})

        self.assertEqual(scan("2" * 18)["err_code"], "AUTH_CODE_INVALID")
        self.assertEqual(scan("13" + "0" * 16, body=None)["err_code"],
                         "LACK_PARAMS")
        self.assertEqual(scan("13" + "0" * 16, number="x")["err_code"],
                         "PARAM_ERROR")
        self.assertEqual(scan("13" + "0" * 15 + "4")["err_code"],
                         "NOTENOUGH")
        answer = scan("13" + "0" * 16)
        self.assertEqual((answer["total_fee"], answer["trade_type"]),
                         ("100", "MICROPAY"))
        self.assertEqual(scan("13" + "0" * 16)["err_code"], "ORDERPAID")
        self.assertEqual(scan("13" + "0" * 15 + "3", "SCAN_2")["err_code"],
                         "USERPAYING")
        self.assertEqual(self.call("/pay/orderquery", out_trade_no="SCAN_2")
                         ["trade_state"], "NOTPAY")
        self.call("/secapi/pay/refund", out_trade_no="SCAN_1",
                  out_refund_no="R1", total_fee=100, refund_fee=40)
        self.assertEqual(self.call("/pay/refundquery", out_refund_no="R1")
                         ["out_trade_no"], "SCAN_1")
        self.assertEqual(self.call("/pay/refundquery", out_refund_no="R2")
                         ["err_code"], "REFUNDNOTEXIST")

    def test_reverse(self):
        self.create()
        self.call("/secapi/pay/reverse", out_trade_no="ORDER_1")
        self.assertEqual(self.call("/pay/orderquery", out_trade_no="ORDER_1")
                         ["trade_state"], "CLOSED")
        self.create(out_trade_no="ORDER_2")
        self.running.control("POST", "/sandbox/orders/ORDER_2/pay")
        for _ in range(2):
            answer = self.call("/secapi/pay/reverse", out_trade_no="ORDER_2")
            self.assertEqual(answer["recall"], "N")
        answer = self.call("/pay/refundquery", out_trade_no="ORDER_2")
        self.assertEqual((answer["refund_count"], answer["refund_fee_0"]),
                         ("1", "100"))

    def test_bill(self):
        k = keys()
        self.assertEqual(self.call("/pay/downloadbill", bill_date="20250102")
                         ["error_code"], "20002")
        self.create()
        self.running.control("POST", "/sandbox/orders/ORDER_1/pay")
        order = self.running.sandbox.store.get("wechat_v2", "ORDER_1")
        day = time.strftime("%Y%m%d", time.gmtime(order.paid + 8 * 3600))
        values = {"appid": k.ids["appid"], "mch_id": k.ids["mchid"],
                  "nonce_str": "n", "bill_date": day}
        for more in ({}, {"tar_type": "GZIP"}):
            params = {**values, **more}
            params["sign"] = sign(to_pairs(params), k.api_key, "MD5")
            _, head, body = self.running.raw(
                "POST", "/pay/downloadbill", document(to_pairs(params)))
            text = gzip.decompress(body) if more else body
            self.assertTrue(text.startswith(b"\xef\xbb\xbf"))
            self.assertIn(b",`ORDER_1,`1.00", text)
            self.assertNotIn("xml", head["content-type"])

    def test_refused(self):
        for values in ({"sign": ""}, {"sign": "A" * 64},
                       {"mch_id": "1"}, {"nonce_str": None},
                       {"nonce_str": "x" * 33}):
            self.assertEqual(self.create(**values)["return_code"], "FAIL")
        for values, code in (({"body": ""}, "LACK_PARAMS"),
                             ({"total_fee": "1.00"}, "PARAM_ERROR"),
                             ({"total_fee": 0}, "PARAM_ERROR"),
                             ({"notify_url": "http://x/?a=b"},
                              "PARAM_ERROR"),
                             ({"trade_type": "X"}, "PARAM_ERROR"),
                             ({"appid": "wx1"}, "APPID_MCHID_NOT_MATCH")):
            with self.subTest(code):
                self.assertEqual(self.create(**values)["err_code"], code)
        status, _, body = self.running.raw("GET", "/pay/orderquery")
        self.assertEqual(status, 200)
        self.assertIn(b"FAIL", body)
        for path, code in (("/pay/orderquery", "ORDERNOTEXIST"),
                           ("/pay/refundquery", "ORDERNOTEXIST"),
                           ("/pay/closeorder", "ORDERNOTEXIST")):
            answer = self.call(path, out_trade_no="NO_SUCH_1")
            self.assertEqual(answer["err_code"], code)

    def test_states(self):
        self.create()
        self.assertEqual(self.create()["result_code"], "SUCCESS")
        self.assertEqual(self.create(total_fee=1)["err_code"],
                         "OUT_TRADE_NO_USED")
        self.call("/pay/closeorder", out_trade_no="ORDER_1")
        self.assertEqual(self.create()["err_code"], "ORDERCLOSED")
        self.assertEqual(self.call("/pay/orderquery", out_trade_no="ORDER_1")
                         ["trade_state"], "CLOSED")
        self.assertEqual(self.shop.seen, [])
        self.shop.script = [(200, wechat_v2.ACK)]
        self.create(out_trade_no="ORDER_2")
        self.running.control("POST", "/sandbox/orders/ORDER_2/pay")
        self.assertEqual(self.create(out_trade_no="ORDER_2")["err_code"],
                         "ORDERPAID")
        answer = self.call("/secapi/pay/refund", out_trade_no="ORDER_2",
                           out_refund_no="R1", total_fee=100, refund_fee=101)
        self.assertEqual(answer["result_code"], "FAIL")
        self.assertEqual(self.call("/pay/refundquery",
                                   out_trade_no="ORDER_2")["err_code"],
                         "REFUNDNOTEXIST")


class Certificate(unittest.TestCase):
    """Where there is TLS, refunds want the merchant's certificate in it."""

    def setUp(self):
        k = keys()
        self.server = Server(Sandbox(k), port=0, tls=(
            k.path("wechat/platform_cert_a.pem"),
            k.path("wechat/platform_key_a.pem"))).start()
        self.addCleanup(self.server.stop)

    def call(self, path, shown=None):
        """(status, body); shown are a certificate and its key."""
        ids = keys().ids
        values = {"appid": ids["appid"], "mch_id": ids["mchid"],
                  "nonce_str": "x", "sign_type": "HMAC-SHA256",
                  "account_type": "Basic", "out_trade_no": "T1"}
        values["sign"] = sign(to_pairs(values), keys().api_key,
                              "HMAC-SHA256")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if shown:
            context.load_cert_chain(*shown)
        connection = http.client.HTTPSConnection(
            *self.server.server_address[:2], timeout=10, context=context)
        try:
            connection.request("POST", path, document(to_pairs(values)))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def test_shown(self):
        k = keys()
        mine = (k.path("wechat/apiclient_cert.pem"),
                k.path("wechat/apiclient_key.pem"))
        other = (k.path("wechat/platform_cert_b.pem"),
                 k.path("wechat/platform_key_b.pem"))
        for path, word in (("/secapi/pay/refund", b"ORDERNOTEXIST"),
                           ("/secapi/pay/reverse", b"ORDERNOTEXIST"),
                           ("/secapi/other", b"no such path"),
                           ("/pay/downloadfundflow", b"No Bill Exist")):
            status, body = self.call(path)
            self.assertEqual(status, 400)
            self.assertIn(b"No required SSL certificate was sent", body)
            status, body = self.call(path, other)
            self.assertEqual(status, 200)
            self.assertIn(b"CERT_ERROR", body)
            status, body = self.call(path, mine)
            self.assertEqual(status, 200)
            self.assertIn(word, body)
        for shown in (None, mine, other):
            self.assertIn(b"ORDERNOTEXIST",
                          self.call("/pay/orderquery", shown)[1])

    def test_of_nobody(self):
        k = keys()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
        pem = certificate(name, name, k.rogue, k.rogue)
        with tempfile.NamedTemporaryFile() as file:
            file.write(pem + private_pem(k.rogue))
            file.flush()
            with self.assertRaises(OSError):
                self.call("/secapi/pay/refund", (file.name,))
