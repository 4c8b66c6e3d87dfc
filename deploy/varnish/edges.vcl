# Put your edges here. Each edge gets its own share of the URLs, which its memory cache then holds,
# and the share of an edge that does not answer.
backend edge_1 { .host = "127.0.0.1"; .port = "8888"; .connect_timeout = 1s; .first_byte_timeout = 75s; .probe = edge; }
backend edge_2 { .host = "127.0.0.2"; .port = "8888"; .connect_timeout = 1s; .first_byte_timeout = 75s; .probe = edge; }

sub vcl_init {
	new edges = directors.shard();
	edges.add_backend(edge_1);
	edges.add_backend(edge_2);
	edges.reconfigure();
}

# The edges may purge. If a program on this host forwards clients' requests, such as a TLS
# terminator, "localhost" includes all clients: list the edges instead.
acl purgers {
	"localhost";
}
