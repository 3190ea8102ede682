"""What is encrypted inside of messages, in both directions."""

import base64
import json
import os
import re
import secrets
import shutil
import tempfile
import time
import unittest

from cryptography import x509

from sandbox import sealed, unionpay, wechat_v3
from sandbox.alipay import build_form
from sandbox.alipay_v3 import answer_message
from sandbox.keys import Keys, sign, verify
from sandbox.sealed import Unreadable

from .support import DATA, Running

ECHO = "/v3/security/echo"
BATCHES = "/v3/transfer/batches"
WHO = "\u5f20\u4e09"


class Forms(unittest.TestCase):

    def setUp(self):
        self.running = Running()
        self.addCleanup(self.running.close)
        self.keys = self.running.keys

    def test_oaep(self):
        key = self.keys.merchant
        text = sealed.oaep_seal(key.public_key(), WHO)
        self.assertEqual(sealed.oaep_open(key, text), WHO)
        for bad in ("", "a", text[:-4], "*" + text, None, WHO,
                    sealed.rsa_seal(key.public_key(), WHO),
                    sealed.oaep_seal(self.keys.rogue.public_key(), WHO)):
            with self.assertRaises(Unreadable):
                sealed.oaep_open(key, bad)

    def test_older_directory(self):
        """One from before there were these keys gets them."""
        with tempfile.TemporaryDirectory() as path:
            shutil.copytree(self.keys.dir, path, dirs_exist_ok=True)
            for part in ("alipay/aes.key", "unionpay/enc.cer",
                         "unionpay/enc_private.pem"):
                os.unlink(os.path.join(path, part))
            made = Keys(path)
            self.assertEqual(len(made.aes_key), 16)
            self.assertNotEqual(made.unionpay("enc")[1],
                                self.keys.unionpay("enc")[1])
            again = Keys(path)
            self.assertEqual((made.aes_key, made.unionpay_ids),
                             (again.aes_key, again.unionpay_ids))

    def test_longest(self):
        key = self.keys.merchant
        sealed.oaep_seal(key.public_key(), "x" * 214)
        with self.assertRaises(ValueError):
            sealed.oaep_seal(key.public_key(), "x" * 215)


