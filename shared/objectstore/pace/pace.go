// Package pace ends the reading of originals that come too slowly, so that a slow store or site holds its own jobs, and
// each for seconds. Package httpstore paces bodies and counts slow ones for each host; package open paces all other
// remote stores.
package pace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Stall is the longest time that a body may send nothing, and the time that a body has in hand when it begins.
const Stall = 5 * time.Second

// Body is a body that must keep a rate. Time in Read uses up a credit of at most Stall, and each byte
// adds 1/rate to the credit. The time between two reads does not count, because it is the reader's.
type Body struct {
	body   io.ReadCloser
	from   string
	rate   int64
	credit time.Duration
	cancel context.CancelFunc
	slow   atomic.Bool
	once   sync.Once
	end    func(error)
}

// New returns a body from a named place with a rate in bytes a second; 0 means any rate. cancel must end the body's
// request. end hears once how the body ended: ErrSlow, or nil.
func New(body io.ReadCloser, from string, rate int64, cancel context.CancelFunc, end func(error)) *Body {
	return &Body{body: body, from: from, rate: rate, credit: Stall, cancel: cancel, end: end}
}

// Read returns objectstore.ErrSlow once the credit is used up.
func (p *Body) Read(b []byte) (int, error) {
	if p.rate <= 0 {
		return p.body.Read(b)
	}
	began := time.Now()
	timer := time.AfterFunc(p.credit, p.giveUp)
	n, err := p.body.Read(b)
	timer.Stop()
	earned := time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
	p.credit = min(Stall, p.credit-time.Since(began)+earned)
	if p.credit <= 0 && err == nil {
		p.giveUp()
	}
	if p.slow.Load() && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %s sends less than %d bytes a second", objectstore.ErrSlow, p.from, p.rate)
		p.finish(err)
	}
	return n, err
}

func (p *Body) giveUp() {
	p.slow.Store(true)
	p.cancel()
}

func (p *Body) finish(err error) { p.once.Do(func() { p.end(err) }) }

// Close ends the request.
func (p *Body) Close() error {
	err := p.body.Close()
	p.cancel()
	p.finish(nil)
	return err
}

// Store returns a store whose objects must keep a rate, as Body does. It counts no slow objects: one damaged disk of a
// large store must not close the whole store.
func Store(store objectstore.Store, name string, rate int64) objectstore.Store {
	return keeping{store, name, rate}
}

// keeping embeds the interface for the other methods.
type keeping struct {
	objectstore.Store
	name string
	rate int64
}

// Open opens an object for reading.
func (k keeping) Open(ctx context.Context, at thumbnail.Location) (objectstore.Object, objectstore.Info, error) {
	ctx, cancel := context.WithCancel(ctx)
	object, info, err := k.Store.Open(ctx, at)
	if err != nil {
		cancel()
		return nil, info, err
	}
	return paced{New(object, k.name, k.rate, cancel, func(error) {}), object}, info, nil
}

// paced is an object that is read through a Body.
type paced struct {
	*Body
	io.Seeker
}
