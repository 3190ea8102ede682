# Requests to gateways that are known by configuration alone: those of the
# vectors are signed by a channel, with the nonce and time of the vector, so
# that the signature is the same.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Copy ();
use File::Temp ();
use JSON::PP ();

use PaygwCases qw(cases ran);
use PaygwNginx;
use PaygwPeer qw(call);
use PaygwTest ();

my $Data = "$PaygwTest::Root/t/data/generic";
my $Json = JSON::PP->new->canonical;
my $Tmp = File::Temp::tempdir('paygw-gen-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Peer = PaygwPeer->start;
my $Url = 'http://127.0.0.1:' . $Peer->listen;
my %V = map { ($_->{name} => $_) } cases('generic/notify.json');

sub secret {
    my ($name, $text) = @_;
    open my $fh, '>:raw', "$Tmp/$name" or die $!;
    print $fh $text;
    close $fh;
    chmod 0600, "$Tmp/$name";
    return "file:$Tmp/$name";
}

File::Copy::copy("$Data/douyin_app_key.pem", "$Tmp/douyin.pem") or die $!;
chmod 0600, "$Tmp/douyin.pem";

# nobody looks at the answers

my $Key = secret('answer', 'x' x 32);
my %Answer = (
    endpoint => $Url, paygw_breaker => 'off', paygw_retry => 'off',
    answer_algorithm => 'hmac(sha256)', answer_key => $Key,
    answer_signature => 'header(X-Answer) hex',
    answer_signed => q('join("\n", sent(body), body)'),
);

my $Line = secret('line', $V{linepay_post}{inputs}{channel_secret});
my $Salt = secret('salt', $V{douyin_ecpay_request}{inputs}{salt});
my $Nonce = 'header(X-LINE-Authorization-Nonce)';
my %Line = (
    %Answer,
    request_algorithm => 'hmac(sha256)', request_key => $Line,
    request_header => [ q(X-LINE-ChannelId '"1234567890"'),
                        'X-LINE-Authorization signature(base64)' ],
    request_pass => 'X-LINE-Authorization-Nonce',
);

my $Trade = $V{douyin_trade_request}{inputs};
my %Channel = (
    post => { %Line, request_signed =>
              qq('concat(secret, path_raw, body, $Nonce)') },
    get => { %Line, answer_signed => q('join("\n", sent(query_raw), body)'),
             request_signed =>
             qq('concat(secret, path_raw, query_raw, $Nonce)') },
    trade => {
        %Answer,
        request_algorithm => 'rsa_sha256',
        request_private_key => "$Tmp/douyin.pem",
        request_pass => 'X-Time X-Nonce',
        request_header => qq{Byte-Authorization 'concat(
            \\'SHA256-RSA2048 appid="$Trade->{appid}",nonce_str="\\',
            header(X-Nonce), \\'",timestamp="\\', header(X-Time),
            \\'",key_version="$Trade->{key_version}",signature="\\',
            signature(base64), \\'"\\')'},
        request_signed => q{'concat(method, "\n", target_raw, "\n",
            header(X-Time), "\n", header(X-Nonce), "\n", body, "\n")'},
    },
    ecpay => {
        %Answer,
        request_algorithm => 'digest(md5)', request_key => $Salt,
        request_json => 'sign signature(hex)',
        request_signed => q{'sorted("&", secret, json(/out_order_no),
            json(/total_amount), json(/subject), json(/body),
            json(/valid_time), json(/notify_url))'},
    },
);

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . join('', map { PaygwPeer::channel($_, 'generic',
                                            %{ $Channel{$_} }) }
                   sort keys %Channel),
    server => join ' ', map { "location /$_/ { paygw_pass $_ /; }" }
              sort keys %Channel);

# what was sent

sub sent {
    my ($channel, $method, $target, $body, %heads) = @_;
    $Peer->plan({});
    call($Nginx, $method => "/$channel$target", body => $body // '',
         heads => { length($body // '') ? ('Content-Type' =>
                    'application/json') : (), %heads });
    my ($r) = $Peer->requests;
    is($r->{method} . ' ' . $r->{target}, "$method $target", "$channel: sent");
    return $r;
}


# -- LINE Pay: secret, path, body or query, and nonce, one behind the other --

for my $name (qw(linepay_post linepay_get)) {
    my $v = $V{$name};
    my $in = $v->{inputs};
    my $target = $in->{path} . (length $in->{query} ? "?$in->{query}" : '');
    my $r = sent(lc $in->{method}, $in->{method}, $target, $in->{body},
                 'X-LINE-Authorization-Nonce' => $in->{nonce});

    is($r->{body}, $in->{body}, "$name: body");
    is($r->{head}{'x-line-authorization'}, $v->{signature},
       "$name: the same signature");
    my %want = %{ $v->{expect}{headers} // {} };
    is($r->{head}{lc $_}, $want{$_}, "$name: $_") for sort keys %want;
    ran($v);
}


# -- Douyin: five lines, RSA --

{
    my $v = $V{douyin_trade_request};
    my $r = sent('trade', $Trade->{method}, $Trade->{uri}, $Trade->{body},
                 'X-Time' => $Trade->{timestamp},
                 'X-Nonce' => $Trade->{nonce});
    is($r->{head}{'byte-authorization'}, 'SHA256-RSA2048 '
       . qq{appid="$Trade->{appid}",nonce_str="$Trade->{nonce}",}
       . qq{timestamp="$Trade->{timestamp}",}
       . qq{key_version="$Trade->{key_version}",}
       . qq{signature="$v->{signature}"}, "$v->{name}: the same signature");
    is($r->{body}, $Trade->{body}, "$v->{name}: body");
    ran($v);
}


# -- and its old API: values alone, in their order, the salt one of them --

{
    my $v = $V{douyin_ecpay_request};
    my $params = $v->{inputs}{params};
    my $r = sent('ecpay', 'POST', '/api/apps/ecpay/v1/create_order',
                 $Json->encode($params));
    is_deeply($Json->decode($r->{body}), { %$params, sign => $v->{signature} },
              "$v->{name}: the same signature");
    ran($v);
}

ok($Nginx->quit, 'quits');
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
