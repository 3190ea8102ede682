# What becomes of an error of a provider: the vectors have one word for each,
# and this the code of paygw_api, and what of it paygw_pass lets by.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();
use MIME::Base64 qw(decode_base64 encode_base64);

use PaygwApi;
use PaygwCases qw(cases ran);
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwTest ();

my $Tmp = File::Temp::tempdir('paygw-err-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my @Once = (paygw_retry => 'off');
my @Notify = (notify_url => 'https://pay.example.com/n');

# what a word of the vectors may be here.  "retryable" has two: what has surely
# done nothing is RETRY-..., what may have been done has the outcome "unknown",
# and is to be repeated under the same id or asked for.  None of "pending",
# "query" and "unknown_query" is ever a failure.

my %Means = (
    success       => qr/^OK$/,
    failed        => qr/^(?:PROVIDER-(?:REFUSED|ACCOUNT|BALANCE)
                           |CLIENT-(?:ORDER_CLOSED|PAYER_REFUSED
                                     |ORDER_MISMATCH))$/x,
    not_found     => qr/^CLIENT-(?:ORDER|REFUND)_NOT_FOUND$/,
    retryable     => qr/^(?:RETRY-BUSY|PROVIDER-UN(?:CLEAR|VERIFIED))$/,
    pending       => qr/^(?:OK|PROVIDER-UNCLEAR)$/,
    query         => qr/^CLIENT-(?:ORDER_(?:PAID|MISMATCH|STATE)
                                  |REFUND_TOO_MUCH)$/x,
    unknown_query => qr/^PROVIDER-UN(?:CLEAR|VERIFIED)$/,
);

my %Status = (
    'OK' => 200, 'PROVIDER-REFUSED' => 422, 'PROVIDER-BALANCE' => 409,
    'CLIENT-PAYER_REFUSED' => 402, 'RETRY-BUSY' => 503,
    (map { ("CLIENT-$_" => 409) } qw(ORDER_PAID ORDER_CLOSED ORDER_MISMATCH
                                     ORDER_STATE REFUND_TOO_MUCH)),
    (map { ("CLIENT-$_" => 404) } qw(ORDER_NOT_FOUND REFUND_NOT_FOUND)),
    (map { ("PROVIDER-$_" => 502) } qw(ACCOUNT UNCLEAR UNVERIFIED)),
);

sub secret {
    my ($name, $text) = @_;
    open my $fh, '>:raw', "$Tmp/$name" or die $!;
    print $fh $text;
    close $fh;
    chmod 0600, "$Tmp/$name";
    return "file:$Tmp/$name";
}

sub answer {
    my ($status, $body) = @_;
    return { raw => encode_base64("HTTP/1.1 $status X\r\nConnection: close\r\n"
                . 'Content-Length: ' . length($body) . "\r\n\r\n$body", '') };
}

# $code is what the call has to answer, and it fits the word of the vector

sub told {
    my ($api, $res, $v, $code, $what) = @_;
    my $name = "$v->{name}: $what";
    my $word = $v->{expect}{outcome};

    if ($code eq 'OK') {
        my $data = $api->ok($res, $name);
        is($data->{outcome}, $word, "$name: outcome");
    } else {
        my $got = $api->problem($res, $Status{$code}, $code, $name);
        isnt($got->{data}{outcome} // '', 'failed', "$name: not failed");
    }

    like($code, $Means{$word} // die("no meaning of $word"),
         "$name: is \"$word\"");
}

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    paygw_binding off;\n"
        . $Peer->wechat($Url, @Once, @Notify)
        . join('', map { $Peer->wechat_v2_cert($Url, @Once, @Notify,
              api_key => secret('api', '192006250b4c09247ec02edce69f6a2d'),
              -name => lc($_ =~ s/-.*//r), sign_type => $_,
              appid => 'wxd930ea5d5a258f4f', mchid => '10000100') }
              qw(MD5 HMAC-SHA256))
        . $Peer->stripe($Url, @Once),
    server => join '', map { "location /$_/ { paygw_api $_; } "
                             . "location /pass/$_/ { paygw_pass $_; }" }
              qw(wxpay md5 hmac stripe));

my %Api = map { ($_ => PaygwApi->new($Nginx, "/$_")) }
          qw(wxpay md5 hmac stripe);


# -- WeChat Pay --

# The calls, as they are made of an order; "answers" go before the error.

my $Paid = '{"appid":"wxd678efh567hg6787","mchid":"1900009191",'
    . '"out_trade_no":"T20250102","transaction_id":"42",'
    . '"trade_state":"SUCCESS","amount":{"total":100,"currency":"CNY"}}';

sub ask {
    my ($api, $op) = @_;
    return $op eq 'create' ? $api->post('/orders', $api->order)
        : $op eq 'barcode' ? $api->post('/orders', $api->order(
              method => 'barcode', payer => { auth_code =>
                                                  '130000000000000001' }))
        : $op eq 'query' ? $api->get('/orders/T20250102')
        : $op eq 'close' ? $api->post('/orders/T20250102/close')
        : $op eq 'refund' ? $api->post('/orders/T20250102/refunds',
              { refund_id => PaygwApi::number(), amount => 1 })
        : $api->get('/orders/T20250102/refunds/R20250102');
}

# by the name of the vector: the call and its code.  Where several calls have
# the error, each.

my %V3 = (
    v3_err_500_SYSTEM_ERROR => [ map { ($_ => 'PROVIDER-UNCLEAR') }
                                 qw(create query close refund) ],
    v3_err_500_SYSTEMERROR => [ create => 'PROVIDER-UNCLEAR',
                                refund => 'PROVIDER-UNCLEAR' ],
    v3_err_502_nobody => [ create => 'PROVIDER-UNVERIFIED',
                           query => 'PROVIDER-UNVERIFIED' ],
    v3_err_503_nobody => [ create => 'PROVIDER-UNVERIFIED',
                           query => 'PROVIDER-UNVERIFIED' ],
    v3_err_429_FREQUENCY_LIMITED => [ create => 'RETRY-BUSY',
                                      query => 'RETRY-BUSY' ],
    v3_err_429_RATELIMIT_EXCEEDED => [ create => 'RETRY-BUSY',
                                       refund => 'RETRY-BUSY' ],
    v3_err_202_USERPAYING => [ create => 'PROVIDER-UNCLEAR',
                               query => 'PROVIDER-UNCLEAR',
                               close => 'PROVIDER-UNCLEAR' ],
    v3_err_400_PARAM_ERROR => [ create => 'PROVIDER-REFUSED' ],
    v3_err_400_INVALID_REQUEST => [ create => 'PROVIDER-REFUSED',
                                    refund => 'PROVIDER-REFUSED' ],
    v3_err_400_APPID_MCHID_NOT_MATCH => [ create => 'PROVIDER-ACCOUNT' ],
    v3_err_400_ORDER_CLOSED => [ create => 'CLIENT-ORDER_CLOSED' ],
    v3_err_401_SIGN_ERROR => [ create => 'PROVIDER-ACCOUNT',
                               query => 'PROVIDER-ACCOUNT' ],
    v3_err_403_NO_AUTH => [ create => 'PROVIDER-ACCOUNT',
                            refund => 'PROVIDER-ACCOUNT' ],
    v3_err_403_OUT_TRADE_NO_USED => [ create => 'CLIENT-ORDER_MISMATCH' ],
    v3_err_404_ORDER_NOT_EXIST => [ query => 'CLIENT-ORDER_NOT_FOUND',
                                    close => 'CLIENT-ORDER_NOT_FOUND' ],
    v3_err_404_RESOURCE_NOT_EXISTS => [
        query => 'CLIENT-ORDER_NOT_FOUND',
        'refund query' => 'CLIENT-REFUND_NOT_FOUND' ],
    v3_err_403_NOT_ENOUGH => [ refund => 'PROVIDER-BALANCE' ],
);

for my $v (cases('wechat_v3/errors.json')) {
    my ($name, $in) = @$v{qw(name inputs)};
    my @ops = @{ $V3{$name} or die "no case $name" };
    my ($api, $genuine) = ($Api{wxpay}, $in->{body} =~ /^\{/);

    while (my ($op, $code) = splice @ops, 0, 2) {
        my $signed = { status => $in->{http_status}, body => $in->{body} };
        my $bare = answer(@$in{qw(http_status body)});

        # a refund asks for the order first

        my @first = $op eq 'refund' ? { body => $Paid } : ();

        # and "query" may be done at once: an answer that is of no use

        my $query = $v->{expect}{outcome} eq 'query';
        $Peer->plan(@first, $genuine ? $signed : $bare,
                    $query ? { signature => 'bad' } : ());
        my $res = ask($api, $op);
        told($api, $res, $v, $code, $op);
        my @sent = map { $_->{method} } $Peer->requests;
        pop @sent if $query && $sent[-1] eq 'GET';
        is(scalar @sent, @first + 1, "$name: $op: once");
        my ($word) = $in->{body} =~ /"code":"(\w+)"/;
        is($res->{json}{data}{provider_code},
           $in->{http_status} == 202 ? undef : $word,
           "$name: $op: in its own word");

        # whatever nobody has signed is unknown, and nothing else

        $Peer->plan(@first, $bare);
        $api->problem(ask($api, $op), 502, 'PROVIDER-UNVERIFIED',
                      "$name: $op: nobody has signed it");
    }

    $Peer->plan($genuine ? { status => $in->{http_status},
                             body => $in->{body} }
                         : answer(@$in{qw(http_status body)}));
    my $res = call($Nginx, POST => '/pass/wxpay/v3/pay/transactions/native',
                   body => '{}');
    if ($genuine) {
        is("$res->{status} $res->{body}", "$in->{http_status} $in->{body}",
           "$name: passed");
        is($res->{header}{'x-paygw-verified'}, 'signature',
           "$name: verified");
    } else {
        problem_ok($res, 502, 'PROVIDER-UNVERIFIED', "$name: not passed");
    }

    $Peer->plan(answer(@$in{qw(http_status body)}));
    problem_ok(call($Nginx, POST => '/pass/wxpay/v3/pay/transactions/native',
                    body => '{}'), 502, 'PROVIDER-UNVERIFIED',
               "$name: nobody has signed it: not passed");
    ran($v);
}


# -- WeChat Pay v2 --

my %V2 = (
    v2_resp_unifiedorder => [ create => 'OK' ],
    v2_resp_return_fail => [ create => 'PROVIDER-UNVERIFIED' ],
    v2_resp_err_SYSTEMERROR => [ create => 'PROVIDER-UNCLEAR',
                                 barcode => 'PROVIDER-UNCLEAR' ],
    v2_resp_err_ORDERPAID => [ create => 'CLIENT-ORDER_PAID',
                               close => 'CLIENT-ORDER_PAID' ],
    v2_resp_err_ORDERCLOSED => [ create => 'CLIENT-ORDER_CLOSED' ],
    v2_resp_err_OUT_TRADE_NO_USED => [ create => 'CLIENT-ORDER_MISMATCH' ],
    v2_resp_err_NOTENOUGH => [ barcode => 'CLIENT-PAYER_REFUSED',
                               create => 'PROVIDER-BALANCE' ],
    v2_resp_err_USERPAYING => [ barcode => 'OK',
                                create => 'PROVIDER-UNCLEAR' ],
    v2_resp_err_ORDERNOTEXIST => [ query => 'CLIENT-ORDER_NOT_FOUND',
                                   close => 'CLIENT-ORDER_NOT_FOUND' ],
    v2_resp_err_REFUNDNOTEXIST => [ 'refund query' =>
                                        'CLIENT-REFUND_NOT_FOUND' ],
    v2_resp_err_FREQUENCY_LIMITED => [ create => 'RETRY-BUSY',
                                       query => 'RETRY-BUSY' ],
    v2_resp_err_BIZERR_NEED_RETRY => [ create => 'PROVIDER-UNCLEAR' ],
    v2_resp_err_BANKERROR => [ barcode => 'PROVIDER-UNCLEAR',
                               create => 'PROVIDER-UNCLEAR' ],
    v2_resp_err_SIGNERROR => [ create => 'PROVIDER-ACCOUNT',
                               query => 'PROVIDER-ACCOUNT' ],
);

for my $v (cases('wechat_v2/response_verify.json')) {
    my ($name, $in) = @$v{qw(name inputs)};
    my @ops = @{ $V2{$name} // [] };

    # the others say nothing of an outcome: see vectors-api.t

    next if !@ops && !$v->{expect}{outcome};
    die "no case $name" if !@ops;

    my $channel = $in->{sign_type} eq 'MD5' ? 'md5' : 'hmac';
    my $api = $Api{$channel};
    my $xml = decode_base64($in->{xml_b64});

    while (my ($op, $code) = splice @ops, 0, 2) {
        $Peer->plan(answer(200, $xml), ({ signature => 'bad' }) x 3);
        my $res = ask($api, $op);

        if ($name =~ /return_fail/) {

            # it carries no signature: the word of the vector is not for us

            is("$v->{expect}{ok} $v->{expect}{outcome}", '0 failed',
               "$name: a failure, says the vector");
            $api->problem($res, 502, $code, "$name: $op: unknown");
            next;
        }

        if ($v->{expect}{outcome} eq 'success') {
            my $data = $api->ok($res, $name);
            is($data->{action}{code}, $v->{expect}{code_url}, "$name: code");
            next;
        }

        told($api, $res, $v, $code, $op);
    }

    ran($v);
}


# -- Stripe --

my %Stripe = (
    st_err_400_parameter_missing => [ create => 'PROVIDER-REFUSED',
                                      refund => 'PROVIDER-REFUSED' ],
    st_err_400_idempotency_error => [ create => 'CLIENT-ORDER_MISMATCH' ],
    st_err_401_invalid_request_error => [ create => 'PROVIDER-ACCOUNT',
                                          query => 'PROVIDER-ACCOUNT' ],
    st_err_402_card_declined => [ create => 'CLIENT-PAYER_REFUSED' ],
    st_err_403_invalid_request_error => [ create => 'PROVIDER-ACCOUNT' ],
    st_err_404_resource_missing => [ query => 'CLIENT-ORDER_NOT_FOUND' ],
    st_err_409_idempotency_key_in_use => [ create => 'PROVIDER-UNCLEAR',
                                           refund => 'PROVIDER-UNCLEAR' ],
    st_err_429_lock_timeout => [ create => 'RETRY-BUSY',
                                 close => 'RETRY-BUSY' ],
    st_err_429_rate_limit => [ create => 'RETRY-BUSY',
                               query => 'RETRY-BUSY' ],
    st_err_500_api_error => [ create => 'PROVIDER-UNCLEAR',
                              query => 'PROVIDER-UNCLEAR',
                              refund => 'PROVIDER-UNCLEAR' ],
    st_err_503_api_error => [ create => 'PROVIDER-UNCLEAR',
                              refund => 'PROVIDER-UNCLEAR' ],
    st_err_400_charge_already_refunded => [
        refund => 'CLIENT-REFUND_TOO_MUCH' ],
    st_err_400_payment_intent_unexpected_state => [
        close => 'CLIENT-ORDER_STATE' ],
);

sub ask_stripe {
    my ($api, $op) = @_;
    my @of = ('/orders/T20250102', ref => 'pi_1');
    return $op eq 'create' ? $api->post('/orders', $api->order(
              method => 'app', currency => 'EUR'))
        : $op eq 'query' ? $api->get(@of)
        : $op eq 'close' ? $api->post("$of[0]/close", { ref => 'pi_1' })
        : $api->post("$of[0]/refunds", { ref => 'pi_1', amount => 1,
                                         refund_id => PaygwApi::number() });
}

for my $v (grep { $_->{kind} eq 'error_map' } cases('stripe/calls.json')) {
    my ($name, $in) = @$v{qw(name inputs)};
    my @ops = @{ $Stripe{$name} or die "no case $name" };

    while (my ($op, $code) = splice @ops, 0, 2) {
        $Peer->plan({ status => $in->{http_status}, body => $in->{body},
                      headers => $in->{headers} });
        told($Api{stripe}, ask_stripe($Api{stripe}, $op), $v, $code, $op);
        is(scalar $Peer->requests, 1, "$name: $op: once");
    }

    ran($v);
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
