<?php

// Calls a location with "paygw_auth": PHP from 7.4, without any extension.
//
//   require 'call.php';
//   $shop = new PaygwCaller('https://pay.example.com', 'k1', $secret);
//   [$status, $body] = $shop->call('POST', '/api/orders', '{"amount":100}');
//
// or  php call.php KEY-ID SECRET-FILE METHOD URL [BODY-FILE]
//
// An answer that is not signed for its call is an exception, unless the
// location is without sign_response: $shop->signed = false, or CHECK=no.

class PaygwUnsigned extends RuntimeException {}

class PaygwCaller
{
    public $signed = true;
    public $timeout = 10;
    private $base, $keyId, $secret;

    public function __construct(string $base, string $keyId, string $secret)
    {
        $this->base = $base;
        $this->keyId = $keyId;
        $this->secret = $secret;
    }

    private function mac(string ...$lines): string
    {
        return hash_hmac('sha256', implode("\n", $lines) . "\n", $this->secret);
    }

    // $target: path and query, encoded as they are to be sent, by
    // rawurlencode() or http_build_query($fields, '', '&', PHP_QUERY_RFC3986)
    public function call(string $method, string $target, string $body = '', array $headers = []): array
    {
        // PHP would send another target than the one that is signed

        if (!preg_match('~^/[!-"$-\~]*$~D', $target)) {
            throw new InvalidArgumentException('the target is not encoded');
        }

        $time = (string) time();
        $nonce = bin2hex(random_bytes(16));
        $headers = array_merge($headers, [
            'Accept-Encoding: identity',
            "X-Key-Id: $this->keyId",
            "X-Timestamp: $time",
            "X-Nonce: $nonce",
            'X-Signature: ' . $this->mac($method, $target, $time, $nonce, hash('sha256', $body)),
        ]);
        $context = stream_context_create(['http' => [
            'method' => $method,
            'header' => $headers,
            'content' => $body,
            'timeout' => $this->timeout,
            'ignore_errors' => true,
            'follow_location' => 0,
        ]]);

        $stream = fopen($this->base . $target, 'r', false, $context);
        if ($stream === false) {
            throw new RuntimeException('no answer');
        }

        $text = stream_get_contents($stream);
        $lines = stream_get_meta_data($stream)['wrapper_data'];
        fclose($stream);

        $status = explode(' ', $lines[0])[1] ?? '';
        $got = [];
        foreach ($lines as $line) {
            [$name, $value] = explode(':', $line, 2) + ['', ''];
            $got[strtolower($name)] = trim($value);
        }

        $want = $this->mac($status, $got['x-timestamp'] ?? '', $nonce, hash('sha256', $text));
        if ($this->signed && !hash_equals($want, $got['x-signature'] ?? '')) {
            throw new PaygwUnsigned("the answer ($status) is not signed for this call");
        }

        return [(int) $status, $text];
    }
}

if (PHP_SAPI === 'cli' && realpath($argv[0]) === __FILE__) {
    [, $keyId, $file, $method, $url] = $argv;
    preg_match('~^(https?://[^/?]+)(.*)$~', $url, $part);
    $shop = new PaygwCaller($part[1], $keyId, rtrim(file_get_contents($file), "\n"));
    $shop->signed = getenv('CHECK') !== 'no';
    try {
        [$status, $body] = $shop->call($method, $part[2], isset($argv[5]) ? file_get_contents($argv[5]) : '');
        echo $body;
        exit(intdiv($status, 100) === 2 ? 0 : 1);
    } catch (Exception $e) {
        fwrite(STDERR, 'call.php: ' . $e->getMessage() . "\n");
        exit($e instanceof PaygwUnsigned ? 3 : 2);
    }
}
