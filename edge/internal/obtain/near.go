package obtain

import (
	"sync"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// nearBound bounds the originals in near. It is more than renderers keep on their disks.
const nearBound = 20_000

// near remembers the renderer that read an original last, because that renderer has the original on
// its disk. The name is a hint in jobs: a wrong hint costs the renderer that pulls the job one
// question to the other renderer.
type near struct {
	site  string // of this edge: renderers of other sites take over none of its jobs
	mu    sync.Mutex
	names map[thumbnail.Location]string
	order []thumbnail.Location // a ring of the keys
	next  int
}

// note remembers the renderer of a result. It ignores results without a fetch, because a renderer
// that renders from a bucket reads no original, and renderers of other sites.
func (n *near) note(original thumbnail.Location, r renderjob.Result) {
	if r.FetchMS <= 0 || r.Renderer == "" || r.Site != n.site {
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

// remember puts a key into the ring. In a full ring the key replaces the oldest one.
func (n *near) remember(original thumbnail.Location) {
	if len(n.order) < nearBound {
		n.order = append(n.order, original)
		return
	}
	delete(n.names, n.order[n.next])
	n.order[n.next] = original
	n.next = (n.next + 1) % nearBound
}

// of returns the name of the renderer that has an original, or "".
func (n *near) of(original thumbnail.Location) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.names[original]
}
