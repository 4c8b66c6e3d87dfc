#!/bin/bash
# eventlet 0.33.1 (Debian 12), the HTTP server of Swift's proxy, sends the end of a chunked body after
# the answer to HEAD, when an application gives its body as an iterator without a length. An answer
# to HEAD has no body (RFC 9110, 9.3.2), so a client that keeps its connection finds five bytes more
# than it expects: Go's client logs "Unsolicited response received on idle HTTP channel" and drops the
# connection, as after each HEAD of a container of Swift 2.30.1. Seen: the bytes "0\r\n\r\n" after the header.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
"$here/fetch" "$dir/root" python3-eventlet=0.33.1-4 >/dev/null 2>&1
cat > "$dir/head.py" <<'P'
import eventlet
import eventlet.green.socket as socket
import eventlet.wsgi

def app(environ, start):
    start('200 OK', [('Content-Type', 'text/plain')])
    return (part for part in [])

listener = eventlet.listen(('127.0.0.1', 0))
eventlet.spawn(eventlet.wsgi.server, listener, app, log_output=False)
client = socket.create_connection(listener.getsockname())
client.sendall(b'HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
answer = b''
with eventlet.Timeout(10):
    while part := client.recv(4096):
        answer += part
header, _, body = answer.partition(b'\r\n\r\n')
print('eventlet', eventlet.__version__, 'sends after the header of an answer to HEAD:', body)
raise SystemExit(body != b'0\r\n\r\n')
P
PYTHONPATH="$dir/root/usr/lib/python3/dist-packages" /usr/bin/python3 -S "$dir/head.py"
