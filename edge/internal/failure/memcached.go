package failure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
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
	memcachedIdle    = 64 // connections a server, for as many requests at once
	probeEvery       = time.Second
	edits            = 5 // tries, when other edges change the same value
)

// errDown says that a server did not answer lately, and is not asked.
var errDown = errors.New("memcached did not answer lately")

// Memcached keeps the counts where all edges see them. A server that does not
// answer costs one request its timeout; then it is not asked until it answers
// again, which is tried in the background.
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

// address is a server's, resolved anew for each connection.
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// PickServer and Each make a memcache.ServerSelector of one.
func (a address) PickServer(string) (net.Addr, error)   { return a, nil }
func (a address) Each(visit func(net.Addr) error) error { return visit(a) }

// NewMemcached makes it; nothing is asked before the first call.
func NewMemcached(s settings.Memcached, log *slog.Logger) (*Memcached, error) {
	return newWithin(memcachedTimeout, s, log)
}

// newWithin makes one whose servers have so long to answer.
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

// answered tells what the server said from that it said nothing.
func answered(err error) bool {
	for _, word := range []error{memcache.ErrCacheMiss, memcache.ErrNotStored, memcache.ErrCASConflict} {
		if errors.Is(err, word) {
			return true
		}
	}
	return err == nil
}

// call asks a server, unless it was silent lately. An idle connection that ended, as
// after a restart, is no silence: each gives one error, and the next is fresh.
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

// ended tells a connection that ended from a server that is not there, and from
// what a server says.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// probeSilent asks those servers that were silent.
func (m *Memcached) probeSilent(context.Context) {
	for _, s := range m.servers {
		if s.breaker.State() != gobreaker.StateClosed {
			_, _ = s.breaker.Execute(func() (struct{}, error) { return struct{}{}, s.client.Ping() })
		}
	}
}

func (m *Memcached) of(key string) *server { return m.servers[m.ring.pick(key)] }

// Breakers are those of the servers.
func (m *Memcached) Breakers() (all []*gobreaker.CircuitBreaker[struct{}]) {
	for _, s := range m.servers {
		all = append(all, s.breaker)
	}
	return all
}

// Add counts. Incrementing never refreshes a counter's life, and fails on one
// that is not there; adding fails on one that is.
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
			// it expired between the two
		}
		return nil
	})
}

// Counts reads counts. With an error it gives those of the servers that answered.
func (m *Memcached) Counts(ctx context.Context, keys []string) (map[string]int, error) {
	values, err := m.Values(ctx, keys)
	counts := map[string]int{}
	for key, value := range values {
		counts[key] = atoi(value)
	}
	return counts, err
}

// Values reads values. With an error it gives those of the servers that answered.
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

// Edit changes a value, again when another edge was faster.
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

// Delete forgets.
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
			break // memcached pads a shrunken number with spaces
		}
		n = n*10 + int(d-'0')
	}
	return n
}

// Close stops asking.
func (m *Memcached) Close() error {
	m.cancel()
	m.group.Wait()
	var failed []error
	for _, s := range m.servers {
		failed = append(failed, s.client.Close())
	}
	return errors.Join(failed...)
}
