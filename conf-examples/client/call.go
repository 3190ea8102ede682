// Calls a location with "paygw_auth": Go, without any module.
//
//	shop := NewCaller("https://pay.example.com", "k1", secret)
//	status, body, err := shop.Call("POST", "/api/orders", order)
//
// or  go run call.go KEY-ID SECRET-FILE METHOD URL [BODY-FILE]
//
// An answer that is not signed for its call is ErrUnsigned, unless the location
// is without sign_response: shop.Signed = false, or CHECK=no.
package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

var ErrUnsigned = errors.New("the answer is not signed for this call")

type Caller struct {
	Base, KeyID string
	Secret      []byte
	Signed      bool
	Client      *http.Client
}

func NewCaller(base, keyID string, secret []byte) *Caller {
	return &Caller{base, keyID, secret, true, &http.Client{
		Timeout: 10 * time.Second,

		// a second try needs a nonce and a signature of its own: neither
		// redirects nor connections that net/http would repeat a call on

		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			DisableKeepAlives: true,

			// what is unpacked is not what was signed

			DisableCompression: true,
			Proxy:              http.ProxyFromEnvironment,
		},
	}}
}

func (c *Caller) mac(lines ...string) string {
	h := hmac.New(sha256.New, c.Secret)
	for _, line := range lines {
		h.Write([]byte(line + "\n"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Call has target as path and query, encoded: url.PathEscape, url.Values.
func (c *Caller) Call(method, target string, body []byte) (int, []byte, error) {
	r, err := http.NewRequest(method, c.Base+target, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}

	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return 0, nil, err
	}

	now := strconv.FormatInt(time.Now().Unix(), 10)
	nonce := hex.EncodeToString(random)

	r.Header.Set("X-Key-Id", c.KeyID)
	r.Header.Set("X-Timestamp", now)
	r.Header.Set("X-Nonce", nonce)

	// RequestURI is what net/http sends, which may differ from target

	r.Header.Set("X-Signature",
		c.mac(method, r.URL.RequestURI(), now, nonce, hash(body)))

	answer, err := c.Client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()

	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil, err
	}

	want := c.mac(strconv.Itoa(answer.StatusCode),
		answer.Header.Get("X-Timestamp"), nonce, hash(text))
	got := answer.Header.Get("X-Signature")

	if c.Signed && !hmac.Equal([]byte(got), []byte(want)) {
		return answer.StatusCode, nil, ErrUnsigned
	}

	return answer.StatusCode, text, nil
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func main() {
	if len(os.Args) < 5 {
		fail(2, "call KEY-ID SECRET-FILE METHOD URL [BODY-FILE]")
	}

	secret, err := os.ReadFile(os.Args[2])
	if err != nil {
		fail(2, err)
	}

	var body []byte
	if len(os.Args) > 5 {
		if body, err = os.ReadFile(os.Args[5]); err != nil {
			fail(2, err)
		}
	}

	shop := NewCaller(os.Args[4], os.Args[1], bytes.TrimRight(secret, "\n"))
	shop.Signed = os.Getenv("CHECK") != "no"
	target := ""

	host := strings.Index(shop.Base, "://") + len("://")
	if path := strings.IndexAny(shop.Base[host:], "/?"); path >= 0 {
		target = shop.Base[host+path:]
		shop.Base = shop.Base[:host+path]
	}

	status, text, err := shop.Call(os.Args[3], target, body)
	if errors.Is(err, ErrUnsigned) {
		fail(3, err)
	} else if err != nil {
		fail(2, err)
	}

	os.Stdout.Write(text)
	if status/100 != 2 {
		fail(1, status)
	}
}

func fail(code int, what interface{}) {
	fmt.Fprintln(os.Stderr, "call.go:", what)
	os.Exit(code)
}
