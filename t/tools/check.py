#!/usr/bin/python3
"""The rules that keep the sources in one hand; see t/README.md.

usage: check.py [ROOT]

Prints "file:line: message" for each finding, and ends with status 1 if there
are any.
"""

import os
import re
import statistics
import sys

WIDTH = 80
MARKDOWN_WIDTH = 120
FILE_LINES = 600
FUNCTION_LINES = 110

SKIP_DIRS = {'.git', '.deps', '__pycache__', 'node_modules'}
C = ('.c', '.h')
TEXT = C + ('.t', '.pm', '.pl', '.py', '.sh', '.md', '.conf', '.lua', '.html',
            '.supp', '.css', '.js', '.dict')
NAMES = ('Makefile', 'config', 'run', 'LICENSE')

MODULE = 'ngx_http_paygw_module'
FLOORS = ('http', 'provider', 'crypto', 'codec', 'store')

# what a floor may include of others
BELOW = {
    'http': ('provider', 'crypto', 'codec', 'store'),
    'provider': ('crypto', 'codec'),
    'crypto': (),
    'codec': (),
    'store': (),
}

# words in a comparison that make it one of secrets
SECRET = re.compile(r'sig|mac\b|hmac|digest|hash|secret|\btag\b|token|nonce')
COMPARE = re.compile(r'\b(?:ngx_)?(?:memcmp|memn2cmp|strcmp|strncmp|'
                     r'strcasecmp|strncasecmp)\s*\(')

# paths of the machine on which this was written; in pieces, so that the rule
# does not find itself
FOREIGN = re.compile(
    r'(?<![\w./-])/(?:' + 'work' + r'|root)/|/tmp' + r'/w\b|'
    r'(?:^|[\s"\'`(])(?:\.\./)?' + 'shared' +
    r'/(?:design|features|foundation|style|providers|hooks)')

findings = []


def report(path, line, message):
    findings.append((path, line, message))


def text_files(root):
    for folder, dirs, files in os.walk(root):
        here = os.path.relpath(folder, root)
        dirs[:] = sorted(d for d in dirs if d not in SKIP_DIRS
                         and not d.startswith('servroot')
                         and not (here == '.' and d == 'build'))
        for name in sorted(files):
            if name.endswith(TEXT) or name in NAMES:
                yield os.path.normpath(os.path.join(here, name))


def strip_comments(text):
    """The code alone; comments and strings are blanked, lines are kept."""
    def blank(match):
        s = match.group(0)
        if s.startswith('/*'):
            return re.sub(r'[^\n]', ' ', s)
        return s[0] + ' ' * (len(s) - 2) + s[-1]
    return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'',
                  blank, text, flags=re.S)


def unbreakable(line, markdown):
    """A line that is long for one word in it: an address, base64.

    Text for reading may be wider, and a row of a table is one line.
    """
    if markdown and (len(line) <= MARKDOWN_WIDTH or line.startswith('|')):
        return True
    return any(len(word) > 50 for word in line.split())


def check_text(path, text, lines):
    data = path.startswith('t/data/') or '/vectors/' in path
    markdown = path.endswith('.md')
    makefile = os.path.basename(path) == 'Makefile'
    width = WIDTH

    for n, line in enumerate(lines, 1):
        if line == '__DATA__' and path.endswith('.t'):
            # blocks of Test::Nginx: a log line to be matched is one line
            width = 10000
        if FOREIGN.search(line):
            report(path, n, 'names a path outside of the project')
        if data:
            continue
        if len(line) > width:
            if path.endswith(C) or not unbreakable(line, markdown):
                report(path, n, 'line of %d columns' % len(line))
        if '\t' in line and not (makefile and line.startswith('\t')):
            report(path, n, 'tab')
        if '\r' in line:
            report(path, n, 'carriage return')
        if line != line.rstrip():
            report(path, n, 'trailing space')

    if data or not text:
        return
    if not text.endswith('\n'):
        report(path, len(lines), 'no newline at the end of the file')
    elif text.endswith('\n\n'):
        report(path, len(lines), 'blank line at the end of the file')


