package PaygwTest;

# Test::Nginx::Socket plus a provider and a shop: see the end for how to write
# a block.

use strict;
use warnings;

use Test::Nginx::Socket -base;
use Test::Nginx::Util ();
use Test::More ();

use Cwd ();
use File::Basename ();
use File::Copy ();
use File::Temp ();
use IO::Handle ();
use IO::Select ();
use IO::Socket::INET ();
use IPC::Open2 ();
use JSON::PP ();
use MIME::Base64 ();
use Socket ();
use Time::HiRes ();

use PaygwProcess ();
use PaygwRedis ();

BEGIN { PaygwProcess::nginx_port() }

our @EXPORT = qw(
    wechat wechat2 alipay stripe callback_raw with_wxv2
    send_callback begin finish abort_client pipeline curl2 ack_ok
    shop_plan shop_requests shop_release shop_port shop_event shop_header
    shop_body shop_count
    results error_log_text wait_for
    redis_port redis_cmd redis_stop redis_start redis_freeze redis_unread
    redis_thaw redis_commands redis_record store_is make_cert keys_dir
    server_connect refused_ok
);

our $Root = Cwd::realpath(File::Basename::dirname(__FILE__) . '/../..');
our $Store = $ENV{PAYGW_TEST_STORE} || 'zone';
our $Slow = $ENV{TEST_NGINX_USE_VALGRIND} ? 10 : 1;
our $Pid = $$;

our ($Keys, $Peer, $PeerIn, $PeerOut, $ShopPort, $Block, $LogPos, $Prefix);
our ($Redis, $RedisPort);
our $Blocks = 0;
our @Callbacks;

# more providers: name, channel, location, ack and secrets, see PaygwUnionpay.pm
our @More;

my $json = JSON::PP->new->canonical->allow_nonref;


# -- processes that serve one test file --

sub peer {
    my ($do, %o) = @_;

    if (!$Peer) {
        $Peer = IPC::Open2::open2($PeerOut, $PeerIn, '/usr/bin/python3', '-B',
                                  "$Root/t/lib/paygw_peer.py",
                                  "$Root/t/data/keys");
        $PeerIn->autoflush(1);
        binmode $_, ':raw' for $PeerIn, $PeerOut;
    }

    print $PeerIn JSON::PP->new->ascii->encode({ %o, do => $do }), "\n";

    my $line = readline $PeerOut;
    Test::Nginx::Util::bail_out("paygw_peer.py has died")
        if !defined $line;

    my $answer = $json->decode($line);
    die "paygw_peer.py: $do: $answer->{error}\n" if exists $answer->{error};

    return $answer->{ok};
}


# Private keys must not be readable for everyone, and git does not keep modes:
# the tests use a copy.

sub keys_dir {
    return $Keys if $Keys;

    $Keys = PaygwProcess::folder('test');
    for my $file (glob "$Root/t/data/keys/*") {
        my $copy = "$Keys/" . File::Basename::basename($file);
        File::Copy::copy($file, $copy) or die "$file: $!";
        chmod $copy =~ /\.key$/ ? 0600 : 0644, $copy;
    }

    return $Keys;
}


# A redis-server; started again it has the same port, and has forgotten
# everything.

sub redis_start {
    $Redis ? $Redis->run : ($Redis = PaygwRedis->of_tests);
    $RedisPort = $Redis->port;
}

sub redis_port   { return $RedisPort }
sub redis_stop   { $Redis->stop }
sub redis_freeze { $Redis->freeze }
sub redis_unread { return $Redis->unread }
sub redis_thaw   { $Redis->thaw }
sub redis_cmd    { return $Redis->cmd(@_) }


# how many commands Redis has run so far, those of redis_cmd() left out

sub redis_commands {
    my $stats = redis_cmd('INFO', 'commandstats');
    my $n = 0;
    while ($stats =~ /^cmdstat_(\S+?):calls=(\d+)/mg) {
        $n += $2 if $1 !~ /^(?:info|ping|config.*|flush.*|keys|client.*)$/;
    }
    return $n;
}


# the key of the record of a callback

sub redis_record {
    my ($m, $channel) = @_;
    return "${Prefix}event:{$channel}:$m->{id}:$m->{kind}";
}


END {
    if (defined $Pid && $$ == $Pid) {
        local ($?, $!);
        if ($Peer) {
            close $PeerIn;
            kill 'TERM', $Peer;
            waitpid $Peer, 0;
        }
    }
}


