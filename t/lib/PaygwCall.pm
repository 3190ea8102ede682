package PaygwCall;

# Calls of merchants, signed by Digest::SHA and the openssl command, which are
# not our code.  See the end for how to write a block.

use strict;
use warnings;

use base 'Exporter';

use Digest::MD5 ();
use Digest::SHA ();
use File::Temp ();
use JSON::PP ();
use MIME::Base64 ();

use PaygwTest;

our @EXPORT = qw(call call_params call_nonce answer_ok refused_call_ok
                 sealed_ok call_secret public_sign with_many);

our $Dir = File::Temp::tempdir(CLEANUP => 1);

# secrets of the default merchants, by key id; md1 is one for MD5
our %Secret = (
    k1  => 'gw_secret_0123456789abcdefghijklmn',
    k2  => 'another_secret_of_the_same_merchant_2',
    o1  => 'the_secret_of_the_other_merchant_0001',
    md1 => 'the_secret_of_old_md5_callers_0000001',
);

our $Merchants = '';

sub call_secret { return $Secret{$_[0]} }


# a file that only we can read

sub secret_file {
    my ($name, $text) = @_;

    my $file = keys_dir() . "/$name";
    open my $fh, '>', $file or die "$file: $!";
    print $fh $text;
    close $fh;
    chmod 0600, $file;

    return $file;
}


sub openssl {
    system("openssl @_ > $Dir/out 2>&1") == 0
        or die "openssl @_: " . PaygwTest::file_from("$Dir/out", 0);
}


sub setup {
    secret_file("$_.secret", $Secret{$_}) for keys %Secret;

    my $keys = keys_dir();

    for (['rsa', '-algorithm RSA -pkeyopt rsa_keygen_bits:2048'],
         ['ec', '-algorithm EC -pkeyopt ec_paramgen_curve:P-256'],
         ['ed', '-algorithm ED25519'],
         ['p384', '-algorithm EC -pkeyopt ec_paramgen_curve:P-384'],
         ['rsa2', '-algorithm RSA -pkeyopt rsa_keygen_bits:2048'])
    {
        my ($name, $how) = @$_;
        openssl("genpkey $how -out $keys/call_$name.key");
        openssl("pkey -in $keys/call_$name.key -pubout "
                . "-out $keys/call_$name.pem");
    }

    $Merchants = <<"CONF";
    paygw_merchant shop {
        key  k1  file:$keys/k1.secret;
        key  k2  file:$keys/k2.secret;
    }
    paygw_merchant other {
        key  o1  file:$keys/o1.secret;
    }
    paygw_merchant public {
        public_key  rsa  $keys/call_rsa.pem;
        public_key  ec   $keys/call_ec.pem ecdsa_p256;
        public_key  ed   $keys/call_ed.pem;
    }
    paygw_merchant old {
        key  md1  file:$keys/md1.secret  md5;
    }
CONF
}

setup();


