"""Swift middleware that serves MediaWiki's files and asks thumbmill for missing thumbnails.

Its place in the proxy's pipeline is before the authentication:

    [pipeline:main]
    pipeline = catch_errors gatekeeper healthcheck cache thumbmill tempauth proxy-server

    [filter:thumbmill]
    paste.filter_factory = thumbmill_swift:filter_factory
    account = AUTH_media
    edges = 10.0.0.5:8888, 10.0.0.6:8888
    prefix = thumbor/
    sharded = wikipedia-en-local-public, wikipedia-en-local-thumb
    connect_timeout = 1
    timeout = 75

The middleware looks for a path such as /wikipedia/en/thumb/a/ab/Cat.jpg/330px-Cat.jpg in
the container wikipedia-en-local-thumb, below the prefix that thumbmill's settings call
store.thumbnails.prefix. After a 404 it asks an edge, and another edge if the first one
refuses the connection; the client gets the edge's answer. Only Swift serves originals and
transcoded files. The middleware passes all other paths on: thumb.php, math, private wikis
and the like need edges in front of Swift.

Containers must be readable for everybody (X-Container-Read: .r:*). Edges must trust this
host (edge.trusted_proxies), because it tells them the client. The timeout is the longest
time of one read in seconds; it must be above thumbmill's edge.deadline. Swift serves a stored
thumbnail even if its original is newer: purge originals that you replace.
"""
import random
import re

from eventlet import Timeout
from eventlet.green.http import client
from swift.common.swob import Request, Response
from swift.common.utils import close_if_possible, drain_and_close, get_logger, list_from_csv

FILE = re.compile(
    r"^/(?!v1/|v1\.0/|auth/|info$|healthcheck)(?P<project>[^-/]+)/(?P<language>[^/]+)/(?:(?P<zone>thumb|transcoded)/)?"
    r"(?P<object>(?:archive/)?[0-9a-f]/(?P<shard>[0-9a-f]{2})/.+)$")
PASSED_ON = ("Accept", "If-Modified-Since", "If-None-Match", "Range", "If-Range", "User-Agent",
             "X-Forwarded-Proto", "X-Request-Id")
HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade"}


class Thumbmill:
    def __init__(self, app, conf):
        self.app = app
        self.log = get_logger(conf, log_route="thumbmill")
        self.account = conf["account"]
        self.edges = list_from_csv(conf["edges"])
        self.prefix = conf.get("prefix", "")
        self.sharded = set(list_from_csv(conf.get("sharded", "")))
        self.connect_timeout = float(conf.get("connect_timeout", 1))
        self.timeout = float(conf.get("timeout", 75))

    def __call__(self, env, start_response):
        asked = re.sub("/{2,}", "/", env["PATH_INFO"])
        found = FILE.match(asked)
        if not found or env["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self.app(env, start_response)
        as_received = env.get("RAW_PATH_INFO") or env["PATH_INFO"]
        request = Request(env)
        request.path_info = self.place(found)
        response = request.get_response(self.app)
        if response.status_int == 404 and found["zone"] == "thumb":
            drain_and_close(response)
            return self.ask(request, as_received, start_response)
        return response(env, start_response)

    def place(self, found):
        zone = found["zone"] or "public"
        container = "%s-%s-local-%s" % (found["project"], found["language"], zone)
        if container in self.sharded:
            container += "." + found["shard"]
        prefix = self.prefix if zone == "thumb" else ""
        return "/v1/%s/%s/%s%s" % (self.account, container, prefix, found["object"])

    def ask(self, request, path, start_response):
        """Return an edge's answer unchanged: status, headers and body."""
        if not re.fullmatch(r"[!-~]+", path):
            return self.refuse(request, start_response, 400, "Percent-encode the path.\n", {})
        if request.query_string:
            path += "?" + request.query_string
        connection = self.connect()
        if connection is None:
            return self.refuse(request, start_response, 503, "No thumbnailing edge can be reached.\n",
                               {"Retry-After": "5", "Cache-Control": "no-store"})
        try:
            connection.sock.settimeout(self.timeout)
            connection.request(request.method, path, headers=self.headers(request))
            response = connection.getresponse()
        except (OSError, client.HTTPException) as error:
            connection.close()
            self.log.warning("an edge did not answer: %s", error)
            return self.refuse(request, start_response, 504, "The thumbnailing edge did not answer in time.\n",
                               {"Retry-After": "10", "Cache-Control": "no-store"})
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
        start_response("%d %s" % (response.status, response.reason), headers)
        return Body(response, connection)

    def connect(self):
        """Connect to a random edge that accepts. Edges that refuse got no request."""
        for edge in random.sample(self.edges, len(self.edges)):
            connection = client.HTTPConnection(edge)
            try:
                with Timeout(self.connect_timeout):
                    connection.connect()
                return connection
            except (OSError, Timeout) as error:
                connection.close()
                self.log.warning("edge %s: %s", edge, error)
        return None

    def refuse(self, request, start_response, status, text, headers):
        response = Response(status=status, body=text, headers=headers, request=request, content_type="text/plain")
        return response(request.environ, start_response)

    def headers(self, request):
        told = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        client_address = request.headers.get("X-Forwarded-For")
        direct = request.environ.get("REMOTE_ADDR", "")
        told["X-Forwarded-For"] = "%s, %s" % (client_address, direct) if client_address else direct
        return told


class Body:
    """The edge's body, in pieces. The connection ends with it."""

    def __init__(self, response, connection):
        self.response, self.connection = response, connection

    def __iter__(self):
        try:
            while True:
                piece = self.response.read(65536)
                if not piece:
                    break
                yield piece
            if self.response.length:  # the body is shorter than its Content-Length
                raise OSError("the edge's answer was cut short")
        finally:
            self.close()

    def close(self):
        close_if_possible(self.response)
        self.connection.close()


def filter_factory(global_conf, **local_conf):
    conf = dict(global_conf, **local_conf)
    return lambda app: Thumbmill(app, conf)
