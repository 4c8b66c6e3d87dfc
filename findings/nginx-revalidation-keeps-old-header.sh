#!/bin/bash
# nginx 1.22.1 (Debian 12) with proxy_cache_revalidate does not take the header of an answer 304 into
# its copy. It keeps the copy for the new max-age itself, but tells clients the old one, with all other
# old fields. RFC 9111, 3.2 and 4.3.4, says that a cache must replace them. A site that shortens the
# max-age of its pictures therefore tells browsers the long one as long as the pictures stay the same.
# Seen: the origin's 200 has max-age=1 and version a, its 304 has max-age=60 and version b. Later
# answers come from the cache without a question to the origin, and have max-age=1 and version a.
set -euo pipefail
dir=$(mktemp -d)
here=$(cd "$(dirname "$0")" && pwd)
"$here/run-nginx" "$dir" "proxy_cache_revalidate on;" &
trap 'kill $! 2>/dev/null || true; rm -rf "$dir"' EXIT
cat > "$dir/ask.py" <<'P'
import email, socket, socketserver, sys, threading, time
asked = []
class Origin(socketserver.StreamRequestHandler):
    def handle(self):
        known = any(line.lower().startswith(b'if-none-match') for line in iter(self.rfile.readline, b'\r\n'))
        asked.append(known)
        head = (b'304 Not Modified\r\nCache-Control: max-age=60\r\nX-Version: b' if known else
                b'200 OK\r\nCache-Control: max-age=1\r\nX-Version: a\r\nContent-Length: 1')
        self.wfile.write(b'HTTP/1.0 ' + head + b'\r\nETag: "1"\r\n\r\n' + (b'' if known else b'x'))
origin = socketserver.ThreadingUnixStreamServer(sys.argv[1] + '/origin', Origin)
threading.Thread(target=origin.serve_forever, daemon=True).start()
def get(until=0):
    link = socket.socket(socket.AF_UNIX)
    while link.connect_ex(sys.argv[1] + '/nginx') and time.monotonic() < until:
        time.sleep(0.1)
    link.sendall(b'GET / HTTP/1.0\r\n\r\n')
    answer = b''.join(iter(lambda: link.recv(4096), b''))
    fields = email.message_from_bytes(answer.partition(b'\r\n')[2])
    return fields['X-Cache'], fields['Cache-Control'], fields['X-Version']
answers = [get(time.monotonic() + 120)]
for _ in range(2):
    time.sleep(2.5)
    answers.append(get())
print('answers:', *answers, '- questions with If-None-Match:', asked)
old = ('max-age=1', 'a')
raise SystemExit(answers != [('MISS', *old), ('REVALIDATED', *old), ('HIT', *old)] or asked != [False, True])
P
python3 "$dir/ask.py" "$dir"
