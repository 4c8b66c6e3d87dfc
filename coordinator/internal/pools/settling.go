package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// beginSettling stops grants to Owners for lease.Settling; edges claim their leases in that time. Edges that leave the same
// coordinator move within less than two such times, also on busy machines, so that one pause is for all of them.
func (t *Table) beginSettling() {
	if t.settling || time.Since(t.settled) < 2*lease.Settling {
		return
	}
	t.settling, t.settled = true, time.Now()
	time.AfterFunc(lease.Settling, func() {
		t.lock()
		defer t.unlock()
		t.endSettling()
	})
}

func (t *Table) endSettling() {
	t.settling = false
	t.movable, t.deferred = append(t.movable, t.deferred...), nil
}
