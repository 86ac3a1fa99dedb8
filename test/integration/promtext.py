"""A strict reader of Prometheus' text format, version 0.0.4: every line has to be right, as one that is not makes Prometheus
drop the whole scrape. parse() gives {name: Family}; knows nothing of weirpool."""
import collections
import math
import re

NAME = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*')
LABEL = re.compile(r'[a-zA-Z_][a-zA-Z0-9_]*')
TYPES = ('counter', 'gauge', 'histogram', 'summary', 'untyped')
SUFFIXES = {'histogram': ('_bucket', '_sum', '_count'), 'summary': ('_sum', '_count', '')}


class BadText(Exception):
    pass


class Family:
    """One metric: type, help and {frozenset of labels: value}; of a histogram, {(suffix, labels): value}."""

    def __init__(self, name):
        self.name, self.type, self.help, self.samples = name, None, None, collections.OrderedDict()

    def value(self, **labels):
        """The one value whose labels hold all of these; KeyError: none, or several."""
        return self.one('', labels)

    def one(self, suffix, labels):
        want = frozenset(labels.items())
        found = [v for (s, have), v in self.samples.items() if s == suffix and want <= have]
        if len(found) != 1:
            raise KeyError('%s%s%s: %d series' % (self.name, suffix, labels, len(found)))
        return found[0]

    def labels(self, name):
        return {dict(have).get(name) for _, have in self.samples}


def unquote(text, at):
    """From behind the opening quote; returns the value and the place behind the closing one."""
    out = []
    while True:
        if at >= len(text):
            raise BadText('a label value is not closed: ' + text)
        c = text[at]
        if c == '"':
            return ''.join(out), at + 1
        if c == '\\':
            nxt = text[at + 1:at + 2]
            if nxt not in ('\\', '"', 'n'):
                raise BadText('bad escape in: ' + text)
            out.append('\n' if nxt == 'n' else nxt)
            at += 2
            continue
        out.append(c)
        at += 1


def read_labels(line, at):
    labels = {}
    while line[at:at + 1] != '}':
        m = LABEL.match(line, at)
        if not m or line[m.end():m.end() + 2] != '="':
            raise BadText('bad label in: ' + line)
        if m.group() in labels or m.group().startswith('__'):
            raise BadText('label twice or reserved in: ' + line)
        labels[m.group()], at = unquote(line, m.end() + 2)
        if line[at:at + 1] == ',':
            at += 1
            if line[at:at + 1] == '}':
                raise BadText('comma before the brace: ' + line)
        elif line[at:at + 1] != '}':
            raise BadText('no comma between labels: ' + line)
    return labels, at + 1


def read_value(text, line):
    if not re.fullmatch(r'[+-]?(\d+(\.\d+)?([eE][+-]?\d+)?|Inf)|NaN', text):
        raise BadText('bad value in: ' + line)
    return float(text)


def read_sample(line):
    m = NAME.match(line)
    if not m:
        raise BadText('bad name: ' + line)
    at, labels = m.end(), {}
    if line[at:at + 1] == '{':
        labels, at = read_labels(line, at + 1)
    if line[at:at + 1] != ' ':
        raise BadText('no blank before the value: ' + line)
    return m.group(), labels, read_value(line[at + 1:], line)


def family_of(families, current, name):
    if current is None:
        raise BadText('a sample before any TYPE: ' + name)
    suffixes = SUFFIXES.get(current.type, ('',))
    for s in suffixes:
        if name == current.name + s:
            return s
    raise BadText('%s stands under the TYPE of %s' % (name, current.name))


def check_histogram(f):
    series = collections.defaultdict(list)
    for (suffix, labels), v in f.samples.items():
        if suffix == '_bucket':
            rest = dict(labels)
            if 'le' not in rest:
                raise BadText('%s: a bucket without le' % f.name)
            le = rest.pop('le')
            series[frozenset(rest.items())].append((math.inf if le == '+Inf' else float(le), v))
    for labels, buckets in series.items():
        if buckets != sorted(buckets) or [v for _, v in buckets] != sorted(v for _, v in buckets):
            raise BadText('%s: buckets are not in order or do not grow' % f.name)
        if buckets[-1][0] != math.inf:
            raise BadText('%s: no +Inf' % f.name)
        if f.samples.get(('_count', labels)) != buckets[-1][1] or ('_sum', labels) not in f.samples:
            raise BadText('%s: _count is not the last bucket, or there is no _sum' % f.name)
    if {l for (s, l) in f.samples if s != '_bucket'} != set(series):
        raise BadText('%s: a _sum or _count without buckets' % f.name)


def check_family(f):
    if f.type is None or not f.help:
        raise BadText('%s has no TYPE or no HELP' % f.name)
    if f.type == 'counter' and any(v < 0 or v != v for v in f.samples.values()):
        raise BadText('%s: a counter below 0' % f.name)
    names = {frozenset(dict(l)) for (s, l) in f.samples if s != '_bucket'}
    if f.type == 'histogram':
        check_histogram(f)
    return names


def read_comment(line, families, current):
    m = re.fullmatch(r'# (HELP|TYPE) (\S+) (.*)', line)
    if not m or not NAME.fullmatch(m.group(2)):
        raise BadText('bad comment: ' + line)
    kind, name, rest = m.groups()
    if kind == 'HELP':
        if name in families:
            raise BadText(name + ' comes a second time')
        families[name] = current = Family(name)
        current.help = rest
        if re.search(r'\\(?![\\n])', rest):
            raise BadText('bad escape in the HELP of ' + name)
        return current
    if current is None or current.name != name or current.type is not None:
        raise BadText('TYPE without its HELP, or twice: ' + name)
    if rest not in TYPES:
        raise BadText('unknown type: ' + line)
    current.type = rest
    return current


def parse(text):
    if isinstance(text, bytes):
        text = text.decode('utf-8', 'strict')
    if text and not text.endswith('\n'):
        raise BadText('the last line has no end')
    families, current = collections.OrderedDict(), None
    for line in text.split('\n')[:-1]:
        if not line or '\r' in line:
            raise BadText('an empty line, or a carriage return')
        if line.startswith('#'):
            current = read_comment(line, families, current)
            continue
        name, labels, value = read_sample(line)
        suffix = family_of(families, current, name)
        key = (suffix, frozenset(labels.items()))
        if current.type is None or key in current.samples:
            raise BadText('no TYPE before it, or the same series twice: ' + line)
        current.samples[key] = value
    for f in families.values():
        check_family(f)
    return families
