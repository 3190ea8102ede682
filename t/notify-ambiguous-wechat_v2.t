# One signature of WeChat Pay v2 fits many messages, since values are joined by
# "&" without an escape, and the same key signs what payers get to see.  And
# the callback of a refund is signed by nobody.
use strict;
use warnings;

use lib 't/lib';
use PaygwTest;

with_wxv2();

# The elements of a callback, as pairs.

sub main::elements {
    my $m = shift;
    return map { [ $_->[0], $_->[1] ] }
           map { my ($n, $v) = /^(\w+)><!\[CDATA\[(.*)\]\]>$/s; [ $n, $v ] }
           $m->{body} =~ m{<(\w+><!\[CDATA\[.*?\]\]>)</\w+>}gs;
}

sub main::with {
    my ($m, @pairs) = @_;
    my $copy = bless { %$m }, ref $m;
    $copy->{body} = '<xml>' . join('', map {
        "<$_->[0]><![CDATA[$_->[1]]]></$_->[0]>" } @pairs) . '</xml>';
    return $copy;
}

# a genuine callback with fields folded into the value of the one before them

sub main::fold {
    my ($m, @fold) = @_;

    my @f = main::elements($m);
    my ($sign) = grep { $_->[0] eq 'sign' } @f;
    my @out;
    for my $f (sort { $a->[0] cmp $b->[0] } grep { $_->[0] ne 'sign' } @f) {
        if (@out && grep { $_ eq $f->[0] } @fold) {
            $out[-1][1] .= "&$f->[0]=$f->[1]";
        } else {
            push @out, $f;
        }
    }
    return main::with($m, @out, $sign);
}

# A text of a payer's own in a message that the merchant signs and the payer
# gets to see, as the address of a contract to agree to: name of the field,
# text, then the fields behind.

sub main::oracle {
    my ($sign, @pairs) = @_;
    return main::with(wechat2(), @pairs, [ sign => $sign ]);
}

# the blocks of req_info