# -- callbacks --

sub wechat { my %o = @_; return PaygwTest::Message->new('wechat_v3', %o) }
sub wechat2 { my %o = @_; return PaygwTest::Message->new('wechat_v2', %o) }
sub alipay { my %o = @_; return PaygwTest::Message->new('alipay', %o) }
sub stripe { my %o = @_; return PaygwTest::Message->new('stripe', %o) }


# the bytes of a request, for "raw_request"; %o as in send_callback()

sub callback_raw {
    my ($m, %o) = @_;
    return $m->raw(%o);
}


sub server_connect {
    my $port = shift || $Test::Nginx::Util::ServerPortForClient;
    my $s;

    for (1 .. 100 * $Slow) {
        $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', Proto => 'tcp',
                                   PeerPort => $port)
            and last;
        Time::HiRes::sleep(0.05);
    }

    die "cannot connect to port $port: $!\n" if !$s;
    setsockopt $s, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1;
    binmode $s;

    return $s;
}


# Sends a callback and returns the answer: status, headers (pairs), header (by
# lower-case name), body, raw.  Options: chunked => N bytes a chunk, split =>
# N bytes a packet with a pause (seconds) after each, keep => 1, expect => 1,
# http2 => 1, timeout => S.

sub send_callback {
    my ($m, %o) = @_;
    return curl2($m, %o) if $o{http2};
    return finish(begin($m, %o), %o);
}


# the same in two steps, so that something can happen in between

sub begin {
    my ($m, %o) = @_;

    my $s = server_connect();
    my $data = ref $m ? $m->raw(%o) : $m;

    if ($o{expect}) {
        my ($head, $body) = $data =~ /^(.*?\r\n\r\n)(.*)$/s;
        print $s $head;
        $s->flush;
        my $c = { sock => $s, buf => '' };
        my $got = read_response($c, 1, %o);
        $c->{continue} = $got;
        if ($got && $got->{status} == 100) {
            print $s $body;
            $s->flush;
        } else {
            $c->{done} = $got;
        }
        return $c;
    }

    if ($o{split}) {
        for (my $i = 0; $i < length $data; $i += $o{split}) {
            print $s substr $data, $i, $o{split};
            $s->flush;
            Time::HiRes::sleep($o{pause} || 0.005);
        }
    } else {
        print $s $data;
        $s->flush;
    }

    return { sock => $s, buf => '' };
}


sub finish {
    my ($c, %o) = @_;
    return $c->{done} || read_response($c, 0, %o);
}


# the client goes away at once

sub abort_client {
    my $c = shift;
    setsockopt $c->{sock}, Socket::SOL_SOCKET(), Socket::SO_LINGER(),
               pack('ii', 1, 0);
    close $c->{sock};
}


# several callbacks in one packet on one connection

sub pipeline {
    my @m = @_;

    my $last = pop @m;
    my $c = begin(join('', map { $_->raw(keep => 1) } @m) . $last->raw);

    return map { read_response($c, 0) } @m, $last;
}


sub read_response {
    my ($c, $interim, %o) = @_;

    my $s = $c->{sock};
    my $sel = IO::Select->new($s);
    my $end = Time::HiRes::time() + ($o{timeout} || 8) * $Slow;
    my ($res, $need);

    while (1) {
        if (!$res && $c->{buf} =~ /^(.*?\r\n)\r\n/s) {
            $res = parse_head($1);
            substr $c->{buf}, 0, length($1) + 2, '';
            if (!$interim && $res->{status} < 200) {
                undef $res;
                next;
            }
            $need = ($res->{status} == 204 || $res->{status} < 200) ? 0
                    : $res->{header}{'content-length'};
        }

        last if $res && defined $need && length $c->{buf} >= $need;

        my $left = $end - Time::HiRes::time();
        if ($left <= 0 || !$sel->can_read($left)) {
            return { status => 0, body => '', raw => $c->{buf}, header => {},
                     headers => [], error => 'timed out' };
        }

        my $n = sysread $s, $c->{buf}, 65536, length $c->{buf};
        if (!$n) {
            return { status => 0, body => '', raw => $c->{buf}, header => {},
                     headers => [], error => 'closed' }
                if !$res || (defined $need && length $c->{buf} < $need);
            $need = length $c->{buf} if !defined $need;
            last;
        }
    }

    $res->{body} = substr $c->{buf}, 0, $need, '';
    $res->{rest} = $c->{buf};

    return $res;
}


