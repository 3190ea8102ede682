"""
WeChat Pay v3: operations whose messages have encrypted fields.

The echo, by which a merchant tries out his keys, and transfers to a payer,
whose name is encrypted in both directions.
"""

import json
import re

from .sealed import Unreadable, oaep_open, oaep_seal
from .wechat_v3 import ApiError, random_text, rfc3339

ECHO = "/v3/security/echo"
BATCHES = "/v3/transfer/batches"
DETAIL = re.compile(BATCHES + r"/out-batch-no/([0-9A-Za-z]{1,32})"
                    r"/details/out-detail-no/([0-9A-Za-z]{1,32})")

# the provider's own words
NO_SERIAL = "Http\u5934\u7f3a\u5c11Wechatpay-Serial"
NO_CIPHER = ("\u8bf7\u786e\u8ba4\u5f85\u5904\u7406\u7684\u6d88\u606f\u662f"
             "\u5426\u4e3a\u52a0\u5bc6\u540e\u7684\u5bc6\u6587")
NO_KEY = "\u5e73\u53f0\u79c1\u94a5\u89e3\u5bc6\u5931\u8d25"


def opened(keys, request, name, text):
    """The plain text of a field, by the key that the request names."""
    serial = request.headers.get("wechatpay-serial")
    if serial is None:
        raise ApiError(400, "PARAM_ERROR", NO_SERIAL)
    _, key = keys.platform(keys.platform_by_serial(serial))
    try:
        plain = oaep_open(key, text)
    except Unreadable as error:
        raise ApiError(400, "PARAM_ERROR", NO_KEY if str(error) == "key"
                       else NO_CIPHER) from None
    request.opened[name] = plain
    return plain


class Operations:
    """The operations; sealed() is for the merchant alone."""

    def __init__(self, keys):
        self.keys = keys
        self.batches = {}

    def route(self, request, now):
        """The content of an answer, None if it is another's operation."""
        if (request.method, request.path) == ("POST", ECHO):
            return self._echo(request)
        if (request.method, request.path) == ("POST", BATCHES):
            return self._transfer(request, now)
        match = DETAIL.fullmatch(request.path)
        if match and request.method == "GET":
            return self._detail(*match.groups())
        return None

    def sealed(self, text):
        return oaep_seal(self.keys.merchant.public_key(), text)

    @staticmethod
    def _json(request):
        try:
            value = json.loads(request.body.decode("utf-8"))
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise ApiError(400, "PARAM_ERROR",
                           "the body is not a JSON object")
        return value

    def _echo(self, request):
        value = self._json(request)
        if not isinstance(value.get("echo_message"), str):
            raise ApiError(400, "PARAM_ERROR", "no echo_message")
        result = {"echo_message": value["echo_message"]}
        name = "encrypted_echo_message"
        if name in value:
            result[name] = self.sealed(
                opened(self.keys, request, "/" + name, value[name]))
        return result

    def _transfer(self, request, now):
        value = self._json(request)
        details = value.get("transfer_detail_list")
        if value.get("appid") != self.keys.ids["appid"]:
            raise ApiError(400, "APPID_MCHID_NOT_MATCH",
                           "appid is not this account")
        number = value.get("out_batch_no")
        if not isinstance(number, str) \
                or not re.fullmatch("[0-9A-Za-z]{1,32}", number):
            raise ApiError(400, "PARAM_ERROR",
                           "out_batch_no is 1 to 32 of 0-9A-Za-z")
        if not isinstance(details, list) or not details \
                or not all(isinstance(one, dict) for one in details):
            raise ApiError(400, "PARAM_ERROR", "no transfer_detail_list")
        kept = {}
        for at, one in enumerate(details):
            if type(one.get("transfer_amount")) is not int \
                    or not one.get("openid") or not one.get("out_detail_no"):
                raise ApiError(400, "PARAM_ERROR", "a transfer is "
                               "out_detail_no, transfer_amount and openid")
            one = dict(one)
            if "user_name" in one:
                one["user_name"] = opened(
                    self.keys, request,
                    "/transfer_detail_list/%d/user_name" % at,
                    one["user_name"])
            kept[one["out_detail_no"]] = one
        if sum(one["transfer_amount"] for one in details) \
                != value.get("total_amount") \
                or len(kept) != value.get("total_num") \
                or len(kept) != len(details):
            raise ApiError(400, "PARAM_ERROR",
                           "total_amount and total_num are those of the list")
        batch = self.batches.setdefault(number, {
            "out_batch_no": number, "batch_id": random_text(32),
            "create_time": rfc3339(now), "details": kept})
        if batch["details"] != kept:
            raise ApiError(400, "INVALID_REQUEST",
                           "the batch exists with other transfers")
        return {"out_batch_no": number, "batch_id": batch["batch_id"],
                "create_time": batch["create_time"],
                "batch_status": "ACCEPTED"}

    def _detail(self, number, detail):
        batch = self.batches.get(number, {"details": {}})
        one = batch["details"].get(detail)
        if one is None:
            raise ApiError(404, "NOT_FOUND", "no such transfer")
        result = {"mchid": self.keys.ids["mchid"], "out_batch_no": number,
                  "batch_id": batch["batch_id"],
                  "appid": self.keys.ids["appid"], "out_detail_no": detail,
                  "detail_id": batch["batch_id"] + detail,
                  "detail_status": "SUCCESS",
                  "transfer_amount": one["transfer_amount"],
                  "transfer_remark": one.get("transfer_remark", ""),
                  "openid": one["openid"],
                  "initiate_time": batch["create_time"],
                  "update_time": batch["create_time"]}
        if "user_name" in one:
            result["user_name"] = self.sealed(one["user_name"])
        return result
