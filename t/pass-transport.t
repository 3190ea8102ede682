# The way of a call to its provider and back: connections, answers of every
# manner, callers that leave.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use MIME::Base64 ();
use JSON::PP ();
use Time::HiRes ();

use PaygwNginx;
use PaygwPeer qw(call begin_call end_call problem_ok);
use PaygwProcess ();
use PaygwTest ();

my $Peer = PaygwPeer->start;
my $Port = $Peer->listen;
my $Url = "http://127.0.0.1:$Port";
my $Create = '/wx/v3/pay/transactions/native';
my $Slow = $PaygwNginx::Slow;
my $Once = '/wx/v3/transfer/x';
my $Read = '/wx/v3/x';
my $True = JSON::PP::true;

sub start {
    my ($channel, %o) = @_;
    my $server = delete $o{server} // '';
    return PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . "    log_format k '\$paygw_result \$status';\n"
            . ($o{more} // '') . $channel,
        server => 'access_log logs/k.log k;'
            . "location /wx/ { paygw_pass wxpay; @{[$o{location} // '']} }"
            . $server, %o);
}

sub end {
    my ($nginx, $what) = @_;
    ok($nginx->quit, "$what: quits");
    unlike($nginx->log, qr/\[(?:alert|crit|emerg)\]/, "$what: no alert");
}


# -- what http{} says of proxies does not reach the calls --

{
    my $nginx = start($Peer->wechat($Url), more => <<'CONF', server => <<'SRV');
    proxy_method GET; proxy_set_header X-Leak yes; proxy_http_version 1.0;
    proxy_pass_request_body off; proxy_pass_request_headers off;
    proxy_intercept_errors on; proxy_redirect / /x; proxy_buffering off;
    proxy_request_buffering off; proxy_ignore_client_abort off;
    proxy_next_upstream error timeout http_500 http_404 non_idempotent;
    proxy_ssl_verify off; proxy_read_timeout 1ms; proxy_store on;
    proxy_hide_header Wechatpay-Nonce; client_max_body_size 10;
    error_page 404 500 502 =200 /leak; proxy_limit_rate 1;
    auth_basic "x"; auth_basic_user_file /nonexistent;
    gunzip on; add_header X-H h;
CONF
    client_max_body_size 1m; auth_basic off;
    location /leak { return 200 LEAK; }
SRV
    $Peer->plan({ delay => 0.1 });
    my $res = call($nginx, POST => $Create, body => '{"a":"0123456789"}');
    is($res->{status}, 200, 'http: passed') or diag($res->{body});
    my ($r) = $Peer->requests;
    is($r->{check}, 'ok', 'http: signed as sent');
    is($r->{method}, 'POST', 'http: method');
    is($r->{version}, 'HTTP/1.1', 'http: version');
    is($r->{head}{'x-leak'}, undef, 'http: no field');

    $Peer->plan({ status => 404, body => '{"code":"A","message":"b"}' });
    is(call($nginx, GET => $Read)->{status}, 404, 'http: no error page');
    $Peer->plan({ headers => { 'X-Accel-Redirect' => '/leak' } });
    $res = call($nginx, GET => $Read);
    is($res->{body}, '{"code_url":"weixin://MARK"}', 'http: no redirect');
    $Peer->plan({ headers => { 'X-Accel-Redirect' => '/leak' },
                  signature => 'none', body => 'file' });
    is(call($nginx, GET => '/wx/v3/billdownload/file')->{body}, 'file',
       'http: not of a file either');
    end($nginx, 'http');
}

# blocks of a location: another channel, and the same path of the API

{
    my $nginx = start($Peer->wechat($Url)
                      . $Peer->wechat($Url, -name => 'wxtwo',
                                      mchid => '1900009192'), server =>
        ' location /two/ { limit_except GET { paygw_pass wxtwo; } '
        . 'if ($arg_two) { paygw_pass wxtwo; } paygw_pass wxpay /v3/; }');
    for my $case ([ GET => '/two/x', 'pay' ], [ POST => '/two/x', 'two' ],
                  [ GET => '/two/x?two=1', 'two' ])
    {
        my ($method, $uri, $channel) = @$case;
        $Peer->plan({});
        call($nginx, $method => $uri, body => $method eq 'POST' ? '{}' : '');
        my ($r) = $Peer->requests(1);
        is("$r->{method} $r->{path}", "$method /v3/x",
           "blocks: $method $uri");
        like($r->{head}{authorization},
             $channel eq 'two' ? qr/mchid="1900009192"/
                               : qr/mchid="1900009191"/,
             "blocks: $method $uri: channel");
    }
    end($nginx, 'blocks');
}

