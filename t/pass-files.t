# paygw_pass of files that nobody signs: they stream, and the end of one that
# is not the expected one is held back.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwFiles qw(content sha begin_fetch end_fetch fetch);
use PaygwNginx;
use PaygwPeer qw(call problem_ok);
use PaygwProcess ();
use PaygwTest ();

my $Slow = $PaygwNginx::Slow;
my $Files = PaygwFiles->start;
my $File = '/wx/v3/billdownload/file?token=';
my $Size = 300_000;
my $Plain = content($Size);
my %Sha1 = ('X-Expected-Hash' => 'sha1=' . sha(1, $Plain));
my $N = 0;
my $H2 = PaygwProcess::free_port();

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
        . "    paygw_answer_max 16k;\n"
        . "    log_format k '\$paygw_result \$paygw_reason \$status';\n"
        . $Files->channel
        . $Files->channel(-name => 'quick', proxy_read_timeout => '300ms'),
    server => "listen 127.0.0.1:$H2 http2;"
        . 'access_log logs/k.log k;'
        . 'location = /metrics { paygw_metrics; }'
        . 'location /wx/ { paygw_pass wxpay; }'
        . 'location /quick/ { paygw_pass quick; }'
        . 'location /small/ { paygw_pass wxpay; paygw_download_max 100000; }'
        . 'location /any/ { paygw_pass wxpay; paygw_download_max 0; }'
        . 'location /deadline/ { paygw_pass wxpay; paygw_deadline '
        . $Slow . 's; }'
        . 'location /zip/ { paygw_pass wxpay; gzip on; gzip_types *; '
        . 'gzip_min_length 1; }');

sub get {
    my ($args, %o) = @_;
    my $token = 't' . ++$N;
    my $at = $o{at} // $File;
    my $res = fetch($Nginx, "$at$token&size=$Size&$args", %o);
    $res->{token} = $token;
    return $res;
}

sub whole_ok {
    my ($res, $data, $how, $what) = @_;
    is(join(' ', $res->{status}, $res->{whole}, length $res->{body},
            $res->{header}{'x-paygw-verified'} // '-'),
       join(' ', 200, 1, length $data, $how), "$what: all of it");
    ok($res->{body} eq $data, "$what: as it is");
}

# the caller has a part of the file, and sees that it is a part

sub cut_ok {
    my ($res, $re, $what) = @_;
    is("$res->{status} $res->{whole} $res->{closed}", '200 0 1',
       "$what: no end");
    ok($Nginx->wait_for(sub { $Nginx->log =~ $re }), "$what: log");
}

sub logged {
    my ($re, $what) = @_;
    my @lines;
    ok($Nginx->wait_for(sub {
        open my $fh, '<', "$Nginx->{dir}/logs/k.log" or return 0;
        @lines = <$fh>;
        return @lines && $lines[-1] =~ $re;
    }, 5), $what) or diag($lines[-1]);
}


# -- without a hash: as it comes, and it may be larger than an answer --

whole_ok(get(''), $Plain, 'none', 'length');
logged(qr/^passed - 200$/, 'length: result');
whole_ok(get('frame=chunked'), $Plain, 'none', 'chunked');
whole_ok(get('', http10 => 1), $Plain, 'none', 'HTTP/1.0');
whole_ok(get('', at => '/any/v3/billdownload/file?token='), $Plain, 'none',
         'no limit');

{
    my $res = get('');
    is($res->{header}{'content-length'}, $Size, 'length: told');
    is($res->{header}{'content-type'}, 'application/octet-stream',
       'length: type');
    is($res->{header}{'accept-ranges'}, undef, 'length: no ranges');
    my $head = $Files->note($res->{token})->{head};
    like($head, qr/^Authorization: WECHATPAY2-SHA256-RSA2048 /m,
         'the request is signed');
}

{
    my $res = get('', heads => { Range => 'bytes=0-9',
                                 'X-Expected-Hash' => $Sha1{
                                                      'X-Expected-Hash'} });
    whole_ok($res, $Plain, 'sha1', 'range: not passed');
    my $head = $Files->note($res->{token})->{head};
    unlike($head, qr/^(?:Range|X-Expected-Hash)/mi, 'range: nor its field');
}


# -- with the hash that is expected --

for my $frame (qw(length chunked)) {
    whole_ok(get("frame=$frame", heads => \%Sha1), $Plain, 'sha1',
             "sha1, $frame");
    whole_ok(get("frame=$frame&piece=7", heads => {
                 'X-Expected-Hash' => 'SHA256=' . uc sha(256, $Plain) }),
             $Plain, 'sha256', "sha256, $frame, in small pieces");

    cut_ok(get("frame=$frame&flip=1", heads => \%Sha1),
           qr/"wxpay" is not to be used, [^\n]* after $Size bytes: it has an/,
           "another file, $frame");
    logged(qr/^unverified signature 200$/, "another file, $frame: result");
}

like(fetch($Nginx, '/metrics')->{body},
     qr/^paygw_orders_total\{[^}]*result="unverified",reason="signature"\} 2$/m,
     'another file: counted');

