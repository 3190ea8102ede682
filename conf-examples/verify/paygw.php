<?php

// Does the request come from our own gateway, and is it fresh?
//
// $body: file_get_contents('php://input')
// $key:  the file that "sign=file:..." of paygw_deliver names, without the
//        newline at its end

function paygw_genuine(string $body, string $key, int $window = 300): bool
{
    $get = fn ($n) => $_SERVER['HTTP_' . strtr(strtoupper($n), '-', '_')] ?? '';
    $names = array_merge(['x-paygw-signed'], explode(' ', $get('x-paygw-signed')));
    $mac = 'v1=' . hash_hmac('sha256', implode("\n", array_map($get, $names)) . "\n" . $body, $key);
    $same = array_filter(explode(',', $get('x-paygw-signature')), fn ($s) => hash_equals($mac, $s));
    return strlen($key) >= 16 && $same && abs(time() - (int) $get('x-paygw-timestamp')) <= $window;
}
