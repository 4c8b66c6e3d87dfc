# The edges of docker-compose.yml, in place of deploy/varnish/edges.vcl.
backend edge_1 { .host = "edge-1"; .port = "8888"; .connect_timeout = 1s; .first_byte_timeout = 75s; .probe = edge; }
backend edge_2 { .host = "edge-2"; .port = "8888"; .connect_timeout = 1s; .first_byte_timeout = 75s; .probe = edge; }

sub vcl_init {
	new edges = directors.shard();
	edges.add_backend(edge_1);
	edges.add_backend(edge_2);
	edges.reconfigure();
}

# Those who may purge: the edges.
acl purgers {
	"edge-1";
	"edge-2";
	"purger";
}
