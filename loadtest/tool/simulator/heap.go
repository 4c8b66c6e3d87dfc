package simulator

// heap has the coming events, the next event first. It has four children per node: it is less deep
// than a binary heap, and needs no interface.
type heap struct{ all []event }

func (h *heap) len() int     { return len(h.all) }
func (h *heap) first() event { return h.all[0] }

func (h *heap) push(e event) {
	h.all = append(h.all, e)
	at := len(h.all) - 1
	for at > 0 {
		up := (at - 1) / 4
		if h.all[up].at <= e.at {
			break
		}
		h.all[at] = h.all[up]
		at = up
	}
	h.all[at] = e
}

func (h *heap) pop() event {
	top := h.all[0]
	last := h.all[len(h.all)-1]
	h.all = h.all[:len(h.all)-1]
	if n := len(h.all); n > 0 {
		at := 0
		for {
			least := 4*at + 1
			if least >= n {
				break
			}
			for child := least + 1; child < min(least+4, n); child++ {
				if h.all[child].at < h.all[least].at {
					least = child
				}
			}
			if h.all[least].at >= last.at {
				break
			}
			h.all[at] = h.all[least]
			at = least
		}
		h.all[at] = last
	}
	return top
}

// ticket names a request in a queue. life detects that the request has changed since.
type ticket struct{ id, life int32 }

// fifo is a first-in, first-out queue.
type fifo[T any] struct {
	all  []T
	head int
}

func (f *fifo[T]) len() int { return len(f.all) - f.head }

func (f *fifo[T]) push(one T) { f.all = append(f.all, one) }

func (f *fifo[T]) pop() T {
	one := f.all[f.head]
	f.head++
	if f.head > 1024 && f.head*2 > len(f.all) {
		f.all = append(f.all[:0], f.all[f.head:]...)
		f.head = 0
	}
	return one
}