sub parse_head {
    my $head = shift;

    my ($first, @lines) = split /\r\n/, $head;
    my ($status) = $first =~ m{^HTTP/\S+ (\d{3})};
    my @headers = map { [ split /:\s*/, $_, 2 ] } @lines;

    return { status => $status, raw => $head, first => $first,
             headers => \@headers,
             header => { map { (lc $_->[0], $_->[1]) } @headers } };
}


# Before 1.25.1 a port without TLS speaks either version of HTTP, not both.

sub h2_apart { return $Test::Nginx::Util::NginxVersion < 1.025001 }

sub h2_port {
    return h2_apart() ? $Test::Nginx::Util::RandPorts->{TEST_NGINX_RAND_PORT_8}
                      : $Test::Nginx::Util::ServerPortForClient;
}


# HTTP/2 without TLS; the block needs "--- h2"

sub curl2 {
    my ($m, %o) = @_;

    my $dir = File::Temp::tempdir(CLEANUP => 1);
    open my $fh, '>', "$dir/body" or die;
    binmode $fh;
    print $fh $m->{body};
    close $fh;

    # a slow start is no failure of curl
    close server_connect(h2_port());

    # a pipe as body: its length is not known
    my @data = $o{no_length} ? ('-T', '-') : ('--data-binary', "\@$dir/body");
    my @cmd = ('curl', '-sS', '-i', '--http2-prior-knowledge', '-X',
               $m->{method}, '--max-time', 8 * $Slow, '-H', 'Accept:',
               '-H', 'User-Agent:', '-H', 'Expect:',
               (map { ('-H', $_->[1] eq '' ? "$_->[0];" : "$_->[0]: $_->[1]") }
                @{ $m->{headers} }), @data,
               'http://127.0.0.1:' . h2_port() . $m->{target});

    my $cmd = join ' ', map { my $a = $_; $a =~ s/'/'\\''/g; "'$a'" } @cmd;
    my $out = `$cmd < '$dir/body' 2>&1`;

    my $res;
    while ($out =~ s/^(HTTP\/\S+ \d+.*?\r\n)\r\n//s) {
        $res = parse_head($1);
    }
    return { status => 0, body => $out, raw => $out, header => {},
             headers => [], error => 'curl' } if !$res;

    $res->{body} = $out;
    return $res;
}


# -- acks, byte for byte --

my %WechatFail = (
    400 => 'bad request',
    401 => 'verification failed',
    403 => 'forbidden',
    404 => 'not found',
    405 => 'method not allowed',
    408 => 'request timed out',
    409 => 'in progress, try again',
    413 => 'request is too large',
    415 => 'unsupported media type',
    429 => 'too many requests',
    500 => 'internal error',
    502 => 'not processed, try again',
    503 => 'unavailable, try again',
    504 => 'timed out, try again',
);


# Checks that an answer is exactly the provider's ack for a status (2xx:
# taken): the status line, every header field, and the body.

