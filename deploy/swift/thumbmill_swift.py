"""Swift middleware that serves MediaWiki's paths and asks thumbmill for thumbnails
that Swift does not have.

It stands in the proxy's pipeline before the authentication:

    [pipeline:main]
    pipeline = catch_errors gatekeeper healthcheck cache thumbmill tempauth proxy-server

    [filter:thumbmill]
    paste.filter_factory = thumbmill_swift:filter_factory
    account = AUTH_media
    edges = 10.0.0.5:8888, 10.0.0.6:8888
    prefix = thumbor/
    sharded = wikipedia-en-local-public, wikipedia-en-local-thumb
    timeout = 75

A path such as /wikipedia/en/thumb/a/ab/Cat.jpg/330px-Cat.jpg is looked for in the
container wikipedia-en-local-thumb, below the prefix that thumbmill's settings call
store.thumbnails.prefix. A 404 goes to the edges, one after the other until one can
be reached; its answer is the client's. Originals, and all that is not a thumbnail,
are Swift's alone. Containers must be readable for everybody (X-Container-Read: .r:*);
edges must trust this host (edge.trusted_proxies), since it tells them the client.

The timeout, in seconds, is above thumbmill's edge.deadline: an edge always answers.
"""
import re

from eventlet.green.http import client
from swift.common.swob import Request, Response
from swift.common.utils import get_logger, list_from_csv

FILE = re.compile(
    r"^/(?P<project>[^-/]+)/(?P<language>[^/]+)/(?:(?P<zone>thumb|transcoded)/)?"
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
            response = self.ask(request, as_received)
        return response(env, start_response)

    def place(self, found):
        zone = found["zone"] or "public"
        container = "%s-%s-local-%s" % (found["project"], found["language"], zone)
        if container in self.sharded:
            container += "." + found["shard"]
        prefix = self.prefix if zone == "thumb" else ""
        return "/v1/%s/%s/%s%s" % (self.account, container, prefix, found["object"])

    def ask(self, request, path):
        """Give the answer of the first edge that can be reached."""
        for edge in self.edges:
            connection = client.HTTPConnection(edge, timeout=self.timeout)
            try:
                connection.request(request.method, path, headers=self.headers(request))
                return self.answer(connection.getresponse(), connection)
            except (OSError, client.HTTPException) as error:
                connection.close()
                self.log.warning("edge %s: %s", edge, error)
        return Response(status=503, body="No thumbnailing edge can be reached.\n",
                        headers={"Retry-After": "5", "Cache-Control": "no-store"})

    def headers(self, request):
        told = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        client_address = request.headers.get("X-Forwarded-For")
        direct = request.environ.get("REMOTE_ADDR", "")
        told["X-Forwarded-For"] = "%s, %s" % (client_address, direct) if client_address else direct
        return told

    def answer(self, response, connection):
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
        return Response(status=response.status, headers=headers, app_iter=Body(response, connection))


class Body:
    """The edge's body, piece by piece; the connection ends with it."""

    def __init__(self, response, connection):
        self.response, self.connection = response, connection

    def __iter__(self):
        return iter(lambda: self.response.read(65536), b"")

    def close(self):
        self.connection.close()


def filter_factory(global_conf, **local_conf):
    conf = dict(global_conf, **local_conf)
    return lambda app: Thumbmill(app, conf)
