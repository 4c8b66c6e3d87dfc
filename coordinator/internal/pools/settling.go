package pools

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// beginSettling grants nothing to Owners for lease.Settling, in which they claim what they hold.
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
