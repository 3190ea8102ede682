# The parser that reads metrics for the tests finds what is wrong.

use strict;
use warnings;
use lib 't/lib';

use Test::More;

use PaygwMetrics;

if (($ENV{PAYGW_TEST_STORE} || '') eq 'redis') {
    plan skip_all => 'there is no store in it';
}

my $Good = <<'TEXT';
# HELP paygw_a_total What a is.
# TYPE paygw_a_total counter
paygw_a_total{l="x",m=""} 1
paygw_a_total{l="a\\b\"c\nd",m="y"} 0
# HELP paygw_wait_seconds What wait is.
# TYPE paygw_wait_seconds histogram
paygw_wait_seconds_bucket{le="0.1"} 1
paygw_wait_seconds_bucket{le="2"} 3
paygw_wait_seconds_bucket{le="+Inf"} 4
paygw_wait_seconds_sum 12.5
paygw_wait_seconds_count 4
# HELP paygw_room_bytes What c is.
# TYPE paygw_room_bytes gauge
paygw_room_bytes 7
TEXT

my $Json = <<'JSON';
{"version": "1", "time": "2026-11-21T15:00:00Z", "metrics": {
"paygw_a_total": {"type": "counter", "help": "What a is.", "samples": [
  {"labels": {"l": "x", "m": ""}, "value": 1},
  {"labels": {"l": "a\\b\"c\nd", "m": "y"}, "value": 0}]},
"paygw_wait_seconds": {"type": "histogram", "help": "What wait is.", "samples":
 [
  {"labels": {}, "buckets": [{"le": "0.1", "count": 1},
   {"le": "2", "count": 3}, {"le": "+Inf", "count": 4}],
   "sum": 12.5, "count": 4}]},
"paygw_room_bytes": {"type": "gauge", "help": "What c is.", "samples": [
  {"labels": {}, "value": 7}]}}}
JSON

my $have = metrics_ok($Good, $Json, 'as it should be');
is($have->{'paygw_a_total{l=x,m=}'}, 1, 'a sample');
is($have->{qq(paygw_a_total{l=a\\b"c\nd,m=y})}, 0, 'an escaped one');
is($have->{'paygw_wait_seconds_bucket{le=+Inf}'}, 4, 'a bucket');
is($have->{paygw_wait_seconds_sum}, 12.5, 'a sum');
is(scalar keys %$have, 8, 'and no more');

for (['no line feed at the end', sub { s/\n\z// }],
     ['an empty line', sub { s/\n# HELP paygw_wait/\n\n# HELP paygw_wait/ }],
     ['a carriage return', sub { s/ 7$/ 7\r/m }],
     ['a comment', sub { s/^/# hello\n/ }],
     ['no help', sub { s/^# HELP paygw_room.*\n//m }],
     ['no type', sub { s/^# TYPE paygw_room.*\n//m }],
     ['type of another', sub { s/TYPE paygw_room_bytes/TYPE paygw_d_bytes/ }],
     ['a family twice', sub { $_ .= s/.*(# HELP paygw_room.*)/$1/sr }],
     ['a sample twice', sub { s/^(paygw_room_bytes 7\n)/$1$1/m }],
     ['a sample of another family', sub { s/^paygw_room_bytes 7/paygw_d 7/m }],
     ['a counter without "_total"', sub { s/paygw_a_total/paygw_a/g }],
     ['a gauge with "_total"', sub { s/paygw_room_bytes/paygw_room_total/g }],
     ['another unit', sub { s/paygw_room_bytes/paygw_room_days/g }],
     ['a negative number', sub { s/ 7$/ -7/m }],
     ['a float of a gauge', sub { s/ 7$/ 7.5/m }],
     ['zeros in front', sub { s/ 7$/ 07/m }],
     ['a timestamp', sub { s/ 7$/ 7 1234/m }],
     ['empty braces', sub { s/_bytes 7/_bytes{} 7/ }],
     ['a quote that is not escaped', sub { s/l="x"/l="x"y"/ }],
     ['an escape that there is not', sub { s/l="x"/l="\\t"/ }],
     ['a comma at the end', sub { s/m=""/m="",/ }],
     ['a label twice', sub { s/m=""/l=""/ }],
     ['other labels', sub { s/,m=""// }],
     ['buckets that fall', sub { s/le="2"} 3/le="2"} 0/ }],
     ['bounds that fall', sub { s/le="2"/le="0.05"/ }],
     ['no last bucket', sub { s/^.*\+Inf.*\n//m }],
     ['another count', sub { s/_count 4/_count 5/ }],
     ['no sum', sub { s/^paygw_wait_seconds_sum.*\n//m }],
     ['a sum that cannot be', sub { s/12\.5/1.5/ }],
     ['a histogram without a unit', sub { s/paygw_wait_seconds/paygw_wait/g }])
{
    my ($name, $change) = @$_;
    local $_ = $Good;
    $change->();
    isnt($_, $Good, "$name: is another text");
    isnt(join("\n", @{ metrics_of($_)->{errors} }), '', "$name: is found");
}

for (['another value', sub { s/"value": 7/"value": 8/ }],
     ['another bucket', sub { s/"count": 3/"count": 2/ }],
     ['another sum', sub { s/12\.5/12.6/ }],
     ['a sample less', sub { s/,\n  \{"labels": \{"l": "a.*?\}\]/]/ }],
     ['another label', sub { s/"l": "x"/"l": "y"/ }],
     ['another type', sub { s/gauge/counter/ }],
     ['another help', sub { s/What c/That c/ }],
     ['another member', sub { s/"version"/"revision"/ }])
{
    my ($name, $change) = @$_;
    local $_ = $Json;
    $change->();
    isnt($_, $Json, "JSON: $name: is another text");
    isnt(join("\n", @{ metrics_of($Good, $_)->{errors} }), '',
         "JSON: $name: is found");
}

done_testing();
