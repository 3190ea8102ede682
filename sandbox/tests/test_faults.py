"""Every misbehaviour of a message, judged by the receiving side."""

import json
import unittest

from sandbox import alipay, faults, wechat_v3
from sandbox.orders import Order, Store

from .support import check_alipay, check_wechat, keys


def paid(provider, refund=0, **more):
    store = Store()
    order = store.add(Order(provider, "ORDER_1", 8888, "http://127.0.0.1/",
                            **more))
    store.pay(order)
    if refund:
        store.refund(order, refund, "REFUND_1")
    return order


class Wechat(unittest.TestCase):

    def take(self, _order=None, **given):
        order = _order or paid("wechat_v3")
        head, body = wechat_v3.callback(keys(), order, **given)
        return check_wechat(head, body)

    def refused(self, reason, **given):
        with self.subTest(str(given)):
            with self.assertRaises(wechat_v3.Refused) as caught:
                self.take(**given)
            self.assertEqual(caught.exception.reason, reason)

    def test_good(self):
        envelope, content = self.take()
        self.assertEqual(envelope["event_type"], "TRANSACTION.SUCCESS")
        self.assertEqual(content["amount"]["total"], 8888)
        envelope, content = self.take(paid("wechat_v3", 88))
        self.assertEqual(envelope["event_type"], "REFUND.SUCCESS")
        self.assertEqual(content["amount"]["refund"], 88)
        self.assertEqual(content["out_refund_no"], "REFUND_1")

    def test_an_order_may_be_a_mapping(self):
        _, content = self.take({"order_id": "ORDER_2", "amount": 5})
        self.assertEqual(content["out_trade_no"], "ORDER_2")

    def test_each_try_is_fresh_and_has_the_same_id(self):
        order = paid("wechat_v3")
        one, two = (wechat_v3.callback(keys(), order) for _ in range(2))
        for word in ("Nonce", "Signature"):
            self.assertNotEqual(one[0]["Wechatpay-" + word],
                                two[0]["Wechatpay-" + word])
        self.assertEqual(json.loads(one[1])["id"], json.loads(two[1])["id"])

    def test_refused(self):
        for part in ("body", "signature", "timestamp", "nonce"):
            self.refused("signature", forged=part)
        self.refused("signature", wrong_key="rogue")
        self.refused("signature", wrong_key="own")
        self.refused("signature", signtest=True)
        self.refused("timestamp", skew=301)
        self.refused("timestamp", skew=-302)
        self.refused("unknown_serial", serial="00" * 20)
        self.refused("missing_headers", missing_header="wechatpay-nonce")
        self.refused("header", signature_type=True)
        for word in ("envelope", "plaintext", "nested"):
            self.refused("malformed", duplicate_key=word)
        self.refused("decrypt", bad_tag=True)
        for length in (0, 8, 11, 13, 16):
            self.refused("decrypt", nonce_length=length)
        self.refused("decrypt", aad="wrong")
        self.refused("decrypt", wrong_apiv3=True)
        self.refused("decrypt", short_ciphertext=True)
        self.refused("algorithm", algorithm="AEAD_SM4_GCM")
        self.refused("malformed", no_resource=True)
        self.refused("malformed", gbk=True)
        self.refused("mchid_mismatch", wrong_account="mchid")
        self.refused("appid_mismatch", wrong_account="appid")
        self.refused("mchid_mismatch", partner=True,
                     wrong_account="sub_mchid")

    def test_odd_but_genuine(self):
        for given in ({"skew": 290}, {"skew": -290}, {"signature_type": ""},
                      {"aad": "empty"}, {"aad": "absent"},
                      {"empty_values": "signed"}, {"pad": 70000},
                      {"key": "a"}, {"key": "b"}, {"key": "pub"}):
            with self.subTest(given):
                self.take(**given)
        envelope, _ = self.take(event_type="SANDBOX.SOMETHING")
        self.assertEqual(envelope["event_type"], "SANDBOX.SOMETHING")
        _, content = self.take(partner=True)
        self.assertEqual(content["sub_mchid"], keys().ids["sub_mchid"])
        self.assertNotIn("mchid", content)
        _, content = self.take(set={"amount.total": 1, "attach": "x"})
        self.assertEqual((content["amount"]["total"], content["attach"]),
                         (1, "x"))
        envelope, content = self.take(paid("wechat_v3", 1),
                                      event_type="REFUND.ABNORMAL")
        self.assertEqual(content["refund_status"], "ABNORMAL")

    def test_keys_are_those_that_are_named(self):
        ids = keys().ids
        for which, serial in (("a", "serial_a"), ("b", "serial_b"),
                              ("pub", "pub_key_id")):
            head, _ = wechat_v3.callback(keys(), paid("wechat_v3"),
                                         key=which)
            self.assertEqual(head["Wechatpay-Serial"], ids[serial])
        self.assertTrue(ids["serial_a"].startswith("0"))

    def test_forged_is_one_byte(self):
        order = paid("wechat_v3")
        fixed = {"now": 1730000000, "nonce": "n" * 32,
                 "resource_nonce": "r" * 12}
        good = wechat_v3.callback(keys(), order, **fixed)
        bad = wechat_v3.callback(keys(), order, forged="body", **fixed)
        self.assertEqual(good[0], bad[0])
        self.assertEqual(sum(a != b for a, b in zip(good[1], bad[1])), 1)
        json.loads(bad[1])

    def test_a_close_has_no_callback(self):
        store = Store()
        order = store.add(Order("wechat_v3", "ORDER_1", 1))
        store.close(order)
        with self.assertRaises(ValueError):
            wechat_v3.callback(keys(), order)


