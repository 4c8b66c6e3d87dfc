# Varnish in front of thumbmill's edges: keeps thumbnails, and forgets those of one original
# when an edge purges it (purge.xkey: [http://varnish:6081]). Needs varnish-modules for xkey.
vcl 4.1;

import std;
import xkey;

backend edge {
	.host = "127.0.0.1";
	.port = "8888";
	.first_byte_timeout = 75s; # above edge.deadline
}

# Those who may purge: the edges.
acl purgers {
	"localhost";
}

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

sub vcl_backend_response {
	# What edge.stale_if_error allows: an old picture is better than none.
	if (beresp.status == 200) {
		set beresp.grace = 1d;
	}
	# A refusal is this client's alone.
	if (beresp.status == 429 || beresp.status >= 500) {
		set beresp.uncacheable = true;
		set beresp.ttl = 0s;
	}
}

sub vcl_deliver {
	set resp.http.X-Cache = "miss";
	if (obj.hits > 0) {
		set resp.http.X-Cache = "hit";
	}
}
