# Alipay's string to sign joins decoded values by "&" without an escape: one
# signature fits many forms.  None but the genuine one may pass.

use lib 't/lib';
use PaygwTest;

use URI::Escape ();

# A genuine callback of Alipay with another split: fold => [fields that become
# part of the value of the one before them, in byte order], split => a field
# whose value is taken apart at every "&NAME=".

sub resplit {
    my ($m, %o) = @_;

    my @f = map { [ map { URI::Escape::uri_unescape(s/\+/ /gr) }
                    split /=/, $_, 2 ] } split /&/, $m->{body};
    my ($sign) = map { $_->[1] } grep { $_->[0] eq 'sign' } @f;
    @f = sort { $a->[0] cmp $b->[0] }
         grep { $_->[0] !~ /^sign(?:_type)?$/ } @f;

    my @out;
    for my $f (@f) {
        if (@out && grep { $_ eq $f->[0] } @{ $o{fold} || [] }) {
            $out[-1][1] .= "&$f->[0]=$f->[1]";
        } elsif (@out && ($o{fold_name} // '') eq $f->[0]) {
            # NAME=VALUE of the one before becomes a part of this name
            my $p = pop @out;
            push @out, [ "$p->[0]=$p->[1]&$f->[0]", $f->[1] ];
        } elsif (($o{split} // '') eq $f->[0]) {
            my ($v, @more) = split /&/, $f->[1];
            push @out, [ $f->[0], $v ], map { [ split /=/, $_, 2 ] } @more;
        } else {
            push @out, $f;
        }
    }

    push @out, [ sign_type => 'RSA2' ], [ sign => $sign ];
    $m->{body} = join '&', map { URI::Escape::uri_escape($_->[0]) . '='
                                 . URI::Escape::uri_escape($_->[1]) } @out;
    return $m;
}

run_tests();

__DATA__

=== TEST 1: the same fields in another order and another escape pass
--- callback
main::resplit(alipay(order_id => 'A1'))
--- ack: 200
--- result: taken



=== TEST 2: a replay that hides notify_id and notify_time
--- run
my $m = alipay();
ack_ok(send_callback($m), 'alipay', 200);
main::resplit($m, fold => [qw(notify_id notify_time)]);
ack_ok(send_callback($m), 'alipay', 400);
is(shop_count(), 1, 'one delivery');
--- result
taken
refused malformed
--- error_log
alipay callback of channel "alipay" with a good signature hides another field



=== TEST 3: a replay that hides notify_time alone
--- callback
main::resplit(alipay(), fold => ['notify_time'])
--- ack: 400
--- result: refused malformed
--- error_log
hides another field in the value of "notify_id"



=== TEST 4: a refund that hides its refund
--- callback
main::resplit(alipay(type => 'refund'), fold => [qw(gmt_refund refund_fee)])
--- ack: 400
--- result: refused malformed



=== TEST 5: folded into a name
--- callback
main::resplit(alipay(), fold_name => 'notify_time')
--- ack: 400
--- result: refused malformed



=== TEST 6: a buyer's text that becomes fields
--- callback
main::resplit(alipay(params => { subject =>
    'x&total_amount=99999.00&trade_no=T&trade_status=TRADE_SUCCESS&version=1' }),
    split => 'subject')
--- ack: 400
--- result: refused duplicate_field



=== TEST 7: and in its genuine form it is refused as well, loudly
--- callback
alipay(params => { subject => 'x&total_amount=99999.00' })
--- ack: 400
--- result: refused malformed
--- error_log
hides another field in the value of "subject"



=== TEST 8: an ampersand that hides nothing passes
--- callback
alipay(params => { subject => 'a&b=c & d=e', body =>
    'https://shop.example/?x=1&order=2&trade_nox=3&total_amount' })
--- ack: 200
--- result: taken



=== TEST 9: a replay with a field that nobody knows in a state
--- run
ack_ok(send_callback(alipay(params => { trade_x => '1' })), 'alipay', 200);
ack_ok(send_callback(main::resplit(alipay(params => { trade_x => '1' }),
                                   fold => ['trade_x'])), 'alipay', 400);
is(shop_count(), 1, 'one delivery');
--- error_log
hides another field in the value of "trade_status"
