package settings

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// checker collects what is wrong, each under the key and the place where it was said.
type checker struct {
	origin   map[string]string
	problems []error
}

func (c *checker) require(ok bool, key, format string, args ...any) {
	if ok {
		return
	}
	whole, _, _ := strings.Cut(key, "[") // an element of a list
	place := c.origin[whole]
	if place == "" {
		place = "default"
	}
	c.problems = append(c.problems, fmt.Errorf("%s: %s: %s", place, key, fmt.Sprintf(format, args...)))
}

func within[T int | int64](c *checker, key string, v, low, high T) {
	c.require(v >= low && v <= high, key, "%d is not within %d…%d", v, low, high)
}

func (c *checker) duration(key string, d, low, high time.Duration) {
	c.require(d >= low && d <= high, key, "%v is not within %v…%v", d, low, high)
}

func (c *checker) oneOf(key, v string, allowed ...string) {
	for _, a := range allowed {
		if v == a {
			return
		}
	}
	c.require(false, key, "%q is none of %s", v, strings.Join(allowed, ", "))
}

func (c *checker) address(key, v string) {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	c.require(v == "" || err == nil, key, "%q is no host:port (IPv6: [host]:port; port 0…65535)", v)
}

// endpoint is an address, or a unix socket.
func (c *checker) endpoint(key, v string) {
	if path, ok := strings.CutPrefix(v, "unix:"); ok {
		// What the kernel takes as the name of a socket.
		c.require(path != "" && len(path) < 108, key, "%q: the path of a unix socket has 1 to 107 bytes", v)
		return
	}
	c.require(v != "", key, "an empty address")
	c.address(key, v)
}

// problems lists everything that is wrong with the values; origin tells where each key was set.
func (s Settings) problems(origin map[string]string) []error {
	c := &checker{origin: origin}
	s.Edge.check(c)
	s.Throttle.check(c)
	s.Store.check(c)
	s.Renderer.check(c)
	s.Render.check(c)
	s.Thumbor.check(c)
	s.MediaWiki.check(c)
	s.Coordinator.check(c)
	for key, urls := range map[string][]string{"purge.urls": s.Purge.URLs, "purge.xkey": s.Purge.XKey} {
		for _, u := range urls {
			c.require(web(u), key, "one of them is no URL, or holds a user or a query")
		}
	}
	for _, width := range s.Upload.Widths {
		within(c, "upload.widths", width, 1, s.Edge.MaxWidth)
	}
	c.require(s.Upload.Subject == "" || subject.MatchString(s.Upload.Subject), "upload.subject", "%q is no subject such as media.uploads", s.Upload.Subject)
	c.require(!strings.ContainsAny(s.Purge.Host, " \t\r\n/"), "purge.host", "%q is no host", s.Purge.Host)
	for _, server := range s.Memcached.Servers {
		c.address("memcached.servers", server)
	}
	c.address("admin.listen", s.Admin.Listen)
	s.Admin.TLS.check(c, "admin.tls")
	s.Trace.check(c)
	s.NATS.check(c)
	c.oneOf("log.format", s.Log.Format, "text", "json")
	c.oneOf("log.level", s.Log.Level, "debug", "info", "warn", "error")
	s.checkTimes(c)
	return c.problems
}

func (n NATS) check(c *checker) {
	c.address("nats.listen", n.Listen)
	within(c, "nats.replicas", n.Replicas, 1, 5)
	c.require((n.TLS.Certificate == "") == (n.TLS.Key == ""), "nats.tls.certificate", "a certificate and its key go together")
	for address := range strings.SplitSeq(string(n.URL), ",") {
		c.require(address == "" || server(address), "nats.url", "one of them is no nats://host:port (in a password write %%25 for %%, %%2F for /, %%23 for #, %%3F for ?, %%40 for @)")
	}
}

