package failure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/breaker"
	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const (
	memcachedTimeout = 300 * time.Millisecond
	memcachedIdle    = 64 // connections to each server; as many requests run at once
	probeEvery       = time.Second
	edits            = 5 // attempts, while other edges change the same value
)

// errDown means that a server did not answer the last request, so the request was not sent.
var errDown = errors.New("memcached does not answer")

// Memcached keeps the counts in memcached, where all edges see them. A server that does not answer
// costs one request the timeout of 300 ms. Then requests skip the server until it answers a probe
// in the background. The methods are safe for concurrent use.
type Memcached struct {
	ring    ring
	servers []*server
	cancel  context.CancelFunc
	group   sync.WaitGroup
}

type server struct {
	client  *memcache.Client
	breaker *gobreaker.CircuitBreaker[struct{}]
}

// address is the address of a server. Each connection resolves it again.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// PickServer and Each implement memcache.ServerSelector for one server.
func (a address) PickServer(string) (net.Addr, error)   { return a, nil }
func (a address) Each(visit func(net.Addr) error) error { return visit(a) }

// NewMemcached returns a Memcached. It sends nothing before the first call. The error names the
// setting memcached.ca when that file cannot be read.
func NewMemcached(s settings.Memcached, log *slog.Logger) (*Memcached, error) {
	return newWithin(memcachedTimeout, s, log)
}

// newWithin is NewMemcached with a timeout for each answer.
func newWithin(timeout time.Duration, s settings.Memcached, log *slog.Logger) (*Memcached, error) {
	trust, err := certificate.Trust(s.CA)
	if err != nil {
		return nil, fmt.Errorf("memcached.ca: %w", err)
	}
	m := &Memcached{ring: newRing(s.Servers)}
	for _, text := range s.Servers {
		m.servers = append(m.servers, newServer(text, timeout, trust, log))
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	m.group.Go(func() { periodic.Do(ctx, probeEvery, m.probeSilent) })
	return m, nil
}

func newServer(text string, timeout time.Duration, trust *tls.Config, log *slog.Logger) *server {
	client := memcache.NewFromSelector(address(text))
	client.Timeout, client.MaxIdleConns = timeout, memcachedIdle
	if trust != nil {
		client.DialContext = (&tls.Dialer{Config: trust}).DialContext
	}
	return &server{client, breaker.New[struct{}](gobreaker.Settings{
		Name: "memcached " + text, Timeout: probeEvery,
		ReadyToTrip:  breaker.Consecutive(1),
		IsSuccessful: answered,
	}, log)}
}

// answered reports whether the server answered, be it with a refusal or with an error of its own, such as
// "SERVER_ERROR out of memory storing object". The library has no type for that answer.
func answered(err error) bool {
	if err != nil && strings.Contains(err.Error(), "SERVER_ERROR") {
		return true
	}
	for _, word := range []error{memcache.ErrCacheMiss, memcache.ErrNotStored, memcache.ErrCASConflict} {
		if errors.Is(err, word) {
			return true
		}
	}
	return err == nil
}

// call asks a server. It returns errDown if the server did not answer the last request. After a
// restart of the server, each idle connection gives one error of a closed connection; call tries
// the next connection then, at most memcachedIdle + 1.
func (s *server) call(ask func(*memcache.Client) error) error {
	if s.breaker.State() != gobreaker.StateClosed {
		return errDown
	}
	_, err := s.breaker.Execute(func() (struct{}, error) {
		var err error
		for range memcachedIdle + 1 {
			if err = ask(s.client); !ended(err) {
				break
			}
		}
		return struct{}{}, err
	})
	return err
}

// ended reports whether the server closed the connection. It is false for a server that does not
// answer.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// probeSilent pings the servers that did not answer.
func (m *Memcached) probeSilent(context.Context) {
	for _, s := range m.servers {
		if s.breaker.State() != gobreaker.StateClosed {
			_, _ = s.breaker.Execute(func() (struct{}, error) { return struct{}{}, s.client.Ping() })
		}
	}
}

func (m *Memcached) of(key string) *server { return m.servers[m.ring.pick(key)] }

// Breakers returns the servers' circuit breakers, in the order of the settings.
func (m *Memcached) Breakers() (all []*gobreaker.CircuitBreaker[struct{}]) {
	for _, s := range m.servers {
		all = append(all, s.breaker)
	}
	return all
}

// Add adds one to the count of a key. Memcached's add fails if the key exists. Its increment fails
// if the key is missing, and never changes the key's life.
func (m *Memcached) Add(_ context.Context, key string, life time.Duration) error {
	return m.of(key).call(func(c *memcache.Client) error {
		for range 3 {
			err := c.Add(&memcache.Item{Key: key, Value: []byte("1"), Expiration: int32(life.Seconds())})
			if !errors.Is(err, memcache.ErrNotStored) {
				return err
			}
			if _, err = c.Increment(key, 1); !errors.Is(err, memcache.ErrCacheMiss) {
				return err
			}
			// the key expired between the two commands
		}
		return nil
	})
}

// Counts returns the counts of the keys that have a count. With an error it returns the counts of
// the servers that answered.
func (m *Memcached) Counts(ctx context.Context, keys []string) (map[string]int, error) {
	values, err := m.Values(ctx, keys)
	counts := map[string]int{}
	for key, value := range values {
		counts[key] = atoi(value)
	}
	return counts, err
}

// Values returns the values of the keys that have a value. With an error it returns the values of
// the servers that answered.
func (m *Memcached) Values(_ context.Context, keys []string) (map[string][]byte, error) {
	byServer := map[*server][]string{}
	for _, key := range keys {
		byServer[m.of(key)] = append(byServer[m.of(key)], key)
	}
	values := map[string][]byte{}
	var failed []error
	for s, keys := range byServer {
		var items map[string]*memcache.Item
		failed = append(failed, s.call(func(c *memcache.Client) (err error) {
			items, err = c.GetMulti(keys)
			return err
		}))
		for key, item := range items {
			values[key] = item.Value
		}
	}
	return values, errors.Join(failed...)
}

// Edit replaces a value by the result of change. When another edge changes the same value
// meanwhile, Edit tries again, at most five times in all.
func (m *Memcached) Edit(_ context.Context, key string, life time.Duration, change func([]byte) []byte) error {
	return m.of(key).call(func(c *memcache.Client) (err error) {
		for range edits {
			if err = edit(c, key, int32(life.Seconds()), change); err == nil || !answered(err) {
				return err
			}
		}
		return err
	})
}

func edit(c *memcache.Client, key string, life int32, change func([]byte) []byte) error {
	item, err := c.Get(key)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return c.Add(&memcache.Item{Key: key, Value: change(nil), Expiration: life})
	}
	if err != nil {
		return err
	}
	item.Value, item.Expiration = change(item.Value), life
	return c.CompareAndSwap(item)
}

// Delete deletes keys.
func (m *Memcached) Delete(_ context.Context, keys []string) error {
	var failed []error
	for _, key := range keys {
		err := m.of(key).call(func(c *memcache.Client) error { return c.Delete(key) })
		if !errors.Is(err, memcache.ErrCacheMiss) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func atoi(digits []byte) (n int) {
	for _, d := range digits {
		if d < '0' || d > '9' || n > 1<<30 {
			break // memcached pads a number that got shorter with spaces
		}
		n = n*10 + int(d-'0')
	}
	return n
}

// Close stops the probes, and closes the connections.
func (m *Memcached) Close() error {
	m.cancel()
	m.group.Wait()
	var failed []error
	for _, s := range m.servers {
		failed = append(failed, s.client.Close())
	}
	return errors.Join(failed...)
}