# all but its last byte is there, as far as a length has been told

is(length get('flip=1', heads => \%Sha1)->{body}, $Size - 1,
   'another file: the last byte is missing');


# -- gzip: the hash is that of what is in it, or of the file --

for my $n (1, 3) {
    my $res = get("gzip=$n&frame=chunked", heads => \%Sha1);
    is("$res->{status} $res->{whole}", '200 1', "gzip, $n: by what is in it");
    isnt(index($res->{body}, "\x1f\x8b"), -1, "gzip, $n: as it is");
    $res = get("gzip=$n", heads => {
        'X-Expected-Hash' => 'sha1=' . sha(1, $res->{body}) });
    is("$res->{status} $res->{whole}", '200 1', "gzip, $n: by itself");
}

# what is in it is large, and the file small enough to be held back

problem_ok({ %{ get("gzip=1&flip=1&frame=$_", heads => \%Sha1) }, raw => '' },
           502, 'PROVIDER-UNVERIFIED', "gzip, another file, $_")
    for qw(length chunked);


# -- files that end early --

for my $frame (qw(length chunked)) {
    cut_ok(get("frame=$frame&cut=200000"), qr/the rest is missing/,
           "cut, $frame");
    logged(qr/^unanswered - 200$/, "cut, $frame: result");
}

cut_ok(get('stall=200000', at => '/quick/v3/billdownload/file?token='),
       qr/channel "quick" is not to be used[^\n]*: the rest is missing/,
       'stalls');

cut_ok(get("frame=chunked&stall=200000&gzip=0", heads => \%Sha1,
           at => '/quick/v3/billdownload/file?token='),
       qr/the rest is missing/, 'stalls, chunked');


# -- the deadline is over the head --

{
    my $res = get('slow=' . 120 * $Slow, heads => \%Sha1,
                  at => '/deadline/v3/billdownload/file?token=');
    whole_ok($res, $Plain, 'sha1', 'longer than the deadline');
}


# -- paygw_download_max --

{
    my $at = '/small/v3/billdownload/file?token=';
    my $res = get('', at => $at);
    problem_ok({ %$res, raw => '' }, 502, 'PROVIDER-UNVERIFIED', 'too long');
    like($Nginx->log, qr/it is longer than paygw_download_max/,
         'too long: log');
    cut_ok(get('frame=chunked', at => $at),
           qr/after \d{5} bytes: it is longer than paygw_download_max/,
           'too long, chunked');
    logged(qr/^unverified too_large 200$/, 'too long, chunked: result');
}


# -- what does not stream is held back, as any answer --

for my $case ([ 'frame=eof' ], [ 'frame=chunked', http10 => 1 ],
              [ 'coding=gzip' ])
{
    my ($args, @more) = @$case;
    my $res = get($args, @more);
    problem_ok({ %$res, raw => '' }, 502, 'PROVIDER-UNVERIFIED',
               "held, $args: longer than an answer");

    my $small = content(5000);
    my $uri = $File . "h&size=5000&$args";
    my $hash = sha(1, $small);
    whole_ok(fetch($Nginx, $uri, @more, heads => {
                 'X-Expected-Hash' => "sha1=$hash" }), $small, 'sha1',
             "held, $args");
    problem_ok({ %{ fetch($Nginx, "$uri&flip=1", @more, heads => {
                     'X-Expected-Hash' => "sha1=$hash" }) }, raw => '' },
               502, 'PROVIDER-UNVERIFIED', "held, $args, another file");
}

