# Varnish in front of thumbmill's edges. It keeps thumbnails and 404s, asks once for equal requests,
# asks another edge if one does not answer, and forgets the thumbnails of an original when an edge
# purges it (purge.xkey: [http://varnish:6081]). It needs varnish-modules for xkey, and edges.vcl
# beside it in /etc/varnish.
vcl 4.1;

import directors;
import xkey;

probe edge {
	.url = "/healthcheck";
	.interval = 1s;
	.timeout = 1s;
	.window = 3;
	.threshold = 2;
	.initial = 2; # healthy until a probe fails: an edge that is away costs a retry, but without any healthy edge all requests would get 503
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
	call reduce;
	if (req.url ~ "\?.*%" && req.url !~ "/thumb\.php\?") { # an encoded query can say "download" in other letters
		return (pass);
	}
	return (hash);
}

# Each header that changes the answer gets few values, so that nobody can fill the cache with copies of one
# thumbnail: the formats of thumbor.auto_formats in the order of the setting, and the origins of edge.cors.
sub reduce {
	if (req.http.Accept ~ "^application/(problem\+)?json") { # refusals as JSON
		set req.http.Accept = "application/json";
	} elsif (req.http.Accept ~ "image/avif") {
		set req.http.Accept = "image/avif";
	} elsif (req.http.Accept ~ "image/webp") {
		set req.http.Accept = "image/webp";
	} elsif (req.http.Accept ~ "image/jxl") {
		set req.http.Accept = "image/jxl";
	} else {
		set req.http.Accept = "*/*";
	}
	unset req.http.Sec-CH-DPR; # one copy for all screens and connections
	unset req.http.DPR;
	unset req.http.Save-Data;
	if (req.http.Origin !~ "^(https://www\.example\.org)$") { # the value * needs no origin here
		unset req.http.Origin;
	}
}

# The key is the site, the path, and the parts of the query that change the answer: all of thumb.php's, the upload in
# MediaWiki's URLs, and "download". MediaWiki names the time of the upload (?20261128141510). Its minutes
# and seconds tell two uploads apart, but for one pair in 3600; the whole time would let anybody make any number of copies.
sub vcl_hash {
	if (req.http.host ~ "^(en\.wiki\.example)$") { # the hosts of mediawiki.wikis; all others are one site
		hash_data(req.http.host);
	}
	hash_data(regsub(req.url, "\?.*$", ""));
	if (req.url ~ "/thumb\.php\?") {
		hash_data(req.url);
	}
	if (req.url ~ "/thumb/[^?]*\?(.*&)?[0-9]{10}[0-5][0-9][0-5][0-9]([=&]|$)") {
		hash_data(regsub(req.url, "^[^?]*\?(?:.*&)?[0-9]{10}([0-5][0-9][0-5][0-9])(?:[=&].*)?$", "\1"));
	}
	if (req.url ~ "[?&]download([=&]|$)") {
		hash_data("download");
	}
	return (lookup);
}

sub vcl_backend_fetch {
	set bereq.backend = edges.backend(by=URL, alt=bereq.retries);
}

# Another edge is asked if one does not answer or cannot reach a service. A refusal (429, 503 with
# Retry-After) is final: all edges ask the same coordinator.
sub vcl_backend_error {
	if (bereq.retries == 0 && (bereq.method == "GET" || bereq.method == "HEAD")) {
		return (retry);
	}
}

sub vcl_backend_response {
	if (beresp.status == 502 && bereq.retries == 0 && (bereq.method == "GET" || bereq.method == "HEAD")) {
		return (retry);
	}
	# Varnish serves an old thumbnail at once and fetches a new one meanwhile; edge.stale_if_error
	# allows this. A client that uploads a new version purges.
	if (beresp.status == 200) {
		set beresp.grace = 1d;
	}
	if (beresp.status == 429 || beresp.status >= 500) {
		# Keep the old thumbnail.
		if (bereq.is_bgfetch) {
			return (abandon);
		}
		# A refusal is only for this client. For a moment, other clients do not wait for each other.
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
