// Package pools is the coordinator's lock table: the holders of each pool's places, and the requests
// that wait for places. The package does no input or output; the protocols in front of it do.
//
// A pool exists while a request holds or waits. Past keys therefore leave nothing behind. The table
// serves two kinds of clients, both as requesters (request.go):
//
// A Client is a connection of PoolCounter's protocol. It asks for one pool at a time and states the
// pool's limits itself. Requests "for me", whose sender must do the work itself, go before requests
// "for anyone", whose sender only wants the work done. Within each kind, first come, first served.
//
// An Owner is an edge's connection. Its requests are for several pools, all or nothing. A request that
// cannot be granted holds nothing. It has a place in the queue of each of its pools, and stands in the
// line of one pool that has no room for it: its obstacle. When that pool has room and it is the
// request's turn, the request is granted, or goes on to its next obstacle.
//
// Each line is fair among clients (see line.go). Requests of several pools cannot starve. A request
// becomes overdue after MaxPassed turns that each found another of its pools full. The oldest overdue
// request of a pool is protected: all its pools keep places free for it, and nobody overtakes it any
// more. A batch queue reserves nodes for its head in the same way, and backfills around the reservation
// (EASY; D. Lifka, "The ANL/IBM SP scheduling system", 1995). Protected requests have no pool in common
// and do not wait for each other. Each is granted as soon as the current holders of its pools end.
// Among overdue requests that share pools, the oldest is protected first. A request with n older
// overdue ones therefore waits for at most n + 1 further lifetimes of a lease, and keeps at most its
// own places idle.
//
// The pool of a thumbnail is acquired "for anyone": while another request renders the thumbnail, a
// request waits for the outcome and has no place in other pools.
package pools