class Alipay(unittest.TestCase):

    def take(self, _order=None, **given):
        order = _order or paid("alipay")
        return check_alipay(alipay.callback(keys(), order, **given))

    def refused(self, reason, **given):
        with self.subTest(str(given)):
            with self.assertRaises(alipay.Refused) as caught:
                self.take(**given)
            self.assertEqual(caught.exception.reason, reason)

    def test_good(self):
        values = self.take()
        self.assertEqual(values["trade_status"], "TRADE_SUCCESS")
        self.assertNotIn("refund_fee", values)
        values = self.take(paid("alipay", 88))
        self.assertEqual(values["trade_status"], "TRADE_SUCCESS")
        self.assertEqual(values["refund_fee"], "0.88")
        self.assertEqual(values["out_biz_no"], "REFUND_1")
        values = self.take(paid("alipay", 8888))
        self.assertEqual(values["trade_status"], "TRADE_CLOSED")
        self.assertIn("gmt_refund", values)
        store = Store()
        order = store.add(Order("alipay", "ORDER_1", 1))
        store.close(order)
        values = self.take(order)
        self.assertEqual(values["trade_status"], "TRADE_CLOSED")
        self.assertNotIn("gmt_refund", values)

    def test_values_that_need_encoding(self):
        order = paid("alipay", subject="\u82f9\u679c+1 & 100% =\"<x>\" ",
                     attach="a%3d1%26b")
        values = self.take(order)
        self.assertEqual(values["subject"], order.subject)
        self.assertEqual(values["passback_params"], "a%3d1%26b")

    def test_refused(self):
        for part in ("body", "signature", "timestamp", "nonce"):
            self.refused("signature", forged=part)
        self.refused("signature", wrong_key="rogue")
        self.refused("signature", wrong_key="own")
        self.refused("duplicate", duplicate_param=True)
        self.refused("duplicate", duplicate_param="sign")
        self.refused("sign_type", sign_type="RSA")
        self.refused("no_sign", missing_param="sign")
        self.refused("signature", missing_param="subject")
        self.refused("app_id", wrong_account="app_id")
        self.refused("seller_id", wrong_account="seller_id")

    def test_odd_but_genuine(self):
        self.take(key="next")
        self.take(sign_with_type=True)
        self.take(empty_values="signed")
        self.take(empty_values="unsigned")
        self.take(skew=86400)
        self.assertEqual(len(self.take(pad=70000)["body"]), 70000)
        values = self.take(notify_type="other")
        self.assertNotIn("trade_status", values)
        self.assertEqual(self.take(set={"total_amount": "1.00"})
                         ["total_amount"], "1.00")
        # taken by a receiver that allows SHA-1, refused by ours
        body = alipay.callback(keys(), paid("alipay"), sign_type="RSA")
        alipay.check_notify(body, [keys().alipay().public_key()], {},
                            ("RSA",))

    def test_gbk(self):
        values = self.take(gbk=True)
        self.assertEqual(values["charset"], "GBK")
        self.assertEqual(values["subject"], Order("alipay", "x", 1).subject)
        self.take(paid("alipay", charset="GBK"))

    def test_the_same_id_in_each_try(self):
        order = paid("alipay")
        ids = {check_alipay(alipay.callback(keys(), order, now=now))
               ["notify_id"] for now in (1, 2, 3)}
        self.assertEqual(len(ids), 1)

    def test_an_older_event_keeps_its_own_sum(self):
        order = paid("alipay", 10)
        store = Store()
        store.refund(order, 20, "REFUND_2")
        first, second = (check_alipay(alipay.callback(keys(), order, e))
                         for e in order.events[1:])
        self.assertEqual((first["refund_fee"], second["refund_fee"]),
                         ("0.10", "0.30"))


class Table(unittest.TestCase):

    def test_a_misspelt_one_is_an_error(self):
        for given in ({"forgd": True}, {"forged": "boddy"},
                      {"skew": "x"}, {"bad_tag": 1}, {"set": "x"}):
            with self.assertRaises(ValueError):
                wechat_v3.callback(keys(), paid("wechat_v3"), **given)
        with self.assertRaises(ValueError):
            alipay.callback(keys(), paid("alipay"), bad_tag=True)

    def test_split(self):
        self.assertEqual(faults.split({"forged": "body", "slow": 1}),
                         ({"forged": "body"}, {"slow": 1}))
