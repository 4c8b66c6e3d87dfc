# The edges of docker-compose.yml, instead of deploy/varnish/edges.vcl. They have addresses instead
# of names: Varnish does not start when a name has no address, and an edge that is away has none.
backend edge_1 { .host = "10.87.53.11"; .port = "8888"; .connect_timeout = 1s; .first_byte_timeout = 75s; .probe = edge; }
backend edge_2 { .host = "10.87.53.12"; .port = "8888"; .connect_timeout = 1s; .first_byte_timeout = 75s; .probe = edge; }

sub vcl_init {
	new edges = directors.shard();
	edges.add_backend(edge_1);
	edges.add_backend(edge_2);
	edges.reconfigure();
}

# The edges, and the edge without clients, may purge.
acl purgers {
	"10.87.53.11";
	"10.87.53.12";
	"10.87.53.13";
}
