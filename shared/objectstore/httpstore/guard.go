package httpstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"code.dny.dev/ssrf"
	"github.com/maypok86/otter/v2"
	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/breaker"
	"github.com/thumbmill/thumbmill/shared/cache"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings/check"
)

// newGuard makes the check of each address before a connection. It accepts addresses that are public by
// IANA's registries of special addresses, and the networks in allow.
func newGuard(allow []string) (*ssrf.Guardian, error) {
	azure := netip.MustParsePrefix("168.63.129.16/32") // the server for Azure's machines, at a public address
	var v4, v6 []netip.Prefix
	for _, text := range allow {
		network, err := check.ParseNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("httpstore: allow: %w", err)
		}
		if network.Addr().Is4() {
			v4 = append(v4, network)
		} else {
			v6 = append(v6, network)
		}
	}
	// hosts.check checks the ports.
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV4Prefixes(azure), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...)), nil
}

func prohibited(err error) bool {
	return errors.Is(err, ssrf.ErrProhibitedIP) || errors.Is(err, ssrf.ErrProhibitedNetwork) || errors.Is(err, ssrf.ErrInvalidHostPort)
}

const (
	maxBreakers = 10_000
	forgetAfter = 10 * time.Minute
	openFor     = 5 * time.Second
	tripsAfter  = 5 // failures in a row
)

// host is the state of one host.
type host struct {
	answers  *gobreaker.CircuitBreaker[*http.Response]
	bodies   *bodies
	spooling atomic.Int32 // bodies of unknown length that are being read
}

// breakers has the state of each recently used host.
type breakers struct {
	hosts cache.Cache[string, *host]
}

func newBreakers() (*breakers, error) {
	cache, err := otter.New(&otter.Options[string, *host]{
		MaximumSize: maxBreakers, ExpiryCalculator: otter.ExpiryAccessing[string, *host](forgetAfter),
		Executor: cache.InCaller,
	})
	return &breakers{cache}, err
}

func (b *breakers) close() { b.hosts.StopAllGoroutines() }

// of returns the state of a host.
func (b *breakers) of(name string) *host {
	one, ok := b.hosts.GetIfPresent(name)
	if !ok {
		one, _ = b.hosts.SetIfAbsent(name, &host{bodies: newBodies(name), answers: gobreaker.NewCircuitBreaker[*http.Response](gobreaker.Settings{
			Name: name, Timeout: openFor,
			ReadyToTrip:  breaker.Consecutive(tripsAfter),
			IsSuccessful: answered,
		})})
	}
	return one
}

func (b *breakers) do(host string, call func() (*http.Response, error)) (*http.Response, error) {
	response, err := b.of(host).answers.Execute(call)
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		err = fmt.Errorf("%s failed %d times in a row: wait %v", host, tripsAfter, openFor)
	}
	if err != nil && !objectstore.IsAnswer(err) && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: %w", objectstore.ErrElsewhere, err)
	}
	return response, err
}

// answered reports whether the host works, even if it answered with an error.
func answered(err error) bool {
	var answer *statusError
	// An error status says that one object fails, but 503 says that the host is overloaded.
	told := errors.As(err, &answer) && answer.status != http.StatusServiceUnavailable
	return err == nil || told || objectstore.IsAnswer(err) || errors.Is(err, context.Canceled)
}