sub main::blocks {
    my $m = shift;
    my ($info) = $m->{body} =~ /<req_info><!\[CDATA\[([^\]]*)/;
    return unpack '(a16)*', MIME::Base64::decode_base64($info);
}

sub main::sealed {
    my ($m, @blocks) = @_;
    my $info = MIME::Base64::encode_base64(join('', @blocks), '');
    my $copy = bless { %$m }, ref $m;
    $copy->{body} =~ s/(<req_info><!\[CDATA\[)[^\]]*/$1$info/;
    return $copy;
}

run_tests();

__DATA__

=== TEST 1: the same elements in another order pass
--- callback
main::with(wechat2(), reverse main::elements(wechat2())),
main::fold(wechat2())
--- ack: 200 200
--- shop: 2



=== TEST 2: a replay that hides what its id and its age are made of
--- run
my $m = wechat2();
ack_ok(send_callback($m), $m, 200);
for my $fold ([ 'time_end' ], [ 'transaction_id' ], [ 'trade_type' ],
              [ 'time_end', 'total_fee' ], [ 'total_fee' ],
              [ 'result_code' ], [ 'fee_type' ])
{
    my $f = main::fold($m, @$fold);
    ack_ok(send_callback($f), $f, 400, "@$fold");
}
is(shop_count(), 1, 'one delivery');
--- error_log
wechat_v2 callback of channel "wxv2" with a good signature hides another field



=== TEST 3: a text of the merchant's that becomes elements
--- run
# attach comes back as it was given, and is signed so
my $m = wechat2(fields => { attach => 'x&bank_type=Y&total_fee=1' });
ack_ok(send_callback($m), $m, 400, 'as it is');
my @f = main::elements($m);
my @split = map { $_->[0] eq 'attach'
                  ? ([ attach => 'x' ], [ bank_type => 'Y' ],
                     [ total_fee => '1' ])
                  : $_->[0] =~ /^(?:bank_type|total_fee)$/ ? () : $_ } @f;
my $s = main::with($m, @split);
ack_ok(send_callback($s), $s, 401, 'as elements');
is(shop_count(), 0);



=== TEST 4: a payer's text in a message that the merchant signs
--- run
# All that the payer's text makes is in byte order, and the field behind it is
# swallowed by the last of its own: the string to sign is the same.
my $time = POSIX::strftime('%Y%m%d%H%M%S', gmtime time + 8 * 3600);
my $text = 'x&mch_id=10000100&out_trade_no=O1&result_code=SUCCESS'
    . "&return_code=SUCCESS&time_end=$time&total_fee=1&transaction_id=T1"
    . '&zz=';
my $genuine = wechat2(fields => {
    (map { ($_ => undef) } qw(nonce_str return_code result_code openid
        is_subscribe trade_type bank_type fee_type total_fee cash_fee attach
        transaction_id out_trade_no time_end)),
    contract_display_account => $text, notify_url => 'https://shop.example/',
    version => '1.0' });
my ($sign) = map { $_->[1] } grep { $_->[0] eq 'sign' }
             main::elements($genuine);
my $forged = main::oracle($sign, [ appid => 'wxd930ea5d5a258f4f' ],
    [ contract_display_account => 'x' ], [ mch_id => '10000100' ],
    [ out_trade_no => 'O1' ], [ result_code => 'SUCCESS' ],
    [ return_code => 'SUCCESS' ], [ time_end => $time ],
    [ total_fee => '1' ], [ transaction_id => 'T1' ],
    [ zz => '&mch_id=10000100&notify_url=https://shop.example/&version=1.0' ]);
ack_ok(send_callback($forged), $forged, 400, 'forged');
ack_ok(send_callback($genuine), $genuine, 400, 'as it is');
is(shop_count(), 0);
--- error_log
hides another field in the value of "zz"



=== TEST 5: an ampersand that hides nothing passes
--- callback
wechat2(fields => { attach => 'a&b=c & d=e&uid=5&total_feex=1&total_fee' })
--- ack: 200
--- shop: 1



=== TEST 6: what else the key signs is no callback
--- run
# the parameters of a client, an order, the answers to an order and a refund
my @no = map { ($_ => undef) } qw(result_code openid is_subscribe trade_type
    bank_type fee_type total_fee cash_fee attach transaction_id out_trade_no
    time_end);
my @cases = (
    [ 403, @no, return_code => undef, appid => undef, mch_id => undef,
      appId => 'wxd930ea5d5a258f4f', timeStamp => '1', signType => 'MD5' ],
    [ 403, @no, return_code => undef, mch_id => undef,
      partnerid => '10000100', prepayid => 'wx1', package => 'Sign=WXPay' ],
    [ 400, @no, return_code => undef, out_trade_no => 'O', total_fee => '1',
      body => 'x', trade_type => 'NATIVE' ],
    [ 400, @no, out_trade_no => 'O', total_fee => '1',
      result_code => 'SUCCESS', transaction_id => 'T', refund_id => 'R',
      refund_fee => '1' ],
);
for (@cases) {
    my ($status, @fields) = @$_;
    my $m = wechat2(fields => { @fields });
    ack_ok(send_callback($m), $m, $status);
}
is(shop_count(), 0);



=== TEST 7: a message is signed or sealed, never both
--- run
my $r = wechat2(type => 'refund');
my ($info) = map { $_->[1] } grep { $_->[0] eq 'req_info' }
             main::elements($r);
my $good = wechat2();
for my $m (
    wechat2(fields => { req_info => $info }),
    wechat2(append => [ [ 'req_info', $info ] ]),
    wechat2(append => [ [ 'req_info', '' ] ]),
    wechat2(sign => 'A' x 32, append => [ [ 'req_info', $info ] ]),
    wechat2(type => 'refund', append => [ [ 'sign', '' ] ]))
{
    ack_ok(send_callback($m), $m, 400);
}
# a payment whose signature was replaced by a seal is a refund at most
my $p = main::with($good, (grep { $_->[0] ne 'sign' }
                           main::elements($good)), [ req_info => $info ]);
ack_ok(send_callback($p), $p, 200);
my ($got) = shop_requests(1);
is(shop_header($got, 'X-Paygw-Event-Type'), 'refund');
is(shop_header($got, 'X-Paygw-Confirm'), 'query');
is(shop_header($got, 'X-Paygw-Order-Id'), $r->{order_id});
unlike(shop_body($got), qr/$good->{order_id}/);



=== TEST 8: nothing from around req_info gets into the event
--- run
my $m = wechat2(type => 'refund', append => [ [ 'refund_fee', '99' ],
    [ 'out_trade_no', 'evil' ], [ 'result_code', 'SUCCESS' ],
    [ 'total_fee', '1' ], [ 'x', 'evil' ] ]);
ack_ok(send_callback($m), $m, 200);
my ($r) = shop_requests(1);
is(shop_header($r, 'X-Paygw-Refund-Amount'), 40);
unlike(shop_body($r), qr/evil/);



=== TEST 9: blocks of other refunds: no place of the genuine one is taken
--- run
# two refunds of one length, which differ in their amounts alone: a block of
# the one fits into the other, and ECB does not show it
my %same = (order_id => 'O9', trade_no => 'T9', refund_id => 'R9',
            refund_no => 'N9');
my $small = wechat2(type => 'refund', %same, amount => 900, refund => 100);
my $large = wechat2(type => 'refund', %same, amount => 900, refund => 899,
    inner => { success_time => $small->{inner}{success_time} });
my @s = main::blocks($small);
my @l = main::blocks($large);
is(scalar @s, scalar @l);
my @differ = grep { $s[$_] ne $l[$_] } 0 .. $#s;
ok(@differ >= 2, 'fee and settlement fee');
my @mixed = @s;
$mixed[$differ[-1]] = $l[$differ[-1]];
my $forged = main::sealed($small, @mixed);
# it opens: this is why such an event has to be confirmed
my $res = send_callback($forged);
is($res->{status}, 200);
# and the genuine one is no repeat of it
ack_ok(send_callback($small), $small, 200);
ack_ok(send_callback($small), $small, 200, 'a repeat');
my @got = shop_requests(2);
is(scalar @got, 2);
is(shop_header($_, 'X-Paygw-Confirm'), 'query') for @got;
isnt(shop_header($got[0], 'X-Paygw-Event-Id'),
     shop_header($got[1], 'X-Paygw-Event-Id'));
like(shop_header($got[1], 'X-Paygw-Event-Id'),
     qr/^wxv2:N9-[0-9a-f]{32}:SUCCESS$/);
--- result
taken
taken
duplicate duplicate



=== TEST 10: blocks left out, doubled, turned round, of nobody
--- run
my $m = wechat2(type => 'refund');
my @b = main::blocks($m);
for my $mixed ([ @b[1 .. $#b] ], [ @b[0 .. $#b - 1] ], [ @b, $b[-1] ],
               [ $b[0], @b ], [ reverse @b ], [ @b[0 .. 4], @b[4 .. $#b] ],
               [ @b[0 .. 4], "\0" x 16, @b[5 .. $#b] ],
               [ @b[0, 2, 1, 3 .. $#b] ])
{
    my $forged = main::sealed($m, @$mixed);
    ack_ok(send_callback($forged), $forged, 401);
}
is(shop_count(), 0);
ack_ok(send_callback($m), $m, 200, 'as it was');



=== TEST 11: a block doubled within a value: a document, and no number
--- run
# "<root><transacti" "on_id><![CDATA[4" "200..."
my $m = wechat2(type => 'refund', trade_no => '4' x 28, inner_text =>
    '<root><transaction_id><![CDATA[' . '4' x 28 . ']]></transaction_id>'
    . join('', map { "<$_>1</$_>" } qw(out_trade_no out_refund_no refund_id
                                       refund_status total_fee refund_fee))
    . '</root>');
my @b = main::blocks($m);
my $forged = main::sealed($m, @b[0, 1, 1 .. $#b]);
ack_ok(send_callback($forged), $forged, 401);
ack_ok(send_callback($m), $m, 200, 'as it was');
is(shop_count(), 1);
--- error_log
hint: an id of the refund is no id



=== TEST 12: the bytes of a refund that was sent elsewhere
--- http_config
    paygw_channel second {
        provider   wechat_v2;
        appid      wxsecond;
        mchid      10000200;
        api_key    file:$TEST_NGINX_KEYS/wxv2_next.key;
        sign_type  MD5;
    }
--- config
    location = /notify/wxv2 {
        paygw_notify wxv2 second;
        proxy_pass   http://127.0.0.1:$TEST_NGINX_SHOP_PORT;
    }
--- callback
wechat2(type => 'refund', mchid => '10000200', appid => 'wxsecond'),
wechat2(type => 'refund', mchid => '10000200', appid => 'wxsecond',
        key => 'wxv2_next')
--- ack: 401 200
--- result
refused decrypt
taken
--- shop
[ { header => { 'X-Paygw-Channel' => 'second' } } ]



=== TEST 13: a replay with a field that nobody knows in the number of the trade
--- run
my $m = wechat2(fields => { version => '1.0', trade_z => '1' });
ack_ok(send_callback($m), $m, 200);
for my $field ('version', 'trade_z') {
    my $f = main::fold($m, $field);
    isnt($f->{body}, $m->{body}, "$field: folded");
    ack_ok(send_callback($f), $f, $field eq 'version' ? 400 : 200, $field);
}
is(shop_count(), 1, 'one delivery');
--- error_log
hides another field in the value of "transaction_id"