def functions(code):
    """(name, first line, last line) of each function definition, from 1."""
    i = 0
    while i < len(code):
        if code[i] != '{' or i == 0 or not code[i - 1].rstrip().endswith(')'):
            i += 1
            continue
        first = i - 1
        while first > 0 and code[first - 1].strip() \
                and code[first - 1][0] not in '}#/':
            first -= 1
        last = i
        while last < len(code) and not code[last].startswith('}'):
            last += 1
        name = None
        for n in range(first, i):
            name = name or re.match(r'(?!STACK_OF|__attr)(\w+)\(', code[n])
        yield (name.group(1) if name else '?'), first + 1, last + 1
        i = last + 1


SPACING = [
    (re.compile(r'\b(?:if|for|while|switch)\('), 'no space before "("'),
    (re.compile(r'\)\{'), 'no space before "{"'),
    (re.compile(r'\} *\n? *else *$'), '"else" without "{"'),
    (re.compile(r'^ *else\b'), '"else" not behind its "}"'),
    (re.compile(r'(?<!:)//'), '"//" comment'),
    (re.compile(r'\b(?:if|while) \((?!.*\{ *$)[^;]*\) [^&|=<>!+*/?-]*;'),
     'statement behind a condition on one line'),
    (re.compile(r',[^\s\\)\'"]'), 'no space after ","'),
    (re.compile(r'get_module_(?:main|srv|loc)_conf\([^;]*\)'
                r'->\w+(?:\.\w+)* *[-+|&]?=(?!=)'),
     'configuration written to'),
]

BOUNDLESS = re.compile(r'\b(?:sprintf|vsprintf|strcpy|strcat|gets'
                       r'|strtok)\s*\(')


def check_c(path, text, lines, lengths):
    code = strip_comments(text).split('\n')
    parts = path.split('/')
    module = parts[0] == MODULE
    floor = parts[1] if module and len(parts) > 2 else None

    if len(lines) > FILE_LINES:
        report(path, len(lines), 'file of %d lines' % len(lines))
    if module and not text.startswith(
            '\n/*\n * Copyright (C) the paygw authors\n */\n'):
        report(path, 1, 'head of the file is not the usual one')

    for n, line in enumerate(code, 1):
        for pattern, message in SPACING:
            if pattern.search(line):
                report(path, n, message)
        if module and BOUNDLESS.search(line):
            report(path, n, 'function without bounds')
        indent = len(line) - len(line.lstrip(' '))
        if '\t' not in line and re.match(r' +[a-z_]', line) \
                and indent % 4 and re.match(r'(?:if|for|while|return|break'
                                            r'|goto|continue)\b',
                                            line.strip()):
            report(path, n, 'indented by %d columns' % indent)

    for name, first, last in functions(code):
        length = last - first + 1
        lengths.append(length)
        if length > FUNCTION_LINES:
            report(path, first, 'function of %d lines: %s' % (length, name))
        check_distance(path, code, lines, first)
        if module:
            prefix = 'ngx_http_paygw_' if floor == 'http' else 'ngx_paygw_'
            if not name.startswith(prefix) \
                    and name != 'ngx_http_paygw' and name != 'ngx_paygw':
                report(path, first, 'function without the prefix "%s": %s'
                       % (prefix, name))

    if module and path.endswith('.h'):
        guard = '_%s_H_INCLUDED_' % parts[-1][:-2].upper()
        if '#ifndef %s\n#define %s\n' % (guard, guard) not in text:
            report(path, 1, 'no include guard "%s"' % guard)
    if module:
        check_floor(path, floor, text, code)


def check_distance(path, code, lines, first):
    """Two blank lines before a function, or before the comment above it."""
    n = first - 2
    while n >= 0 and lines[n].strip() and not code[n].strip():
        n -= 1
    if n < 0 or lines[n].startswith('#'):
        return
    blank = 0
    while n >= 0 and not lines[n].strip():
        blank += 1
        n -= 1
    if n >= 0 and lines[n].startswith('#'):
        return
    # a comment that stands by itself above the function
    if blank == 1 and n >= 0 and lines[n].rstrip().endswith('*/'):
        return
    if blank != 2:
        report(path, first, '%d blank lines before a function' % blank)


def floor_of(root, header):
    for floor in FLOORS:
        if os.path.exists(os.path.join(root, MODULE, floor, header)):
            return floor
    return None


def check_floor(path, floor, text, code):
    name = os.path.basename(path)
    source = text.split('\n')

    if floor not in FLOORS:
        report(path, 1, 'not on one of the floors %s' % ', '.join(FLOORS))
        return

    for n, line in enumerate(code, 1):
        include = re.match(r'#\s*include\s*[<"]([^>"]+)[>"]', source[n - 1])
        if include:
            check_include(path, n, floor, name, include.group(1))
        elif floor != 'http' and re.search(r'\bngx_http_', line):
            report(path, n, 'the floor "%s" knows HTTP' % floor)
        if floor in ('crypto', 'provider') and COMPARE.search(line):
            check_compare(path, n, floor, line, source)