class WechatPay(unittest.TestCase):

    def setUp(self):
        self.running = Running()
        self.addCleanup(self.running.close)
        self.keys = self.running.keys

    def call(self, method, target, value=None, want=200, **more):
        status, head, body = self.running.wechat(method, target, value,
                                                 **more)
        self.assertEqual(status, want, body)
        if more.get("signed", True):
            wechat_v3.check_headers(head, body, self.keys.platform_public(),
                                    int(head["wechatpay-timestamp"]))
        return json.loads(body)

    def seal(self, which, text):
        """(serial, text for the key of that name)."""
        serial, key = self.keys.platform(which)
        return serial, sealed.oaep_seal(key.public_key(), text)

    def calls(self):
        return self.running.control("GET", "/sandbox/calls")[1]["calls"]

    def test_echo(self):
        for which in ("a", "b", "pub"):
            serial, text = self.seal(which, WHO)
            answer = self.call("POST", ECHO, {
                "echo_message": "x", "encrypted_echo_message": text},
                serial=serial)
            self.assertEqual(answer["echo_message"], "x")
            self.assertEqual(sealed.oaep_open(
                self.keys.merchant, answer["encrypted_echo_message"]), WHO)
            self.assertEqual(self.calls()[-1]["opened"],
                             {"/encrypted_echo_message": WHO})
        self.call("POST", ECHO, {"echo_message": "x"})
        self.assertNotIn("opened", self.calls()[-1])
        self.call("POST", ECHO, {}, 400)

    def test_another_key(self):
        serial, _ = self.seal("a", WHO)
        _, text = self.seal("b", WHO)
        value = {"echo_message": "x", "encrypted_echo_message": text}
        for given, more, word in (
                (value, {"serial": serial}, "\u89e3\u5bc6\u5931\u8d25"),
                (value, {}, "Wechatpay-Serial"),
                (value, {"serial": "00FF", "signed": False},
                 "Wechatpay-Serial"),
                (dict(value, encrypted_echo_message=WHO),
                 {"serial": serial}, "\u5bc6\u6587"),
                (dict(value, encrypted_echo_message=7),
                 {"serial": serial}, "\u5bc6\u6587")):
            answer = self.call("POST", ECHO, given, 400, **more)
            self.assertEqual(answer["code"], "PARAM_ERROR")
            self.assertIn(word, answer["message"])
            self.assertNotIn("opened", self.calls()[-1])

    def batch(self, **more):
        serial, text = self.seal("a", WHO)
        details = [{"out_detail_no": "D%d" % n, "transfer_amount": 10,
                    "transfer_remark": "x", "openid": "o1",
                    "user_name": text} for n in (1, 2)]
        return serial, {
            "appid": self.keys.ids["appid"], "out_batch_no": "B1",
            "batch_name": "x", "batch_remark": "x", "total_amount": 20,
            "total_num": 2, "transfer_detail_list": details, **more}

    def test_transfer(self):
        serial, value = self.batch()
        first = self.call("POST", BATCHES, value, serial=serial)
        self.assertEqual(first["batch_status"], "ACCEPTED")
        self.assertEqual(self.calls()[-1]["opened"], {
            "/transfer_detail_list/%d/user_name" % n: WHO for n in (0, 1)})
        # encrypted again it has other bytes, and is the same
        again = self.call("POST", BATCHES, self.batch()[1], serial=serial)
        self.assertEqual(again, first)
        one = self.call("GET", BATCHES + "/out-batch-no/B1/details/"
                        "out-detail-no/D2")
        self.assertEqual(one["transfer_amount"], 10)
        self.assertEqual(sealed.oaep_open(self.keys.merchant,
                                          one["user_name"]), WHO)
        self.call("GET", BATCHES + "/out-batch-no/B1/details/"
                  "out-detail-no/D3", want=404)

    def test_transfers_that_are_none(self):
        for more, code in (({"appid": "wx"}, "APPID_MCHID_NOT_MATCH"),
                           ({"out_batch_no": "a b"}, "PARAM_ERROR"),
                           ({"total_amount": 21}, "PARAM_ERROR"),
                           ({"total_num": 1}, "PARAM_ERROR"),
                           ({"transfer_detail_list": []}, "PARAM_ERROR"),
                           ({"transfer_detail_list": [{}]}, "PARAM_ERROR")):
            serial, value = self.batch(**more)
            self.assertEqual(self.call("POST", BATCHES, value, 400,
                                       serial=serial)["code"], code)
        serial, value = self.batch()
        self.call("POST", BATCHES, value, serial=serial)
        value["transfer_detail_list"][0]["openid"] = "o2"
        self.assertEqual(self.call("POST", BATCHES, value, 400,
                                   serial=serial)["code"], "INVALID_REQUEST")