# conditions are of things that are read, and not of what has been done

{
    my $nginx = start($Peer->wechat($Url), server =>
        'location = /decoded { set $args "a=$uri b"; paygw_pass wxpay '
        . '/v3/x; }');
    for my $head ([ 'If-Match', '"x"' ], [ 'If-None-Match', '*' ],
                  [ 'If-Unmodified-Since', 'Mon, 01 Jan 2001 00:00:00 GMT' ],
                  [ 'Range', 'bytes=0-1' ])
    {
        $Peer->plan({});
        my $res = call($nginx, POST => $Create, heads => { @$head });
        is("$res->{status} $res->{body}",
           '200 {"code_url":"weixin://MARK"}', "conditions: $head->[0]");
    }

    # what a location has made of the arguments ends no line of a request

    $Peer->plan({});
    problem_ok(call($nginx, GET => '/decoded'), 400, 'CLIENT-BAD_REQUEST',
               'decoded', message => qr/spaces or controls/);
    is(scalar $Peer->requests, 0, 'decoded: not sent');
    end($nginx, 'conditions');
}

# its own lines do

{
    my $nginx = start($Peer->wechat($Url,
        proxy_set_header => [ 'X-Trace $request_id', 'X-Two 2' ],
        proxy_read_timeout => '1500ms', proxy_connect_timeout => '5s',
        proxy_http_version => '1.1', proxy_ignore_client_abort => 'on',
        proxy_buffer_size => '64k'), more => "    proxy_buffers 2 4k;\n"
            . "    proxy_busy_buffers_size 4k; proxy_buffer_size 4k;\n"
            . "    proxy_temp_file_write_size 8k;\n");
    $Peer->plan({});
    is(call($nginx, POST => $Create)->{status}, 200, 'lines: passed');
    my ($r) = $Peer->requests;
    like($r->{head}{'x-trace'}, qr/^[0-9a-f]{32}$/, 'lines: a field');
    is($r->{head}{'x-two'}, '2', 'lines: another');
    is($r->{head}{host}, "127.0.0.1:$Port", 'lines: host still');
    is($r->{head}{connection}, undef, 'lines: connection still');
    for my $case ([ 60_000, 200 ], [ 70_000, 504 ]) {
        $Peer->plan({ headers => { 'X-Pad' => 'x' x $case->[0] } });
        is(call($nginx, POST => $Once, body => '{}')->{status}, $case->[1],
           "lines: a head of $case->[0]");
    }
    $Peer->plan({ delay => 4 });
    problem_ok(call($nginx, POST => $Create), 504, 'PROVIDER-UNANSWERED',
               'lines: a time');
    end($nginx, 'lines');
}


# -- connections are kept --

