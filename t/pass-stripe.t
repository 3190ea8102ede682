# paygw_pass to Stripe: a key, a version and an idempotency key go along, and
# answers are as good as the connection.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();
use JSON::PP ();

use PaygwCases qw(cases ran);
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwSandbox;
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Port = $Peer->listen;
my $Url = "http://127.0.0.1:$Port";
my $Json = JSON::PP->new->utf8->canonical;
my $Form = 'application/x-www-form-urlencoded';
my $Create = '/s/v1/payment_intents';
my $Good = '{"id":"pi_1","object":"payment_intent","livemode":false,'
    . '"status":"MARK"}';

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    log_format k '\$paygw_result \$paygw_reason';\n"
        . $Peer->stripe($Url, account => 'acct_1Test acct_2')
        . $Peer->stripe($Url, -name => 'basic', stripe_version => '2020-01-01',
                        secret_key => "file:$Peer->{keys}/stripe_api.key "
                            . 'basic'),
    server => 'access_log logs/k.log k;'
        . 'location /s/ { paygw_pass stripe; }'
        . 'location /b/ { paygw_pass basic; }');

sub ask {
    my ($method, $uri, $body, %heads) = @_;
    return call($Nginx, $method => $uri, body => $body // '', heads => {
        length($body // '') ? ('Content-Type' => $Form) : (), %heads });
}


# -- the vectors: requests as Stripe's own SDK sends them --

my $Vectors = [ cases('stripe/calls.json') ];

for my $v (grep { $_->{kind} eq 'api_request' } @$Vectors) {
    my $in = $v->{inputs};
    my %want = map { (lc $_, $in->{headers}{$_}) } keys %{ $in->{headers} };
    my $body = $v->{expect}{body};
    my %heads = map { ($_, $in->{headers}{$_}) }
                grep { !/^(?:Authorization|Content-|Stripe-Version)/ }
                keys %{ $in->{headers} };
    $Peer->plan({ body => '{"object":"x"}' });
    my $res = ask($in->{method}, "/s$in->{path}", $body, %heads);
    is($res->{status}, 200, "$v->{name}: passed") or diag($res->{body});
    my ($r) = $Peer->requests;
    is("$r->{method} $r->{target}", "$in->{method} $in->{path}",
       "$v->{name}: target");
    is($r->{body}, $body, "$v->{name}: body");
    ran($v);
    is($r->{head}{$_} // '', $want{$_}, "$v->{name}: $_")
        for grep { $_ ne 'content-length' || length $body } sort keys %want;
}

# errors of the vectors come as they are; what may be retried has been, under
# the same key, but for too many calls, of which Stripe's own client makes no
# more either unless it is told to

for my $v (grep { $_->{kind} eq 'error_map' } @$Vectors) {
    my $in = $v->{inputs};
    my $n = $v->{expect}{outcome} eq 'retryable'
        && $v->{name} ne 'st_err_429_rate_limit' ? 3 : 1;
    $Peer->plan(({ status => $in->{http_status}, body => $in->{body},
                   headers => $in->{headers} }) x 3);
    my $res = ask(POST => $Create, 'amount=1');
    is("$res->{status} $res->{body}", "$in->{http_status} $in->{body}",
       "$v->{name}: passed");
    ran($v);
    is($res->{header}{'stripe-should-retry'},
       $in->{headers}{'stripe-should-retry'}, "$v->{name}: to be retried");
    my @got = $Peer->requests;
    is(scalar @got, $n, "$v->{name}: tries");
    my %same = map { ("$_->{head}{'idempotency-key'} $_->{body}", 1) } @got;
    is(scalar keys %same, 1, "$v->{name}: one key, the same bytes");
}


# -- Stripe-Should-Retry wins both ways; without it, what was not done --

{
    my $error = '{"error":{"type":"api_error"}}';
    my $True = 'true';
    for my $case (
        map({ ([ $_, undef, 2 ], [ $_, 'false', 1 ], [ $_, 'true', 2 ]) }
            409, 502, 503, 504),
        map({ ([ $_, undef, 1 ], [ $_, 'false', 1 ], [ $_, 'true', 2 ]) }
            400, 402, 424, 429, 500),
        map({ ([ $_, 'True', $_ == 429 ? 1 : 2 ],
               [ $_, [ qw(true false) ], 1 ], [ $_, [ qw(true true) ], 1 ]) }
            409, 429),
    ) {
        my ($status, $hint, $n) = @$case;
        my $what = "$status, "
            . (ref $hint ? "@$hint" : $hint // 'no word');
        my @heads = defined $hint ? (headers => { 'Stripe-Should-Retry'
                                                  => $hint }) : ();
        my %key = ('Idempotency-Key' => "mine-$status");
        $Peer->plan({ status => $status, body => $error, @heads },
                    { body => '{"object":"x"}' });
        my $res = ask(POST => $Create, 'amount=1', %key);
        is($res->{status}, $n == 2 ? 200 : $status, "$what: answer");
        my @got = $Peer->requests;
        is(scalar @got, $n, "$what: tries");
        is($_->{head}{'idempotency-key'}, "mine-$status", "$what: the key")
            for @got;
        is($_->{body}, 'amount=1', "$what: the body") for @got;

        # without a key a second one would be another one

        $Peer->plan({ status => $status, body => $error, @heads }, {});
        ask(DELETE => '/s/v1/customers/cus_1');
        is(scalar $Peer->requests, 1, "$what: no DELETE");
    }

    # what is done is done, whatever is said

    $Peer->plan({ headers => { 'Stripe-Should-Retry' => $True } }, {});
    is(ask(POST => $Create, 'amount=1')->{status}, 200, 'done, true');
    is(scalar $Peer->requests, 1, 'done, true: once');

    # a question harms nobody, but Stripe's word counts

    for my $case ([ 500, undef, 2 ], [ 429, undef, 2 ], [ 429, 'false', 1 ],
                  [ 503, 'false', 1 ], [ 404, undef, 1 ], [ 404, 'true', 2 ])
    {
        my ($status, $hint, $n) = @$case;
        $Peer->plan({ status => $status, body => $error, defined $hint
                      ? (headers => { 'Stripe-Should-Retry' => $hint }) : () },
                    { body => '{"object":"x"}' });
        ask(GET => "$Create/pi_1");
        is(scalar $Peer->requests, $n, "GET: $status " . ($hint // ''));
    }
}


# -- what is sent, and what comes back --

{
    $Peer->plan({ headers => { 'Retry-After' => 7, 'X-Other' => 'MARK' } });
    my $res = ask(POST => "$Create?expand[]=a&expand[]=b", 'amount=1099',
                  'Stripe-Account' => 'acct_2', 'Authorization' => 'Bearer x',
                  'Cookie' => 'a=b', 'Stripe-Version' => '2026-01-01',
                  'Idempotency-Key' => 'mine');
    is("$res->{status} $res->{body}", "200 $Good", 'passed');
    is($res->{header}{'x-paygw-verified'}, 'none', 'nobody vouches for it');
    is($res->{header}{'request-id'}, 'req_1', 'Request-Id');
    is($res->{header}{'retry-after'}, 7, 'Retry-After');
    is($res->{header}{$_}, undef, "no $_") for 'set-cookie', 'x-other';
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'as Stripe wants it');
    is($r->{target}, '/v1/payment_intents?expand[]=a&expand[]=b', 'target');
    is(join(' ', sort map { lc $_->[0] } @{ $r->{heads} }),
       'accept authorization content-length content-type host '
       . 'idempotency-key stripe-account stripe-version user-agent',
       'fields');
    is($r->{head}{'idempotency-key'}, 'mine', "the caller's key");
    is($r->{head}{'stripe-version'}, '2026-01-01', "the caller's version");
    is($r->{head}{'stripe-account'}, 'acct_2', 'the account');

    $Peer->plan({});
    is(ask(POST => '/b/v1/payment_intents', 'amount=1')->{status}, 200,
       'basic');
    ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'basic: as Stripe wants it');
    like($r->{head}{authorization}, qr/^Basic [A-Za-z0-9+\/]+={0,2}$/,
         'basic: Authorization');
    is($r->{head}{'stripe-version'}, '2020-01-01', 'the version of ours');
}

# E15, pitfall 7: a key is made, kept over the tries of a call, and not longer

{
    my $True = JSON::PP::true;
    $Peer->plan({}, { drop => $True }, {}, {});
    ask(POST => $Create, 'amount=1') for 1 .. 3;
    my @r = $Peer->requests;
    is(scalar @r, 4, 'made again');
    my @keys = map { $_->{head}{'idempotency-key'} } @r;
    like($_, qr/^paygw-[0-9a-v]{32}$/, 'a key') for @keys;
    is($keys[2], $keys[1], 'of another try: the same');
    isnt($keys[1], $keys[0], 'of another call: another');
    isnt($keys[3], $keys[2], 'of a third one, too');

    # what has none may have been done

    $Peer->plan({ body => '{"object":"x"}' }, { drop => $True });
    ask(GET => '/s/v1/refunds/re_1');
    problem_ok(ask(DELETE => '/s/v1/customers/cus_1'), 504,
               'PROVIDER-UNANSWERED', 'a DELETE is not sent again');
    is(($Peer->requests)[1]{head}{'idempotency-key'}, undef, 'has no key');
}


# -- what is not sent --

for my $case (
    [ [ POST => '/s/v2/x', 'a=b' ], 400, 'path must begin with' ],
    [ [ POST => '/s/v1/', '' ], 400, 'path must begin with' ],
    [ [ PUT => $Create, 'a=b' ], 405, '' ],
    [ [ GET => $Create, 'a=b' ], 400, 'only a POST has a body' ],
    [ [ POST => $Create, '{}', 'Content-Type' => 'application/json' ], 415,
      '' ],
    [ [ POST => '/s/v1/files', 'x', 'Content-Type' => 'multipart/form-data' ],
      415, '' ],
    [ [ POST => $Create, 'a=b', 'Stripe-Account' => 'acct_3' ], 400,
      'Stripe-Account is not' ],
    [ [ POST => '/b/v1/refunds', 'a=b', 'Stripe-Account' => 'acct_1Test' ],
      400, 'Stripe-Account is not' ],
    [ [ POST => $Create, 'a=b', 'Stripe-Context' => 'acct_2' ], 400,
      'Stripe-Context' ],
    [ [ POST => $Create, 'a=b', 'Stripe-Version' => 'a b' ], 400,
      'invalid Stripe-Version' ],
    [ [ POST => $Create, 'a=b', 'Idempotency-Key' => 'a b' ], 400,
      'Idempotency-Key' ],
    [ [ POST => $Create, 'a=b', 'Idempotency-Key' => 'x' x 256 ], 400,
      'Idempotency-Key' ],
    [ [ POST => $Create, 'a=b', 'Idempotency-Key' =>
            "a\r\nIdempotency-Key: b" ], 400, 'there twice' ],
    map({ [ [ POST => $Create, $_ ], 400, 'data of a card' ] }
        'card[number]=4242', 'payment_method_data[card][number]=4',
        'a=b&payment_method_data%5Bcard%5D%5Bcvc%5D=1', 'source[number]',
        'source[cvc]=1', 'a=&external_account[number]=4'),
    [ [ GET => '/s/v1/tokens?card[number]=4242' ], 400, 'data of a card' ],
) {
    my ($call, $status, $hint) = @$case;
    my $what = join ' ', map { substr $_, 0, 40 } @$call;
    my %code = (400 => 'BAD_REQUEST', 405 => 'BAD_METHOD',
                415 => 'UNSUPPORTED_MEDIA_TYPE');
    $Peer->plan;
    problem_ok(ask(@$call), $status, "CLIENT-$code{$status}", "no: $what",
               message => qr/\Q$hint/);
    is(scalar $Peer->requests, 0, "$what: not sent");
}


# -- answers that cannot be meant --

for my $case (
    [ { body => '<html>MARK</html>' } ], [ { body => '' } ],
    [ { body => '["MARK"]' } ], [ { body => '{"id":"a","id":"MARK"}' } ],
    [ { status => 302, body => '{}' } ], [ { status => 500, body => '{}' } ],
    [ { status => 400, body => '{"error":"MARK"}' } ],
    [ { body => '{"error":{"code":"MARK"}}' } ],
    [ { body => '{"id":"pi_1","livemode":true,"x":"MARK"}' } ],
    [ { body => '{"id":"pi_2","x":"MARK"}' } ],
    [ { gzip => JSON::PP::true } ],
) {
    my ($plan) = @$case;
    my $what = $Json->encode($plan);
    $Peer->plan($plan);
    problem_ok(ask(GET => "$Create/pi_1"), 502, 'PROVIDER-UNVERIFIED', $what);
    is(scalar $Peer->requests, 1, "$what: sent once");
}

for my $uri ("$Create/pi_2", "$Create/pi_2/cancel", '/s/v1/charges/ch_1',
             '/s/v1/checkout/sessions/cs_1/expire', '/s/v1/refunds/re_1')
{
    $Peer->plan({});
    problem_ok(ask(POST => $uri, 'a=b'), 502, 'PROVIDER-UNVERIFIED',
               "$uri: another id");
}

for my $case ([ GET => "$Create/pi_1", '{"id":"pi_1","livemode":false}' ],
              [ GET => "$Create/search?query=x", '{"object":"x","data":[]}' ],
              [ POST => "$Create/pi_1/capture", '{"id":"pi_1"}' ],
              [ POST => '/s/v1/refunds', '{"id":"re_1"}' ])
{
    my ($method, $uri, $body) = @$case;
    $Peer->plan({ body => $body });
    is(ask($method => $uri, $method eq 'POST' ? 'a=b' : '')->{body}, $body,
       "$method $uri: passed");
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');
unlike($Nginx->log =~ s/^.*\[debug\].*\n//mgr, qr/sk_test|MARK/,
       'no key in the log');


# -- D4: over TLS --

{
    my $tmp = File::Temp::tempdir('paygw-st-XXXXXX', TMPDIR => 1,
                                  CLEANUP => 1);
    open my $fh, '>', "$tmp/ext" or die $!;
    print $fh "subjectAltName=DNS:localhost\n";
    close $fh;
    for my $cmd ("req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=ca "
                 . "-keyout $tmp/ca.key -out $tmp/ca.crt",
                 "req -newkey rsa:2048 -nodes -subj /CN=x "
                 . "-keyout $tmp/x.key -out $tmp/x.csr",
                 "x509 -req -in $tmp/x.csr -days 30 -CA $tmp/ca.crt "
                 . "-CAkey $tmp/ca.key -CAcreateserial -extfile $tmp/ext "
                 . "-out $tmp/x.crt")
    {
        system("openssl $cmd > $tmp/log 2>&1") == 0 or die `cat $tmp/log`;
    }
    open $fh, '>', "$tmp/live" or die $!;
    print $fh "sk_live_1\n";
    close $fh;
    chmod 0600, "$tmp/live";

    my $port = $Peer->listen(tls => [ "$tmp/x.crt", "$tmp/x.key" ]);
    my %live = (secret_key => "file:$tmp/live", livemode => 'on');
    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . $Peer->stripe("https://localhost:$port", %live,
                            proxy_ssl_trusted_certificate => "$tmp/ca.crt",
                            proxy_connect_timeout => '20s')
            . $Peer->stripe("https://localhost:$port", %live,
                            -name => 'system', proxy_connect_timeout => '20s'),
        server => 'location /s/ { paygw_pass stripe; }'
            . 'location /y/ { paygw_pass system; }');

    my $live = $Good =~ s/false/true/r;
    $Peer->plan({ body => $live });
    my $res = call($nginx, GET => "$Create/pi_1");
    is("$res->{status} $res->{body}", "200 $live", 'TLS: passed');
    is($res->{header}{'x-paygw-verified'}, 'tls', 'TLS: vouched for');
    is(($Peer->requests)[0]{sni}, 'localhost', 'TLS: SNI');
    $Peer->plan({});
    problem_ok(call($nginx, GET => "$Create/pi_1"), 502,
               'PROVIDER-UNVERIFIED', 'TLS: a test object');
    $Peer->plan({ body => $live });
    problem_ok(call($nginx, GET => '/y/v1/payment_intents/pi_1'), 503,
               'RETRY-UNREACHABLE', 'D4: a certificate of somebody');
    is(scalar $Peer->requests, 0, 'D4: the key has not left');
    ok($nginx->quit, 'TLS: quits');
}


# -- the sandbox --

{
    my $sandbox = PaygwSandbox->start;
    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . $sandbox->stripe(proxy_read_timeout =>
                               3 * $PaygwNginx::Slow . 's'),
        server => 'location /s/ { paygw_pass stripe; }');
    my $n = 0;
    my $post = sub {
        my ($uri, $body, %heads) = @_;
        my $res = call($nginx, POST => "/s/v1/$uri", body => $body,
                       heads => { 'Content-Type' => $Form, %heads },
                       timeout => 15);
        return ($res, eval { $Json->decode($res->{body}) } || {});
    };
    my $number = sub { return sprintf 'S%dn%d', $$, ++$n };
    my $orders = sub {
        my $id = shift;
        return grep { $_->{order_id} eq $id }
               @{ $sandbox->get('orders')->{orders} };
    };

    my $id = $number->();
    my $body = "amount=1099&currency=eur&metadata[out_trade_no]=";
    my ($res, $intent) = $post->('payment_intents', $body . $id);
    is($intent->{status}, 'requires_payment_method', 'sandbox: made')
        or diag($res->{body});
    my $get = sub {
        return $Json->decode(call($nginx, GET => "/s/v1/$_[0]")->{body});
    };
    is($get->("payment_intents/$intent->{id}")->{amount}, 1099,
       'sandbox: is there');
    $sandbox->post("orders/$id/pay", {});
    is($get->("payment_intents/$intent->{id}")->{status}, 'succeeded',
       'sandbox: paid');
    my (undef, $refund) = $post->('refunds',
                                  "payment_intent=$intent->{id}&amount=9");
    is($refund->{object}, 'refund', 'sandbox: refunded');
    is($get->("refunds/$refund->{id}")->{status}, 'succeeded',
       'sandbox: refund');
    my ($other, $second) = $post->('payment_intents',
                                   $body . $number->());
    my (undef, $closed) = $post->("payment_intents/$second->{id}/cancel",
                                  'cancellation_reason=abandoned');
    is($closed->{status}, 'canceled', 'sandbox: closed');
    ($res) = $post->('payment_intents', $body . $id, 'Idempotency-Key' => '');
    is($res->{status}, 400, 'sandbox: the number is taken');
    is(call($nginx, GET => '/s/v1/payment_intents/pi_none')->{status}, 404,
       'sandbox: none');

    # an answer that is lost: under the same key there is no second payment

    for my $fault (qw(silent truncated garbage error)) {
        my $id = $number->();
        $sandbox->post('answers', { fault => $fault, times => 1 });
        my %key = ('Idempotency-Key' => "key-$id");
        my ($res) = $post->('payment_intents', $body . $id, %key);
        my $lost = $fault =~ /silent|truncated/;
        problem_ok($res, $lost ? 504 : 502, $lost ? 'PROVIDER-UNANSWERED'
                   : 'PROVIDER-UNVERIFIED', "sandbox: $fault");
        $sandbox->post('answers', { fault => '', times => 1 });
        is(scalar $orders->($id), 1, "sandbox: $fault: it was made");
        my ($again, $made) = $post->('payment_intents', $body . $id, %key);
        is($made->{metadata}{out_trade_no}, $id, "sandbox: $fault: found");
        is(scalar $orders->($id), 1, "sandbox: $fault: once");
    }
    ok($nginx->quit, 'sandbox: quits');
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'sandbox: no alert');
}

done_testing();
