#!/bin/bash
# Varnish 7.1.1 (Debian 12) answers a request for two ranges of an object with 416, although the object
# has both. RFC 9110, 15.5.17, has 416 for ranges that the object lacks, and for many small or
# overlapping ones; a server that serves only single ranges may answer 200 with the whole (14.2). A
# client that resumes or reads parts takes 416 for a file that became shorter. Seen: an object of 100
# bytes gives 206 for bytes=0-9, and 416 for bytes=0-9,20-29. The script needs gcc, as Varnish does.
set -euo pipefail
dir=$(mktemp -d)
trap 'kill $! 2>/dev/null || true; rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" varnish=7.1.1-2+deb12u1 2>/dev/null)
cat > "$dir/one.vcl" <<C
vcl 4.1;
backend origin { .path = "$dir/origin"; }
C
cat > "$dir/ask.py" <<'P'
import socket, socketserver, sys, threading, time
class Origin(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(b'HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\nContent-Length: 100\r\n\r\n' + bytes(100))
origin = socketserver.ThreadingUnixStreamServer(sys.argv[1] + '/origin', Origin)
threading.Thread(target=origin.serve_forever, daemon=True).start()
def status(ranges, until=0):
    link = socket.socket(socket.AF_UNIX)
    while link.connect_ex(sys.argv[1] + '/varnish') and time.monotonic() < until:
        time.sleep(0.1)
    link.sendall(b'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n' + ranges + b'\r\n')
    return int(b''.join(iter(lambda: link.recv(4096), b'')).split()[1])
seen = status(b'', time.monotonic() + 60), status(b'Range: bytes=0-9\r\n'), status(b'Range: bytes=0-9,20-29\r\n')
print('whole, one range, two ranges:', *seen)
raise SystemExit(seen != (200, 206, 416))
P
$run "$dir/root/usr/sbin/varnishd" -F -j none -n "$dir/state" -a "$dir/varnish" -f "$dir/one.vcl" -s malloc,8M >"$dir/log" 2>&1 &
python3 "$dir/ask.py" "$dir" || { cat "$dir/log"; exit 1; }
