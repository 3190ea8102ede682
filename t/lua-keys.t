# What resty.paygw does with the keys of channels and merchants, compared with
# vectors, the openssl command, Perl's digests, and the callback pipeline.

use lib 't/lib';
use PaygwLua;
use PaygwTest;
use PaygwCall;
use PaygwUnionpay;
use PaygwVectors;

use Digest::MD5 ();
use Digest::SHA ();
use File::Temp ();
use MIME::Base64 ();

with_wxv2();

# a callback as the argument of verify(); fields that are there twice are a list

sub main::message {
    my ($m, %o) = @_;
    my %headers;
    for (@{ $m->{headers} }) {
        push @{ $headers{$_->[0]} }, "$_->[1]";
    }
    @$_ == 1 and $_ = $_->[0] for values %headers;
    return { method => $m->{method}, target => $m->{target},
             headers => \%headers, body => bytes($m->{body}), %o };
}

# the same of a vector

sub main::vector {
    my ($v) = @_;
    my $in = $v->{inputs};
    return { headers => $in->{headers}, now => $in->{now},
             body => { b64 => $in->{body_b64} } };
}

sub main::file { return PaygwTest::file_from(shift, 0) }

# by the openssl command: the signature is that of the key

sub main::verified {
    my ($sig, $text, $key) = @_;
    my $dir = File::Temp::tempdir(CLEANUP => 1);
    for (['sig', MIME::Base64::decode_base64($sig)], ['text', $text]) {
        open my $fh, '>', "$dir/$_->[0]" or die;
        binmode $fh;
        print $fh $_->[1];
        close $fh;
    }
    my $out = `openssl dgst -sha256 -verify $key -signature $dir/sig \\
                    $dir/text 2>&1`;
    return $out =~ /^Verified OK/;
}

our ($Wx, $Wx2, $Gw) = map { vectors_load($_) }
    qw(wechat_v3/notify.json wechat_v2/notify.json merchant/vectors.json);

our $VectorChannel = do {
    my $dir = "$PaygwVectors::data/wechat_v3";
    my $c = $Wx->{constants};
    my ($v) = grep { $_->{name} eq 'v3_notify_paid_pubkey' }
              @{ $Wx->{vectors} };
    my ($id) = grep { /^PUB_KEY_ID_/ } keys %{ $v->{inputs}{trusted_keys} };
    "    paygw_channel vec {\n        provider wechat_v3;\n"
    . '        apiv3_key file:' . vectors_secret($c->{api_v3_key}) . ";\n"
    . "        mchid $v->{inputs}{expected_mchid}; appid $c->{appid};\n"
    . "        platform_certificate $dir/platform_cert_a.pem;\n"
    . "        platform_public_key $id $dir/wechatpay_pub_key.pem;\n    }\n";
};

our $GwMerchant = do {
    my $c = $Gw->{constants};
    "    paygw_merchant shop {\n        key s file:"
    . vectors_secret('x' x 40) . ";\n    }\n"
    . "    paygw_merchant vec {\n" . join('', map {
        "        key $c->{key_id} file:" . vectors_secret($_) . ";\n"
    } @$c{qw(secret old_secret)}) . "    }\n";
};

run_tests();

__DATA__

=== TEST 1: verify says what the pipeline says, and takes nothing from it
--- lua
--- run
for my $m (wechat(), wechat(type => 'refund'), alipay(), stripe(), wechat2(),
           wechat2(type => 'refund'), unionpay())
{
    my %channel = (wechat_v3 => 'wxpay', wechat_v2 => 'wxv2');
    my $name = $channel{$m->{provider}} // $m->{provider};
    my $ev = lua_ok('verify', $name, message($m));
    $ev = lua_ok('verify', $name, message($m));
    shop_plan();
    ack_ok(send_callback($m), $m, 200, "$name is taken");
    my $shop = shop_event((shop_requests(1))[0]);
    is(delete $shop->{delivery}, 1, "$name: the first one");
    is_deeply($ev, $shop, "$name: the same event");
    ok(defined lua_ok('verify', $name, message($m)), "$name: taken or not");
}



