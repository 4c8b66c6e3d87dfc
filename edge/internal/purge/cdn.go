package purge

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const (
	cdnTimeout  = 5 * time.Second // bounds one attempt
	cdnAttempts = 3
	cdnPause    = 400 * time.Millisecond // after the first attempt; twice as long after the second
)

// FromPurger is the header of the PURGE requests that a purge sends. An edge can receive such a request
// from a cache, or because purge.urls names edges. It does not purge again.
const FromPurger = "Thumbmill-Purge"

// cdn sends PURGE requests, which Varnish, nginx and similar caches understand.
type cdn struct {
	settings settings.Purge
	client   *http.Client
}

func newCDN(s settings.Purge) *cdn {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = atOnce
	return &cdn{settings: s, client: &http.Client{
		Transport: transport, Timeout: cdnTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *cdn) close() { c.client.CloseIdleConnections() }

// purge sends a PURGE with each key to each endpoint of purge.xkey, and a PURGE of each address to each
// base of purge.urls.
func (c *cdn) purge(ctx context.Context, xkeys []string, addresses []grammar.Address, done *progress) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	forget := func(at, host, key string) {
		group.Go(func() error {
			if err := c.sendPatiently(ctx, at, host, key); err != nil {
				done.miss("CDN: %s: %v", redacted(at), err)
				return nil
			}
			done.change(func(r *Report) { r.CDN++ })
			return nil
		})
	}
	for _, endpoint := range c.settings.XKey {
		for _, xkey := range xkeys {
			forget(endpoint, c.settings.Host, target.Printable(xkey))
		}
	}
	if len(c.settings.URLs) > 0 && len(c.settings.XKey) == 0 {
		done.miss("CDN: Thumbor's URLs of this original are unknown: set purge.xkey to purge them too")
	}
	for _, base := range c.settings.URLs {
		for _, a := range addresses {
			forget(strings.TrimSuffix(base, "/")+a.Path, cmp.Or(a.Host, c.settings.Host), "")
		}
	}
	_ = group.Wait()
}

// sendPatiently sends a request at most cdnAttempts times, and returns the last error.
func (c *cdn) sendPatiently(ctx context.Context, at, host, xkey string) error {
	pause := cdnPause
	for attempt := 1; ; attempt++ {
		err := c.send(ctx, at, host, xkey)
		if err == nil || attempt == cdnAttempts || periodic.Sleep(ctx, pause) != nil {
			return err
		}
		pause *= 2
	}
}

// send sends one PURGE of a URL, or of the key if xkey is set. host "" means the endpoint's host. It
// returns an error unless the endpoint answers 2xx or 404.
func (c *cdn) send(ctx context.Context, at, host, xkey string) error {
	request, err := http.NewRequestWithContext(ctx, "PURGE", at, nil)
	if err != nil {
		return err
	}
	if host != "" {
		request.Host = host
	}
	if xkey != "" {
		request.Header.Set("Xkey", xkey)
	}
	request.Header.Set(FromPurger, "1")
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // lets the client use the connection again
	_ = response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices && response.StatusCode != http.StatusNotFound { // 404: not cached
		return fmt.Errorf("the answer is %s, want 2xx or 404: allow PURGE from this edge there", response.Status)
	}
	return nil
}

func redacted(at string) string {
	if u, err := url.Parse(at); err == nil {
		return u.Redacted()
	}
	return "an endpoint"
}