class UnionPay(unittest.TestCase):

    def setUp(self):
        self.running = Running()
        self.addCleanup(self.running.close)
        self.keys = self.running.keys
        self.enc, self.pem = self.keys.unionpay("enc")

    def call(self, path, method="01", **params):
        """The verified answer of a call."""
        k = self.keys
        key, _ = k.unionpay("merchant")
        sent = unionpay.sign_request(
            dict({"version": "5.1.0", "encoding": "UTF-8",
                  "signMethod": method, "bizType": "000201",
                  "merId": k.unionpay_ids["merId"],
                  "txnTime": "20250102030405", "orderId": "ORDER0001"},
                 **params), key, k.unionpay_ids["certId"]
            if method == "01" else None, k.unionpay_secret)
        _, _, body = self.running.raw("POST", "/gateway/api/" + path,
                                      build_form([(n.encode(), v.encode())
                                                  for n, v in sent.items()]))
        trust = {"root": k.read("unionpay/root.cer"),
                 "middle": k.read("unionpay/middle.cer")}
        if method != "01":
            trust = {"method": method, "secret": k.unionpay_secret}
        values = unionpay.check_pairs(unionpay.parse_answer(body), trust)
        return {n.decode(): v.decode() for n, v in values.items()}

    def pay(self, **more):
        return self.call("appTransReq.do", **dict({
            "txnType": "01", "txnSubType": "01", "txnAmt": "100",
            "currencyCode": "156",
            "encryptCertId": self.keys.unionpay_ids["encryptCertId"]},
            **more))["respCode"]

    def opened(self):
        calls = self.running.control("GET", "/sandbox/calls")[1]["calls"]
        return calls[-1].get("opened")

    def info(self, inner, **outer):
        text = sealed.rsa_seal(self.enc.public_key(), inner)
        return base64.b64encode(("{%s}" % "&".join(
            "%s=%s" % pair for pair in dict(
                outer, encryptedInfo=text).items())).encode()).decode()

    def test_certificate(self):
        answer = self.call("backTransReq.do", txnType="95", txnSubType="00",
                           certType="01")
        pem = answer["encryptPubKeyCert"].encode()
        self.assertEqual(x509.load_pem_x509_certificate(pem).serial_number,
                         int(self.keys.unionpay_ids["encryptCertId"]))
        self.assertNotEqual(self.pem, self.keys.unionpay()[1])

    def test_card(self):
        card = "6226090000000048"
        text = sealed.rsa_seal(self.enc.public_key(), card)
        info = self.info("phoneNo=181&cvn2=248", certifTp="01",
                         customerNm=WHO)
        self.assertEqual(self.pay(accNo=text, customerInfo=info), "00")
        self.assertEqual(self.opened(), {"accNo": card, "customerInfo": {
            "certifTp": "01", "customerNm": WHO, "phoneNo": "181",
            "cvn2": "248"}})
        answer = self.call("queryTrans.do", txnType="00")
        key, _ = self.keys.unionpay("merchant")
        self.assertEqual(sealed.rsa_open(key, answer["accNo"], "[0-9]+"),
                         card)

    def test_customer(self):
        """What came encrypted goes back so, for the merchant's key."""
        info = self.info("expired=1912&phoneNo=181", customerNm=WHO)
        self.assertEqual(self.pay(customerInfo=info), "00")
        answer = self.call("queryTrans.do", txnType="00")
        text = base64.b64decode(answer["customerInfo"]).decode()
        self.assertRegex(text, r"^\{customerNm=%s&encryptedInfo=[\w+/=]+\}$"
                         % WHO)
        key, _ = self.keys.unionpay("merchant")
        self.assertEqual(
            sealed.customer(key, answer["customerInfo"]),
            {"customerNm": WHO, "phoneNo": "181", "expired": "1912"})
        with self.assertRaises(Unreadable):
            sealed.customer(self.enc, answer["customerInfo"])
        self.assertEqual(base64.b64decode(sealed.customer_seal(
            key.public_key(), {"certifTp": "01"})), b"{certifTp=01}")

    def test_pin(self):
        card, public = "6226090000000048", self.enc.public_key()
        text = sealed.rsa_seal(public, card)
        pin = sealed.pin_seal(public, "123456", card)
        self.assertEqual(self.pay(accNo=text, pin=pin), "00")
        self.assertEqual(self.opened(), {"accNo": card, "pin": "123456"})

    def test_pin_block(self):
        for pin, card, block in (
                ("123456", "6226090000000048", "061254c6fffffffb"),
                ("1234", "1234567890123", "041226cba9876fed"),
                ("987654321098", "6226090000000048", "0c9816c4321098fb")):
            self.assertEqual(sealed.pin_block(pin, card).hex(), block)
            text = sealed.pin_seal(self.enc.public_key(), pin, card)
            self.assertEqual(sealed.pin_open(self.enc, text, card), pin)

    def test_pin_refused(self):
        card, public = "6226090000000048", self.enc.public_key()
        text = sealed.rsa_seal(public, card)
        pin = sealed.pin_seal(public, "123456", card)
        sign, _ = self.keys.unionpay("sign")
        for given in (
                {"pin": "123456"}, {"pin": pin, "accNo": ""},
                {"pin": sealed.rsa_seal(public, "123456")},
                {"pin": sealed.rsa_seal(public, "12345678")},
                {"pin": sealed.pin_seal(public, "123", card)},
                {"pin": sealed.pin_seal(public, "1234567890123", card)},
                {"pin": sealed.pin_seal(public, "123A", card)},
                {"pin": sealed.pin_seal(public, "123456",
                                        "6226090000001148")},
                {"pin": sealed.pin_seal(sign.public_key(), "123456", card)}):
            self.assertEqual(self.pay(**dict({"accNo": text}, **given)), "10",
                             given)
            self.assertIsNone(self.opened())

    def test_in_clear(self):
        self.assertEqual(self.pay(accNo="6226090000000048",
                                  encryptCertId=""), "00")
        self.assertIsNone(self.opened())
        self.assertNotIn("accNo", self.call("queryTrans.do", txnType="00"))

    def test_refused(self):
        card = "6226090000000048"
        text = sealed.rsa_seal(self.enc.public_key(), card)
        sign, _ = self.keys.unionpay("sign")
        plain = base64.b64encode(b"{phoneNo=181}").decode()
        for given, code in (
                ({"accNo": text, "encryptCertId": "1"}, "11"),
                ({"accNo": text, "method": "11"}, "10"),
                ({"accNo": card}, "10"),
                ({"accNo": sealed.rsa_seal(self.enc.public_key(), "x")},
                 "10"),
                ({"accNo": sealed.rsa_seal(sign.public_key(), card)}, "10"),
                ({"accNo": text, "customerInfo": plain}, "10"),
                ({"customerInfo": "{}"}, "10"),
                ({"customerInfo": base64.b64encode(b"x").decode()}, "10"),
                ({"customerInfo": self.info("x")}, "10")):
            self.assertEqual(self.pay(**given), code, given)
            self.assertIsNone(self.opened())
        self.assertIsNone(self.running.sandbox.store.get("unionpay",
                                                         "ORDER0001"))


