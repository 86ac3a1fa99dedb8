"""The part of Helm's template language that deploy/helm uses: values by path, include, if, else, with, range, pipes, and a few functions.
What it does not know it refuses. No helm is in Debian."""
import hashlib
import re
import shlex

import yaml



def parse(text):
    """A list of text (str) and actions (tuple of one str)."""
    out, at, trim = [], 0, False
    for m in re.finditer(r'\{\{(-?)\s*(.*?)\s*(-?)\}\}', text, re.S):
        piece = text[at:m.start()]
        piece = piece.lstrip() if trim else piece
        out += [piece.rstrip() if m[1] else piece, (m[2],)]
        at, trim = m.end(), bool(m[3])
    rest = text[at:]
    return out + [rest.lstrip() if trim else rest]


def tree(parts, i=0, inside=False):
    """Nodes: text, (expression,), (keyword, argument, nodes, nodes of else)."""
    nodes, before = [], None
    while i < len(parts):
        p = parts[i]
        i += 1
        if isinstance(p, str):
            nodes.append(p)
            continue
        word, _, arg = p[0].partition(' ')
        if word == 'end':
            assert inside, 'end of nothing'
            return (nodes, []) if before is None else (before, nodes), i
        if word == 'else':
            assert inside and before is None and not arg, 'this else is not known here'
            before, nodes = nodes, []
        elif word in ('if', 'with', 'range', 'define'):
            body, i = tree(parts, i, True)
            nodes.append((word, arg, *body))
        elif word != '/*':
            nodes.append(p)
    assert not inside, 'no end'
    return nodes, i


class Chart:
    def __init__(self, directory, release, values):
        self.meta = yaml.safe_load((directory / 'Chart.yaml').read_text())
        self.top = dict(Values=merge(yaml.safe_load((directory / 'values.yaml').read_text()), values),
                        Release=dict(Name=release, Namespace='ns'), Chart={k[0].upper() + k[1:]: v for k, v in self.meta.items()})
        self.defined = {}
        for f in sorted((directory / 'templates').glob('*.tpl')):
            self.run(tree(parse(f.read_text()))[0], self.top)
        notes = directory / 'templates/NOTES.txt'
        self.notes = self.run(tree(parse(notes.read_text()))[0], self.top)
        self.texts = {f.name: self.run(tree(parse(f.read_text()))[0], self.top) for f in sorted((directory / 'templates').glob('*.yaml'))}

    def documents(self):
        return [d for text in self.texts.values() for d in yaml.safe_load_all(text) if d]

    def run(self, nodes, dot):
        out = []
        for n in nodes:
            if isinstance(n, str):
                out.append(n)
            elif len(n) == 1:
                v = self.value(n[0], dot)
                out.append('' if v is None else str(v).lower() if isinstance(v, bool) else str(v))
            elif n[0] == 'define':
                self.defined[shlex.split(n[1])[0]] = n[2]
            else:
                v = self.value(n[1], dot)
                for d in (v or [] if n[0] == 'range' else [v if n[0] == 'with' else dot] if v else []):
                    out.append(self.run(n[2], d))
                if not v:
                    out.append(self.run(n[3], dot))
        return ''.join(out)

    def value(self, text, dot):
        """A pipe: the value of each part is the last argument of the next."""
        value, first = None, True
        for part in text.split(' | '):
            words = shlex.split(part, posix=False)
            args = [self.atom(w, dot) for w in words[1:]] + ([] if first else [value])
            value = self.call(words[0], args) if words[0].isalnum() else self.atom(words[0], dot)
            first = False
        return value

    def atom(self, word, dot):
        if word.startswith('"'):
            return word[1:-1]
        if word.isdigit():
            return int(word)
        assert word.startswith('.'), word
        v = self.top if word.split('.')[1] in self.top else dot
        for name in word.split('.')[1:]:
            if name:
                assert name in v, '%s: there is no %s' % (word, name)
                v = v[name]
        return dot if word == '.' else v

    def call(self, name, args):
        def include():
            return self.run(self.defined[args[0]], args[1])

        def nindent():
            return '\n' + '\n'.join(' ' * args[0] + line if line else '' for line in args[1].rstrip('\n').split('\n'))

        def required():
            assert args[1] not in (None, ''), args[0]
            return args[1]
        return dict(include=include, contains=lambda: args[0] in args[1], printf=lambda: args[0] % tuple(args[1:]), nindent=nindent, required=required,
                    toYaml=lambda: yaml.safe_dump(args[0], default_flow_style=False).rstrip('\n'),
                    quote=lambda: '"%s"' % str(args[0]).replace('"', '\\"'),
                    default=lambda: args[1] if args[1] not in (None, '') else args[0],
                    sha256sum=lambda: hashlib.sha256(args[0].encode()).hexdigest())[name]()


def merge(a, b):
    if not (isinstance(a, dict) and isinstance(b, dict)):
        return b
    return {**a, **{k: merge(a[k], v) if k in a else v for k, v in b.items()}}
