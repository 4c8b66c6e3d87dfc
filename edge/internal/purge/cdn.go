package purge

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const (
	cdnTimeout  = 5 * time.Second // bounds one attempt
	cdnAttempts = 3
	cdnPause    = 400 * time.Millisecond // after the first attempt; twice as long after the second
)

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

// purge sends a PURGE with the key to each endpoint of purge.xkey, and a PURGE of each path to each
// base of purge.urls.
func (c *cdn) purge(ctx context.Context, xkey string, paths []string, done *progress) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	forget := func(at, key string) {
		group.Go(func() error {
			if err := c.sendPatiently(ctx, at, key); err != nil {
				done.miss("CDN: %s: %v", redacted(at), err)
				return nil
			}
			done.change(func(r *Report) { r.CDN++ })
			return nil
		})
	}
	for _, endpoint := range c.settings.XKey {
		forget(endpoint, target.Printable(xkey))
	}
	if len(c.settings.URLs) > 0 && len(c.settings.XKey) == 0 {
		done.miss("CDN: Thumbor's URLs of this original are unknown: set purge.xkey to purge them too")
	}
	for _, base := range c.settings.URLs {
		for _, path := range paths {
			forget(strings.TrimSuffix(base, "/")+path, "")
		}
	}
	_ = group.Wait()
}

// sendPatiently sends a request at most cdnAttempts times, and returns the last error.
func (c *cdn) sendPatiently(ctx context.Context, at, xkey string) error {
	pause := cdnPause
	for attempt := 1; ; attempt++ {
		err := c.send(ctx, at, xkey)
		if err == nil || attempt == cdnAttempts || periodic.Sleep(ctx, pause) != nil {
			return err
		}
		pause *= 2
	}
}

// send sends one PURGE of a URL, or of the key if xkey is set. It returns an error unless the endpoint
// answers 2xx or 404.
func (c *cdn) send(ctx context.Context, at, xkey string) error {
	request, err := http.NewRequestWithContext(ctx, "PURGE", at, nil)
	if err != nil {
		return err
	}
	if c.settings.Host != "" {
		request.Host = c.settings.Host
	}
	if xkey != "" {
		request.Header.Set("Xkey", xkey)
	}
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
