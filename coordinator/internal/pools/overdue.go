package pools

import "slices"

// MaxPassed is the number of useless turns after which the table keeps places for a request.
const MaxPassed = 4

// passOver counts a useless turn.
func (t *Table) passOver(r *request) {
	if r.passed++; r.passed == MaxPassed {
		t.overdue = append(t.overdue, r)
		t.protect()
	}
}

// protect keeps places for each overdue request that shares no pool with an older one.
func (t *Table) protect() {
	taken := map[*pool]bool{}
	for _, r := range t.overdue {
		free := true
		for i := range r.slots {
			free = free && !taken[r.slots[i].pool]
			taken[r.slots[i].pool] = true
		}
		if free && !r.protected {
			t.leaveLine(r)
			t.keepPlacesFor(r)
		}
	}
}

func (t *Table) keepPlacesFor(r *request) {
	r.protected = true
	for i := range r.slots {
		r.slots[i].pool.protected = r
		t.markMovable(r.slots[i].pool)
	}
}

// unprotect gives up the places kept for a request, and protects the next overdue ones.
func (t *Table) unprotect(r *request) {
	if r.passed < MaxPassed {
		return
	}
	if i := slices.Index(t.overdue, r); i >= 0 {
		t.overdue = slices.Delete(t.overdue, i, i+1)
	}
	if r.protected {
		r.protected = false
		for i := range r.slots {
			r.slots[i].pool.protected = nil
			t.markMovable(r.slots[i].pool)
		}
	}
	r.passed = 0
	t.protect()
}
