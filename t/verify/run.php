<?php

require __DIR__ . '/../../conf-examples/verify/paygw.php';

foreach (array_slice($argv, 2) as $name) {
    [$head, $body] = explode("\r\n\r\n", file_get_contents($name), 2);
    $_SERVER = [];

    foreach (array_slice(explode("\r\n", $head), 1) as $line) {
        [$field, $value] = explode(': ', $line, 2);
        $_SERVER['HTTP_' . strtr(strtoupper($field), '-', '_')] = $value;
    }

    echo paygw_genuine($body, $argv[1]) ? "genuine\n" : "forged\n";
}
