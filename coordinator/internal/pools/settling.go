package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// beginSettling stops grants to Owners for lease.Settling; edges claim their leases in that time.
func (t *Table) beginSettling() {
	if t.settling {
		return
	}
	t.settling = true
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
