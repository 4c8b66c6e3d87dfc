#!/bin/bash
# memcached 1.6.18 (Debian 12) deletes the value of a key when a later set of that key is too large: the
# client gets "SERVER_ERROR object too large for cache", and the older value is gone. A refused replace
# leaves the value. protocol.txt mentions neither. A client that reads the error as "nothing changed"
# therefore loses a value of the cache. Seen: get answers the value after a refused replace of 2 MiB,
# and nothing after a refused set of 2 MiB.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
server=
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" memcached=1.6.18-1+deb12u1 2>/dev/null)
$run "$dir/root/usr/bin/memcached" -u "$(id -un)" -s "$dir/socket" &
server=$!
cat > "$dir/ask.py" <<'P'
import socket, sys, time
def connect():
    for _ in range(100):
        try:
            s = socket.socket(socket.AF_UNIX)
            s.connect(sys.argv[1])
            return s.makefile('rwb')
        except OSError:
            time.sleep(0.1)
    raise SystemExit('memcached does not start')
link = connect()
def ask(head, body=b''):
    link.write(head + b'\r\n' + (body + b'\r\n' if body else b''))
    link.flush()
    return link.readline().strip()
def get():
    first = ask(b'get k')
    if first == b'END':
        return None
    value = link.readline().strip()
    assert link.readline().strip() == b'END'
    return value
large = bytes(2 << 20)
assert ask(b'set k 0 0 5', b'small') == b'STORED'
replaced, left = ask(b'replace k 0 0 %d' % len(large), large), get()
stored, gone = ask(b'set k 0 0 %d' % len(large), large), get()
print('replace:', replaced.decode(), 'and get:', left, '- set:', stored.decode(), 'and get:', gone)
refusal = b'SERVER_ERROR object too large for cache'
raise SystemExit((replaced, left, stored, gone) != (refusal, b'small', refusal, None))
P
python3 "$dir/ask.py" "$dir/socket"
