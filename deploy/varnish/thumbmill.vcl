# Varnish in front of thumbmill's edges: keeps thumbnails and 404s, asks once for what many
# want, asks another edge where one does not answer, and forgets the thumbnails of an original
# when an edge purges it (purge.xkey: [http://varnish:6081]). Needs varnish-modules for xkey.
# The edges are in edges.vcl, which lies beside it in /etc/varnish.
vcl 4.1;

import directors;
import xkey;

probe edge {
	.url = "/healthcheck";
	.interval = 1s;
	.timeout = 1s;
	.window = 3;
	.threshold = 2;
	.initial = 2; # well until a probe says otherwise: one that is away costs a try, none at all a 503
}

include "edges.vcl";

sub vcl_recv {
	if (req.method == "PURGE") {
		if (client.ip !~ purgers) {
			return (synth(405, "Not allowed"));
		}
		if (req.http.xkey) {
			set req.http.purged = xkey.purge(req.http.xkey);
			return (synth(200, "Purged " + req.http.purged));
		}
		return (purge);
	}
	if (req.method != "GET" && req.method != "HEAD") {
		return (pass);
	}
	unset req.http.Cookie;
	return (hash);
}

sub vcl_backend_fetch {
	set bereq.backend = edges.backend(by=URL, alt=bereq.retries);
}

# The other edge is asked where one does not answer, or cannot reach what it needs. A refusal
# (429, 503 with Retry-After) stands: all edges ask the same coordinator.
sub vcl_backend_error {
	if (bereq.retries == 0 && (bereq.method == "GET" || bereq.method == "HEAD")) {
		return (retry);
	}
}

sub vcl_backend_response {
	if (beresp.status == 502 && bereq.retries == 0 && (bereq.method == "GET" || bereq.method == "HEAD")) {
		return (retry);
	}
	# An old picture is given at once, while a new one is asked for: what edge.stale_if_error
	# allows. Whoever uploads anew purges.
	if (beresp.status == 200) {
		set beresp.grace = 1d;
	}
	if (beresp.status == 429 || beresp.status >= 500) {
		# The old picture stays.
		if (bereq.is_bgfetch) {
			return (abandon);
		}
		# A refusal is this client's alone; for a moment others do not wait for one another.
		set beresp.uncacheable = true;
		set beresp.ttl = 1s;
		return (deliver);
	}
}

sub vcl_deliver {
	set resp.http.X-Cache = "miss";
	if (obj.hits > 0) {
		set resp.http.X-Cache = "hit";
	}
}