// server tells that a text is the address of a NATS server and nothing else. Of others the
// library's errors show the password.
func server(address string) bool {
	u, err := withScheme(address)
	return err == nil && u.Hostname() != "" && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

func (t Trace) check(c *checker) {
	at, err := url.Parse(t.Endpoint)
	c.require(t.Endpoint == "" || err == nil && at.Host != "" && (at.Scheme == "http" || at.Scheme == "https"), "trace.endpoint", "is to be a URL such as http://collector:4318/v1/traces")
	c.require(t.Ratio >= 0 && t.Ratio <= 1, "trace.ratio", "is to be from 0 to 1")
}

func (co Coordinator) check(c *checker) {
	c.require(len(co.Listen) > 0, "coordinator.listen", "needs an address")
	for _, address := range co.Listen {
		c.endpoint("coordinator.listen", address)
	}
	for _, server := range co.Servers {
		c.endpoint("coordinator.servers", server)
	}
	c.networks("coordinator.classic", co.Classic)
	co.TLS.check(c, "coordinator.tls")
	c.require(co.Secret == "" || len(co.Secret) >= 16, "coordinator.secret", "shorter than 16 bytes: it could be guessed")
}

// checkTimes keeps the times of one request consistent with each other.
func (s Settings) checkTimes(c *checker) {
	for key, problem := range s.Deadline().Problems() {
		c.require(false, key, "%s", problem)
	}
	c.require(s.Throttle.ReleaseTimeout > s.Edge.Deadline, "throttle.release_timeout",
		"%v would end leases that are in use: it must be above edge.deadline (%v)", s.Throttle.ReleaseTimeout, s.Edge.Deadline)
}

func (e Edge) check(c *checker) {
	c.address("edge.listen", e.Listen)
	c.duration("edge.deadline", e.Deadline, time.Second, time.Hour)
	c.duration("edge.revalidate", e.Revalidate, 0, 24*time.Hour)
	c.oneOf("edge.outdated", e.Outdated, Keep, RenderAgain)
	c.require(e.Memory == 0 || e.Memory >= 1<<20, "edge.memory", "%v holds hardly a picture: at least 1 MiB, or 0 for none", e.Memory)
	c.networks("edge.trusted_proxies", e.TrustedProxies)
	within(c, "edge.max_waiters", e.MaxWaiters, 1, 1_000_000)
	within(c, "edge.max_waiters_per_client", e.MaxWaitersPerClient, 1, 1_000_000)
	within(c, "edge.max_width", e.MaxWidth, 1, 65_535)
	within(c, "edge.max_height", e.MaxHeight, 1, 65_535)
	within(c, "edge.max_pixels", e.MaxPixels, 1, 1_000_000_000)
	c.duration("edge.max_age", e.MaxAge, 0, 10*365*24*time.Hour)
	c.duration("edge.stale_while_revalidate", e.StaleWhileRevalidate, 0, 10*365*24*time.Hour)
	c.duration("edge.stale_if_error", e.StaleIfError, 0, 10*365*24*time.Hour)
	for _, origin := range e.CORS {
		c.require(origin == "*" || web(origin) && !strings.HasSuffix(origin, "/"), "edge.cors", "%q is no origin such as https://site.example, nor *", origin)
	}
	e.TLS.check(c, "edge.tls")
	within(c, "edge.max_connections", e.MaxConnections, 10, 1_000_000)
}

func (s ServerTLS) check(c *checker, key string) {
	c.require((s.Certificate == "") == (s.Key == ""), key+".certificate", "a certificate and its key go together")
}

func (c *checker) networks(key string, all []string) {
	for _, network := range all {
		_, err := ParseNetwork(network)
		c.require(err == nil, key, "%q is no address or network such as 10.0.0.0/8", network)
	}
}

// ParseNetwork reads a network, or a single address as a network of one.
func ParseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

func (t Throttle) check(c *checker) {
	t.PerIP.check(c, "throttle.per_ip")
	t.PerOriginal.check(c, "throttle.per_original")
	t.Expensive.Pool().check(c, "throttle.expensive")
	for _, name := range t.Expensive.Types {
		c.oneOf("throttle.expensive.types", name, thumbnail.TypeNames()...)
	}
	c.duration("throttle.expensive.place", t.Expensive.Place, time.Millisecond, time.Hour)
	c.networks("throttle.exempt", t.Exempt)
	within(c, "throttle.failure.max", t.Failure.Max, 1, 1_000_000)
	c.duration("throttle.failure.duration", t.Failure.Duration, time.Second, 30*24*time.Hour)
	c.require(len(t.Failure.Prefix) <= 100 && !strings.ContainsAny(t.Failure.Prefix, " \t\r\n"),
		"throttle.failure.prefix", "at most 100 bytes without white space")
	c.duration("throttle.queue_wait", t.QueueWait, time.Second, time.Hour)
}

func (p Pool) check(c *checker, name string) {
	within(c, name+".workers", p.Workers, 1, 100_000)
	within(c, name+".max_queue", p.MaxQueue, 1, 1_000_000)
	c.duration(name+".timeout", p.Timeout, 0, time.Hour)
	c.require(p.MaxQueue >= p.Workers, name+".max_queue",
		"%d is below workers (%d), and it counts them too", p.MaxQueue, p.Workers)
}

var (
	subject     = regexp.MustCompile(`^[^\s.*>]+(\.[^\s.*>]+)*$`)
	bucket      = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	hostPattern = regexp.MustCompile(`^(\*|(\*\.)?[A-Za-z0-9_.-]*[A-Za-z0-9]|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
)

func (s Store) check(c *checker) {
	s.Thumbnails.check(c, "store.thumbnails", "directory", "swift", "s3")
	s.Originals.check(c, "store.originals", "directory", "swift", "s3", "http")
	for i, l := range s.Loaders {
		name := fmt.Sprintf("store.loaders[%d]", i)
		c.require(l.For != "" && !strings.HasPrefix(l.For, "/"), name+".for", "says what the names begin with that this store has: s3/, https://")
		same := func(other Loader) bool { return other.For == l.For }
		c.require(slices.IndexFunc(s.Loaders, same) == i, name+".for", "%q is another loader's already", l.For)
		l.Bucket.check(c, name, "directory", "swift", "s3", "http")
	}
}

func (b Bucket) check(c *checker, name string, kinds ...string) {
	c.oneOf(name+".kind", b.Kind, kinds...)
	c.oneOf(name+".verify", b.Verify, "", VerifyAlways, VerifyNever)
	switch b.Kind {
	case "directory":
		c.require(b.Path != "", name+".path", "a directory store needs its path")
	case "swift":
		c.require(web(b.AuthURL), name+".auth_url", "a Swift store needs the URL of its authentication, without a user in it")
		c.require(b.User != "", name+".user", "a Swift store needs a user")
	case "s3":
		service, _ := url.Parse(b.Endpoint)
		c.require(web(b.Endpoint) && strings.Trim(service.Path, "/") == "", name+".endpoint", "an S3 store needs the URL of its service, such as https://s3.eu-central-1.amazonaws.com")
		c.require(bucket.MatchString(b.Container), name+".container", "an S3 store needs its bucket, and %q is no name of one", b.Container)
	case "http":
		c.require(b.Scheme() != "" || web(b.Endpoint), name+".endpoint", "%q is no URL", b.Endpoint)
		c.require(len(b.Hosts) > 0 || b.Scheme() == "", name+".hosts", "no host is allowed: name them, or * for all that are public")
		for _, host := range b.Hosts {
			c.require(hostPattern.MatchString(host), name+".hosts", "%q is no host, *.domain, host:port or *", host)
		}
		c.networks(name+".allow", b.Allow)
	}
	c.require(b.Expire == 0 || b.Kind == "swift", name+".expire", "only Swift deletes objects by itself; S3 has rules of the bucket for it, a directory max_bytes")
	c.duration(name+".expire", b.Expire, 0, 10*365*24*time.Hour)
	c.require(b.ExpireShare >= 0 && b.ExpireShare <= 1, name+".expire_share", "%v is not within 0…1", b.ExpireShare)
	c.require(!strings.HasPrefix(b.Prefix, "/") && !strings.Contains(b.Prefix, ".."), name+".prefix",
		"%q must not begin with / or contain ..", b.Prefix)
}

// web reports whether a text is the URL of a host and nothing of a user.
func web(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == ""
}

func (r Renderer) check(c *checker) {
	within(c, "renderer.slots", r.Slots, 0, 1024)
	within(c, "renderer.ahead", r.Ahead, 0, 1024)
	within(c, "renderer.batch", r.Batch, 1, 16)
	c.duration("renderer.time_limit", r.TimeLimit, time.Second, time.Hour)
	c.duration("renderer.time_limit_expensive", r.TimeLimitExpensive, time.Second, time.Hour)
	// A worker starts with about 1.7 GB of address space (measured with libvips 8.14).
	c.require(r.MemoryLimit >= 2200<<20, "renderer.memory_limit", "%v is below 2.2 GiB, with which a worker cannot start", r.MemoryLimit)
	c.require(r.MaxOriginalBytes > 0, "renderer.max_original_bytes", "must be above 0")
	within(c, "renderer.max_pixels", r.MaxPixels, 1, 10_000_000_000)
	within(c, "renderer.recycle", r.Recycle, 0, 1_000_000)
	within(c, "renderer.downloads", r.Downloads, 1, 1024)
	c.require(r.TempBytes >= r.MaxOriginalBytes, "renderer.temp_bytes", "%v has no room for an original of %v", r.TempBytes, r.MaxOriginalBytes)
	for _, layer := range r.Sandbox {
		c.oneOf("renderer.sandbox", layer, SandboxLayers()...)
	}
	for _, format := range r.Optimizers {
		c.oneOf("renderer.optimizers", format, thumbnail.FormatNames(func(row thumbnail.FormatRow) bool { return row.Optimized })...)
	}
}

func (t Thumbor) check(c *checker) {
	c.oneOf("thumbor.rotate", t.Rotate, "clockwise", "counterclockwise")
	for _, format := range t.AutoFormats {
		c.oneOf("thumbor.auto_formats", format, thumbnail.FormatNames(func(row thumbnail.FormatRow) bool { return row.Negotiable })...)
	}
	within(c, "thumbor.max_width", t.MaxWidth, 0, 65_535)
	within(c, "thumbor.max_height", t.MaxHeight, 0, 65_535)
}

func (m MediaWiki) check(c *checker) {
	c.oneOf("mediawiki.size_policy", m.SizePolicy, "free", "round_up", "redirect", "refuse")
	c.require(len(m.Sizes) > 0 && m.Sizes[0] > 0 && slices.IsSorted(m.Sizes), "mediawiki.sizes", "%v are no rising widths in pixels", m.Sizes)
	c.require(m.Wiki == "" || strings.Count(m.Wiki, "/") == 1, "mediawiki.wiki", "%q is not of the form project/language", m.Wiki)
}

func (r Render) check(c *checker) {
	within(c, "render.quality", r.Quality, 1, 100)
	for _, format := range slices.Sorted(maps.Keys(r.Qualities)) {
		key := "render.qualities." + string(format)
		c.oneOf(key, string(format), thumbnail.FormatNames(func(row thumbnail.FormatRow) bool { return row.Lossy })...)
		within(c, key, r.Qualities[format], 1, 100)
	}
	within(c, "render.quality_low", r.QualityLow, 1, 100)
	c.oneOf("render.chroma_subsampling", r.ChromaSubsampling, "4:2:0", "4:4:4")
	r.checkBuckets(c)
	within(c, "render.max_animated_area", r.MaxAnimatedArea, 0, 100_000_000_000)
}

const (
	maxBuckets     = 8
	narrowest      = 64 // pixels
	widestOfBucket = 8192
)

func (r Render) checkBuckets(c *checker) {
	c.require(len(r.Buckets) <= maxBuckets, "render.buckets", "%d widths; at most %d", len(r.Buckets), maxBuckets)
	rising := slices.IsSorted(r.Buckets) && len(slices.Compact(slices.Clone(r.Buckets))) == len(r.Buckets)
	c.require(rising, "render.buckets", "%v are no rising widths in pixels", r.Buckets)
	for _, width := range r.Buckets {
		within(c, "render.buckets", width, narrowest, widestOfBucket)
	}
}
