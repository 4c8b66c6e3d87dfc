//go:build !race

package pools

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// A million past keys, and a hundred thousand at once, leave no memory behind.
func TestPastKeysAreForgotten(t *testing.T) {
	table := New(nil)
	o, box := attach(table, "e", 4, 6)
	use := func(id uint64) {
		client := fmt.Sprint(id)
		o.Acquire(requestFor(id, client, "ip:"+client, "original:"+client))
	}
	use(1)
	o.Release(1, lease.Stored, "")
	before := heapInUse()
	for id := uint64(1); id <= 1_000_000; id++ {
		use(id)
		o.Release(id, lease.Stored, "")
		box.answers = nil
	}
	const many = MaxRequests
	for id := uint64(1); id <= many; id++ {
		use(id)
	}
	for id := uint64(1); id <= many; id++ {
		o.Release(id, lease.Stored, "")
	}
	box.answers = nil
	empty(t, table)
	if left := heapInUse() - before; left > 1<<20 {
		t.Errorf("%d bytes are left", left)
	}
	runtime.KeepAlive(table)
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