{
    my $nginx = start($Peer->wechat($Url));
    $Peer->plan;
    call($nginx, POST => $Create) for 1 .. 10;
    my %conns = map { ($_->{conn}, 1) } $Peer->requests;
    is(scalar keys %conns, 1, 'keepalive: one connection');

    # what is refused costs no connection, what is cut does

    $Peer->plan({ signature => 'bad' }, { chunked => 7 }, {},
                { cut => 3 }, {});
    is(join(' ', map { call($nginx, POST => $Once)->{status} } 1 .. 5),
       '502 200 200 504 200', 'keepalive: answers');
    my @c = map { $_->{conn} } $Peer->requests;
    is("@c[1 .. 3]", "@c[0, 0, 0]", 'keepalive: after a refusal');
    isnt($c[4], $c[3], 'keepalive: not after a cut');

    # the provider closes a kept one just when it is used again

    for my $case ([ $Create, 200, 2 ], [ $Once, 504, 1 ]) {
        my ($uri, $want, $n) = @$case;
        $Peer->plan({}, { drop => $True });
        call($nginx, POST => $uri);
        my $res = call($nginx, POST => $uri);
        is($res->{status}, $want, "reused: $uri");
        is(scalar $Peer->requests, 1 + $n, "reused: $uri: requests");
        my @got = $Peer->requests;
        is(join(' ', map { $_->{check} } @got), join(' ', ('ok') x @got),
           "reused: $uri: signed anew");
    }
    # what has begun to come is another thing, however it ends

    for my $case (
        [ 'a large head', { headers => { 'X-Pad' => 'x' x 20000 } } ],
        [ 'a head cut off', { raw => MIME::Base64::encode(
            "HTTP/1.1 200 OK\r\nContent-Le", '') } ],
        [ 'no HTTP', { raw => MIME::Base64::encode("MARK\r\n\r\n", '') } ],
    ) {
        my ($what, $plan) = @$case;
        $Peer->plan({}, $plan, {});
        is(call($nginx, POST => $Create)->{status}, 200, "reused: $what: one");
        like(call($nginx, POST => $Create)->{status}, qr/^50[24]$/,
             "reused: $what");
        my @got = $Peer->requests;
        is(scalar @got, 2, "reused: $what: is no reason to send it again");
        is($got[0]{conn}, $got[1]{conn}, "reused: $what: it was");
    }
    $Peer->plan({ drop => $True }, {});
    $nginx->reload;
    is(call($nginx, POST => $Create)->{status}, 504,
       'reused: a new connection that closes is another thing');
    end($nginx, 'keepalive');
}


# -- manners of an answer --

{
    my $nginx = start($Peer->wechat($Url, proxy_read_timeout => '2s'));
    my $big = '{"a":"' . 'x' x 200_000 . '"}';

    for my $case (
        [ 'length', {}, 200 ], [ 'chunked', { chunked => 5 }, 200 ],
        [ 'one byte', { slow => 0.002 }, 200 ],
        [ 'until the end', { close => 1 }, 200 ],
        [ 'HTTP/1.0', { http10 => 1, close => 1 }, 200 ],
        [ 'large', { body => $big }, 200 ],
        [ 'large chunked', { body => $big, chunked => 4000 }, 200 ],
        [ 'large until the end', { body => $big, close => 1 }, 200 ],
        [ 'large head', { headers => { 'X-Pad' => 'x' x 9000 } }, 200 ],
        [ 'too large head', { headers => { 'X-Pad' => 'x' x 20000 } }, 504 ],
        [ 'compressed', { gzip => $True }, 502 ],
        [ 'cut', { cut => 5 }, 504 ], [ 'cut at 0', { cut => 0 }, 504 ],
        [ 'cut chunked', { cut => 9, chunked => 5 }, 504 ],
        [ 'cut large', { cut => 100_000, body => $big }, 504 ],
        [ 'cut until the end', { cut => 5, close => 1 }, 502 ],
        [ 'too short', { length => 100, end => 1 }, 504 ],
        [ 'too long', { length => 5 }, 502 ],
        [ 'reset', { reset => $True }, 504 ],
        [ 'dropped', { drop => $True }, 504 ],
        [ 'silent', { silent => 5 }, 504 ],
        [ 'stalled', { cut => 5, stall => 5 }, 504 ],
        [ 'no HTTP', { raw => 'TUFSSw0KDQo=' }, '50[24]' ],
        [ 'an early hint', { status => 103 }, '50[24]' ],
    ) {
        my ($name, $plan, $want) = @$case;
        $Peer->plan($plan);
        my $res = call($nginx, POST => $Once, body => '{}');
        if ($want eq '200') {
            is($res->{status}, 200, "manner: $name") or diag($res->{body});
            is($res->{body}, $plan->{body} // '{"code_url":"weixin://MARK"}',
               "manner: $name: body");
            next;
        }
        like($res->{status}, qr/^$want$/, "manner: $name");
        problem_ok($res, $res->{status}, $res->{status} == 502
                   ? 'PROVIDER-UNVERIFIED' : 'PROVIDER-UNANSWERED',
                   "manner: $name");
        is(scalar $Peer->requests, 1, "manner: $name: sent once");
    }
    end($nginx, 'manner');
}


