package PaygwGeneric;

# Channels of the provider generic for the gateways of pass_generic.py, and
# their keys.

use strict;
use warnings;

use Exporter 'import';
use MIME::Base64 ();

use PaygwPeer ();

our @EXPORT_OK = qw(gateway keys_made);


sub keys_made {
    my $dir = shift;

    my %text = ('g_md5.key' => "md5_key_of_the_gateway\n",
                'g_hmac.key' => MIME::Base64::encode_base64('h' x 32));

    for my $name (sort keys %text) {
        open my $fh, '>', "$dir/$name" or die "$dir/$name: $!";
        print $fh $text{$name};
        close $fh;
        chmod 0600, "$dir/$name";
    }

    for my $name (qw(g_ours g_theirs g_rogue)) {
        next if -e "$dir/$name.pem";
        system("openssl genpkey -algorithm ed25519 -out $dir/$name.key "
               . "2>/dev/null && chmod 0600 $dir/$name.key && openssl pkey "
               . "-in $dir/$name.key -pubout -out $dir/$name.pem") == 0
            or die "openssl: $?";
    }
}


# a channel by its style; a value of undef drops a parameter

sub gateway {
    my ($peer, $style, $endpoint, %more) = @_;

    my $d = $peer->{keys};
    my %styles = (
        md5 => {
            request_algorithm => 'digest(md5)',
            request_key => "file:$d/g_md5.key",
            request_form => [ q(mch_id '"M1"'), 'nonce_str nonce(32)',
                              'time now(s)',
                              q(sign 'upper(signature(hex))') ],
            request_signed => q('concat(sorted_params(form, without(sign),
                drop_empty), "&key=", secret)'),
            request_require => q('default(form(mch_id), "M1")' M1),
            answer_algorithm => 'digest(md5)',
            answer_key => "file:$d/g_md5.key",
            answer_signature => 'json(/sign) hex',
            answer_signed => q('concat(sorted_params(json, without(sign),
                drop_empty), "&key=", secret)'),
            answer_about => 'json(/order_no) form(order_no)',
            answer_retry => 'json(/code) BUSY SYSTEM',
            answer_success => 'json(/code) 0',
            operation => 'path_raw',
            reads => '/md5/query',
            once => '/md5/pay*',
        },
        xml => {
            request_algorithm => 'hmac(sha256)',
            request_key => "file:$d/g_hmac.key base64",
            request_xml_root => 'doc',
            answer_xml_root => 'doc',
            request_xml => [ 'nonce nonce(16)', 'sign signature(hex)' ],
            request_signed => q('concat(sorted_params(xml, without(sign),
                drop_empty), "&key=K")'),
            answer_algorithm => 'hmac(sha256)',
            answer_key => "file:$d/g_hmac.key base64",
            answer_signature => 'xml(sign) hex',
            answer_signed => q('concat(sorted_params(xml, without(sign),
                drop_empty), "&key=K")'),
            answer_about => 'xml(order_no) xml(order_no)',
            answer_require => q('xml(code)' 0 1),
        },
        hmac => {
            request_algorithm => 'hmac(sha256)',
            request_key => "file:$d/g_hmac.key base64",
            request_header => [ q(X-Key '"id-7"'), 'X-Time now(ms)',
                                'X-Nonce nonce(uuid)',
                                'X-Sign signature(base64)' ],
            request_pass => 'X-Trace',
            request_signed => q('join("\n", method, target_raw,
                header(X-Time), header(X-Nonce), body)'),
            answer_algorithm => 'hmac(sha256)',
            answer_key => "file:$d/g_hmac.key base64",
            answer_signature => 'header(X-Answer-Sign) hex',
            answer_signed => q('join("\n", sent(nonce(uuid)), body)'),
            idempotency_header => 'X-Once',
            reads => q('GET /hmac/*'),
            once => q('POST /hmac/pay'),
        },
        ed => {
            request_algorithm => 'ed25519',
            request_private_key => "$d/g_ours.key",
            request_json => [ q(app '"app"'), 'at now(s) number' ],
            request_header => q(Authorization
                'concat(\'ED id="app",time="\', now(iso8601), \'",sig="\',
                        signature(base64), \'"\')'),
            request_signed => q('concat(method, " ", target_raw, "\n",
                now(iso8601), "\n", body)'),
            answer_algorithm => 'ed25519',
            answer_public_key => "$d/g_theirs.pem",
            answer_signature => q('header_param(X-Stamp, ",", "=", v1)'
                base64url),
            answer_signed => q('join(".",
                header_param(X-Stamp, ",", "=", t), body)'),
            answer_time => q('header_param(X-Stamp, ",", "=", t)' s
                back=60s forward=60s),
            answer_about => 'json(/order/id) json(/order/id)',
        },
        bare => {
            request_key => "file:$d/g_md5.key",
            request_header => q(Authorization
                'concat("Basic ", base64(concat("id:", secret)))'),
            answers => 'unsigned',
            idempotency_header => 'Idempotency-Key',
            reads => q('GET /bare/*'),
            once => q('POST /bare/*'),
        },
    );

    return PaygwPeer::channel(delete $more{-name} // $style, 'generic',
                              %{ $styles{$style} }, endpoint => $endpoint,
                              proxy_read_timeout => '20s',
                              proxy_send_timeout => '20s',
                              paygw_breaker => 'off', %more);
}


1;
