package httpstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/breaker"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/pace"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
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
	response.Body = pace.New(response.Body, target.Host, s.minRate, cancel, end)
	return response, nil
}
