# An answer with one byte changed, at every position: the caller never sees
# anything of a provider but what was signed, as it was signed.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use JSON::PP ();

use PaygwNginx;
use PaygwPeer ();

my $Peer = PaygwPeer->start;
my $Step = $ENV{TEST_NGINX_USE_VALGRIND} ? 11 : 1;
my $Url = 'http://127.0.0.1:' . $Peer->listen;

my $Nginx = PaygwNginx->start(
    level => 'error',
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    keepalive_requests 100000;\n"
        . $Peer->wechat($Url) . $Peer->alipay($Url)
        . $Peer->alipay_cert($Url, -name => 'cert'),
    server => 'location /wx/ { paygw_pass wxpay; }'
        . 'location /a/ { paygw_pass alipay; }'
        . 'location /c/ { paygw_pass cert; }');

my %Form = (method => 'POST',
            body => 'method=alipay.trade.query&biz_content=%7B%7D',
            heads => { 'Content-Type' =>
                           'application/x-www-form-urlencoded' });

# POST: what is not read again is asked for once

my @Cases = (
    [ 'wechat', { method => 'POST', target => '/wx/v3/transfer/x',
                  body => '{}', answer => {} } ],
    [ 'wechat error', { method => 'POST', target => '/wx/v3/transfer/x',
                        body => '{}', answer =>
                            { status => 404, body =>
                              '{"code":"NO","message":"MARK"}' } } ],
    [ 'wechat chunked', { method => 'POST', target => '/wx/v3/transfer/x',
                          body => '{}', answer => { chunked => 9 } } ],
    [ 'alipay', { %Form, target => '/a/', answer => {} } ],
    [ 'alipay certificate', { %Form, target => '/c/', answer =>
                                  { sn => 'alipay' } } ],
    [ 'alipay close', { %Form, target => '/a/', answer => { close => 1 } } ],
);

for my $case (@Cases) {
    my ($name, $c) = @$case;

    # another bit for each case: a letter of the other case, another letter

    for my $bits (1, 0x20) {
        my $got = $Peer->do('flip', port => $Nginx->{port}, bits => $bits,
                            step => $Step, %$c);

        is($got->{again}, $got->{good}, "$name: the answer is taken as it is");
        like($got->{same}, qr/MARK/, "$name: and passed");
        is(JSON::PP->new->encode($got->{leaks}), '[]',
           "$name $bits: nothing else is ever seen");

        my $head = length $got->{head};
        my @body = grep { $_ >= $head } @{ $got->{passed} };

        # a byte of what is signed, or of the signature

        my %safe;
        while ($got->{head} =~ /^(Wechatpay-\w+): (.*?)\r\n/mg) {
            next if $1 eq 'Wechatpay-Signature-Type';
            $safe{$_} = $1 for $-[0] .. $+[2] - 1;
        }

        # a name in capitals is the same name

        is(join(' ', grep { $safe{$_} && !($bits == 0x20
                               && substr($got->{head}, $_, 200)
                                  =~ /^[A-Za-z-]*: /) }
                @{ $got->{passed} }), '', "$name $bits: fields");

        cmp_ok($got->{refused}, '>', 400 / $Step, "$name $bits: refused");
        # between the pieces there are sizes, and names of no meaning

        cmp_ok(scalar @body, '<=', $name =~ /chunked/ ? 40 : 0,
               "$name $bits: body")
            or diag("@body of $got->{length}, head $head");

        note("$name $bits: $got->{length} positions, $got->{refused} "
             . 'refused, ' . @{ $got->{passed} } . ' passed unchanged');
    }
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
