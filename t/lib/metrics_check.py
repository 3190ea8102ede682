"""Reads what paygw_metrics answers, strictly, and what paygw_status says.

usage: metrics_check.py TEXT [JSON]

Prints one object of JSON: "samples", by name and sorted labels, and "errors".
The text format is that of Prometheus, 0.0.4, and everything that its parsers
would forgive is an error; so is what its conventions for names advise against.
With the second file, both must say the same.
"""

import json
import math
import re
import sys

NAME = re.compile(r'[a-z][a-z0-9_]*')
LABEL = re.compile(r'(?!__)[a-z_][a-z0-9_]*')
NUMBER = re.compile(r'(?:0|[1-9]\d*)(?:\.\d*[1-9])?')
SUFFIXES = ('_bucket', '_sum', '_count')
UNITS = ('seconds', 'bytes', 'info')


class Text:
    def __init__(self, text):
        self.errors = []
        self.families = {}
        self.samples = {}
        self.family = None

        if not text.endswith('\n'):
            self.error(0, 'does not end with a line feed')
        for n, line in enumerate(text.split('\n')[:-1], 1):
            try:
                self.line(line)
            except ValueError as e:
                self.error(n, '%s: %s' % (e, line))
        self.close()

    def error(self, n, message):
        self.errors.append('line %d: %s' % (n, message))

    def line(self, line):
        if re.search(r'[\x00-\x1f\x7f]', line):
            raise ValueError('control character')
        if line.startswith('# HELP '):
            self.help(line[7:])
        elif line.startswith('# TYPE '):
            self.type(line[7:])
        else:
            self.sample(line)

    def help(self, rest):
        self.close()
        name, _, text = rest.partition(' ')
        if not NAME.fullmatch(name) or not name.startswith('paygw_'):
            raise ValueError('name of a family')
        if name in self.families:
            raise ValueError('family once more')
        if not re.fullmatch(r'[A-Z][^\\]*\.', text):
            raise ValueError('help is no sentence')
        self.family = {'name': name, 'help': text, 'type': None,
                       'labels': None, 'histograms': {}}
        self.families[name] = self.family

    def type(self, rest):
        name, _, kind = rest.partition(' ')
        if not self.family or self.family['name'] != name \
                or self.family['type']:
            raise ValueError('type that belongs to no help')
        if kind not in ('counter', 'gauge', 'histogram'):
            raise ValueError('unknown type')
        if (kind == 'counter') != name.endswith('_total'):
            raise ValueError('"_total" is the end of a counter')
        if kind == 'histogram' and not name.endswith('_seconds'):
            raise ValueError('histogram without a unit')
        if kind != 'histogram' and name.endswith(SUFFIXES):
            raise ValueError('suffix of a histogram')
        if re.search(r'_(?:ms|msec|milliseconds?|us|kb|mb|kilobytes|percent'
                     r'|days|minutes|hours)(?:_|$)', name):
            raise ValueError('not a base unit')
        self.family['type'] = kind

    def sample(self, line):
        if not self.family or not self.family['type']:
            raise ValueError('sample that belongs to no family')
        match = re.match(r'([a-z0-9_]+)(?:\{(.*)\})? (\S+)$', line)
        if not match:
            raise ValueError('no sample')
        name, inside, value = match.groups()
        if inside == '':
            raise ValueError('empty braces')
        if not NUMBER.fullmatch(value):
            raise ValueError('no number')
        labels = self.labels(inside or '')
        key = name + json.dumps(labels, sort_keys=True)
        if key in self.samples:
            raise ValueError('sample once more')
        self.samples[key] = float(value) if '.' in value else int(value)

        family = self.family
        names = [n for n in labels if n != 'le']
        if family['labels'] is None:
            family['labels'] = names
        elif family['labels'] != names:
            raise ValueError('other labels than the samples before')

        if family['type'] == 'histogram':
            self.histogram(name, labels, float(value))
        elif name != family['name'] or 'le' in labels:
            raise ValueError('sample of another family')
        elif '.' in value:
            raise ValueError('not an integer')

    @staticmethod
    def labels(text):
        labels = {}
        while text:
            match = re.match(r'([^=]+)="((?:[^"\\]|\\[\\"n])*)"(?:,(?=.)|$)',
                             text)
            if not match:
                raise ValueError('no label')
            name, value = match.groups()
            if not LABEL.fullmatch(name) or name in labels:
                raise ValueError('name of a label')
            labels[name] = re.sub(
                r'\\(.)', lambda m: {'n': '\n'}.get(m.group(1), m.group(1)),
                value)
            text = text[match.end():]
        return labels

    def histogram(self, name, labels, value):
        suffix = name[len(self.family['name']):]
        if not name.startswith(self.family['name']) or suffix not in SUFFIXES:
            raise ValueError('sample of another family')
        if ('le' in labels) != (suffix == '_bucket'):
            raise ValueError('bound of a bucket')
        which = json.dumps({n: v for n, v in labels.items() if n != 'le'})
        one = self.family['histograms'].setdefault(which, {'buckets': []})
        if suffix == '_bucket':
            if '_sum' in one or '_count' in one:
                raise ValueError('bucket behind the sum')
            if labels['le'] != '+Inf' and not NUMBER.fullmatch(labels['le']):
                raise ValueError('no bound')
            one['buckets'].append((float(labels['le']), value))
        else:
            one[suffix] = value

    def close(self):
        family = self.family
        if not family:
            return
        name = family['name']
        if not family['type']:
            self.error(0, 'no type: ' + name)
        for which, one in family['histograms'].items():
            buckets = one['buckets']
            if not buckets or buckets[-1][0] != math.inf:
                self.error(0, 'no last bucket: %s %s' % (name, which))
                continue
            for (a, m), (b, n) in zip(buckets, buckets[1:]):
                if a >= b or m > n:
                    self.error(0, 'buckets: %s %s' % (name, which))
            if one.get('_count') != buckets[-1][1] or '_sum' not in one:
                self.error(0, 'count or sum: %s %s' % (name, which))
                continue
            # what the buckets say about the sum
            least = most = before = 0
            for i, (bound, n) in enumerate(buckets):
                low = buckets[i - 1][0] if i else 0
                least += (n - before) * low
                most += (n - before) * bound if n > before else 0
                before = n
            if not least - 1e-6 <= one['_sum'] <= most + 1e-6:
                self.error(0, 'sum: %s %s' % (name, which))
        self.family = None


