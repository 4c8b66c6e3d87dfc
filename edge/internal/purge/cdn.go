package purge

import (
	"cmp"
	"context"
	"encoding/json"
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

// ask is one request to a cache.
type ask struct {
	method, at string
	body       string
	header     http.Header
	host       string                                                        // "" means the endpoint's host
	absent     bool                                                          // 404 says that nothing is cached
	sign       func(ctx context.Context, r *http.Request, body string) error // nil means no signature
}

// asks returns the requests that make the caches forget the keys and the addresses: a PURGE with each key to each endpoint
// of purge.xkey, a PURGE of each address to each base of purge.urls, and the requests to the APIs of Fastly, Cloudflare and CloudFront.
func (c *cdn) asks(xkeys []string, addresses []grammar.Address) (all []ask) {
	s := c.settings
	for _, endpoint := range s.XKey {
		for _, xkey := range xkeys {
			all = append(all, ask{method: "PURGE", at: endpoint, host: s.Host, absent: true, header: http.Header{"Xkey": {target.Printable(xkey)}, FromPurger: {"1"}}})
		}
	}
	for _, base := range s.URLs {
		for _, a := range addresses {
			all = append(all, ask{method: "PURGE", at: strings.TrimSuffix(base, "/") + a.Path, host: cmp.Or(a.Host, s.Host), absent: true, header: http.Header{FromPurger: {"1"}}})
		}
	}
	if s.Fastly.Service != "" {
		for _, xkey := range xkeys {
			at := strings.TrimSuffix(s.Fastly.URL, "/") + "/service/" + url.PathEscape(s.Fastly.Service) + "/purge/" + url.PathEscape(target.Printable(xkey))
			all = append(all, ask{method: http.MethodPost, at: at, header: http.Header{"Fastly-Key": {string(s.Fastly.Token)}}})
		}
	}
	if s.Cloudflare.Zone != "" {
		all = append(all, c.cloudflare(xkeys))
	}
	if s.CloudFront.Distribution != "" {
		all = append(all, c.cloudfront(addresses)...)
	}
	return all
}

// cloudflare returns the request that purges all keys of an original at Cloudflare.
func (c *cdn) cloudflare(xkeys []string) ask {
	tags := make([]string, len(xkeys))
	for i, xkey := range xkeys {
		tags[i] = target.Printable(xkey)
	}
	body, _ := json.Marshal(map[string][]string{"tags": tags}) // always encodes
	s := c.settings.Cloudflare
	return ask{
		method: http.MethodPost, at: strings.TrimSuffix(s.URL, "/") + "/zones/" + url.PathEscape(s.Zone) + "/purge_cache", body: string(body),
		header: http.Header{"Authorization": {"Bearer " + string(s.Token)}, "Content-Type": {"application/json"}},
	}
}

// byKey reports whether a cache purges by keys. Only such caches forget Thumbor's and imgproxy's URLs.
func (c *cdn) byKey() bool {
	return len(c.settings.XKey) > 0 || c.settings.Fastly.Service != "" || c.settings.Cloudflare.Zone != ""
}

// purge makes all caches forget the keys and the addresses.
func (c *cdn) purge(ctx context.Context, xkeys []string, addresses []grammar.Address, done *progress) {
	var group errgroup.Group
	group.SetLimit(atOnce)
	if (len(c.settings.URLs) > 0 || c.settings.CloudFront.Distribution != "") && !c.byKey() {
		done.miss("CDN: Thumbor's URLs of this original are unknown: set purge.xkey to purge them too")
	}
	for _, a := range c.asks(xkeys, addresses) {
		group.Go(func() error {
			if err := c.sendPatiently(ctx, a); err != nil {
				done.miss("CDN: %s: %v", redacted(a.at), err)
				return nil
			}
			done.change(func(r *Report) { r.CDN++ })
			return nil
		})
	}
	_ = group.Wait()
}

// sendPatiently sends a request at most cdnAttempts times, and returns the last error.
func (c *cdn) sendPatiently(ctx context.Context, a ask) error {
	pause := cdnPause
	for attempt := 1; ; attempt++ {
		err := c.send(ctx, a)
		if err == nil || attempt == cdnAttempts || periodic.Sleep(ctx, pause) != nil {
			return err
		}
		pause *= 2
	}
}

// send sends one request. It returns an error unless the cache answers 2xx, or 404 where that says that nothing is cached.
func (c *cdn) send(ctx context.Context, a ask) error {
	request, err := http.NewRequestWithContext(ctx, a.method, a.at, strings.NewReader(a.body))
	if err != nil {
		return err
	}
	request.Header = a.header.Clone()
	if a.host != "" {
		request.Host = a.host
	}
	if a.sign != nil {
		if err := a.sign(ctx, request, a.body); err != nil {
			return err
		}
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)) // lets the client use the connection again
	_ = response.Body.Close()
	switch {
	case response.StatusCode < http.StatusMultipleChoices, a.absent && response.StatusCode == http.StatusNotFound:
		return nil
	case a.absent:
		return fmt.Errorf("the answer is %s, want 2xx or 404: allow PURGE from this edge there", response.Status)
	}
	return fmt.Errorf("the answer is %s, want 2xx: check the token and the ID in the settings of purge", response.Status)
}

func redacted(at string) string {
	if u, err := url.Parse(at); err == nil {
		return u.Redacted()
	}
	return "an endpoint"
}