PaygwTest::add_block_preprocessor(sub {
    my $block = shift;

    if (!defined $block->bare && !defined $block->no_merchants) {
        $block->set_value('http_config', $Merchants
                                         . ($block->http_config // ''));
    }
});


my $count = 0;

sub call_nonce { return sprintf 'nonce-%d-%d-%06d', time, $$, $count++ }


# A signature of a private key of this module, base64.

sub public_sign {
    my ($name, $text) = @_;

    open my $fh, '>', "$Dir/text" or die;
    binmode $fh;
    print $fh $text;
    close $fh;

    my $key = keys_dir() . "/call_$name.key";

    openssl($name =~ /^ed/
            ? "pkeyutl -sign -rawin -inkey $key -in $Dir/text -out $Dir/sig"
            : "dgst -sha256 -sign $key -out $Dir/sig $Dir/text");

    return MIME::Base64::encode_base64(PaygwTest::file_from("$Dir/sig", 0),
                                       '');
}


# A call as merchants make them: method, target, body, key, secret, public
# (name of a private key), time, nonce, headers (more of them, pairs); drop,
# twice, set (names, pairs) change what is sent, sign_* what is signed.

sub call {
    my %o = @_;

    my $body = $o{body} // '';
    my $method = $o{method} // (length $body ? 'POST' : 'GET');
    my $target = $o{target} // '/api/orders';
    my $key = $o{key} // 'k1';
    my $time = $o{time} // time;
    my $nonce = $o{nonce} // call_nonce();

    my $text = $o{text} // join '', map { "$_\n" }
        $o{sign_method} // $method, $o{sign_target} // $target,
        $o{sign_time} // $time, $o{sign_nonce} // $nonce,
        $o{sign_hash} // Digest::SHA::sha256_hex($o{sign_body} // $body);
    chop $text if $o{no_end};

    my $sig = $o{public} ? public_sign($o{public}, $text)
        : Digest::SHA::hmac_sha256_hex($text, $o{secret} // $Secret{$key}
                                              // 'x' x 32);

    my %set = @{ $o{set} || [] };
    my @headers;

    for (['X-Key-Id', $key], ['X-Timestamp', $time], ['X-Nonce', $nonce],
         ['X-Signature', $sig])
    {
        my ($name, $value) = @$_;
        next if grep { $_ eq $name } @{ $o{drop} || [] };
        push @headers, [ $name, $set{$name} // $value ];
        push @headers, [ $name, $set{$name} // $value ]
            if grep { $_ eq $name } @{ $o{twice} || [] };
    }

    my @more = @{ $o{headers} || [] };
    while (@more) {
        push @headers, [ splice @more, 0, 2 ];
    }

    return bless {
        provider => 'call', method => $method, target => $target,
        headers => \@headers, body => $body, nonce => $nonce, time => $time,
        sig => $sig, text => $text,
        signed_len => length $text,
        signed_sha256 => Digest::SHA::sha256_hex($text),
    }, 'PaygwTest::Message';
}


# A call in the form of parameters, a hash: as query, form or json.

sub call_params {
    my ($p, %o) = @_;

    my $key = $o{key} // 'k1';
    my $secret = $o{secret} // $Secret{$key};
    my %p = (key_id => $key, timestamp => time, nonce_str => call_nonce(),
             %$p);
    delete $p{$_} for @{ $o{drop} || [] };

    my $text = join '&', map { "$_=$p{$_}" }
               grep { $_ ne 'sign' && length $p{$_} } sort keys %p;

    $p{sign} //= $o{md5} ? uc Digest::MD5::md5_hex("$text&key=$secret")
        : $o{public} ? public_sign($o{public}, $text)
        : Digest::SHA::hmac_sha256_hex($text, $secret);

    my $quote = sub { my $s = shift;
                      $s =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ge; $s };
    my $form = sub { join '&', map { $quote->($_) . '=' . $quote->($p{$_}) }
                               @_ };

    my $as = $o{as} // 'form';
    my @query = $as eq 'query' ? keys %p : @{ $o{query} || [] };
    my %query = map { ($_, 1) } @query;
    my @rest = grep { !$query{$_} } keys %p;

    my $target = $o{target} // '/api/orders';
    $target .= '?' . $form->(sort @query) . ($o{more_query} // '') if @query;

    my $body = $as eq 'query' ? ''
        : $as eq 'json'
          ? JSON::PP->new->canonical->latin1->encode({ map { ($_, $p{$_}) }
                                                       @rest })
          : $form->(sort @rest);
    $body .= $o{more} // '';
    $body = $o{edit}->($body) if $o{edit};

    my $type = $o{type} // ($as eq 'json' ? 'application/json'
                            : 'application/x-www-form-urlencoded');

    return bless {
        provider => 'call', method => length $body ? 'POST' : 'GET',
        target => $target, body => $body, params => \%p, text => $text,
        nonce => $p{nonce_str}, time => $p{timestamp}, sig => $p{sign},
        headers => [ length $body ? [ 'Content-Type', $type ] : () ],
    }, 'PaygwTest::Message';
}


my %Code = (
    'BAD_SIGNATURE_HEADER' => 400, 'BAD_SIGNATURE' => 401,
    'TIMESTAMP_OUT_OF_WINDOW' => 401, 'REPLAYED' => 401, 'TOO_LARGE' => 413,
    'UNSUPPORTED_MEDIA_TYPE' => 415, 'UNAVAILABLE' => 503,
    'INTERNAL' => 500, 'RATE_LIMITED' => 429, 'TOO_MANY_FAILURES' => 429,
    'IDEMPOTENCY_KEY_REQUIRED' => 400, 'BAD_IDEMPOTENCY_KEY' => 400,
    'IDEMPOTENCY_MISMATCH' => 422, 'IN_PROGRESS' => 409,
    'ANSWER_NOT_KEPT' => 409,
);


# An answer is exactly the refusal of this code, or, with a number, one that a
# content handler made with that status.

sub answer_ok {
    my ($res, $want, $name) = @_;

    $name = PaygwTest::block_name(($name ? "$name: " : '') . $want);

    if ($want =~ /^\d+$/) {
        Test::More::is($res->{status}, $want, $name)
            or Test::More::diag($res->{body});
        return;
    }

    my $word = $want =~ /^(?:UNAVAILABLE|RATE_LIMITED|TOO_MANY_FAILURES
                             |IN_PROGRESS)$/x
        ? 'RETRY'
        : $want eq 'INTERNAL' ? 'SERVER' : 'CLIENT';
    my $json = eval { JSON::PP->new->decode($res->{body}) } || {};

    Test::More::is(join(' ', $res->{status},
                        $res->{header}{'content-type'} // '-',
                        $res->{header}{'content-length'}
                        // length($res->{body}),
                        $json->{code} // $res->{body},
                        join ',', sort keys %$json),
                   join(' ', $Code{$want}, 'application/json',
                        length($res->{body}), "$word-$want", 'code,message'),
                   $name);
}


# Sends a call that must be refused: by the answer, by $paygw_reason, by no
# request to the shop, and by one line in the log that says $line and nothing
# that is secret.

sub refused_call_ok {
    my ($m, $code, $line, %o) = @_;

    $line =~ s/\{signed\}/$m->{signed_len} bytes, sha256 $m->{signed_sha256}/;
    my ($reason) = $line =~ /^(\w+)/;

    my $before = () = results();
    my $at = -s $Test::Nginx::Util::ErrLogFile || 0;
    my $shop = shop_count();

    answer_ok(send_callback($m, %o), $code, $line);

    # the line of a call before this one may be as late as its own

    my $want = ($code eq 'UNAVAILABLE' ? 'unavailable' : 'refused')
               . " $reason";
    wait_for(sub { my @got = results();
                   @got > $before && $got[-1] eq $want });
    Test::More::is((results())[-1], $want,
                   PaygwTest::block_name("$line: result"));

    my $text = PaygwTest::file_from($Test::Nginx::Util::ErrLogFile, $at);
    my @lines = grep { /merchant call refused/ } split /\n/, $text;
    Test::More::is(scalar @lines, 1,
                   PaygwTest::block_name("$line: one line"));
    my ($level, $what) = ($lines[0] // '')
        =~ /\[(\w+)\] .*?merchant\ call\ refused:\ (.*?)
            (?:\ while\ [\w ]+)?,\ client:\ /x;
    Test::More::is($level, 'info', PaygwTest::block_name("$line: level"));
    Test::More::is($what, $line, PaygwTest::block_name("$line: log"));

    my @told = grep { index($text, $_) >= 0 }
               (values %Secret), length $m->{sig} > 20 ? $m->{sig} : (),
               length $m->{body} > 8 ? $m->{body} : ();
    Test::More::is("@told", '',
                   PaygwTest::block_name("$line: nothing secret is told"));

    Test::More::is(shop_count(), $shop,
                   PaygwTest::block_name("$line: shop"));
}


# The answer to a call is signed for it, by the rule of the documentation.

sub sealed_ok {
    my ($res, $m, $name, %o) = @_;

    my $h = $res->{header};
    my $text = join '', map { "$_\n" } $res->{status},
               $h->{'x-timestamp'} // '', $m->{nonce},
               Digest::SHA::sha256_hex($o{head} ? '' : $res->{body});

    Test::More::is(($h->{'x-nonce'} // '-') . ' '
                   . ($h->{'x-signature'} // '-'),
                   "$m->{nonce} "
                   . Digest::SHA::hmac_sha256_hex($text, $o{secret}
                                                         // $Secret{k1}),
                   PaygwTest::block_name("$name: signed"));
    Test::More::ok(abs(($h->{'x-timestamp'} // 0) - time) < 30,
                   PaygwTest::block_name("$name: time"));
}


# Sends copies of one call at the same time; returns their answers.

sub with_many {
    my ($n, $m) = @_;

    my $raw = $m->raw;
    my $head = substr $raw, 0, length($raw) - 1, '';

    my @c = map { PaygwTest::begin($head) } 1 .. $n;
    for (@c) {
        my $s = $_->{sock};
        print $s $raw;
    }
    $_->{sock}->flush for @c;

    return map { PaygwTest::finish($_) } @c;
}


1;

__END__

=encoding utf-8

=head1 NAME

PaygwCall - calls of merchants for tests

=head1 SYNOPSIS

    use PaygwTest;
    use PaygwCall;

    run_tests();

    __DATA__

    === TEST 1: a signed call passes
    --- config
    location ~ ^/ { paygw_auth shop; return 200 $paygw_merchant; }
    --- run
    my $res = send_callback(call(body => '{}'));
    answer_ok($res, 200);
    is($res->{body}, 'shop');

=head1 DESCRIPTION

Every block gets the merchants shop (keys k1 and k2), other (o1), public (rsa,
ec, ed) and old (md1, for MD5), unless it says C<bare> or C<no_merchants>.

=cut
