# Mistakes and defects of others that concern UnionPay: each block names one
# (D2, E9, ...), and shows that it is not here.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;
use PaygwUnionpay;

use URI::Escape ();

# The same string to sign, and so the same signature, with another split:
# fold => fields that become part of the value of the one before them.

sub main::resplit {
    my ($m, %o) = @_;

    my @f = map { [ map { URI::Escape::uri_unescape(s/\+/ /gr) }
                    split /=/, $_, 2 ] } split /&/, $m->{body};
    my ($signature) = grep { $_->[0] eq 'signature' } @f;
    @f = sort { $a->[0] cmp $b->[0] } grep { $_->[0] ne 'signature' } @f;

    my @out;
    for my $f (@f) {
        if (@out && grep { $_ eq $f->[0] } @{ $o{fold} || [] }) {
            $out[-1][1] .= "&$f->[0]=$f->[1]";
        } elsif (($o{split} // '') eq $f->[0]) {
            my ($v, @more) = split /&/, $f->[1];
            push @out, [ $f->[0], $v ], map { [ split /=/, $_, 2 ] } @more;
        } elsif (@out && ($o{name} // '') eq $f->[0]) {
            my $p = pop @out;
            push @out, [ "$p->[0]=$p->[1]&$f->[0]", $f->[1] ];
        } else {
            push @out, $f;
        }
    }

    my $body = join '&', map { URI::Escape::uri_escape($_->[0]) . '='
                               . URI::Escape::uri_escape($_->[1]) }
                         @out, $signature;
    return bless { %$m, body => $body }, ref $m;
}

run_tests();

__DATA__

=== TEST 1: D2: a certificate is not trusted because it came along
--- run
# signed by itself, under the right name
refused_ok(unionpay(key => 'rogue', cert => { issuer => 'self' }), 401,
           'unknown_key, hint: certificate is signed by itself');
# and by a CA of the attacker's, whatever it is called
refused_ok(unionpay(key => 'rogue', cert => { issuer => 'fake:up_middle' }),
           401, 'unknown_key, hint: certificate bears the name of an issuer '
           . 'that did not sign it');
refused_ok(unionpay(key => 'rogue', cert => { issuer => 'fake:alipay_root' }),
           401, 'unknown_key, hint: certificate has an issuer that is not '
           . 'configured');
# and with the attacker's CA behind it
my $m = unionpay(key => 'rogue', cert => { issuer => 'fake:alipay_root' });
my $pem = $m->{params}{signPubKeyCert};
refused_ok(unionpay(key => 'rogue', pem => "$pem\r\n$pem"), 401,
           'unknown_key, hint: signPubKeyCert is not one certificate in PEM');



=== TEST 2: D2: nor is it because it was refused before, or accepted before
--- run
my %self = (key => 'rogue', cert => { issuer => 'self', serial => 77 });
for (1 .. 3) {
    ack_ok(send_callback(my $m = unionpay(%self)), 'unionpay', 401);
    ack_ok(send_callback(unionpay()), 'unionpay', 200);
    # the serial of a certificate that is kept
    ack_ok(send_callback(unionpay(key => 'rogue', cert =>
        { issuer => 'self', serial => 0x1039308534 })), 'unionpay', 401);
    ack_ok(send_callback(unionpay(key => 'rogue', cert => 'up')),
           'unionpay', 401);
}
is(shop_count(), 3);



=== TEST 3: D2: a certificate of the right CA for somebody else
--- run
# every merchant has one: the name is what tells
for my $cn ('041@8310000000083041@somebody@00016496',
            "041\@1\@x \x{4e2d}\x{56fd}\x{94f6}\x{8054}\x{80a1}\x{4efd}"
            . "\x{6709}\x{9650}\x{516c}\x{53f8}\@2",
            "\x{4e2d}\x{56fd}\x{94f6}\x{8054}\x{80a1}\x{4efd}"
            . "\x{6709}\x{9650}\x{516c}\x{53f8}")
{
    refused_ok(unionpay(key => 'rogue', cert => { cn => $cn }), 401,
               'unknown_key, hint: certificate is of another name');
}
ack_ok(send_callback(unionpay()), 'unionpay', 200);



=== TEST 4: D2: a certificate that is kept ends while it is kept
--- run
# valid for six seconds from now
my $seconds = 6 * $PaygwTest::Slow;
my %short = (key => 'rogue', cert => { serial => 9,
                                       end => $seconds / 86400 });
my $m = unionpay(%short);
ack_ok(send_callback($m), $m, 200, 'good');
my $pem = $m->{params}{signPubKeyCert};
Time::HiRes::sleep($seconds + 1);
ack_ok(send_callback(my $n = unionpay(key => 'rogue', pem => $pem)),
       'unionpay', 401, 'over');
is((results(2))[-1], 'refused unknown_key');
like(error_log_text(), qr/hint: certificate or its issuer is expired/);



=== TEST 5: E9: no JSON, no charset, no transType
--- callback
unionpay(headers => { 'Content-Type' => 'application/json' },
         body => '{"signMethod":"01","merId":"777290058110097"}'),
unionpay(body => '{"signMethod":"01","merId":"777290058110097"}'),
unionpay(params => { txnType => undef, transType => '01' })
--- ack: 415 400 400
--- shop: 0



=== TEST 6: E9: 11 and 12 are hashes with a secret, and not what a message says
--- run
# anyone can do these
for my $method ('11', '12') {
    my $m = unionpay(sign_method => $method, secret => 'up_secure');
    ack_ok(send_callback($m), $m, 401);
}
is(join(', ', results(2)), join ', ', ('refused sign_type') x 2);
is(shop_count(), 0);



=== TEST 7: D3: a form field that is there twice is refused
--- callback
unionpay(append => [ [ 'txnAmt', '1' ] ]),
unionpay(prepend => [ [ 'txnAmt', '1' ] ]),
unionpay(append => [ [ 'signPubKeyCert', 'x' ] ]),
unionpay(tamper => [ [ 'txnAmt=', 'txn%41mt=1&txnAmt=' ] ])
--- ack: 400 400 400 400
--- result
refused duplicate_field
refused duplicate_field
refused duplicate_field
refused duplicate_field
--- shop: 0



=== TEST 8: D3: one signed string has one reading: fields in another order
--- run
my $m = unionpay();
ack_ok(send_callback(main::resplit($m)), $m, 200);
is(shop_count(), 1);



=== TEST 9: D3: one signed string has one reading: what is folded away
--- run
my $n = 0;
for ([ 'origQryId', type => 'refund' ], [ 'settleAmt' ], [ 'respMsg' ],
     [ 'encoding' ], [ 'currencyCode', type => 'refund' ])
{
    my ($field, %o) = @$_;
    my $m = main::resplit(unionpay(%o), fold => [ $field ]);
    ack_ok(send_callback($m), $m, 400, $field);
    is((results(++$n))[-1], 'refused malformed', $field);
    $m = main::resplit(unionpay(%o), name => $field);
    ack_ok(send_callback($m), $m, 400, "a name that holds $field");
    results(++$n);
}
is(shop_count(), 0);
my @said = error_log_text()
    =~ /unionpay callback of channel "\w+" with a good signature hides another/g;
is(scalar @said, 5);



=== TEST 10: D3: one signed string has one reading: what is unfolded
--- run
my $m = unionpay(params => { reqReserved => 'x&txnAmt=1' });
ack_ok(send_callback($m), $m, 400, 'as it was sent');
ack_ok(send_callback(main::resplit($m, split => 'reqReserved')), $m, 400);
$m = unionpay(params => { orderId => 'x&origQryId=1', txnType => '04' });
ack_ok(send_callback($m), $m, 400, 'as it was sent');
is(shop_count(), 0);



=== TEST 11: D6, D7: what is missing or empty does not skip the verification
--- callback
unionpay(signature => undef), unionpay(signature => ''),
unionpay(signature => ' '), unionpay(signature => '===='),
unionpay(signature => undef, change => { signMethod => undef }),
unionpay(signature => undef, change => { version => undef }),
unionpay(change => { signPubKeyCert => undef }),
unionpay(change => { signPubKeyCert => '' }),
unionpay(change => { respCode => undef })
--- ack: 401 401 401 401 401 401 401 401 401
--- shop: 0



=== TEST 12: D9: a version or method that is not known accepts nothing
--- callback
unionpay(params => { version => '5.0.0' }, digest => 'SHA1'),
unionpay(params => { signMethod => '02' }),
unionpay(params => { signMethod => 'NONE' })
--- ack: 401 401 401
--- result
refused sign_type
refused sign_type
refused sign_type
--- shop: 0



=== TEST 13: D10: no success is said before the signature was checked
--- config
    location = /notify/unionpay {
        paygw_notify unionpay;
        return 200 ok;
    }
--- callback
unionpay(key => 'rogue', cert => 'up'), unionpay()
--- ack: 401 200
--- shop: 0



=== TEST 14: D11: a good signature for another merchant
--- callback
unionpay(merid => '777290058110048')
--- ack: 403
--- result: refused unknown_account
--- shop: 0



=== TEST 15: D12: a forged copy does not keep the genuine callback out
--- run
my $m = unionpay();
my $copy = bless { %$m }, ref $m;
$copy->{body} =~ s/txnAmt=8888/txnAmt=9999/;
ack_ok(send_callback($copy), $copy, 401, 'forged') for 1 .. 3;
ack_ok(send_callback($m), $m, 200, 'genuine');
is(shop_count(), 1);



=== TEST 16: D13: no request changes what the next one is checked against
--- run
my @m = (unionpay(), unionpay(key => 'rogue', cert => 'up'),
         unionpay(key => 'rogue', cert => { issuer => 'self' }),
         unionpay(key => 'rogue', cert => { cn => '1@2@3' }),
         unionpay(sign_method => '11'), unionpay(merid => '1'),
         unionpay(key => 'rogue', cert => { end => -1 }),
         unionpay(params => { signPubKeyCert => undef }),
         unionpay(append => [ [ 'signature', '' ] ]));
my @want = (200, 401, 401, 401, 401, 403, 401, 401, 400);
for my $i (0 .. $#m) {
    for my $k (0 .. $#m) {
        send_callback($m[$i]);
        is(send_callback($m[$k])->{status}, $want[$k], "$k after $i");
    }
}
is(shop_count(), 1);



=== TEST 17: D15: no certificate is pinned: the next one needs no restart
--- callback
unionpay(), unionpay(key => 'up_next'),
unionpay(key => 'mch', cert => { key => 'mch' }), unionpay()
--- ack: 200 200 200 200
--- shop: 4



=== TEST 18: D16: accounts at one location: each is checked by its own roots
--- http_config
    paygw_channel second {
        provider     unionpay;
        merId        777290058110048;
        root_cert    $TEST_NGINX_KEYS/alipay_root.crt;
        middle_cert  $TEST_NGINX_KEYS/alipay_ca.crt;
    }
--- config
    location = /notify/unionpay {
        paygw_notify second unionpay;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
unionpay(), unionpay(merid => '777290058110048'), unionpay()
--- ack: 200 401 200
--- result
taken
refused unknown_key
taken
--- shop: 2



=== TEST 19: D3: a replay with a field that nobody knows in an id
--- run
my $m = unionpay(params => { queryMode => '1' });
ack_ok(send_callback($m), $m, 200);
my $f = main::resplit($m, fold => ['queryMode']);
ack_ok(send_callback($f), $f, 400);
is(shop_count(), 1, 'one delivery');
--- error_log
hides another field in the value of "queryId"