sub ack_ok {
    my ($res, $provider, $status, $name) = @_;

    $name = block_name($name || "ack $status");
    $provider = $provider->{provider} if ref $provider;

    my ($type, $body);

    if ($provider eq 'alipay') {
        ($type, $body) = ('text/plain', $status < 300 ? 'success' : 'fail');

    } elsif (my ($more) = grep { $_->{name} eq $provider } @More) {
        ($type, $body) = $more->{ack}->($status);

    } elsif ($provider eq 'stripe') {
        $status = 200 if $status < 300;
        $body = '';

    } elsif ($provider eq 'wechat_v2') {
        $type = 'text/xml';
        $body = '<xml><return_code><![CDATA['
            . ($status < 300 ? 'SUCCESS' : 'FAIL')
            . ']]></return_code><return_msg><![CDATA['
            . ($status < 300 ? 'OK' : 'not processed')
            . ']]></return_msg></xml>';

    } elsif ($status < 300) {
        $status = 204;

    } else {
        $type = 'application/json';
        $body = '{"code":"FAIL","message":"'
                . ($WechatFail{$status} || 'not processed') . '"}';
    }

    my $got = join '', map { "$_->[0]: $_->[1]\n" }
              sort { $a->[0] cmp $b->[0] }
              grep { $_->[0] !~ /^(?:server|date|connection)$/i }
              map { [ lc $_->[0], $_->[1] ] } @{ $res->{headers} };
    my $want = '';
    $want .= 'content-length: ' . length($body) . "\n" if defined $body;
    $want .= "content-type: $type\n" if defined $type;

    Test::More::is("$res->{status}\n$got\n$res->{body}"
                   . ($res->{error} ? " ($res->{error})" : ''),
                   "$status\n$want\n" . ($body // ''), $name);
}


# Sends a callback that must be refused: by the ack, by $paygw_reason, by no
# delivery, and by one line in the log at "info" which says all that $line says
# and nothing that is secret.  In $line {key} is the serial, {signed} the length
# and the SHA-256 of the string to sign, as the peer knows them.

sub refused_ok {
    my ($m, $status, $line, %o) = @_;

    my $serial = $m->header('Wechatpay-Serial') // '';
    $line =~ s/\{key\}/$serial/;
    $line =~ s/\{signed\}/$m->{signed_len} bytes, sha256 $m->{signed_sha256}/;
    my ($reason) = $line =~ /^(\w+)/;

    my $before = () = results();
    my $at = -s $Test::Nginx::Util::ErrLogFile || 0;

    ack_ok(send_callback($m, %o), $m, $status, $line);

    my @got = results($before + 1);
    Test::More::is($got[-1], "refused $reason", block_name("$line: result"));

    my $text = file_from($Test::Nginx::Util::ErrLogFile, $at);
    my @lines = grep { /payment callback/ } split /\n/, $text;
    Test::More::is(scalar @lines, 1, block_name("$line: one line"));
    my ($level, $what) = ($lines[0] // '')
        =~ /\[(\w+)\] .*?payment\ callback\ refused:\ (.*?)
            (?:\ while\ [\w ]+)?,\ client:\ /x;
    Test::More::is($level, 'info', block_name("$line: level"));
    Test::More::is($what, $line, block_name("$line: log"));

    my @secrets = map { substr $_, 0, 40 } grep { defined && length > 5 }
        '0123456789abcdefghijklmnopqrstuv', $m->{body},
        '192006250b4c09247ec02edce69f6a2d',
        $m->{body} =~ /<(?:sign|req_info)><!\[CDATA\[([^\]]{20})/ ? $1 : undef,
        $m->header('Wechatpay-Signature'), $m->{order_id},
        'whsec_paygwTestSecret000000000000000001',
        ($m->header('Stripe-Signature') // '') =~ /v1=(\w+)/ ? $1 : undef,
        $m->{body} =~ /sign=([^&]{20})/ ? $1 : undef,
        map { $_->{name} eq $m->{provider} ? $_->{secrets}->($m) : () } @More;
    my @told = grep { index($text, $_) >= 0 } @secrets;
    Test::More::is("@told", '', block_name("$line: nothing secret is told"));

    Test::More::is(shop_count(), $o{shop} // 0, block_name("$line: shop"));
}


# -- the shop --

sub shop_port { return $ShopPort ||= peer('port') }

# what the shop answers to the next requests; it forgets what it got
sub shop_plan { peer('plan', plan => [@_]) }

# lets requests go on that it holds: { hold => NAME }
sub shop_release { peer('release', name => $_) for @_ }

# what the shop got; waits until it is so much
sub shop_requests {
    my ($count, $seconds) = @_;

    my $list = peer('requests', count => $count // 0,
                    seconds => $count ? ($seconds // 10) * $Slow : 0);
    $_->{body} = MIME::Base64::decode_base64($_->{body}) for @$list;

    return @$list;
}

sub shop_count { return scalar shop_requests() }
sub shop_body  { return $_[0]{body} }

# the event in a request to the shop
sub shop_event { return JSON::PP->new->utf8->decode($_[0]{body}) }

# the only value of a field; undef: absent, or "A|B": it is there twice
sub shop_header {
    my ($req, $name) = @_;
    my @v = map { $_->[1] } grep { lc $_->[0] eq lc $name }
            @{ $req->{headers} };
    return @v ? join('|', @v) : undef;
}


# -- logs of the block --

sub file_from {
    my ($file, $pos) = @_;
    open my $fh, '<', $file or return '';
    binmode $fh;
    seek $fh, $pos, 0 if $pos && -s $fh >= $pos;
    local $/;
    return scalar(<$fh>) // '';
}


sub result_file { return "$Test::Nginx::Util::LogDir/paygw.log" }


# "RESULT REASON" of each callback of the block that is over; waits for so many

sub results {
    my $count = shift || 0;

    my @lines;
    wait_for(sub {
        @lines = split /\n/, file_from(result_file(), $LogPos->{result});
        return @lines >= $count;
    });

    return @lines;
}


sub error_log_text {
    return file_from($Test::Nginx::Util::ErrLogFile, $LogPos->{error});
}


sub wait_for { return PaygwProcess::wait_for(@_) }


sub block_name {
    my $name = shift;
    return ($Block ? $Block->name : '') . " - $name";
}


sub store_is { return $Store eq $_[0] }


# A certificate of the key "wx_a" that ends in so many days, into a file.

sub make_cert {
    my ($file, $days, %o) = @_;

    my $key = $o{key} || 'wx_a';
    my $dir = keys_dir();
    my $py = <<'PY';
import datetime, sys
sys.path.insert(0, sys.argv[1])
import make_keys
from cryptography.hazmat.primitives import serialization
key = serialization.load_pem_private_key(open(sys.argv[2], 'rb').read(), None)
now = datetime.datetime.utcnow()
day = datetime.timedelta(days=1)
cert = make_keys.make(key, 'made', int(sys.argv[6]),
                      begin=now + day * float(sys.argv[4]),
                      end=now + day * float(sys.argv[5]))
open(sys.argv[3], 'wb').write(make_keys.pem(cert))
PY
    system('/usr/bin/python3', '-B', '-W', 'ignore', '-c', $py,
           "$Root/t/lib", "$dir/$key.key", "$dir/$file",
           $o{begin} // -400, $days, $o{serial} // 0x77007700) == 0
        or die "cannot make a certificate";
}


# -- blocks --

# A zone outlives a reload, and may not change in one: with
# TEST_NGINX_USE_HUP=1 blocks share it, so that no two of a file may have the
# same event ids.

sub store_conf {
    $Blocks++;
    my $zone = "    paygw_zone paygw:1m;\n";
    return $zone if $Store ne 'redis';
    $Prefix = "t$$-$Blocks:";
    return $zone . "    paygw_store redis://127.0.0.1:$RedisPort "
           . "prefix=$Prefix timeout=" . (1000 * $Slow) . "ms;\n";
}


our $Wxpay = <<'CONF';
        provider              wechat_v3;
        appid                 wxd678efh567hg6787;
        mchid                 1900009191;
        apiv3_key             file:$TEST_NGINX_KEYS/apiv3.key;
        platform_certificate  $TEST_NGINX_KEYS/wx_a.crt;
        platform_certificate  $TEST_NGINX_KEYS/wx_b.crt;
        platform_public_key   PUB_KEY_ID_0119000091912024
                              $TEST_NGINX_KEYS/wx_pub.pem;
CONF

our $Alipay = <<'CONF';
        provider              alipay;
        app_id                2021000000000001;
        seller_id             2088101122136241;
        alipay_public_key     $TEST_NGINX_KEYS/alipay.pem;
CONF

our $Stripe = <<'CONF';
        provider              stripe;
        webhook_secret        file:$TEST_NGINX_KEYS/stripe.key;
CONF

our $Wxv2 = <<'CONF';
        provider   wechat_v2;
        appid      wxd930ea5d5a258f4f;
        mchid      10000100;
        api_key    file:$TEST_NGINX_KEYS/wxv2.key;
        sign_type  MD5;
CONF

# the blocks of this file have a channel "wxv2" and its location as well

our $WithWxv2;

sub with_wxv2 { $WithWxv2 = 1 }

our $Generic = <<'CONF';
        provider              generic;
        algorithm             hmac(sha256);
        key                   file:$TEST_NGINX_KEYS/apiv3.key;
        signature             header(X-Signature) hex;
        signed                body;
        replay_id             json(/id);
        ack                   ok 200;
CONF

# a channel with the changes of a block: a line "-NAME" drops a parameter, any
# other line is one more

sub channel_conf {
    my ($name, $conf, $changes) = @_;

    for my $line (split /\n/, $changes // '') {
        if ($line =~ /^\s*-(\S+)/) {
            $conf =~ s/^ +\Q$1\E\b[^;]*;\n//mg;
        } else {
            $conf .= "        $line\n";
        }
    }

    return "    paygw_channel $name {\n$conf    }\n";
}


our $Locations = <<'CONF';
    location = /notify/wxpay {
        paygw_notify  wxpay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
    location = /notify/alipay {
        paygw_notify  alipay;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
    location = /notify/stripe {
        paygw_notify  stripe;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
CONF

our $LocationWxv2 = <<'CONF';
    location = /notify/wxv2 {
        paygw_notify  wxv2;
        proxy_pass    http://127.0.0.1:$TEST_NGINX_SHOP_PORT/shop;
    }
CONF


add_block_preprocessor(sub {
    my $block = shift;

    if (!defined $block->bare) {
        my $conf = "    log_format paygw '\$paygw_result \$paygw_reason';\n"
            . "    access_log logs/paygw.log paygw if=\$paygw_result;\n";
        $conf .= store_conf() if !defined $block->no_store;
        $conf .= channel_conf('wxpay', $Wxpay, $block->wxpay)
            . channel_conf('alipay', $Alipay, $block->alipay)
            . join('', map { my $name = $_->{name};
                             channel_conf($name, $_->{channel},
                                          $block->$name) } @More)
            . channel_conf('stripe', $Stripe, $block->stripe)
            . ($WithWxv2 ? channel_conf('wxv2', $Wxv2, $block->wxv2) : '')
            if !defined $block->no_channels;
        $conf .= channel_conf('hook', $Generic, $block->generic)
            if defined $block->generic;
        $conf .= "    paygw_threads;\n" if $ENV{PAYGW_TEST_THREADS};
        $block->set_value('http_config', $conf . ($block->http_config // ''));
    }

    if (!defined $block->config) {
        $block->set_value('config', defined $block->bare ? '' : $Locations
                          . ($WithWxv2 ? $LocationWxv2 : '')
                          . join '', map { $_->{location} } @More);
    }

    if (defined $block->h2) {
        my $listen = h2_apart()
            ? 'listen 127.0.0.1:$TEST_NGINX_RAND_PORT_8 http2;' : 'http2 on;';
        $block->set_value('config', "    $listen\n" . $block->config);
    }

    if (defined $block->must_die) {
        my $pats = $block->error_log // [];
        $pats = [ grep { length } split /\n+/, $pats ] if !ref $pats;
        $pats = [ $pats ] if ref $pats eq 'Regexp';
        $block->set_value('error_log', [ @$pats, '[emerg]' ]);
    }

    # nothing may be worse than an error, unless the block wants it

    my $wanted = $block->error_log // '';
    $wanted = join "\n", @$wanted if ref $wanted eq 'ARRAY';
    my $no = $block->no_error_log // [];
    $no = [ grep { length } split /\n+/, $no ] if !ref $no;
    $no = [ $no ] if ref $no eq 'Regexp';
    my @no = @$no;

    for my $level (qw(alert crit emerg)) {
        next if defined $block->must_die && $level eq 'emerg';
        next if index($wanted, "[$level") >= 0 || defined $block->faulty;
        push @no, "[$level]";
    }

    $block->set_value('no_error_log', \@no) if @no;

    # Test::Nginx wants a request of every block
    if (defined $block->callback || defined $block->run
        || defined $block->must_die)
    {
        $block->set_value('request', 'GET /') if !defined $block->request;
    }
});


my $helper = $Test::Nginx::Util::RunTestHelper;

$Test::Nginx::Util::RunTestHelper = sub {
    my ($block, $dry_run, $idx) = @_;

    local $Block = $block;
    $LogPos = { result => -s result_file() || 0,
                error => -s $Test::Nginx::Util::ErrLogFile || 0 };
    @Callbacks = ();

    # valgrind needs a while, longer than Test::Nginx waits on a busy machine;
    # to look is dear for the kernel, which goes through all connections

    if ($ENV{TEST_NGINX_USE_VALGRIND} && !$dry_run
        && !defined $block->must_die)
    {
        PaygwProcess::wait_for(sub {
            PaygwProcess::listens($Test::Nginx::Util::ServerPortForClient)
                || !Time::HiRes::sleep(0.2) }, 30);
    }

    if ($dry_run || defined $block->must_die
        || (!defined $block->callback && !defined $block->run))
    {
        prepare_shop($block) if !$dry_run && $Peer;
        $helper->($block, $dry_run, $idx);
        check_shop($block) if !$dry_run && defined $block->shop;
        return;
    }

    prepare_shop($block);

    my $ok = eval {
        run_callbacks($block) if defined $block->callback;
        run_code($block, $block->run) if defined $block->run;
        check_results($block) if defined $block->result;
        check_shop($block) if defined $block->shop;
        1;
    };
    Test::More::fail(block_name("died: $@")) if !$ok;

    Time::HiRes::sleep($block->wait) if $block->wait;
    wait_for_log($block->error_log) if defined $block->error_log;
    &Test::Nginx::Socket::check_error_log($block, undef, $dry_run, $idx);
    &Test::Nginx::Socket::check_access_log($block, $dry_run, $idx);
};


# some lines are written after the answer

sub wait_for_log {
    my @want = map { ref ? $_ : grep { length } split /\n+/ }
               ref $_[0] eq 'ARRAY' ? @{ $_[0] } : $_[0];

    wait_for(sub {
        my $text = error_log_text();
        return !grep { ref ? $text !~ $_ : index($text, $_) < 0 } @want;
    });
}


sub run_code {
    my ($block, $code) = @_;
    package main;
    my @got = eval "no strict; use utf8;\n#line 1 \"" . $block->name
                   . "\"\n$code";
    die $@ if $@;
    return @got;
}


sub prepare_shop {
    my $block = shift;
    shop_plan(defined $block->shop_plan
              ? run_code($block, $block->shop_plan) : ());
}


sub run_callbacks {
    my $block = shift;

    @Callbacks = run_code($block, $block->callback);
    my @opt = defined $block->send ? run_code($block, $block->send) : ();
    my @acks = split ' ', $block->ack // '';

    if (@acks && @acks != @Callbacks) {
        die "as many acks as callbacks are needed\n";
    }

    my $i = 0;
    for my $m (@Callbacks) {
        my $res = send_callback($m, @opt,
                                defined $block->h2 ? (http2 => 1) : ());
        $m->{answer} = $res;
        ack_ok($res, $m, $acks[$i], 'ack ' . ($i + 1) . ": $acks[$i]")
            if @acks;
        $i++;
    }
}


sub check_results {
    my $block = shift;

    my @want = grep { length } map { s/^\s+|\s+$//gr }
               split /\n/, $block->result;
    my @got = results(scalar @want);

    Test::More::is(join("\n", map { s/ -$//r } @got), join("\n", @want),
                   block_name('result'));
}


# what the shop must have got: a number, or a list of hashes of: header
# (values by name, undef: absent), event (members that it must have), body

sub check_shop {
    my $block = shift;

    my ($want) = run_code($block, $block->shop);
    my $count = ref $want ? @$want : $want;
    my @got = shop_requests($count);

    Test::More::is(scalar @got, $count, block_name("deliveries: $count"));
    return if !ref $want;

    for my $i (0 .. $#$want) {
        my ($w, $g) = ($want->[$i], $got[$i]);
        last if !$g;

        for my $name (sort keys %{ $w->{header} || {} }) {
            Test::More::is(shop_header($g, $name), $w->{header}{$name},
                           block_name("delivery $i: $name"));
        }
        if ($w->{event}) {
            my $event = eval { shop_event($g) } || { error => "$@" };
            my %some = map { ($_, $event->{$_}) } keys %{ $w->{event} };
            Test::More::is_deeply(\%some, $w->{event},
                                  block_name("delivery $i: event"))
                or Test::More::diag($g->{body});
        }
        Test::More::is($g->{body}, $w->{body},
                       block_name("delivery $i: body")) if exists $w->{body};
    }
}


# a test in "run" need not name its block

{
    no warnings 'redefine';
    my $ok = \&Test::Builder::ok;
    *Test::Builder::ok = sub {
        my $name = $_[2] // 'run';
        @_ = (@_[0, 1], block_name($name))
            if $Block && index($name, $Block->name) != 0;
        goto &$ok;
    };
}


# -- import: everything that is needed before the first block --

sub setup {
    # a suite that is stopped cleans up as one that ends
    $SIG{$_} ||= sub { exit 1 } for qw(INT TERM);

    Test::More::plan('no_plan') if !Test::More->builder->has_plan;

    if ($Store eq 'redis') {
        my $found = grep { -x "$_/redis-server" } split /:/, $ENV{PATH};
        Test::More::BAIL_OUT('no redis-server') if !$found;
        redis_start();
        $ENV{TEST_NGINX_REDIS_PORT} = $RedisPort;
    }

    $ENV{TEST_NGINX_KEYS} = keys_dir();
    $ENV{TEST_NGINX_SHOP_PORT} = shop_port();

    Test::Nginx::Util::log_level($ENV{PAYGW_TEST_LOG} || 'info');
    Test::Nginx::Util::no_long_string();
}

setup();


package PaygwTest::Message;

# a callback: provider, method, target, headers (pairs), body, id, order_id,
# signed_len and signed_sha256 of the string to sign, ...

use strict;
use warnings;


sub new {
    my ($class, $provider, %o) = @_;
    my $m = PaygwTest::peer($provider eq 'wechat_v3' ? 'wechat' : $provider,
                            %o);
    $m->{body} = MIME::Base64::decode_base64($m->{body});
    $m->{provider} = $provider;
    return bless $m, $class;
}


sub header {
    my ($m, $name) = @_;
    my ($h) = grep { lc $_->[0] eq lc $name } @{ $m->{headers} };
    return $h ? $h->[1] : undef;
}


sub raw {
    my ($m, %o) = @_;

    my $body = $m->{body};
    my $head = "$m->{method} $m->{target} HTTP/" . ($o{version} || '1.1')
        . "\r\nHost: " . ($o{host} // 'localhost') . "\r\n"
        . 'Connection: ' . ($o{keep} ? 'keep-alive' : 'close') . "\r\n";

    if ($o{chunked}) {
        $head .= "Transfer-Encoding: chunked\r\n";
        my $chunks = '';
        for (my $i = 0; $i < length $body; $i += $o{chunked}) {
            my $piece = substr $body, $i, $o{chunked};
            $chunks .= sprintf "%x\r\n%s\r\n", length $piece, $piece;
        }
        $body = $chunks . "0\r\n\r\n";
    } elsif (!$o{no_length}) {
        $head .= 'Content-Length: ' . length($body) . "\r\n";
    }

    $head .= "Expect: 100-continue\r\n" if $o{expect};
    $head .= join '', map { utf8::downgrade(my $v = $_->[1], 1);
                            "$_->[0]: $v\r\n" } @{ $m->{headers} };
    utf8::encode($head) if utf8::is_utf8($head);

    return "$head\r\n$body";
}


1;

__END__

=encoding utf-8

=head1 NAME

PaygwTest - Test::Nginx::Socket with a payment provider and a shop

=head1 SYNOPSIS

    use lib 't/lib';
    use PaygwTest;

    run_tests();

    __DATA__

    === TEST 1: a payment reaches the shop once
    --- callback
    wechat(order_id => 'T1')
    --- ack: 204
    --- result: taken
    --- shop
    [ { header => { 'X-Paygw-Order-Id' => 'T1', 'X-Paygw-Delivery' => 1 },
        event => { type => 'payment', outcome => 'success' } } ]

=head1 DESCRIPTION

Every block gets by default: in C<http> a store (C<paygw_zone>, or Redis with
a prefix of its own if PAYGW_TEST_STORE=redis) and the channels C<wxpay>,
C<alipay> and C<stripe>; in C<server> the locations /notify/wxpay,
/notify/alipay and /notify/stripe, which proxy to the shop, unless there is a
C<config> section.  It must not log anything at alert, crit or emerg.  The
number of tests is not planned.

Sections with code are run while nginx is up, so that callbacks are fresh:

=over

=item callback

Perl code that returns one or more callbacks, which are sent one after the
other, each on its own connection; C<send> gives options of send_callback().

=item run

Perl code, for all that is more than that: send_callback(), begin() and
finish(), pipeline(), ack_ok(), shop_plan(), shop_requests(), ...

=item ack

The statuses of the acks, which are compared byte for byte; 2xx is "taken".

=item result

$paygw_result and $paygw_reason of each callback, one a line.

=item shop

What the shop got: a number of deliveries, or Perl code for a list of them.

=item shop_plan

Perl code for the list of answers of the shop: see paygw_peer.py.

=item wxpay, alipay, stripe, wxv2

Changes of the default channels (wxv2 is one after with_wxv2() alone,
unionpay after C<use PaygwUnionpay>): a line "-NAME" drops a parameter, any
other line is one more.

=item generic

A third channel, C<hook>, of the provider generic, with such changes; it has
no location by default.

=item h2

The server speaks HTTP/2 without TLS, and callbacks are sent by it.

=item bare, no_store, no_channels

Leaves out the defaults, the store, the channels.

=item faulty

The block may log alerts.

=back

wechat(), wechat2(), alipay() and stripe() take options for every part of a
message and for every fault: see paygw_peer.py.  In C<config>, $TEST_NGINX_KEYS
is the folder of keys (t/data/keys), $TEST_NGINX_SHOP_PORT the port of the shop.

=cut