=== TEST 2: what is not genuine, not fresh, or not ours
--- lua
--- run
my $m = wechat();
my $change = sub {
    my %o = @_;
    my $c = message($m);
    $c->{headers} = { %{ $c->{headers} }, %{ $o{headers} } } if $o{headers};
    delete $c->{headers}{$_} for @{ $o{drop} || [] };
    $c->{body} = bytes($o{body}) if defined $o{body};
    $c->{now} = $o{now} if $o{now};
    return $c;
};
lua_err('signature', qr/line feed was added/, 'verify', 'wxpay',
        $change->(body => "$m->{body}\n"));
lua_err('signature', undef, 'verify', 'wxpay', $change->(body => '{}'));
lua_err('signature', undef, 'verify', 'wxpay', $change->(body => ''));
lua_err('missing_header', undef, 'verify', 'wxpay',
        $change->(drop => [ 'Wechatpay-Nonce' ]));
lua_err('missing_header', undef, 'verify', 'wxpay', {});
lua_err('repeated_header', undef, 'verify', 'wxpay', $change->(headers => {
    'Wechatpay-Nonce' => [ ($m->header('Wechatpay-Nonce')) x 2 ] }));
lua_err('repeated_header', undef, 'verify', 'wxpay', $change->(headers => {
    'wechatpay-nonce' => $m->header('Wechatpay-Nonce') }));
lua_err('unknown_key', qr/./, 'verify', 'wxpay',
        $change->(headers => { 'Wechatpay-Serial' => 'AA00' }));
lua_err('clock', qr/clock/, 'verify', 'wxpay', $change->(now => time + 400));
lua_err('clock', qr/clock/, 'verify', 'wxpay', $change->(now => time - 400));
ok(ref lua_ok('verify', 'wxpay', $change->(now => time + 200)));
lua_err('duplicate_field', undef, 'verify', 'alipay',
        { body => bytes(alipay()->{body} . '&sign=x') });
lua_err('signature', undef, 'verify', 'alipay',
        { body => bytes(alipay()->{body} . '&x=1') });
lua_err('account_mismatch', undef, 'verify', 'wxpay',
        message(wechat(mchid => '1900000000')));
lua_err('decrypt', undef, 'verify', 'wxpay', message(wechat(flip => [[3, 1]])));



=== TEST 3: a line feed in a field cannot move the lines of the string to sign
--- lua
--- run
my $m = wechat(body => "{\"a\":1}\n{\"b\":2}");
my $c = message($m);
$c->{headers}{'Wechatpay-Nonce'} .= "\n" . '{"a":1}';
$c->{body} = bytes('{"b":2}');
lua_err('invalid header value', undef, 'verify', 'wxpay', $c);
$c->{headers}{'Wechatpay-Nonce'} = "a\x{7f}";
lua_err('invalid header value', undef, 'verify', 'wxpay', $c);
for (['GET /', '/'], ['POST', 'x'], ['POST', "/\n"], ['', '/'], ['POST', ''],
     ['post', '/'], ['POST', '/ x'])
{
    lua_err('invalid method or target', undef, 'verify', 'wxpay',
            { %{ message(wechat()) }, method => $_->[0], target => $_->[1] });
}
my $call = call(method => 'GET', target => '/a', text => "GET\n/a\n");
lua_err('invalid method or target', undef, 'verify_call', 'shop',
        message($call, method => "GET\n/a"));



