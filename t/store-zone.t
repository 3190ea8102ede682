# The store in the zone: what both stores do, and what only a zone does.

use strict;
use warnings;
use lib 't/lib';

use PaygwStore;

store_tests('paygw_zone store:1m;', do { local $/; <DATA> });

__DATA__



=== TEST 101: cancel: a zone answers at once, so there is nothing to forget
--- steps
op=claim&key=KEY&cancel=1              => cancelled
op=claim&key=KEY                       => busy



=== TEST 102: full: nothing alive is given up, and expired records are
--- http_config
    paygw_zone store:32k;
--- steps
op=claim&key=KEY&n=2000&spread=1&keep=2500&lease=10 => ok=\d+ committed=0 busy=0 error=[1-9]\d*
op=claim&key=KEY-0&lease=10            => ok 2 \w+
op=claim&key=KEY-new                   => error
op=claim&key=KEY-new&delay=3000        => ok 1 \w+
op=claim&key=KEY-0                     => ok 3 \w+
op=claim&key=KEY-1                     => ok 1 \w+
op=claim&key=KEY-y&n=20&spread=1       => ok=20 committed=0 busy=0 error=0
--- timeout: 20
--- logged
could not allocate event in paygw zone "store"



=== TEST 103: full: logged once, not for each claim
--- http_config
    paygw_zone store:32k;
--- steps
op=claim&key=KEY&n=2000&spread=1       => ok=\d+ committed=0 busy=0 error=[1-9]\d*
--- logged
1 x could not allocate event
1 x no record has expired



=== TEST 104: full: a commit that finds its record does not need memory
--- http_config
    paygw_zone store:32k;
--- steps
op=claim&key=KEY&save=a                => ok 1 \w+
op=claim&key=KEY&n=2000&spread=1       => ok=\d+ committed=0 busy=0 error=[1-9]\d*
op=commit&key=KEY&token=a              => sent
op=claim&key=KEY                       => committed
--- logged
could not allocate event



=== TEST 105: full: records of other sizes make room
--- http_config
    paygw_zone store:32k;
--- steps eval
"op=claim&key=KEY&n=2000&spread=1&keep=300&lease=10 => ok=.*\n"
. "op=claim&key=KEY" . ("x" x 250) . "&delay=600 => ok 1 \\w+\n"
--- logged
could not allocate event



=== TEST 106: expiry: claims give up what has expired before memory is short
--- http_config
    paygw_zone store:32k;
--- steps
op=claim&key=KEYa&n=40&spread=1&keep=200&lease=10 => ok=40 committed=0 busy=0 error=0
op=claim&key=KEYb&n=40&spread=1&keep=200&lease=10&delay=300 => ok=40 committed=0 busy=0 error=0
op=claim&key=KEYc&n=40&spread=1&keep=200&lease=10&delay=300 => ok=40 committed=0 busy=0 error=0
op=claim&key=KEYd&n=40&spread=1&keep=200&lease=10&delay=300 => ok=40 committed=0 busy=0 error=0



=== TEST 107: full: a success that cannot be marked is not taken
--- http_config
    paygw_zone store:32k;
--- steps
op=claim&key=KEY-old&keep=9000&lease=10 => ok 1 \w+
op=claim&key=KEY&n=2000&spread=1&keep=2500&lease=10 => ok=\d+ committed=0 busy=0 error=[1-9]\d*
op=claim&key=KEY-old&order=KEY&says=paid => error
op=claim&key=KEY-old&order=KEY&says=open => ok 2 \w+
op=claim&key=KEY-new&order=KEY&says=paid => error
op=claim&key=KEY-new&order=KEY&says=paid&delay=3000 => ok 1 \w+
op=claim&key=KEY-newer&order=KEY&says=open => late
--- timeout: 20
--- logged
could not allocate event in paygw zone "store"



=== TEST 108: full: marks expire and make room like events
--- http_config
    paygw_zone store:32k;
--- steps
op=claim&key=KEYa&order=KEYa&says=paid&n=30&spread=1&keep=300&lease=10 => ok=30 committed=0 busy=0 error=0
op=claim&key=KEYb&order=KEYb&says=paid&n=30&spread=1&keep=300&lease=10&delay=500 => ok=30 committed=0 busy=0 error=0
op=claim&key=KEYc&n=40&spread=1&keep=300&lease=10&delay=500 => ok=40 committed=0 busy=0 error=0
op=claim&key=KEYd&order=KEYd&says=paid&n=30&spread=1&keep=300&lease=10&delay=500 => ok=30 committed=0 busy=0 error=0



=== TEST 109: configuration: a zone that is too small
--- http_config
    paygw_zone store:16k;
--- must_die
--- error_log
zone "store" is too small
--- suppress_stderr
