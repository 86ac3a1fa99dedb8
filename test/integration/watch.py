"""weirpool probe, watched: its lines as they come, and the last that it said of the cluster and of each node."""
import re
import subprocess
import threading

from servers import eventually
import weir


class Watch:
    """Lines of `weirpool probe URL`. cluster and node[name] hold what was said last, as dictionaries."""

    def __init__(self, url, *options):
        self.lines = []
        self.cluster = {}
        self.node = {}
        self.proc = subprocess.Popen([weir.find_binary(), 'probe', *options, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                     text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.proc.stdout:
            line = line.rstrip('\n')
            words = line.split(' ')
            if words[3:4] == ['cluster']:
                said = dict(re.findall(r'(\w+)=(\S+?):? ', line.split(': ')[0] + ' '))
                self.cluster = {**said, 'state': words[4], 'why': line.partition(': ')[2]}
            elif words[3:4] == ['node']:
                said = dict(re.findall(r'(\w+)=(\S+)', line.partition(': ')[0]))
                self.node[words[4]] = {**said, 'why': line.partition(': ')[2]}
            self.lines.append(line)

    def text(self):
        return '\n'.join(self.lines)

    def said(self, what, since=0):
        return any(what in line for line in self.lines[since:])

    def until(self, what, seconds=30):
        """Wait until what(self) holds; the whole output is in the error."""
        try:
            return eventually(lambda: what(self), seconds)
        except AssertionError as e:
            raise AssertionError('%s\n%s' % (e, self.text()))

    def until_primary(self, server, seconds=30):
        name = '%s:%d' % (server.host, server.port)
        self.until(lambda w: w.cluster.get('state') == 'normal' and w.cluster['primary'] == name, seconds)

    def until_node(self, server, seconds=30, **what):
        name = '%s:%d' % (server.host, server.port)
        self.until(lambda w: all(w.node.get(name, {}).get(k) == v for k, v in what.items()), seconds)

    def until_said(self, what, since=0, seconds=30):
        self.until(lambda w: w.said(what, since), seconds)

    def stop(self):
        self.proc.terminate()
        try:
            code = self.proc.wait(10)
        finally:
            self.proc.kill()
        self.reader.join(5)
        assert code == 0, '%d\n%s' % (code, self.text())