def check_include(path, n, floor, name, header):
    target = floor_of(ROOT, header)

    if target is not None:
        if target != floor and target not in BELOW[floor]:
            report(path, n, 'the floor "%s" includes "%s" of "%s"'
                   % (floor, header, target))
        elif target == floor == 'provider' and name.endswith('.h') is False \
                and re.match(r'ngx_paygw_(alipay|wechat_v[23]|unionpay|stripe'
                             r'|generic)', header) \
                and not name.startswith(re.match(
                    r'ngx_paygw_(?:alipay|wechat_v[23]|unionpay|stripe'
                    r'|generic)', header).group(0)):
            report(path, n, 'a provider includes another one: "%s"' % header)
    elif header.startswith(('ngx_paygw', 'ngx_http_paygw')):
        report(path, n, 'no such header: "%s"' % header)

    if header.startswith('openssl/') and floor != 'crypto':
        report(path, n, '<%s> belongs into crypto' % header)
    if header.startswith('ngx_event_openssl') and floor != 'store':
        report(path, n, '<%s> belongs into store' % header)
    if header.startswith('hiredis') \
            and not (floor == 'store' and 'redis' in name):
        report(path, n, '<%s> belongs into store/*redis*' % header)
    if header.startswith(('yajl', 'expat', 'zlib')) and floor != 'codec':
        report(path, n, '<%s> belongs into codec' % header)
    if header.startswith('ngx_http.h') and floor != 'http':
        report(path, n, '<%s> belongs into http' % header)
    if header == 'ngx_event.h' and floor not in ('store', 'http'):
        report(path, n, '<%s> belongs into store' % header)


def check_compare(path, n, floor, line, source):
    near = ' '.join(source[max(0, n - 3):n])
    statement = ' '.join(source[n - 1:n + 1])
    if 'not secret' in near:
        return
    # what is compared with a constant of the source is no secret
    if re.search(r'"|\bNGX_[A-Z0-9_]+\b', statement):
        return
    if SECRET.search(statement):
        report(path, n, 'comparison that may end early; '
               'CRYPTO_memcmp(), or say why "not secret"')


def table(root, room, kind, start):
    """Names in the tables of a kind, with the place of each."""
    found = {}
    folder = os.path.join(root, MODULE, room)
    if not os.path.isdir(folder):
        return found
    for name in sorted(os.listdir(folder)):
        path = '%s/%s/%s' % (MODULE, room, name)
        if not name.endswith('.c'):
            continue
        inside = False
        with open(os.path.join(root, path), encoding='utf-8') as f:
            for n, line in enumerate(f, 1):
                if re.search(r'\b%s\b.*\[\]' % kind, line):
                    inside = True
                elif inside and line.startswith('}'):
                    inside = False
                match = inside and re.search(start, line)
                if match:
                    found.setdefault(match.group(1), (path, n))
    return found


def said_in(root, path, section, mention):
    """Names that a document tells of, in a section or in all of it."""
    said = {}
    if not os.path.exists(os.path.join(root, path)):
        return said
    inside = section is None
    with open(os.path.join(root, path), encoding='utf-8') as f:
        for n, line in enumerate(f, 1):
            if section and line.startswith('#'):
                inside = line.strip('# \n') == section
            for name in re.findall(mention, line) if inside else ():
                said.setdefault(name, n)
    return said


