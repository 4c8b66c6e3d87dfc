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
	"github.com/thumbmill/thumbmill/shared/settings"
)

const (
	cdnTimeout  = 5 * time.Second
	cdnAttempts = 3
	cdnPause    = 200 * time.Millisecond
)

// cdn sends PURGE requests, as Varnish, nginx and their kin understand them.
type cdn struct {
	settings settings.Purge
	client   *http.Client
}

func newCDN(s settings.Purge) *cdn {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = atOnce
	return &cdn{s, &http.Client{
		Transport: transport, Timeout: cdnTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *cdn) close() { c.client.CloseIdleConnections() }

// purge asks one endpoint to forget a URL, or with a key what carries the key.
func (c *cdn) purge(ctx context.Context, at, xkey string) (err error) {
	for try := range cdnAttempts {
		if try > 0 {
			select {
			case <-time.After(cdnPause << try):
			case <-ctx.Done():
				return err
			}
		}
		if err = c.once(ctx, at, xkey); err == nil {
			return nil
		}
	}
	return err
}

func (c *cdn) once(ctx context.Context, at, xkey string) error {
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
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // so that the connection is used again
	_ = response.Body.Close()
	if response.StatusCode >= http.StatusMultipleChoices && response.StatusCode != http.StatusNotFound { // it had none
		return fmt.Errorf("it answers %s", response.Status)
	}
	return nil
}

// askCDN purges by key what carries it, and by URL what the store had.
func (r *run) askCDN(ctx context.Context, xkey string) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	ask := func(at, key string) {
		group.Go(func() error {
			if err := r.cdn.purge(ctx, at, key); err != nil {
				r.missed("CDN: %s: %v", redacted(at), err)
				return nil
			}
			r.note(func(report *Report) { report.CDN++ })
			return nil
		})
	}
	for _, endpoint := range r.CDN.XKey {
		ask(endpoint, target.Printable(xkey))
	}
	if len(r.CDN.URLs) > 0 && len(r.CDN.XKey) == 0 {
		r.missed("CDN: Thumbor's URLs of this original, which nothing tells: purge.xkey would reach them")
	}
	for _, base := range r.CDN.URLs {
		for _, path := range r.urls {
			ask(strings.TrimSuffix(base, "/")+path, "")
		}
	}
	_ = group.Wait()
}

func redacted(at string) string {
	if u, err := url.Parse(at); err == nil {
		return u.Redacted()
	}
	return "an endpoint"
}
