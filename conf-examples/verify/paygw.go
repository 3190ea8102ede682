package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Genuine tells whether a request comes from our own gateway, and is fresh.
//
// h is the Header of the request; body is the whole of its body, before
// anything has parsed it; key is the file that "sign=file:..." of
// paygw_deliver names, without the newline at its end.
func Genuine(h http.Header, body, key []byte, window time.Duration) bool {
	mac, same := hmac.New(sha256.New, key), false
	for _, n := range append([]string{"x-paygw-signed"}, strings.Split(h.Get("x-paygw-signed"), " ")...) {
		mac.Write([]byte(h.Get(n) + "\n"))
	}
	mac.Write(body)
	sum := []byte("v1=" + hex.EncodeToString(mac.Sum(nil)))
	for _, s := range strings.Split(h.Get("x-paygw-signature"), ",") {
		same = hmac.Equal([]byte(s), sum) || same
	}
	t, err := strconv.ParseInt(h.Get("x-paygw-timestamp"), 10, 64)
	return len(key) >= 16 && same && err == nil && time.Since(time.Unix(t, 0)).Abs() <= window
}
