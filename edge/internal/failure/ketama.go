package failure

import (
	"cmp"
	"crypto/md5" //nolint:gosec // what ketama is defined by; not a matter of security
	"encoding/binary"
	"fmt"
	"slices"
)

// ring spreads keys over servers as libketama does (R. Jones, 2007): each server
// has 160 points on a circle, four of each MD5 of "host:port-n", and a key belongs
// to the next point. When a server is added or removed, the others keep their keys.
type ring []point

type point struct {
	at     uint32
	server int
}

const hashesOfServer = 40 // of four points each

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

// pick gives the index of the key's server.
func (r ring) pick(key string) int {
	sum := md5.Sum([]byte(key)) //nolint:gosec // see above
	at, _ := slices.BinarySearchFunc(r, binary.LittleEndian.Uint32(sum[:]), func(p point, h uint32) int { return cmp.Compare(p.at, h) })
	return r[at%len(r)].server
}