def status(path, text):
    """The differences between the two."""
    with open(path, encoding='utf-8') as f:
        top = json.load(f, object_pairs_hook=pairs)

    if sorted(top) != ['metrics', 'time', 'version']:
        yield 'members: %s' % sorted(top)
    if not re.fullmatch(r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ', top['time']):
        yield 'time: ' + top['time']
    if list(top['metrics']) != list(text.families):
        yield 'families differ'

    seen = {}
    for name, family in top['metrics'].items():
        want = text.families.get(name, {})
        for word in ('type', 'help'):
            if family[word] != want.get(word):
                yield '%s: %s' % (name, word)
        for sample in family['samples']:
            labels = sample['labels']

            def put(suffix, value, **more):
                seen[name + suffix + json.dumps({**labels, **more},
                                                sort_keys=True)] = value
            if family['type'] != 'histogram':
                put('', sample['value'])
                continue
            put('_sum', sample['sum'])
            put('_count', sample['count'])
            for bucket in sample['buckets']:
                put('_bucket', bucket['count'], le=bucket['le'])

    if set(seen) != set(text.samples):
        yield 'samples differ: %s' % sorted(set(seen) ^ set(text.samples))
    for key, value in text.samples.items():
        if seen.get(key) != value and not key.startswith('paygw_zone_free'):
            yield '%s: %s and %s' % (key, value, seen.get(key))


def pairs(members):
    if len(dict(members)) != len(members):
        raise ValueError('member twice')
    return dict(members)


def main():
    with open(sys.argv[1], encoding='utf-8', newline='') as f:
        text = Text(f.read())
    errors = text.errors
    if len(sys.argv) > 2:
        errors += list(status(sys.argv[2], text))
    json.dump({'samples': text.samples, 'errors': errors,
               'families': {n: f['type'] for n, f in text.families.items()}},
              sys.stdout)


if __name__ == '__main__':
    main()
