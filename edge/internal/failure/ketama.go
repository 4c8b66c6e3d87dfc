package failure

import (
	"cmp"
	"crypto/md5" //nolint:gosec // ketama's definition has MD5; security does not depend on it
	"encoding/binary"
	"fmt"
	"slices"
)

// ring spreads keys over servers as libketama does (R. Jones, 2007). Each server has 160 points on
// a circle: four from each MD5 of "host:port-n". A key belongs to the server of the next point.
// When a server is removed, the other servers keep their keys; an added server takes its share of
// keys, and no other key moves.
type ring []point

type point struct {
	at     uint32
	server int
}

const hashesOfServer = 40 // each gives four points

func newRing(servers []string) ring {
	var r ring
	for i, server := range servers {
		for n := range hashesOfServer {
			sum := md5.Sum(fmt.Appendf(nil, "%s-%d", server, n)) //nolint:gosec // see above
			for part := range 4 {
				r = append(r, point{binary.LittleEndian.Uint32(sum[4*part:]), i})
			}
		}
	}
	slices.SortFunc(r, func(a, b point) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.server, b.server)) })
	return r
}

// pick returns the index of a key's server.
func (r ring) pick(key string) int {
	sum := md5.Sum([]byte(key)) //nolint:gosec // see above
	at, _ := slices.BinarySearchFunc(r, binary.LittleEndian.Uint32(sum[:]), func(p point, h uint32) int { return cmp.Compare(p.at, h) })
	return r[at%len(r)].server
}