=== TEST 4: vectors of WeChat Pay, at their own times
--- lua
--- http_config eval: $::VectorChannel
--- run
my %other = (v3_notify_bad_mchid => 1, v3_notify_partner => 1);
my $json = JSON::PP->new->utf8;
my $n = 0;
for my $v (grep { $_->{kind} =~ /^notify_/ && !$other{$_->{name}} }
           @{ $Wx->{vectors} })
{
    my ($ev, $err, $hint) = lua('verify', 'vec', vector($v));
    $n++;
    if ($v->{expect}{ok}) {
        is_deeply($ev && $ev->{data},
                  $json->decode(Encode::encode('UTF-8',
                                               $v->{expect}{plaintext})),
                  $v->{name}) or diag($err, $hint);
    } else {
        ok(!$ev && $err =~ /^(?:signature|probe|clock|decrypt|malformed)$/,
           "$v->{name}: " . ($err // 'passes'));
    }
}
ok($n > 10, "$n vectors");



=== TEST 5: vectors of calls, at their own times
--- lua
--- no_merchants
--- http_config eval: $::GwMerchant
--- run
my %word = (signature => qr/^signature$/, timestamp => qr/^clock$/,
            header => qr/^(?:malformed|missing_header|invalid header value)$/);
my $n = 0;
for my $v (grep { $_->{kind} eq 'gateway_default' } @{ $Gw->{vectors} }) {
    my $in = $v->{inputs};
    my ($got, $err) = lua('verify_call', [ 'shop', 'vec' ],
        { %{ vector($v) }, method => $in->{method},
          target => $in->{request_target} });
    $n++;
    if ($v->{expect}{ok} || $v->{expect}{reason} eq 'replay') {
        # no nonce is noted
        is_deeply($got, { merchant => 'vec',
                          key_id => $Gw->{constants}{key_id},
                          nonce => $in->{headers}{'X-Nonce'} }, $v->{name})
            or diag($err);
    } else {
        ok(!$got && $err =~ $word{$v->{expect}{reason}},
           "$v->{name}: " . ($err // 'passes'));
    }
}
ok($n > 20, "$n vectors");



=== TEST 6: calls of merchants, by secret and public key
--- lua
--- run
for (['shop', 'k1'], ['shop', 'k2'], ['other', 'o1']) {
    my ($who, $key) = @$_;
    my $m = call(key => $key, body => "x\0y", method => 'PUT');
    is(lua_ok('verify_call', $who, message($m))->{key_id}, $key);
    is(lua_ok('verify_call', [ 'public', 'other', 'shop' ],
              message($m))->{merchant}, $who);
    lua_err('unknown_key', undef, 'verify_call', 'public', message($m));
    lua_err('signature', undef, 'verify_call', $who,
            message($m, body => 'x'));
    lua_err('signature', undef, 'verify_call', $who,
            message($m, target => '/api/orders?'));
    lua_err('clock', undef, 'verify_call', $who, message($m, now => 5));
}
for my $key (qw(rsa ec ed)) {
    my $m = call(key => $key, public => $key);
    is(lua_ok('verify_call', 'public', message($m))->{key_id}, $key);
    lua_err('unknown_key', undef, 'verify_call', 'shop', message($m));
}



=== TEST 7: sign: what goes to Alipay and WeChat Pay
--- lua
--- alipay
app_private_key $TEST_NGINX_KEYS/app.key;
--- wxpay
merchant_private_key $TEST_NGINX_KEYS/mch.key;
--- run
my $keys = keys_dir();
for my $text ("a=1&b=\x{0}\x{ff}", '', "GET\n/v3/x\n1\nn\n\n", 'x' x 100000) {
    for (['alipay', 'app'], ['wxpay', 'mch']) {
        my $sig = lua_ok('sign', $_->[0], bytes($text));
        ok(verified($sig, $text, "$keys/$_->[1].pem"), "openssl: $_->[0]");
        ok(!verified($sig, "$text ", "$keys/$_->[1].pem"));
    }
}
is(lua_ok('sign', 'alipay', 'x', 'RSA2'), lua_ok('sign', 'alipay', 'x'));
is(lua_ok('sign', 'wxpay', 'x', $_), lua_ok('sign', 'wxpay', 'x'))
    for 'RSA', 'WECHATPAY2-SHA256-RSA2048';
lua_err('the algorithm must be RSA2', undef, 'sign', 'alipay', 'x', $_)
    for 'RSA', 'RSA22', 'rsa2', 'MD5';
lua_err('the algorithm must be WECHATPAY2-SHA256-RSA2048 or RSA', undef,
        'sign', 'wxpay', 'x', 'HMAC-SHA256');
lua_err('the provider of this channel signs nothing', undef, 'sign', 'stripe',
        'x');
lua_err('no such channel', undef, 'sign', 'shop', 'x');
lua_err('no such channel', undef, 'sign', '', 'x');



=== TEST 8: sign: channels without a private key
--- lua
--- run
lua_err('the channel has no app_private_key', undef, 'sign', 'alipay', 'x');
lua_err('the channel has no merchant_private_key', undef, 'sign', 'wxpay', '');
lua_err('the channel has no secret, and no merchant_private_key', undef,
        'sign', 'unionpay', 'x');



=== TEST 9: sign: UnionPay by a key
--- lua
--- unionpay
merchant_private_key $TEST_NGINX_KEYS/mch.key;
merchant_certificate $TEST_NGINX_KEYS/mch.crt;
--- run
my $pem = keys_dir() . '/mch.pem';
for my $text ('a=1&b=2', '', "\x{0}\x{e4}") {
    for my $method (undef, '01') {
        my $sig = lua_ok('sign', 'unionpay', bytes($text), $method // ());
        ok(verified($sig, Digest::SHA::sha256_hex($text), $pem), 'openssl');
    }
}
lua_err('the algorithm must be the signMethod of the channel', undef, 'sign',
        'unionpay', 'x', $_) for '11', 'RSA2';



=== TEST 10: sign: WeChat Pay v2 and UnionPay by a secret
--- lua
--- wxv2
api_key file:$TEST_NGINX_KEYS/wxv2_next.key;
--- unionpay
-root_cert
-middle_cert
signMethod 11;
secure_key file:$TEST_NGINX_KEYS/up_secure.key;
--- run
my ($key, $up) = map { file(keys_dir() . "/$_.key") =~ s/\n\z//r }
                 qw(wxv2 up_secure);
for my $text ('a=1&b=2', '', "\x{0}\x{e4}") {
    my $md5 = uc Digest::MD5::md5_hex("$text&key=$key");
    is(lua_ok('sign', 'wxv2', bytes($text)), $md5);
    is(lua_ok('sign', 'wxv2', bytes($text), 'MD5'), $md5);
    is(lua_ok('sign', 'wxv2', bytes($text), 'HMAC-SHA256'),
       uc Digest::SHA::hmac_sha256_hex("$text&key=$key", $key));
    my $hash = Digest::SHA::sha256_hex("$text&" . Digest::SHA::sha256_hex($up));
    is(lua_ok('sign', 'unionpay', bytes($text)), $hash);
    is(lua_ok('sign', 'unionpay', bytes($text), '11'), $hash);
}
lua_err('the algorithm must be MD5 or HMAC-SHA256', undef, 'sign', 'wxv2', 'x',
        $_) for 'md5', 'MD', 'MD55';
lua_err('the algorithm must be the signMethod of the channel', undef, 'sign',
        'unionpay', 'x', '12');



=== TEST 11: with keys of merchants
--- lua
--- config
    location = /api { paygw_auth shop other; return 200 $paygw_key_id; }
--- run
for my $text ('', 'a', "\x{0}" x 1000) {
    is(lua_ok('sign_text', 'shop', 'k1', bytes($text)),
       Digest::SHA::hmac_sha256_hex($text, call_secret('k1')));
}
for (['shop', 'k2', { target => '/api' }],
     ['shop', 'k1', { method => 'PUT', target => '/api?a=1', body => 'x' x 99 }],
     ['other', 'o1', { method => 'GET', target => '/api' }])
{
    my ($who, $key, $c) = @$_;
    my $got = lua_ok('sign_call', $who, $key, $c);
    my $method = $c->{method} // 'POST';
    my $body = $c->{body} // '';
    like($got->{'X-Nonce'}, qr/^[0-9a-f]{32}$/);
    ok(abs($got->{'X-Timestamp'} - time) < 60);
    is($got->{'X-Signature'}, Digest::SHA::hmac_sha256_hex(
        join('', map { "$_\n" } $method, $c->{target}, $got->{'X-Timestamp'},
             $got->{'X-Nonce'}, Digest::SHA::sha256_hex($body)),
        call_secret($key)));
    isnt(lua_ok('sign_call', $who, $key, $c)->{'X-Nonce'}, $got->{'X-Nonce'});
    my $m = bless { method => $method, target => $c->{target}, body => $body,
                    headers => [ map { [ $_, $got->{$_} ] } sort keys %$got ],
                  }, 'PaygwTest::Message';
    is(send_callback($m)->{body}, $key, 'paygw_auth takes it');
}
lua_err('no such merchant', undef, 'sign_text', 'nobody', 'k1', '');
lua_err('no such key', undef, 'sign_text', 'shop', $_, '')
    for 'k3', 'o1', '', 'k' x 1000;
for my $f (['sign_text', 'x'], ['sign_call', { target => '/' }]) {
    lua_err('the key does not sign by HMAC-SHA256', undef, $f->[0], 'public',
            $_, $f->[1]) for qw(rsa ec ed);
    lua_err('the key does not sign by HMAC-SHA256', undef, $f->[0], 'old',
            'md1', $f->[1]);
}
lua_err('invalid method or target', undef, 'sign_call', 'shop', 'k1',
        { target => $_ }) for '', 'x', "/\nx", '/ ', 'http://x/';



=== TEST 12: canonical
--- lua
--- run
my %f = (b => 'x y&=', a => '', a1 => '2', B => "\xc3\xa4", sign => 'zzz',
         sign_type => 'RSA2', signature => 's', n => '100');
my $want = sub {
    my ($keep_empty, %skip) = @_;
    return join '&', map { "$_=$f{$_}" }
           grep { !$skip{$_} && ($keep_empty || length $f{$_}) } sort keys %f;
};
my %bytes = map { ($_, bytes($f{$_})) } keys %f;
is(lua_ok('canonical', 'alipay', \%bytes), $want->(0, sign => 1));
is(lua_ok('canonical', 'alipay_notify', \%bytes),
   $want->(1, sign => 1, sign_type => 1));
is(lua_ok('canonical', 'wechat_v2', \%bytes), $want->(0, sign => 1));
is(lua_ok('canonical', 'unionpay', \%bytes), $want->(0, signature => 1));
is(lua_ok('canonical', 'params', \%bytes), $want->(0, sign => 1));
is(lua_ok('canonical', 'params', { n => 100, t => JSON::PP::true,
                                   f => JSON::PP::false, z => 0, m => -5,
                                   big => 999999999999999 }),
   'big=999999999999999&f=false&m=-5&n=100&t=true&z=0');
is(lua_ok('canonical', 'params', {}), '');
my ($v) = grep { $_->{name} eq 'sorted_ascii_hmac' } @{ $Gw->{vectors} };
is(lua_ok('canonical', 'params', $v->{inputs}{params}), $v->{string_to_sign});
lua_err('no such style', undef, 'canonical', $_, \%bytes)
    for 'x', '', 'alipay_', 'Alipay';
lua_err('invalid field name', undef, 'canonical', 'params', { $_ => 'x' })
    for '', 'a b', 'a=', 'a&b', "a\n", 'a' x 129;



=== TEST 13: decrypt: vectors, and what python has sealed
--- lua
--- http_config eval: $::VectorChannel
--- generic
decrypt_key file:$TEST_NGINX_KEYS/apiv3.key;
--- run
my ($v) = grep { $_->{name} eq 'v3_notify_paid' } @{ $Wx->{vectors} };
my $res = JSON::PP->new->utf8->decode(
    MIME::Base64::decode_base64($v->{inputs}{body_b64}))->{resource};
my $want = Encode::encode('UTF-8', $v->{expect}{plaintext});
is(lua_ok('decrypt', 'vec', $res), $want, 'the resource as it came');
delete $res->{algorithm};
is(lua_ok('decrypt', 'vec', $res), $want);
is(lua_ok('decrypt', 'vec', { %$res, associated_data =>
                              bytes($res->{associated_data}) }), $want);
lua_err('the algorithm must be AEAD_AES_256_GCM', undef, 'decrypt', 'vec',
        { %$res, algorithm => 'AES' });
lua_err('the key does not open it', undef, 'decrypt', 'vec',
        { %$res, associated_data => $_ }) for 'x', '', undef;
lua_err('the key does not open it', undef, 'decrypt', 'wxpay', $res);
lua_err('nonce is not 12 bytes', undef, 'decrypt', 'vec',
        { %$res, nonce => $_ }) for '', 'x' x 11, 'x' x 13, 'x' x 5000, undef;
lua_err('ciphertext is not base64', undef, 'decrypt', 'vec',
        { %$res, ciphertext => $_ }) for 'x', '*', 'YQ';
lua_err('ciphertext is too short', undef, 'decrypt', 'vec',
        { %$res, ciphertext => $_ }) for '', 'YQ==';
my $key = file(keys_dir() . '/apiv3.key') =~ s/\n\z//r;
for my $plain ('', "\x{0}\x{ff}", 'x' x 5000) {
    my $c = { nonce => 'abcdefghijkl', associated_data => 'aad',
              ciphertext => vectors_seal($key, 'abcdefghijkl', 'aad', $plain) };
    is(lua_ok('decrypt', $_, $c), $plain, $_) for 'hook', 'wxpay';
}
lua_err('the provider of this channel encrypts nothing', undef, 'decrypt', $_,
        $res) for 'alipay', 'stripe', 'unionpay';
lua_err('no such channel', undef, 'decrypt', 'nobody', $res);



=== TEST 14: decrypt: refunds of WeChat Pay v2, with any of its keys
--- lua
--- wxv2
-api_key
api_key file:$TEST_NGINX_KEYS/wxv2_next.key;
api_key file:$TEST_NGINX_KEYS/wxv2.key;
--- generic
--- run
my $m = wechat2(type => 'refund');
my ($info) = $m->{body} =~ /<req_info>(?:<!\[CDATA\[)?([^\]<]+)/;
my $plain = lua_ok('decrypt', 'wxv2', $info);
like($plain, qr/^<root>.*<\/root>\s*$/s);
like($plain, qr/<out_trade_no>.*\Q$m->{order_id}\E/);
is(lua_ok('decrypt', 'wxv2', { ciphertext => $info }), $plain);
my $broken = MIME::Base64::decode_base64($info);
substr $broken, 20, 1, chr(1 ^ ord substr $broken, 20, 1);
lua_err('the key does not open it', undef, 'decrypt', 'wxv2', $_)
    for MIME::Base64::encode_base64($broken, ''), '', '*', 'YQ==',
        MIME::Base64::encode_base64('x' x 32, '');
lua_err('the channel has no decrypt_key', undef, 'decrypt', 'hook', $info);



=== TEST 15: nothing but these functions
--- lua
--- config
    location = /names {
        content_by_lua_block {
            local names = {}
            for name in pairs(require "resty.paygw") do
                names[#names + 1] = name
            end
            table.sort(names)
            ngx.print(table.concat(names, " "))
        }
    }
--- run
is(send_callback("GET /names HTTP/1.0\r\n\r\n")->{body},
   '_VERSION canonical decision decrypt event event_json sign sign_call '
   . 'sign_text verify verify_call verify_json');
