# paygw_api: a page of Alipay whose URL would be too long for a browser is a
# form that posts itself, which its gateway takes; what is compared with is the
# openssl command.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);

use PaygwApi;
use PaygwNginx;
use PaygwSandbox;

my $Most = 2000;
my $Tmp = File::Temp::tempdir('paygw-page-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $Json = JSON::PP->new->utf8->canonical;
my $Sandbox = PaygwSandbox->start;
my $Notify = 'http://127.0.0.1:1/n';

my $Nginx = PaygwNginx->start(
    http => "    paygw_zone paygw:1m;\n    paygw_deadline 20s;\n"
        . $Sandbox->alipay_cert(alipay_cert =>
              "$Sandbox->{dir}/alipay/alipay_cert.crt",
              notify_url => $Notify),
    server => 'location /pay/ { paygw_api alipay; }');

my $Api = PaygwApi->new($Nginx, '/pay');

my $Key = "$Sandbox->{dir}/alipay/app_private.pem";

sub decoded {
    my $text = shift;
    my %c = (amp => '&', lt => '<', gt => '>', quot => '"', '#39' => "'");
    $text =~ s/&(#?\w+);/$c{$1} \/\/ die $1/ge;
    return $text;
}

sub encoded { my $t = shift; $t =~ s/([^\w.~-])/sprintf '%%%02X', ord $1/ge;
              return $t }

# the parts of a page: where to, and the fields

sub parts {
    my ($html, $name) = @_;

    my ($action) = $html =~ /<form id="pay" method="post" action="([^"]*)">/;
    my @fields = $html =~ /<input[ ]type="hidden"[ ]name="([^"]*)"
                           [ ]value="([^"]*)">/gx;

    my $rest = $html =~ s/(action|value)="[^"]*"/$1/gr;
    is($rest, join("\n", '<!DOCTYPE html>', '<html>',
                   '<head><meta charset="utf-8"></head>', '<body>',
                   '<form id="pay" method="post" action>',
                   ('<input type="hidden" name="biz_content" value>')
                       x (@fields / 2),
                   '<noscript><input type="submit"></noscript>', '</form>',
                   '<script>document.getElementById("pay").submit();</script>',
                   '</body>', '</html>', ''), "$name: nothing else")
        if defined $name;
    unlike("$action @fields", qr/['<>]|&(?!amp;|lt;|gt;|quot;|#39;)/,
           "$name: all is escaped") if defined $name;

    return (decoded($action), map { decoded($_) } @fields);
}

my %Long = (subject => "\x{6d4b}\x{8bd5} \"\x{5f15}\" '<b>'" x 12,
            metadata => { a => '&quot;</form>\'"' . 'x' x 200,
                         b => 'y' x 100 },
            return_url => 'https://shop.example.com/back?a="b"&c=\'d\'&amp;');

for my $method (qw(page wap)) {
    my $order = $Api->order(method => $method, expires_in => 600, %Long);
    my $data = $Api->ok($Api->post('/orders', $order), $method,
                        outcome => 'pending', state => 'CREATED');

    is_deeply([ sort keys %{ $data->{action} } ], [ qw(html type) ],
              "$method: members");
    is($data->{action}{type}, 'form', "$method: a form");

    my ($action, %f) = parts($data->{action}{html}, $method);
    my ($where, $args) = split /\?/, $action, 2;
    my %p = map { my ($n, $v) = split /=/, $_, 2;
                  $v =~ s/%(..)/chr hex $1/ge; ($n, $v) } split /&/, $args;

    is(join(' ', sort keys %p), 'alipay_root_cert_sn app_cert_sn app_id '
       . 'charset method notify_url return_url sign sign_type timestamp '
       . 'version', "$method: in the URL");
    is(join(' ', sort keys %f), 'biz_content', "$method: in the form");
    like($where, qr{^http://127\.0\.0\.1:\d+/(?:\S*/)?gateway\.do$},
         "$method: to the gateway");
    is($p{return_url}, $order->{return_url}, "$method: return_url");
    is($p{notify_url}, $Notify, "$method: notify_url");

    # the signature is that of both together

    my $sign = delete $p{sign};
    my %all = (%p, %f);
    my $text = join '&', map { "$_=$all{$_}" } sort keys %all;
    utf8::encode($text);

    open my $fh, '>:raw', "$Tmp/text" or die $!;
    print $fh $text;
    close $fh;
    is($sign, encode_base64(`openssl dgst -sha256 -sign '$Key' $Tmp/text`, ''),
       "$method: the signature that openssl makes");

    # as a browser would post it

    open $fh, '>:utf8', "$Tmp/biz" or die $!;
    print $fh $f{biz_content};
    close $fh;
    open $fh, '-|', 'curl', '-s', '-o', "$Tmp/out", '-w', '%{http_code}',
        '--data-urlencode', "biz_content\@$Tmp/biz", $action or die $!;
    is(scalar <$fh>, 200, "$method: the gateway takes it");
    close $fh;

    my ($made) = grep { $_->{order_id} eq $order->{order_id} }
                 @{ $Sandbox->get('orders')->{orders} };
    is($made && "$made->{amount} $made->{notify_url}", "100 $Notify",
       "$method: the order is made");
    my $subject = $made && $made->{subject};
    utf8::decode($subject);
    is($subject, $order->{subject}, "$method: its subject");

    # one byte of it changed, and the gateway has another one

    open $fh, '-|', 'curl', '-s', '--data-urlencode', 'biz_content='
        . ($f{biz_content} =~ s/1\.00/0.01/r =~ s/[^ -~]//gr), $action
        or die $!;
    my $answer = do { local $/; <$fh> };
    like($answer, qr/invalid-signature/, "$method: another amount is refused");
}

# the bound: the length of a signature in a URL is not always the same

{
    my $order = $Api->order(method => 'page', metadata => { a => 'x' x 200 },
                            return_url => 'https://shop.example.com/');
    my $url = $Api->post('/orders', $order)->{json}{data}{action}{url};
    my $room = $Most - length $url;
    my (%seen, %odd);

    for my $n (1 .. 900) {
        my $pad = join '', map { chr(97 + rand 26) } 1 .. $room + $n % 2;
        my $res = $Api->post('/orders', { %$order, return_url =>
                                 $order->{return_url} . $pad });
        my $act = $res->{json}{data}{action};
        my $type = $act->{type} // 'none';
        my $len = length($act->{url} // '');

        if ($type eq 'form') {
            my ($action, %f) = parts($act->{html});
            $len = length($action)
                + length('&biz_content=' . encoded($f{biz_content}));
        }

        $seen{$len} = $type;
        $odd{"$len $type"}++ if $type ne ($len > $Most ? 'form' : 'redirect');
        last if $n > 20 && $seen{$Most} && $seen{$Most + 1};
    }

    is(join(', ', %odd), '', 'a form is what is longer');
    is($seen{$Most}, 'redirect', "$Most bytes are a URL");
    is($seen{$Most + 1}, 'form', 'one more is a form');
}

# an app has no browser

{
    my $data = $Api->ok($Api->post('/orders', $Api->order(
        %Long, method => 'app')), 'app');
    is($data->{action}{type}, 'app', 'app: as it was');
    cmp_ok(length $data->{action}{params}{orderStr}, '>', $Most,
           'app: however long');
}

$Nginx->quit;
unlike($Nginx->log, qr/\[(?:alert|crit|emerg)\]/, 'no alert');

done_testing();
