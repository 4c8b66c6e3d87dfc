package httpstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/breaker"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// stall is the longest time that a body may send nothing, and the time that a host has in hand when
	// its body begins.
	stall = 5 * time.Second
	// slowBodies is the number of slow bodies in a row that open a host's breaker of bodies.
	slowBodies = 3
	// slowFor is the time for which a host that sends slowly gets no further requests for bodies.
	slowFor = 30 * time.Second
)

// bodies is the breaker of a host's bodies. The breaker of its answers cannot count slow bodies: each
// answer's head is a success.
type bodies = gobreaker.TwoStepCircuitBreaker[struct{}]

func newBodies(host string) *bodies {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name: host, Timeout: slowFor,
		ReadyToTrip:  breaker.Consecutive(slowBodies),
		IsSuccessful: func(err error) bool { return err == nil },
		IsExcluded:   func(err error) bool { return err != nil && !errors.Is(err, objectstore.ErrSlow) },
	})
}

// askBody sends a GET whose body must keep the rate. It returns ErrSlow without a request for a host
// whose last bodies were slow.
func (s *Store) askBody(ctx context.Context, at thumbnail.Location, header http.Header) (*http.Response, error) {
	target, err := s.locate(at)
	if err != nil {
		return nil, err
	}
	end, err := s.breakers.of(target.Host).bodies.Allow()
	if err != nil {
		return nil, fmt.Errorf("%w: %d originals of %s came too slowly in a row: wait %v", objectstore.ErrSlow, slowBodies, target.Host, slowFor)
	}
	ctx, cancel := context.WithCancel(ctx)
	response, err := s.request(ctx, http.MethodGet, at, header)
	if err != nil {
		cancel()
		end(err)
		return nil, err
	}
	response.Body = &paced{body: response.Body, host: target.Host, rate: s.minRate, credit: stall, cancel: cancel, end: end}
	return response, nil
}

// paced is a body that must keep a rate. Time in Read uses up a credit of at most stall, and each byte
// adds 1/rate to the credit. The time between two reads does not count, because it is the reader's.
type paced struct {
	body   io.ReadCloser
	host   string
	rate   int64 // bytes a second; 0 means any
	credit time.Duration
	cancel context.CancelFunc // ends the request
	slow   atomic.Bool
	once   sync.Once
	end    func(error) // tells the host's breaker
}

// Read returns ErrSlow once the credit is used up.
func (p *paced) Read(b []byte) (int, error) {
	if p.rate <= 0 {
		return p.body.Read(b)
	}
	began := time.Now()
	timer := time.AfterFunc(p.credit, p.giveUp)
	n, err := p.body.Read(b)
	timer.Stop()
	earned := time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
	p.credit = min(stall, p.credit-time.Since(began)+earned)
	if p.credit <= 0 && err == nil {
		p.giveUp()
	}
	if p.slow.Load() && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %s sends less than %d bytes a second", objectstore.ErrSlow, p.host, p.rate)
		p.finish(err)
	}
	return n, err
}

func (p *paced) giveUp() {
	p.slow.Store(true)
	p.cancel()
}

func (p *paced) finish(err error) { p.once.Do(func() { p.end(err) }) }

// Close ends the request.
func (p *paced) Close() error {
	err := p.body.Close()
	p.cancel()
	p.finish(nil)
	return err
}