{
    my $none = sha(1, '');
    my $uri = $File . 'e&size=0';
    my $res = fetch($Nginx, $uri, heads => { 'X-Expected-Hash' =>
                                             "sha1=$none" });
    is("$res->{status} $res->{whole} $res->{body}", '200 1 ', 'empty');
    problem_ok({ %{ fetch($Nginx, $uri, heads => \%Sha1) }, raw => '' },
               502, 'PROVIDER-UNVERIFIED', 'empty, another file');
}

problem_ok({ %{ get('signed=1') }, raw => '' }, 502, 'PROVIDER-UNVERIFIED',
           'with a signature that is none');
problem_ok({ %{ get('status=201') }, raw => '' }, 502,
           'PROVIDER-UNVERIFIED', 'another status');


# -- what is asked for --

for my $bad ('sha1=00', 'md5=' . '0' x 32, 'sha1=' . 'g' x 40, 'sha1',
             '', sha(1, 'x'), 'sha256=' . '0' x 40)
{
    problem_ok({ %{ get('', heads => { 'X-Expected-Hash' => $bad }) },
                 raw => '' }, 400, 'CLIENT-BAD_REQUEST', "hash \"$bad\"",
               message => qr/X-Expected-Hash must be/);
}

problem_ok({ %{ get('', heads => { %Sha1, 'x-expected-hash' => 'sha1=' . '0'
                                                                x 40 }) },
             raw => '' }, 400, 'CLIENT-BAD_REQUEST', 'two hashes');

for my $uri ('/wx/v3/certificates', '/wx/v3/billdownload/files?token=1',
             '/wx/v3/billdownload/file/x?token=1')
{
    problem_ok({ %{ fetch($Nginx, $uri, heads => \%Sha1) }, raw => '' },
               400, 'CLIENT-BAD_REQUEST', "$uri is no download",
               message => qr/this call is none/);
}

# a path that is not of the list does not stream, whatever comes of it

problem_ok({ %{ fetch($Nginx, "/wx/v3/other?size=$Size") }, raw => '' }, 502,
           'PROVIDER-UNVERIFIED', 'another path');
is(fetch($Nginx, $File, method => 'HEAD')->{status}, 405, 'HEAD');


# -- filters of nginx, and a connection that is kept --

{
    my $res = get('', at => '/zip/v3/billdownload/file?token=',
                  heads => { %Sha1, 'Accept-Encoding' => 'gzip' });
    is("$res->{status} $res->{whole}", '200 1', 'gzip on: an end');
    is($res->{header}{'content-encoding'}, 'gzip', 'gzip on');
    $res = get('flip=1', at => '/zip/v3/billdownload/file?token=',
               heads => { %Sha1, 'Accept-Encoding' => 'gzip' });
    is($res->{whole}, 0, 'gzip on, another file');
}

{
    my $s = begin_fetch($Nginx, "${File}k&size=$Size", keep => 1);
    print $s "GET ${File}k&size=1000&frame=chunked HTTP/1.1\r\nHost: x\r\n"
        . "Connection: close\r\n\r\n";
    $s->flush;
    my $res = end_fetch($s);
    my $next = substr $res->{body}, $Size;
    ok(index($res->{body}, $Plain) == 0, 'kept: the first one');
    like($next, qr/^HTTP\/1\.1 200 OK\r\n/, 'kept: the next one follows');
    is(substr($next, index($next, "\r\n\r\n") + 4), content(1000),
       'kept: as it is');
}


# -- HTTP/2 has an end of its own, or a reset --

for my $case ([ '', 0 ], [ 'frame=chunked', 0 ], [ 'flip=1', 1 ],
              [ 'frame=chunked&flip=1', 1 ], [ 'frame=chunked&cut=200000', 1 ])
{
    my ($args, $fails) = @$case;
    open my $fh, '-|', 'curl', qw(-s --max-time 60 --http2-prior-knowledge),
         '-H', "X-Expected-Hash: $Sha1{'X-Expected-Hash'}",
         "http://127.0.0.1:$H2${File}h&size=$Size&$args" or die "curl: $!";
    my $got = do { local $/; <$fh> } // '';
    close $fh;
    is($? ? 1 : 0, $fails, "HTTP/2, \"$args\": told by its end");
    ok($got eq $Plain, "HTTP/2, \"$args\": as it is") if !$fails;
}

unlike($Nginx->log, qr/\[(?:alert|emerg|crit)\]/, 'no alerts');

done_testing();
