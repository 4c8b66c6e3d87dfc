# Put your edges here. Each is asked for its own share of the URLs, so that it has them in
# memory, and for another's while that one does not answer.
backend edge_1 { .host = "127.0.0.1"; .port = "8888"; .connect_timeout = 1s; .first_byte_timeout = 75s; .probe = edge; }
backend edge_2 { .host = "127.0.0.2"; .port = "8888"; .connect_timeout = 1s; .first_byte_timeout = 75s; .probe = edge; }

sub vcl_init {
	new edges = directors.shard();
	edges.add_backend(edge_1);
	edges.add_backend(edge_2);
	edges.reconfigure();
}

# Those who may purge: the edges. Where something on this host passes clients on (a terminator of
# TLS), "localhost" is everybody: name the edges then.
acl purgers {
	"localhost";
}
