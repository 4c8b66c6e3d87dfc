#!/bin/bash
# nginx 1.22.1 (Debian 12) with proxy_cache_lock lets the second of two equal requests wait for half a
# second, although the first has filled the cache long before: a waiting request looks at the lock every
# 500 ms. The documentation says that it waits for the answer to appear in the cache. A thumbnail that
# takes 100 ms to make therefore takes five times as long for everybody but the first. Seen: an origin
# answers the first client in 0.1 s. The second client, which asks 0.03 s later, gets a hit of the cache
# after 0.5 s.
set -euo pipefail
dir=$(mktemp -d)
here=$(cd "$(dirname "$0")" && pwd)
"$here/run-nginx" "$dir" "proxy_cache_lock on;" &
trap 'kill $! 2>/dev/null || true; rm -rf "$dir"' EXIT
cat > "$dir/ask.py" <<'P'
import socket, socketserver, sys, threading, time
class Origin(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        time.sleep(0.1)
        self.wfile.write(b'HTTP/1.0 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 1\r\n\r\nx')
origin = socketserver.ThreadingUnixStreamServer(sys.argv[1] + '/origin', Origin)
threading.Thread(target=origin.serve_forever, daemon=True).start()
def get(path, answers, until=0):
    link = socket.socket(socket.AF_UNIX)
    while link.connect_ex(sys.argv[1] + '/nginx') and time.monotonic() < until:
        time.sleep(0.1)
    began = time.monotonic()
    link.sendall(b'GET %s HTTP/1.0\r\n\r\n' % path)
    answer = b''.join(iter(lambda: link.recv(4096), b''))
    answers.append((time.monotonic() - began, b'X-Cache: HIT' in answer))
get(b'/nginx-has-started', [], time.monotonic() + 120)
first, second = [], []
one = threading.Thread(target=get, args=(b'/picture', first))
one.start()
time.sleep(0.03)
get(b'/picture', second)
one.join()
(made, _), (waited, hit) = first[0], second[0]
print(f'first: {made:.2f} s; second: {waited:.2f} s, from the cache: {hit}')
raise SystemExit(not (hit and waited > made + 0.25))
P
python3 "$dir/ask.py" "$dir"