# -- callers that leave --

{
    my $nginx = start($Peer->wechat($Url));

    $Peer->plan(({ delay => 1 }) x 8);
    my @c = map { begin_call($nginx, POST => $Once, body => "{\"n\":$_}") }
            1 .. 8;
    is(scalar $Peer->requests(8), 8, 'abort: all of them are sent');
    PaygwTest::abort_client($_) for @c;

    # the work goes on: its line comes with the end

    my $lines = '';
    ok($nginx->wait_for(sub {
        open my $fh, '<', "$nginx->{dir}/logs/k.log" or return 0;
        local $/;
        $lines = <$fh> // '';
        return 8 == (() = $lines =~ /^passed /mg);
    }, 10), 'abort: the work goes on') or diag($lines);

    $Peer->plan({});
    is(call($nginx, POST => $Create)->{status}, 200, 'abort: worker alive');

    # a caller that is slow to send; one on a connection that is kept

    my $s = PaygwTest::server_connect($nginx->{port});
    print $s "POST $Once HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{";
    $s->flush;
    Time::HiRes::sleep(0.3);
    print $s "}POST $Once HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        . "Connection: close\r\n\r\n{}";
    $s->flush;
    my $c = { sock => $s, buf => '' };
    is(join(' ', map { PaygwTest::read_response($c, 0)->{status} } 1 .. 2),
       '200 200', 'two calls on one connection');
    end($nginx, 'abort');
}

# HTTP/1.0, no keep-alive, a reload while it is under way

{
    my $nginx = start($Peer->wechat($Url), workers => 2);
    $Peer->plan({ delay => 1.5 });
    my $c = begin_call($nginx, POST => $Once, http10 => 1);
    is(scalar $Peer->requests(1), 1, 'reload: under way');
    my %old = map { $_ => 1 } $nginx->workers;
    $nginx->signal('HUP');
    is(end_call($c)->{status}, 200, 'reload: finished');
    ok($nginx->wait_for(sub { my @now = $nginx->workers;
                              @now == 2 && !grep { $old{$_} } @now }, 10),
       'reload: old workers leave');
    end($nginx, 'reload');
}

# HTTP/2: several calls at once, some of which are taken back

SKIP: {
    skip 'curl without HTTP/2', 6 if `curl -V` !~ /HTTP2/;

    my $port = PaygwProcess::free_port();
    my $nginx = PaygwNginx->start(
        http => "    paygw_zone paygw:1m;\n    paygw_deadline 30s;\n"
            . "    log_format k '\$paygw_result \$status';\n"
            . $Peer->wechat($Url)
            . "    server { listen 127.0.0.1:$port http2;\n"
            . "    access_log logs/k.log k;\n"
            . "    location /wx/ { paygw_pass wxpay; } }\n");
    my $curl = 'curl -s --http2-prior-knowledge -X POST -d {}';

    $Peer->plan(({ delay => 0.3 }) x 4);
    my $out = `$curl --parallel --parallel-immediate \\
               'http://127.0.0.1:$port$Once?[1-4]' 2> /dev/null`;
    is(() = $out =~ /MARK/g, 4, 'HTTP/2: four at once');

    $Peer->plan(({ delay => 2 * $Slow }) x 4);
    system("$curl -m $Slow --parallel --parallel-immediate "
           . "http://127.0.0.1:$port$Once?[1-4] > /dev/null 2>&1");
    is(scalar $Peer->requests(4), 4, 'HTTP/2: taken back after it was sent');
    ok($nginx->wait_for(sub {
        open my $fh, '<', "$nginx->{dir}/logs/k.log" or return 0;
        my @lines = <$fh>;
        return @lines == 8;
    }, 10), 'HTTP/2: all of them end');
    $Peer->plan;
    like(`$curl http://127.0.0.1:$port$Once`, qr/MARK/,
         'HTTP/2: worker alive');
    end($nginx, 'HTTP/2');
}

done_testing();