class Alipay(unittest.TestCase):

    QUERY = "alipay.trade.query"

    def setUp(self):
        self.running = Running()
        self.addCleanup(self.running.close)
        self.keys = self.running.keys
        self.key = self.keys.aes_key

    def outcome(self, text, **more):
        """(content, how it came) of a call with these bytes."""
        params = dict({"encrypt_type": "AES", "biz_content": text}, **more)
        body = self.running.alipay_raw(self.QUERY, {}, **params)
        match = re.fullmatch(
            rb'\{"alipay_trade_query_response":(.*?),"sign":"(.*)"\}', body)
        raw, sign = match.groups()
        self.assertTrue(verify(self.keys.alipay().public_key(),
                               sign.decode(), raw))
        if raw.startswith(b'"'):
            raw = sealed.aes_open(self.key, raw[1:-1])
            return json.loads(raw), "sealed"
        return json.loads(raw), "clear"

    def opened(self):
        calls = self.running.control("GET", "/sandbox/calls")[1]["calls"]
        return calls[-1].get("opened")

    def seal(self, value):
        return sealed.aes_seal(self.key, value.encode()).decode()

    def test_vector(self):
        with open(os.path.join(DATA, "alipay", "request_sign.json"),
                  encoding="utf-8") as file:
            vector, = (v for v in json.load(file) if v["name"]
                       == "pay_barcode_aes_encrypted_biz_content")
        cipher = vector["inputs"]["params"]["biz_content"]
        key = base64.b64decode(vector["inputs"]["aes_key_base64"])
        plain = sealed.aes_open(key, cipher)
        self.assertEqual(plain.decode(),
                         vector["expect"]["biz_content_plain"])
        self.assertEqual(sealed.aes_seal(key, plain).decode(), cipher)

    def test_gateway(self):
        self.running.alipay("alipay.trade.create", {
            "out_trade_no": "T1", "total_amount": "1.00", "subject": "x",
            "buyer_id": "2088"})
        text = '{"out_trade_no":"T1"}'
        answer, how = self.outcome(self.seal(text))
        self.assertEqual((answer["code"], answer["out_trade_no"], how),
                         ("10000", "T1", "sealed"))
        self.assertEqual(self.opened(), {"biz_content": text})
        answer, how = self.outcome(self.seal('{"out_trade_no":"T2"}'))
        self.assertEqual((answer["sub_code"], how),
                         ("ACQ.TRADE_NOT_EXIST", "sealed"))

    def test_gateway_refuses(self):
        for text in ("AAAA", "", '{"out_trade_no":"T1"}',
                     sealed.aes_seal(bytes(16), b"{}").decode()):
            answer, how = self.outcome(text)
            self.assertEqual((answer["sub_code"], how),
                             ("isv.decryption-error-unknown", "clear"))
            self.assertIsNone(self.opened())
        self.assertIn(b"isv.invalid-encrypt-type", self.running.alipay_raw(
            self.QUERY, {}, encrypt_type="SM4"))

    def rest(self, body, kind="text/plain", head=None):
        """(status, header fields, body) of a verified answer."""
        target = "/v3/alipay/trade/query"
        auth = "app_id=%s,nonce=%s,timestamp=%d" % (
            self.keys.ids["app_id"], secrets.token_hex(8),
            time.time() * 1000)
        text = sign(self.keys.app, "\n".join(
            (auth, "POST", target, body, "")).encode())
        status, got, data = self.running.raw("POST", target, body.encode(), {
            "Authorization": "ALIPAY-SHA256withRSA %s,sign=%s"
            % (auth, text), "Content-Type": kind, **(head or {})})
        self.assertTrue(verify(
            self.keys.alipay().public_key(), got["alipay-signature"],
            answer_message(got["alipay-timestamp"], got["alipay-nonce"],
                           data)))
        return status, got, data

    def test_rest(self):
        self.running.alipay("alipay.trade.create", {
            "out_trade_no": "T3", "total_amount": "1.00", "subject": "x",
            "buyer_id": "2088"})
        text, aes = '{"out_trade_no":"T3"}', {"alipay-encrypt-type": "AES"}
        status, head, body = self.rest(self.seal(text), head=aes)
        self.assertEqual((status, head["alipay-encrypt-type"]), (200, "AES"))
        self.assertEqual(json.loads(sealed.aes_open(
            self.key, body))["out_trade_no"], "T3")
        self.assertEqual(self.opened(), {"body": text})
        for body, kind, more, word in (
                (self.seal('{"out_trade_no":"T4"}'), "text/plain", aes,
                 b"ACQ.TRADE_NOT_EXIST"),
                (text, "text/plain", aes, b"isv.decryption-error-unknown"),
                (self.seal(text), "application/json", aes,
                 b"isv.invalid-parameter"),
                (self.seal(text), "text/plain", {}, b"isv.invalid-parameter"),
                (self.seal(text), "text/plain", {"alipay-encrypt-type": "x"},
                 b"isv.invalid-encrypt-type")):
            status, head, data = self.rest(body, kind, more)
            self.assertEqual(status, 400)
            self.assertIn(word, data)
            self.assertNotIn("alipay-encrypt-type", head)


if __name__ == "__main__":
    unittest.main()
