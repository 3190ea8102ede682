# "nginx -t" of paygw_events.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwNginx;
use PaygwPeer ();
use PaygwProcess ();

my $Peer = PaygwPeer->start;
my $Dir = PaygwProcess::folder('events');
my $Channel = $Peer->wechat('http://127.0.0.1:1',
                            notify_url => 'https://pay.example.com/n');
my $Zone = "    paygw_zone paygw:1m;\n";

for my $name (qw(k1 k2)) {
    open my $fh, '>', "$Dir/$name" or die $!;
    print $fh "$name, a secret of a test\n";
    close $fh;
    chmod 0600, "$Dir/$name" or die $!;
}

open my $fh, '>', "$Dir/short" or die $!;
print $fh "fifteen bytes..\n";
close $fh;
chmod 0600, "$Dir/short" or die $!;

my $K1 = "k1=file:$Dir/k1";
my $K2 = "k2=file:$Dir/k2";

# the directive in the location of the API, or lines around it

sub conf {
    my ($line, %o) = @_;
    return PaygwNginx->test(http => ($o{http} // $Zone) . $Channel,
                            server => ($o{server} // '')
                                . "location /pay/ { paygw_api wxpay; $line "
                                . ($o{more} // '') . ' }');
}

for my $case (
    [ 'a key', "paygw_events $K1;" ],
    [ 'two keys', "paygw_events $K1 $K2;" ],
    [ 'off', 'paygw_events off;' ],
    [ 'off, and on around it', 'paygw_events off; paygw_binding off;',
      http => "$Zone paygw_events $K1;" ],
    [ 'around it', '', http => "$Zone paygw_events $K1;" ],
    [ 'in the server', '', server => "paygw_events $K1;" ],
    [ 'elsewhere', '', server => "location /x { paygw_events $K1; }",
      http => '' ],
    [ 'the least', "paygw_events $K1 interval=100ms max=1s ttl=1m "
                   . 'connections=1 each=1;' ],
    [ 'the most', "paygw_events $K1 interval=1m max=1d ttl=7d "
                  . 'connections=65535 each=65535;' ],
    [ 'a URL', "paygw_events $K1 url=https://pay.example.com/pay/;" ],
    [ 'a path', "paygw_events $K1 url=/;" ],
)
{
    my ($name, $line, %o) = @$case;
    my $got = conf($line, %o);
    like($got, qr/test is successful/, $name);
    unlike($got, qr/\[(?:emerg|warn)\]/, "$name: no error");
}

for my $case (
    [ 'nothing', 'paygw_events;', qr/invalid number of arguments in "paygw_e/ ],
    [ 'no key', 'paygw_events interval=1s;', qr/"paygw_events" has no key, add/
    ],
    [ 'twice', "paygw_events $K1; paygw_events $K1;",
      qr/"paygw_events" directive is duplicate/ ],
    [ 'off and more', 'paygw_events off max=1s;',
      qr/invalid parameter "off" of "paygw_events"/ ],
    [ 'no source', 'paygw_events k1=secret;', qr/key of "paygw_events"/ ],
    [ 'a slip', "paygw_events ttle=2h $K1;",
      qr/"ttle" is no parameter of "paygw_events", and a key of .*: known are/
    ],
    [ 'what a time is', "paygw_events $K1 ttl=1s;",
      qr/"ttl=1s" of "paygw_events", it must be a time from 1m to 7d/ ],
    [ 'what there is', "paygw_events $K1 word;",
      qr/"word" of "paygw_events", known are interval=, max=, ttl=, conn/ ],
    [ 'no file', "paygw_events k1=file:$Dir/none;",
      qr/open\(\) "\S+none" fai/ ],
    [ 'a short secret', "paygw_events k1=file:$Dir/short;",
      qr/key "k1" of "paygw_events" has 15 bytes, at least 16 are needed/ ],
    [ 'one id', "paygw_events $K1 k1=file:$Dir/k2;",
      qr/key "k1" of "paygw_events" is twice there/ ],
    [ 'one secret', "paygw_events $K1 k2=file:$Dir/k1;",
      qr/key "k2" of "paygw_events" is twice there/ ],
    (map { [ $_, "paygw_events $K1 $_;",
             qr/invalid parameter "\Q$_\E" of "paygw_events"/ ] }
         qw(interval=0 interval=99ms interval=61s interval=x max=0 max=999ms
            max=2d ttl=59s ttl=8d ttl= connections=0 connections=65536
            connections=x each=0 each=65536 each=x each= url= url=pay/
            url=/pay url=ftp://h/ url=/p?a/), 'url=/p#/'),
    [ 'how many of each', "paygw_events $K1 each=0;",
      qr/"each=0" of "paygw_events", it must be from 1 to 65535/ ],
    (map { [ $_->[0], "paygw_events $K1 $_->[0];",
             qr/invalid parameter "$_->[1]" of "paygw_events", known are / ] }
         [ '0123456789abcdef', '' ], [ 'k/1=text:0123456789abcdef', 'k\/1' ],
         [ '=x', '' ]),
    [ 'two URLs', "paygw_events $K1 url=/ url=/;",
      qr/invalid parameter "url=\/" of "paygw_events"/ ],
    [ 'no binding', "paygw_events $K1;",
      qr/"paygw_events" in \S+:\d+ tells what the store remembers of orders, /,
      more => 'paygw_binding off;' ],
    [ 'no store', "paygw_events $K1;",
      qr/"paygw_api" in \S+:\d+ needs a store/, http => '' ],
)
{
    my ($name, $line, $want, %o) = @$case;
    my $got = conf($line, %o);
    like($got, qr/\[emerg\].*$want/, $name);
    like($got, qr/test failed/, "$name: refused");
}

done_testing();
