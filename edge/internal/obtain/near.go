package obtain

import (
	"sync"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// nearBound is how many originals an edge remembers the renderer of: more than renderers keep.
const nearBound = 20_000

// near remembers which renderer read an original last, and so has it on its disk. It is a hint:
// one that is wrong costs the renderer that pulls the job a question.
type near struct {
	mu    sync.Mutex
	names map[thumbnail.Location]string
	order []thumbnail.Location // a ring of the keys
	next  int
}

// note takes what a renderer tells of its job. One that rendered from a bucket has read no
// original.
func (n *near) note(original thumbnail.Location, r renderjob.Result) {
	if r.FetchMS <= 0 || r.Renderer == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.names == nil {
		n.names = map[thumbnail.Location]string{}
	}
	if _, known := n.names[original]; !known {
		n.remember(original)
	}
	n.names[original] = r.Renderer
}

// remember puts a key into the ring, in the place of the oldest when it is full.
func (n *near) remember(original thumbnail.Location) {
	if len(n.order) < nearBound {
		n.order = append(n.order, original)
		return
	}
	delete(n.names, n.order[n.next])
	n.order[n.next] = original
	n.next = (n.next + 1) % nearBound
}

// of is the renderer that has an original; "" where none is known to.
func (n *near) of(original thumbnail.Location) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names[original]
}