def check_documented(root):
    pairs = (
        ('directives', None, 'directive', 'http', 'ngx_command_t',
         r'ngx_string\("(paygw_\w+)"\)', r'^#+ +`?(paygw_\w+)'),
        ('directives', 'Directives', 'row of directive', 'http',
         'ngx_command_t', r'ngx_string\("(paygw_\w+)"\)',
         r'^\| \[(paygw_\w+)\]'),
        ('variables', None, 'variable', 'http', 'ngx_http_variable_t',
         r'(?:ngx_string|ngx_http_paygw_var)\("(paygw_\w+)"', r'\$(paygw_\w+)'),
        ('metrics', None, 'metric', 'http', 'ngx_http_paygw_family_t',
         r'ngx_http_paygw_(?:counter|gauge|histogram)\("(paygw_\w+)"',
         r'^\| `(paygw_\w+)`'),
        ('errors', 'Reasons', 'reason', 'provider',
         'ngx_str_t +ngx_paygw_reasons', r'ngx_string\("(\w+)"\)',
         r'^\| `(\w+)`'),
    )
    for document, section, what, room, kind, start, mention in pairs:
        path = 'docs/%s.md' % document
        have = table(root, room, kind, start)
        if not have and not os.path.exists(os.path.join(root, path)):
            continue
        said = said_in(root, path, section, mention)
        for name, (where, n) in sorted(have.items()):
            if name not in said:
                report(where, n, '%s "%s" is not in %s' % (what, name, path))
        for name, n in sorted(said.items()):
            if name not in have:
                report(path, n, 'there is no %s "%s"' % (what, name))


LUA_HEADER = MODULE + '/http/ngx_http_paygw_lua.h'
LUA_FILE = 'lua-compat/lib/resty/paygw.lua'
LUA_README = 'lua-compat/README.md'


def check_lua(root):
    """What Lua thinks of the C functions is what their header says."""
    texts = {}
    for path in (LUA_HEADER, LUA_FILE):
        full = os.path.join(root, path)
        if not os.path.exists(full):
            return
        with open(full, encoding='utf-8') as f:
            texts[path] = f.read()

    for what, header, lua in (
            ('the interface', r'/\* cdef: begin \*/\n+(.*?)\n+/\* cdef: end',
             r'ffi\.cdef\[\[\n(.*?)\n *\]\]'),
            ('the version', r'#define NGX_HTTP_PAYGW_FFI_VERSION +(\d+)',
             r'(?m)^local VERSION = (\d+)$'),
            ('the most fields', r'#define NGX_HTTP_PAYGW_FFI_FIELDS +(\d+)',
             r'(?m)^local MAX_FIELDS = (\d+)$'),
            ('the most merchants',
             r'#define NGX_HTTP_PAYGW_FFI_MERCHANTS +(\d+)',
             r'(?m)^local MAX_MERCHANTS = (\d+)$')):
        want = re.search(header, texts[LUA_HEADER], re.S)
        got = re.search(lua, texts[LUA_FILE], re.S)
        if not want or not got or want.group(1) != got.group(1):
            line = texts[LUA_FILE].count('\n', 0, got.start()) + 1 \
                if got else 1
            report(LUA_FILE, line, '%s is not that of %s'
                   % (what, os.path.basename(LUA_HEADER)))

    said = ''
    if os.path.exists(os.path.join(root, LUA_README)):
        with open(os.path.join(root, LUA_README), encoding='utf-8') as f:
            said = '\n'.join(re.findall(r'(?m)^### .*', f.read()))
    have = set(re.findall(r'(?m)^function _M\.(\w+)', texts[LUA_FILE]))
    heads = set(re.findall(r'\bpaygw\.(\w+)\(', said))
    for name in sorted(have - heads):
        report(LUA_FILE, 1, 'function "%s" is not in %s' % (name, LUA_README))
    for name in sorted(heads - have):
        report(LUA_README, 1, 'there is no function "%s"' % name)


def main():
    lengths = []
    for path in text_files(ROOT):
        with open(os.path.join(ROOT, path), 'rb') as f:
            raw = f.read()
        try:
            text = raw.decode('utf-8')
        except UnicodeDecodeError:
            if not path.startswith('t/data/'):
                report(path, 1, 'not UTF-8')
            continue
        lines = text.split('\n')
        if lines and not lines[-1]:
            lines.pop()
        check_text(path, text, lines)
        if path.endswith(C):
            check_c(path, text, lines, lengths)
        elif path.endswith('.py'):
            try:
                compile(text, path, 'exec')
            except SyntaxError as e:
                report(path, e.lineno or 1, 'python: %s' % e.msg)
    check_documented(ROOT)
    check_lua(ROOT)

    for path, line, message in sorted(findings):
        print('%s:%d: %s' % (path, line, message))
    if lengths:
        lengths.sort()
        print('%d functions: median %d lines, 90 %% below %d, longest %d'
              % (len(lengths), statistics.median(lengths),
                 lengths[int(len(lengths) * .9)], lengths[-1]))
    return 1 if findings else 0


if __name__ == '__main__':
    ROOT = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else '.')
    sys.exit(main())
