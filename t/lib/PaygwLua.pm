package PaygwLua;

# resty.paygw in nginx, called from a test.  To be used before PaygwTest, since
# Test::Nginx reads the list of modules when it is loaded; see the end.

use strict;
use warnings;

use base 'Exporter';

use JSON::PP ();
use MIME::Base64 ();

our @EXPORT = qw(lua lua_ok lua_err bytes);
our (@Modules, $Lib);

BEGIN {
    @Modules = map { "/usr/lib/nginx/modules/$_" }
               qw(ndk_http_module.so ngx_http_lua_module.so);

    my @missing = grep { !-e } @Modules;

    push @missing, 'lua-cjson'
        if !glob '/usr/lib/*/lua/5.1/cjson.so /usr/local/lib/lua/5.1/cjson.so';

    if (@missing) {
        print '1..0 # SKIP libnginx-mod-http-lua and lua-cjson are wanted, '
              . "not here: @missing\n";
        exit 0;
    }

    $ENV{TEST_NGINX_LOAD_MODULES}
        = join ' ', $ENV{TEST_NGINX_LOAD_MODULES} // (), @Modules;
}

use PaygwTest;

$Lib = "$PaygwTest::Root/lua-compat/lib";


# what answers lua()

our $Rpc = <<'LUA';
    location = /lua {
        client_body_buffer_size 1m;
        content_by_lua_block {
            local cjson = require "cjson"
            local paygw = require "resty.paygw"

            local function bytes(v)
                if type(v) ~= "table" then
                    return v
                end
                if v.b64 then
                    return ngx.decode_base64(v.b64)
                end
                local out = {}
                for name, one in pairs(v) do
                    out[name] = bytes(one)
                end
                return out
            end

            ngx.req.read_body()
            local q = cjson.decode(ngx.req.get_body_data())
            local v, err, hint = paygw[q.name](unpack(bytes(q.args)))
            if type(v) == "string" then
                v = { b64 = ngx.encode_base64(v) }
            end
            ngx.print(cjson.encode({ ok = v, err = err, hint = hint }))
        }
    }
LUA


# behind that of PaygwTest, which gives a block its locations

push @Test::Nginx::Util::BlockPreprocessors, sub {
    my $block = shift;

    $block->set_value('http_config', "    lua_package_path '$Lib/?.lua;;';\n"
                                     . ($block->http_config // ''));
    $block->set_value('config', $Rpc . ($block->config // ''))
        if defined $block->lua;
};


sub bytes { return { b64 => MIME::Base64::encode_base64($_[0], '') } }


# Calls a function of resty.paygw; an argument is what JSON can say, or bytes().
# Returns the value, err, hint.

sub lua {
    my ($name, @args) = @_;

    my $json = JSON::PP->new->utf8->canonical;
    my $body = $json->encode({ name => $name, args => \@args });

    my $res = PaygwTest::send_callback(
        "POST /lua HTTP/1.0\r\nHost: localhost\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body");

    my $got = eval { $json->decode($res->{body}) }
        or return (undef, "$res->{status} $res->{body}");

    my $ok = $got->{ok};
    $ok = MIME::Base64::decode_base64($ok->{b64})
        if ref $ok eq 'HASH' && exists $ok->{b64};

    return ($ok, $got->{err}, $got->{hint});
}


# The same that must succeed, and returns the value; that must not, with err,
# and a part of hint if there is one.

sub lua_ok {
    my ($ok, $err, $hint) = lua(@_);

    Test::More::ok(defined $ok && !defined $err, "$_[0] succeeds")
        or Test::More::diag(join ', ', map { $_ // 'nil' } $err, $hint);

    return $ok;
}


sub lua_err {
    my ($err, $like, @call) = @_;
    my ($ok, $got, $hint) = lua(@call);

    Test::More::is(($ok // 'nil') . ', ' . ($got // 'nil'), "nil, $err",
                   "$call[0]: $err");
    Test::More::like($hint // '', $like, "$call[0]: hint") if defined $like;
}


1;

__END__

=encoding utf-8

=head1 NAME

PaygwLua - resty.paygw for tests

=head1 SYNOPSIS

    use lib 't/lib';
    use PaygwLua;
    use PaygwTest;

    run_tests();

    __DATA__

    === TEST 1: a text is signed
    --- lua
    --- run
    my $sig = lua_ok('sign', 'alipay', bytes("a=1"));
    lua_err('no such channel', undef, 'sign', 'nobody', 'a=1');

=head1 DESCRIPTION

Each block has the path of resty.paygw; one with C<lua> also has the location
that C<lua()> calls.  Without Debian's libnginx-mod-http-lua, or lua-cjson, the
file is skipped.

=cut
