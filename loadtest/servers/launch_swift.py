"""An OpenStack Swift of one node, on loopback, for tests and for trying things out.

usage: launch_swift.py FOLDER PORT

PORT to PORT+3 are used. The environment variable MEMCACHED has memcached's
address; BIND that of the proxy, when it is not loopback; EDGES those of thumbmill's
edges, which the proxy then asks for thumbnails (MIDDLEWARE is the module's folder).
With FORGETFUL nothing is brought to the disk, since nothing outlives the test.

It runs Debian's python3-swift: builds the rings, writes the configuration, and
forks one process for each of the object, container and account servers and the
proxy. It ends all of them when it is told to end.
"""
import ctypes
import getpass
import os
import signal
import socket
import sys
import time

folder, first = sys.argv[1], int(sys.argv[2])
ports = {"object": first + 1, "container": first + 2, "account": first + 3, "proxy": first}

COMMON = """[DEFAULT]
swift_dir = {folder}
devices = {folder}/devices
recon_cache_path = {folder}
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
bind_ip = {bind}
bind_port = {port}
workers = 0
user = {user}
log_level = ERROR
"""

# allowed_headers replaces Swift's own list, which therefore stands here too.
BACKEND = """[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
container_update_timeout = 5
allowed_headers = Content-Disposition, Content-Encoding, X-Delete-At, X-Object-Manifest, X-Static-Large-Object, Cache-Control, Xkey
"""

PROXY = """[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache {thumbmill} s3api tempauth container-quotas proxy-server
[filter:thumbmill]
paste.filter_factory = thumbmill_swift:filter_factory
account = AUTH_test
edges = {edges}
timeout = 10
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 3
recoverable_node_timeout = 3
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = {memcached}
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:s3api]
use = egg:swift#s3api
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_edge = looking
user_test_renderer = drawing
"""


def prepare():
    """Write the configuration and the rings: one device, one replica."""

    os.makedirs(folder + "/devices/d1", exist_ok=True)
    with open(folder + "/swift.conf", "w") as f:
        f.write("[swift-hash]\nswift_hash_path_prefix = t\nswift_hash_path_suffix = t\n[storage-policy:0]\nname = one\ndefault = yes\n")
    edges = os.environ.get("EDGES", "")
    values = dict(folder=folder, user=getpass.getuser(), memcached=os.environ["MEMCACHED"],
                  edges=edges, thumbmill="thumbmill" if edges else "")
    for name, port in ports.items():
        body = PROXY if name == "proxy" else BACKEND
        bind = os.environ.get("BIND", "127.0.0.1") if name == "proxy" else "127.0.0.1"
        with open("%s/%s-server.conf" % (folder, name), "w") as f:
            f.write((COMMON + body).format(name=name, port=port, bind=bind, **values))


def rings():
    from swift.common.ring import RingBuilder

    for name in ("object", "container", "account"):
        builder = RingBuilder(3, 1, 0)
        builder.add_dev(dict(id=0, region=1, zone=1, weight=1, ip="127.0.0.1", port=ports[name],
                             replication_ip="127.0.0.1", replication_port=ports[name], device="d1", meta=""))
        builder.rebalance()
        builder.get_ring().save("%s/%s.ring.gz" % (folder, name))


def serve(name):
    """Become one server; it dies with its parent."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    from swift.common.wsgi import run_wsgi

    os._exit(run_wsgi("%s/%s-server.conf" % (folder, name), name + "-server", verbose=False) or 0)


prepare()
sys.path.insert(0, os.environ.get("MIDDLEWARE", folder))
import swift.common.utils

swift.common.utils.set_swift_dir(folder)  # swift.conf is looked for in /etc/swift otherwise
if "FORGETFUL" in os.environ:
    os.fsync = os.fdatasync = lambda fd: None
rings()
import swift.account.server  # noqa: E402,F401  imported once, before the forks
import swift.container.server  # noqa: E402,F401
import swift.obj.server  # noqa: E402,F401
import swift.proxy.server  # noqa: E402,F401

def start(name):
    pid = os.fork()
    if pid == 0:
        serve(name)
    with open("%s/%s.pid" % (folder, name), "w") as f:
        f.write(str(pid))


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


behind = ("object", "container", "account")
for name in behind:
    start(name)
# The proxy comes last: it says that it is well, whoever is not behind it, and answers 503.
while not all(listens(ports[name]) for name in behind):
    if os.waitpid(-1, os.WNOHANG)[0]:
        sys.exit("launch_swift: a server ended")
    time.sleep(0.02)
start("proxy")
os.wait()
