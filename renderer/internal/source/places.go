package source

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// places bounds the downloads of each origin: a loader, or a host of a loader of URLs. A slow origin
// therefore holds up its own downloads only. The jobs in the renderer's hands bound all downloads
// together.
type places struct {
	each int // places of one origin

	mu       sync.Mutex
	byOrigin map[string]*origin
}

// origin is the places of one origin, while downloads use them or wait for them.
type origin struct {
	free  *semaphore.Weighted
	users int
}

func newPlaces(each int) *places { return &places{each: each, byOrigin: map[string]*origin{}} }

// acquire waits for a place of the origin. It returns ctx's error if ctx ends first. After nil the
// caller must call release once.
func (p *places) acquire(ctx context.Context, name string) (release func(), err error) {
	o := p.join(name)
	if err := o.free.Acquire(ctx, 1); err != nil {
		p.leave(name, o)
		return nil, err
	}
	return func() { o.free.Release(1); p.leave(name, o) }, nil
}

func (p *places) join(name string) *origin {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.byOrigin[name]
	if o == nil {
		o = &origin{free: semaphore.NewWeighted(int64(p.each))}
		p.byOrigin[name] = o
	}
	o.users++
	return o
}

func (p *places) leave(name string, o *origin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.users--; o.users == 0 {
		delete(p.byOrigin, name)
	}
}
