# "nginx -t" of paygw_pass, of endpoints and of the lines for calls.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwNginx;
use PaygwPeer ();
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:1';
my $Pass = 'location /p/ { paygw_pass wxpay; }';
my $Stripe = 'location /p/ { paygw_pass stripe; }';
my $Keys = $Peer->{keys};

sub conf {
    my ($http, $server) = @_;
    return PaygwNginx->test(http => "    paygw_zone paygw:1m;\n$http",
                            server => $server // $Pass);
}

sub wx { return $Peer->wechat(@_ % 2 ? @_ : ($Url, @_)) }

sub ali { return $Peer->alipay(@_ % 2 ? @_ : ($Url, @_)) }

sub st { return $Peer->stripe(@_ % 2 ? @_ : ($Url, @_)) }

# what is right

for my $case (
    [ 'plain', wx() ], [ 'alipay', ali(), 'location /p/ {paygw_pass alipay;}' ],
    [ 'certificates', $Peer->alipay_cert($Url),
      'location /p/ { paygw_pass alipay; }' ],
    [ 'a path', ali("$Url/gateway.do backup=$Url/gateway.do"),
      'location /p/ { paygw_pass alipay; }' ],
    [ 'IPv6', wx('http://[::1]:8080') ],
    [ 'a backup', wx("$Url backup=http://127.0.0.1:2") ],
    [ 'a name', wx('https://localhost:444', proxy_ssl_trusted_certificate =>
                       "$Keys/alipay_root.crt") ],
    [ 'an address', wx('https://127.0.0.1:444', proxy_ssl_name => 'localhost',
                       proxy_ssl_trusted_certificate =>
                           "$Keys/alipay_root.crt") ],
    [ 'the CAs of the system', wx('https://localhost:444') ],
    [ 'exact', wx(), 'location = /p { paygw_pass wxpay; }' ],
    [ 'a URI', wx(), 'location /p/ { paygw_pass wxpay /v3/; }' ],
    [ 'regex', wx(), 'location ~ ^/v3/ { paygw_pass wxpay; }' ],
    [ 'named', wx(), 'location / { try_files /x @n; } '
                     . 'location @n { paygw_pass wxpay; }' ],
    [ 'if', wx(), 'location /p/ { if ($arg_a) { paygw_pass wxpay; } '
                  . 'paygw_pass wxpay; }' ],
    [ 'some requests to somebody else', wx(), 'location /p/ { if ($arg_a) '
      . '{ proxy_pass http://127.0.0.1:1; } paygw_pass wxpay; }' ],
    [ 'limit_except', wx(), 'location /p/ { limit_except GET { deny all; } '
                            . 'paygw_pass wxpay; }' ],
    [ 'nested', wx(), 'location /p/ { location /p/q/ { paygw_pass wxpay; } '
                      . 'paygw_pass wxpay; }' ],
    [ 'two channels', wx() . wx(-name => 'other'),
      $Pass . 'location /o/ { paygw_pass other; }' ],
    [ 'with a callback', wx(),
      "$Pass location /n { paygw_notify wxpay; return 200; }" ],
    [ 'lines', wx(map { ($_->[0], $_->[1]) }
          [ proxy_bind => '127.0.0.1' ], [ proxy_connect_timeout => '2s' ],
          [ proxy_read_timeout => '2s' ], [ proxy_send_timeout => '2s' ],
          [ proxy_socket_keepalive => 'on' ], [ proxy_ssl_ciphers => 'HIGH' ],
          [ proxy_ssl_conf_command => 'Options PrioritizeChaCha' ],
          [ proxy_ssl_crl => "$Keys/alipay_root.crt" ],
          [ proxy_ssl_name => 'x' ], [ proxy_ssl_protocols => 'TLSv1.3' ],
          [ proxy_ssl_server_name => 'off' ], [ proxy_ssl_verify => 'on' ],
          [ proxy_ssl_session_reuse => 'off' ],
          [ proxy_ssl_verify_depth => 2 ],
          [ proxy_ssl_certificate => "$Keys/mch.crt" ],
          [ proxy_ssl_certificate_key => "$Keys/mch.key" ],
          [ proxy_set_header => 'X-Trace $request_id' ],
          [ proxy_set_header => 'Connection ""' ],
          [ proxy_http_version => '1.1' ], [ proxy_buffering => 'on' ],
          [ proxy_next_upstream => 'error timeout' ],
          [ proxy_ignore_client_abort => 'on' ], [ proxy_cache => 'off' ],
          [ proxy_buffer_size => '64k' ], [ proxy_buffers => '4 64k' ],
          [ proxy_busy_buffers_size => '64k' ]) ],
    (map { [ "a size by itself: @$_", wx(@$_) ] }
     [ proxy_buffer_size => '64k' ], [ proxy_buffer_size => '1k' ],
     [ proxy_buffers => '8 8k' ], [ proxy_buffers => '4 64k' ],
     [ proxy_busy_buffers_size => '64k' ]),
    [ 'no key and no hash is weak', wx('https://localhost',
          proxy_ssl_conf_command => 'CipherString ALL:COMPLEMENTOFALL') ],
    [ 'nothing of TLS in http{} reaches them',
      "proxy_ssl_protocols SSLv3 TLSv1; proxy_ssl_ciphers ALL:\@SECLEVEL=0;\n"
      . "proxy_ssl_conf_command Protocol ALL;\n"
      . "proxy_ssl_certificate /no/such; proxy_ssl_certificate_key /no/such;\n"
      . wx('https://localhost') ],
    [ 'Stripe at the sandbox', st(), $Stripe ],
    [ 'Stripe', st('https://localhost', livemode => 'on', secret_key =>
                       'text:sk_live_1 basic'), $Stripe ],
    [ 'a restricted key', st(secret_key => 'text:rk_test_1 bearer'), $Stripe ],
    [ 'times', wx(), 'paygw_deadline 5s; paygw_answer_max 1m; ' . $Pass ],
    [ 'files', wx(), 'paygw_download_max 5g; ' . $Pass ],
    [ 'files of any size', wx(), 'paygw_download_max 0; ' . $Pass ],
) {
    my ($what, $http, $server) = @$case;
    like(conf($http, $server), qr/test is successful/, "right: $what");
}

# what is not

for my $case (
    [ wx(), 'location /p/ { paygw_pass nobody; }',
      qr/"paygw_pass" names unknown channel "nobody" in .*:\d+, define it/ ],
    [ wx(), 'location /p { paygw_pass wxpay; }',
      qr/location "\/p" with "paygw_pass" must end with "\/", or be exact/ ],
    [ wx(), 'location /p/ { paygw_pass wxpay v3; }',
      qr/invalid URI "v3", it must begin with "\/"/ ],
    [ wx(), 'location ~ x { paygw_pass wxpay /v3/; }',
      qr/cannot have a URI in a location given by a regular/ ],
    [ wx(), 'location /p/ { paygw_pass wxpay; paygw_pass wxpay; }',
      qr/"paygw_pass" directive is duplicate/ ],
    [ wx(), 'location /p/ { paygw_pass wxpay; paygw_notify wxpay; }',
      qr/"paygw_pass" and "paygw_notify" cannot be in one location/ ],
    [ wx(), 'location /p/ { paygw_pass wxpay; proxy_pass http://127.0.0.1:1; }',
      qr/"paygw_pass" in \S+:\d+ stands in a location that has another cont/ ],
    [ wx(), 'location /p/ { proxy_pass http://127.0.0.1:1; paygw_pass wxpay; }',
      qr/"paygw_pass" directive stands in a location that has another cont/ ],
    [ wx(), 'location /p/ { if ($arg_a) { paygw_pass wxpay; '
             . 'proxy_pass http://127.0.0.1:1; } }',
      qr/"paygw_pass" in \S+:\d+ stands in a location that has another cont/ ],
    [ wx(), "paygw_deadline 0; $Pass", qr/"paygw_deadline" .*cannot be 0/ ],
    [ wx(), "paygw_answer_max 0; $Pass",
      qr/"paygw_answer_max" .*cannot be 0/ ],
    [ wx(), "paygw_download_max x; $Pass",
      qr/"paygw_download_max" directive invalid value/ ],
    [ wx(), "paygw_body_max 0; $Pass", qr/"paygw_body_max" .*cannot be 0/ ],
    [ "proxy_set_body x;\n" . wx(), undef,
      qr/"proxy_set_body" in "http" replaces what channel "wxpay" sends, / ],
    [ wx(endpoint => undef), undef,
      qr/needs "endpoint" in channel "wxpay", add "endpoint https:\/\/api\./ ],
    [ wx(merchant_private_key => undef), undef,
      qr/"paygw_pass" in \S+:\d+ needs "merchant_private_key" in channel "wx/ ],
    [ wx(merchant_certificate => undef), undef,
      qr/"paygw_pass" in \S+:\d+ needs "merchant_serial" or "merchant_ce/ ],
    [ wx(merchant_certificate => undef), undef,
      qr/tificate" in channel "wxpay", add "merchant_serial \.\.\.;"/ ],
    [ ali(app_private_key => undef), 'location /p/ { paygw_pass alipay; }',
      qr/"paygw_pass" in \S+:\d+ needs "app_private_key" in channel "alipay"/ ],
    [ $Peer->alipay_cert($Url, app_cert => undef),
      'location /p/ { paygw_pass alipay; }',
      qr/"paygw_pass" in \S+:\d+ needs "app_cert" in channel "alipay"/ ],
    [ ali(alipay_public_key => "$Keys/app.pem"),
      'location /p/ { paygw_pass alipay; }',
      qr/is the key of its own "app_private_key"/ ],
    [ "paygw_channel s { provider generic; algorithm hmac(sha256); "
      . "key file:$Keys/apiv3.key; signature header(X-Sign) hex; "
      . "signed body; replay_id json(/id); ack ok 200; endpoint $Url; }",
      'location /p/ { paygw_pass s; }',
      qr/channel "s" is for callbacks only: say how requests are signed/ ],
    [ st(secret_key => undef), $Stripe,
      qr/"paygw_pass" in \S+:\d+ needs "secret_key" in channel "stripe"/ ],
    [ st(secret_key => 'text:pk_test_1'), $Stripe,
      qr/invalid "secret_key" of .*, it must be a secret or a restricted/ ],
    [ st(secret_key => q('text:sk_test_a b')), $Stripe,
      qr/invalid "secret_key" of .* without any white space/ ],
    [ st(secret_key => 'text:sk_test_1 digest'), $Stripe,
      qr/"digest", it must be "bearer" or "basic"/ ],
    [ st(secret_key => 'text:sk_live_1'), $Stripe,
      qr/"secret_key" .* is of the live mode and "livemode" is off/ ],
    [ st(livemode => 'on'), $Stripe,
      qr/"secret_key" .* is of the test mode and "livemode" is on/ ],
    [ st(livemode => 'on', secret_key => 'text:sk_live_1'), $Stripe,
      qr/must be "https:\/\/" for .*, and TLS is all that tells whose/ ],
    [ st(stripe_version => q('a b')), $Stripe,
      qr/"stripe_version" .*must be a version/ ],
    [ st("https://localhost", proxy_ssl_verify => 'off'), $Stripe,
      qr/"proxy_ssl_verify" of .* cannot be turned off/ ],
    [ wx('http://192.0.2.1'), undef,
      qr/"endpoint" "http:\/\/192\.0\.2\.1" of .* must be "https:\/\/"/ ],
    [ wx('https://192.0.2.1'), undef,
      qr/is an address, and nginx compares a certificate with a name only/ ],
    [ wx('https://no-such-name.invalid'), undef,
      qr/found in "endpoint" "https:\/\/no-such-name\.inval.* in \S+:\d+,/ ],
    [ wx('https://no-such-name.invalid'), undef,
      qr/of channel "wxpay" in .*, correct it, or add "resolver" to "http"/ ],
    [ wx('http://192.0.2.1'), undef,
      qr/of channel "wxpay" in \S+:\d+ must be "https:\/\/": only the sand/ ],
    [ wx("$Url/v3"), undef, qr/must have no path/ ],
    [ ali("$Url/a backup=$Url/b"), undef, qr/must have the same path/ ],
    [ wx(proxy_ssl_verify => 'off'), undef,
      qr/"proxy_ssl_verify" of .* cannot be turned off: .*\.conf:\d+/ ],
    [ wx(proxy_ssl_verify => 'maybe'), undef, qr/cannot be turned off/ ],
    [ wx(proxy_ssl_verify_depth => 'x'), undef,
      qr/"proxy_ssl_verify_depth" directive invalid number in .*conf:\d+/ ],
    [ wx(proxy_connect_timeout => '1 2'), undef,
      qr/invalid number of arguments in "proxy_connect_timeout"/ ],
    [ wx(proxy_read_timeout => 'soon'), undef,
      qr/"proxy_read_timeout" directive invalid value/ ],
    [ wx(proxy_read_timeout => [ '1s', '2s' ]), undef,
      qr/"proxy_read_timeout" directive is duplicate/ ],
    [ wx('https://localhost', proxy_ssl_trusted_certificate => '/no/such'),
      undef, qr/cannot load certificate "\/no\/such"|SSL_CTX_load_verify/ ],
    (map { [ wx('https://localhost', proxy_ssl_protocols => $_->[0]), undef,
             qr/invalid value "$_->[1]" in "proxy_ssl_protocols" of .*:\d+/ ] }
     [ 'SSLv2', 'SSLv2' ], [ 'SSLv3 TLSv1', 'SSLv3' ], [ 'TLSv1', 'TLSv1' ],
     [ 'TLSv1.3 TLSv1.1', 'TLSv1.1' ], [ 'TLSv1.4', 'TLSv1.4' ]),
    (map { [ wx('https://localhost', @$_[1 .. $#$_]), undef,
             qr/TLS of the calls of channel "wxpay" is not safe: $_->[0], / ] }
     [ 'versions before TLS 1\.2 are allowed',
       proxy_ssl_conf_command => 'Protocol ALL' ],
     [ 'versions before TLS 1\.2 are allowed',
       proxy_ssl_conf_command => [ 'Protocol ALL', 'MaxProtocol TLSv1.1' ] ],
     [ 'no version has a cipher',
       proxy_ssl_conf_command => 'MaxProtocol TLSv1.1' ],
     [ 'a cipher without a certificate is allowed',
       proxy_ssl_ciphers => 'ALL:@SECLEVEL=0' ],
     [ 'a cipher without a certificate is allowed',
       proxy_ssl_conf_command => 'CipherString aNULL:@SECLEVEL=0' ],
     [ 'a cipher that encrypts nothing is allowed',
       proxy_ssl_ciphers => 'NULL-SHA256:@SECLEVEL=0' ],
     [ 'the security level of OpenSSL is 0',
       proxy_ssl_conf_command => 'CipherString DEFAULT:@SECLEVEL=0' ]),
    (map { [ wx('https://localhost', @$_), undef,
             qr/\[emerg\] .*, "proxy_\*" of channel "wxpay"$/m ] }
     [ proxy_ssl_trusted_certificate => '/no/such' ],
     [ proxy_ssl_crl => '/no/such' ], [ proxy_ssl_ciphers => 'NONSENSE' ],
     [ proxy_ssl_certificate => "$Keys/mch.crt" ],
     [ proxy_ssl_conf_command => 'Nonsense x' ],
     [ proxy_ssl_certificate => "$Keys/mch.crt",
       proxy_ssl_certificate_key => "$Keys/app.key" ]),
    (map { [ wx($_->[0] => $_->[1]), undef,
             qr/"$_->[0]" cannot be used in channel "wxpay"/ ] }
     [ proxy_pass => 'http://x' ], [ proxy_method => 'GET' ],
     [ proxy_set_body => 'x' ], [ proxy_cache => 'x' ],
     [ proxy_store => 'on' ], [ proxy_next_upstream => 'http_500' ],
     [ proxy_intercept_errors => 'on' ], [ proxy_http_version => '1.0' ],
     [ proxy_pass_request_headers => 'off' ], [ proxy_buffering => 'off' ],
     [ proxy_hide_header => 'Wechatpay-Nonce' ], [ proxy_nonsense => 1 ],
     [ proxy_next_upstream => 'error timeout http_500' ],
     [ proxy_next_upstream => 'error' ],
     [ proxy_ignore_client_abort => 'off' ]),
    (map { [ wx(proxy_set_header => "$_ x"), undef,
             qr/"proxy_set_header $_" of channel "wxpay": the module writes/ ]
         }
     qw(Host authorization Content-Type Content-Length Connection
        Accept-Encoding Wechatpay-Serial Transfer-Encoding Stripe-Version
        Idempotency-Key Stripe-Account Stripe-Context Accept Content-Encoding
        Expect TE Upgrade alipay-app-auth-token alipay-encrypt-type
        alipay-encryption-algm alipay-request-id alipay-root-cert-sn)),
) {
    my ($http, $server, $re) = @$case;
    my $got = conf($http, $server);
    like($got, $re, "wrong: $re");
    like($got, qr/\[emerg\]/, "wrong: $re: refused");
}

done_testing();
