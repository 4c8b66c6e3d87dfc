package settings

import (
	"encoding/hex"
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

// checker collects problems with values, each with its key and the file, variable or flag
// that set it.
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
	c.require(false, key, "%q is not one of %s", v, strings.Join(allowed, ", "))
}

func (c *checker) address(key, v string) {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	c.require(v == "" || err == nil, key, "%q is not an address: write host:port (IPv6: [host]:port; port 0…65535)", v)
}

// endpoint checks an address, or the path of a Unix socket.
func (c *checker) endpoint(key, v string) {
	if path, ok := strings.CutPrefix(v, "unix:"); ok {
		// 107 bytes is the limit of the kernel (unix(7)).
		c.require(path != "" && len(path) < 108, key, "%q is not the path of a Unix socket: it must have 1 to 107 bytes", v)
		return
	}
	c.require(v != "", key, "an address is empty: write host:port or unix:PATH")
	c.address(key, v)
}

// problems returns every problem with the values. origin has the file, variable or flag that
// set each key.
func (s Settings) problems(origin map[string]string) []error {
	c := &checker{origin: origin}
	s.Edge.check(c)
	s.Throttle.check(c)
	s.Store.check(c)
	s.Renderer.check(c)
	s.Render.check(c)
	s.Thumbor.check(c)
	s.Imgproxy.check(c)
	s.MediaWiki.check(c)
	for name, f := range map[string]FallbackPicture{"absent": s.Fallback.Absent, "failing": s.Fallback.Failing, "refused": s.Fallback.Refused} {
		f.check(c, "fallback."+name)
	}
	s.Coordinator.check(c)
	s.Purge.check(c)
	for key, urls := range map[string][]string{"purge.urls": s.Purge.URLs, "purge.xkey": s.Purge.XKey} {
		for _, u := range urls {
			c.require(web(u), key, "a URL is malformed, or has a user or a query: write http://varnish:6081 or the like")
		}
	}
	for _, width := range s.Upload.Widths {
		within(c, "upload.widths", width, 1, s.Edge.MaxWidth)
	}
	c.require(s.Upload.Subject == "" || subject.MatchString(s.Upload.Subject), "upload.subject", "%q is not a subject: write one such as media.uploads, without spaces, * and >", s.Upload.Subject)
	c.require(!strings.ContainsAny(s.Purge.Host, " \t\r\n/"), "purge.host", "%q is not a host: write a name without spaces and /", s.Purge.Host)
	for _, server := range s.Memcached.Servers {
		c.address("memcached.servers", server)
	}
	c.address("admin.listen", s.Admin.Listen)
	s.Admin.TLS.check(c, "admin.tls")
	c.require(s.Prometheus.URL == "" || web(s.Prometheus.URL), "prometheus.url", "the URL is malformed, or has a user or a query: write http://prometheus:9090 or the like")
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
	c.require((n.TLS.Certificate == "") == (n.TLS.Key == ""), "nats.tls.certificate", "one of certificate and key is missing: set both or none")
	for address := range strings.SplitSeq(string(n.URL), ",") {
		c.require(address == "" || server(address), "nats.url", "an address is not nats://host:port (in a password write %%25 for %%, %%2F for /, %%23 for #, %%3F for ?, %%40 for @)")
	}
}

// server reports whether a text is the address of a NATS server. For malformed addresses the
// errors of the library show the password.
func server(address string) bool {
	u, err := withScheme(address)
	return err == nil && u.Hostname() != "" && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

func (t Trace) check(c *checker) {
	at, err := url.Parse(t.Endpoint)
	c.require(t.Endpoint == "" || err == nil && at.Host != "" && (at.Scheme == "http" || at.Scheme == "https"), "trace.endpoint", "%q is not a URL: write one such as http://collector:4318/v1/traces", t.Endpoint)
	c.require(t.Ratio >= 0 && t.Ratio <= 1, "trace.ratio", "%v is not within 0…1", t.Ratio)
}

func (co Coordinator) check(c *checker) {
	c.require(len(co.Listen) > 0, "coordinator.listen", "the list is empty: give at least one address")
	for _, address := range co.Listen {
		c.endpoint("coordinator.listen", address)
	}
	for _, server := range co.Servers {
		c.endpoint("coordinator.servers", server)
	}
	c.networks("coordinator.classic", co.Classic)
	co.TLS.check(c, "coordinator.tls")
	c.require(co.Secret == "" || len(co.Secret) >= 16, "coordinator.secret", "the secret has fewer than 16 bytes: write a longer one, which nobody guesses")
}

// checkTimes checks that the times of one request fit together.
func (s Settings) checkTimes(c *checker) {
	for key, problem := range s.Deadline().Problems() {
		c.require(false, key, "%s", problem)
	}
	c.require(s.Throttle.ReleaseTimeout > s.Edge.Deadline, "throttle.release_timeout",
		"%v ends leases that are in use: raise it above edge.deadline (%v)", s.Throttle.ReleaseTimeout, s.Edge.Deadline)
}

func (e Edge) check(c *checker) {
	c.address("edge.listen", e.Listen)
	c.duration("edge.deadline", e.Deadline, time.Second, time.Hour)
	c.duration("edge.revalidate", e.Revalidate, 0, 24*time.Hour)
	c.oneOf("edge.try_page", e.TryPage, "", TryAlways, TryNever)
	c.oneOf("edge.outdated", e.Outdated, Keep, RenderAgain)
	c.require(e.Memory == 0 || e.Memory >= 1<<20, "edge.memory", "%v is too little for thumbnails: write at least 1 MiB, or 0 to turn the memory off", e.Memory)
	for _, host := range e.Hosts {
		c.require(hostPattern.MatchString(host) && host != "*" && !strings.Contains(host, ":"), "edge.hosts", "%q is not a host name: write one such as thumbs.example or *.example, without a port", host)
	}
	c.networks("edge.trusted_proxies", e.TrustedProxies)
	within(c, "edge.max_waiters", e.MaxWaiters, 1, 1_000_000)
	within(c, "edge.max_waiters_per_client", e.MaxWaitersPerClient, 1, 1_000_000)
	within(c, "edge.max_width", e.MaxWidth, 1, 65_535)
	within(c, "edge.max_height", e.MaxHeight, 1, 65_535)
	within(c, "edge.max_pixels", e.MaxPixels, 1, 1_000_000_000)
	c.duration("edge.max_age", e.MaxAge, 0, 10*365*24*time.Hour)
	c.duration("edge.absent_max_age", e.AbsentMaxAge, 0, 10*365*24*time.Hour)
	c.duration("edge.stale_while_revalidate", e.StaleWhileRevalidate, 0, 10*365*24*time.Hour)
	c.duration("edge.stale_if_error", e.StaleIfError, 0, 10*365*24*time.Hour)
	for _, origin := range e.CORS {
		c.require(origin == "*" || web(origin) && !strings.HasSuffix(origin, "/"), "edge.cors", "%q is not an origin: write one such as https://site.example, or *", origin)
	}
	e.checkKeys(c)
	within(c, "edge.save_data_quality", e.SaveDataQuality, 0, 100)
	e.TLS.check(c, "edge.tls")
	within(c, "edge.max_connections", e.MaxConnections, 10, 1_000_000)
}

// shortestSignature is the least number of characters of a truncated signature: 96 bits. A shorter signature could be
// guessed, or be the first folder of another path.
const shortestSignature = 16

func (e Edge) checkKeys(c *checker) {
	for i, k := range e.SecurityKeys {
		name := fmt.Sprintf("edge.security_keys[%d]", i)
		same := func(other SecurityKey) bool { return other.Name == k.Name }
		c.require(keyName.MatchString(k.Name) && k.Name != OnlyKey, name+".name", "%q is not a name for metrics: write up to 40 letters, digits, dots, hyphens and underscores, other than %s", k.Name, OnlyKey)
		c.require(slices.IndexFunc(e.SecurityKeys, same) == i, name+".name", "%q is the name of another key: give each key its own", k.Name)
		c.require(k.Key != "", name+".key", "the key is empty: write the key, or file: and the path of a file with it")
		c.oneOf(name+".algorithm", k.Algorithm, "", "sha1", "sha256", "sha512")
		c.require(k.Truncate == 0 || k.Truncate >= shortestSignature && k.Truncate <= 88, name+".truncate", "%d is not 0 or within %d…88", k.Truncate, shortestSignature)
	}
}

func (s ServerTLS) check(c *checker, key string) {
	c.require((s.Certificate == "") == (s.Key == ""), key+".certificate", "one of certificate and key is missing: set both or none")
}

func (c *checker) networks(key string, all []string) {
	for _, network := range all {
		_, err := ParseNetwork(network)
		c.require(err == nil, key, "%q is not an address or a network: write one such as 10.0.0.0/8", network)
	}
}

// ParseNetwork parses a network in CIDR notation, or an address, which it returns as a network
// of one address.
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
		"throttle.failure.prefix", "%q is not a prefix: write at most 100 bytes without white space", t.Failure.Prefix)
	c.duration("throttle.queue_wait", t.QueueWait, time.Second, time.Hour)
}

func (p Pool) check(c *checker, name string) {
	within(c, name+".workers", p.Workers, 1, 100_000)
	within(c, name+".max_queue", p.MaxQueue, 1, 1_000_000)
	c.duration(name+".timeout", p.Timeout, 0, time.Hour)
	c.require(p.MaxQueue >= p.Workers, name+".max_queue",
		"%d is below workers (%d): raise it, since it counts holders and waiters", p.MaxQueue, p.Workers)
}

var (
	presetName  = regexp.MustCompile(`^[A-Za-z0-9_]{1,40}$`)
	keyName     = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)
	subject     = regexp.MustCompile(`^[^\s.*>]+(\.[^\s.*>]+)*$`)
	bucket      = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	hostPattern = regexp.MustCompile(`^(\*|(\*\.)?[A-Za-z0-9_.-]*[A-Za-z0-9]|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)
)

func (s Store) check(c *checker) {
	s.Thumbnails.check(c, "store.thumbnails", "directory", "swift", "s3", "gcs", "azure")
	s.Originals.check(c, "store.originals", "directory", "swift", "s3", "gcs", "azure", "http")
	for i, l := range s.Loaders {
		name := fmt.Sprintf("store.loaders[%d]", i)
		c.require(l.For != "" && !strings.HasPrefix(l.For, "/"), name+".for", "%q is not the start of a name: write one such as s3/ or https://", l.For)
		same := func(other Loader) bool { return other.For == l.For }
		c.require(slices.IndexFunc(s.Loaders, same) == i, name+".for", "%q is the start of another loader's names: give each loader its own", l.For)
		l.Bucket.check(c, name, "directory", "swift", "s3", "gcs", "azure", "http")
	}
}

func (b Bucket) check(c *checker, name string, kinds ...string) {
	c.oneOf(name+".kind", b.Kind, kinds...)
	c.oneOf(name+".verify", b.Verify, "", VerifyAlways, VerifyNever)
	switch b.Kind {
	case "directory":
		c.require(b.Path != "", name+".path", "the path is empty: write the path of the directory")
	case "swift":
		c.require(web(b.AuthURL), name+".auth_url", "the URL is missing or malformed: write the URL of Swift's authentication, without a user in it")
		c.require(b.User != "", name+".user", "the user is empty: write the user of Swift")
	case "s3":
		service, _ := url.Parse(b.Endpoint)
		c.require(web(b.Endpoint) && strings.Trim(service.Path, "/") == "", name+".endpoint", "the URL is missing or malformed: write the URL of the S3 service, such as https://s3.eu-central-1.amazonaws.com")
		b.checkName(c, name)
	case "gcs", "azure":
		c.require(b.Endpoint == "" || web(b.Endpoint), name+".endpoint", "the URL is malformed: write the URL of the service, or leave it out")
		c.require(b.Kind == "gcs" || b.User != "" || b.Endpoint != "", name+".user", "the user is empty: write the name of the storage account")
		b.checkName(c, name)
	case "http":
		c.require(b.Scheme() != "" || web(b.Endpoint), name+".endpoint", "%q is not a URL: write one such as https://site.example/", b.Endpoint)
		c.require(len(b.Hosts) > 0 || b.Scheme() == "", name+".hosts", "the list is empty: name the allowed hosts, or write * for all public hosts")
		for _, host := range b.Hosts {
			c.require(hostPattern.MatchString(host), name+".hosts", "%q is not a host: write host, *.domain, host:port or *", host)
		}
		c.networks(name+".allow", b.Allow)
	}
	c.require(b.Bucket == "" || b.Kind == "s3" || b.Kind == "gcs", name+".bucket", "%s has no buckets: write container, or set kind to s3 or gcs", b.Kind)
	c.require(b.ReadACL == "" || b.Kind == "swift", name+".read_acl", "%s has no such lists: remove it", b.Kind)
	c.require(b.Expire == 0 || b.Kind == "swift", name+".expire", "%s does not delete objects after a time: set it to 0, and use a lifecycle rule of the bucket, or max_bytes of a directory", b.Kind)
	c.duration(name+".expire", b.Expire, 0, 10*365*24*time.Hour)
	c.duration(name+".scrub", b.Scrub, 0, 365*24*time.Hour)
	c.require(b.ExpireShare >= 0 && b.ExpireShare <= 1, name+".expire_share", "%v is not within 0…1", b.ExpireShare)
	c.require(!b.Slash || b.Kind == "s3", name+".leading_slash", "%s has no such names: leave it out, or set kind to s3", b.Kind)
	c.require(!strings.HasPrefix(b.Prefix, "/") && !strings.Contains(b.Prefix, ".."), name+".prefix",
		"%q begins with / or contains ..: write a prefix such as thumbor/, and set leading_slash for S3 keys that begin with /", b.Prefix)
}

// checkName requires the name of a bucket, as S3 and Google Cloud Storage have it; names of Azure's containers are narrower.
func (b Bucket) checkName(c *checker, name string) {
	key := ".container"
	if b.Bucket != "" {
		key = ".bucket"
	}
	c.require(bucket.MatchString(b.Named()), name+key, "%q is not the name of a bucket: write 3 to 63 lower-case letters, digits, dots and hyphens", b.Named())
}

// web reports whether a text is an HTTP URL with a host, without a user and a query.
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
	// A worker uses about 1.7 GB of address space when it starts (measured with libvips 8.14).
	c.require(r.MemoryLimit >= 2200<<20, "renderer.memory_limit", "%v is too little for a worker to start: write at least 2.2 GiB", r.MemoryLimit)
	c.require(r.MaxOriginalBytes > 0, "renderer.max_original_bytes", "0 refuses every original: write a size such as 4GiB")
	within(c, "renderer.max_pixels", r.MaxPixels, 1, 10_000_000_000)
	within(c, "renderer.recycle", r.Recycle, 0, 1_000_000)
	within(c, "renderer.downloads", r.Downloads, 1, 1024)
	c.require(r.MinRate <= 1<<30, "renderer.min_rate", "%v a second is more than any host sends: write at most 1 GiB, such as 16KiB, or 0 for any rate", r.MinRate)
	c.require(r.TempBytes >= r.MaxOriginalBytes, "renderer.temp_bytes", "%v is too little for the largest original: write at least renderer.max_original_bytes (%v)", r.TempBytes, r.MaxOriginalBytes)
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
	for _, name := range slices.Sorted(maps.Keys(t.Presets)) {
		c.require(presetName.MatchString(name) && t.Presets[name] != "", "thumbor.presets."+name, "%q is not a preset: write a name of up to 40 letters, digits and underscores, with options such as 330x200/smart", t.Presets[name])
	}
	c.require(len(t.Presets) > 0 || !t.OnlyPresets, "thumbor.only_presets", "true refuses every URL: write thumbor.presets")
	c.oneOf("thumbor.size_policy", t.SizePolicy, FreeSizes, RoundUp, Redirect, "refuse")
	c.require(len(t.Sizes) > 0 || t.SizePolicy == FreeSizes, "thumbor.size_policy", "%s refuses every URL: write thumbor.sizes", t.SizePolicy)
	for _, text := range t.Sizes {
		_, _, ok := ParseSize(text)
		c.require(ok, "thumbor.sizes", "%q is not a size: write one such as 330x, x200 or 330x200", text)
	}
}

func (p Purge) check(c *checker) {
	for _, header := range p.Headers {
		c.oneOf("purge.headers", header, "Xkey", "Surrogate-Key", "Cache-Tag")
	}
	c.require(p.Fastly.Service == "" || p.Fastly.Token != "" && web(p.Fastly.URL), "purge.fastly.token", "the token is empty, or the URL malformed: write an API token with the right to purge")
	p.CloudFront.check(c)
	c.require(p.Cloudflare.Zone == "" || p.Cloudflare.Token != "" && web(p.Cloudflare.URL), "purge.cloudflare.token", "the token is empty, or the URL malformed: write an API token with the right to purge")
}

func (f CloudFront) check(c *checker) {
	c.require(f.Distribution == "" || f.User != "" && f.Key != "" && web(f.URL), "purge.cloudfront.key", "the user or the key is empty, or the URL malformed: write an access key with the right to create invalidations")
}

func (f FallbackPicture) check(c *checker, name string) {
	c.require(f.Status == 0 || f.Status == 200 || f.Status >= 400 && f.Status <= 599, name+".status", "%d is not 0, 200 or within 400…599", f.Status)
	c.duration(name+".max_age", f.MaxAge, 0, 10*365*24*time.Hour)
}

func (i Imgproxy) check(c *checker) {
	c.require(i.Prefix == "" || wikiPath.MatchString(i.Prefix), "imgproxy.prefix", "%q is not the start of a path: write one such as /img", i.Prefix)
	within(c, "imgproxy.signature_size", i.SignatureSize, 8, 32) // a shorter one could be guessed
	c.require(i.Separator != "" && !strings.Contains(i.Separator, "/"), "imgproxy.separator", "%q is not a separator: write one such as :", i.Separator)
	c.require(len(i.Presets) > 0 || !i.OnlyPresets, "imgproxy.only_presets", "true refuses every URL: write imgproxy.presets")
	for n, k := range i.Keys {
		name := fmt.Sprintf("imgproxy.keys[%d]", n)
		same := func(other ImgproxyKey) bool { return other.Name == k.Name }
		c.require(keyName.MatchString(k.Name), name+".name", "%q is not a name for metrics: write up to 40 letters, digits, dots, hyphens and underscores", k.Name)
		c.require(slices.IndexFunc(i.Keys, same) == n, name+".name", "%q is the name of another key: give each key its own", k.Name)
		c.require(hexadecimal(k.Key) && hexadecimal(k.Salt), name+".key", "the key or the salt is empty or not hexadecimal: write them as in IMGPROXY_KEY and IMGPROXY_SALT")
	}
	c.require(i.EncryptionKey == "" || hexadecimal(i.EncryptionKey), "imgproxy.encryption_key", "the key is not hexadecimal: write it as in IMGPROXY_SOURCE_URL_ENCRYPTION_KEY")
}

// hexadecimal reports whether a secret has bytes in hexadecimal.
func hexadecimal(s Secret) bool {
	decoded, err := hex.DecodeString(string(s))
	return err == nil && len(decoded) > 0
}

func (m MediaWiki) check(c *checker) {
	c.oneOf("mediawiki.size_policy", m.SizePolicy, FreeSizes, RoundUp, Redirect, "refuse")
	c.require(len(m.Sizes) > 0 && m.Sizes[0] > 0 && slices.IsSorted(m.Sizes), "mediawiki.sizes", "%v is not a list of rising widths in pixels: write one such as 320, 640", m.Sizes)
	c.require(m.Wiki == "" || wikiName.MatchString(m.Wiki), "mediawiki.wiki", "%q is not a wiki: write project/language, such as wikipedia/en", m.Wiki)
	for i, w := range m.Wikis {
		w.check(c, fmt.Sprintf("mediawiki.wikis[%d]", i))
		same := func(other Wiki) bool { return other.Host == w.Host && other.Prefix == w.Prefix }
		c.require(slices.IndexFunc(m.Wikis, same) == i, fmt.Sprintf("mediawiki.wikis[%d].prefix", i), "%q is another wiki's already: give each wiki a host or a prefix of its own", w.Prefix)
	}
}

var (
	wikiName = regexp.MustCompile(`^[^-/]+/[^/]+$`)
	wikiPath = regexp.MustCompile(`^(/[^/?#% ]+)+$`)
)

const maxLevels = 2

func (w Wiki) check(c *checker, name string) {
	c.require(wikiName.MatchString(w.Wiki), name+".wiki", "%q is not a wiki: write project/language, such as wikipedia/en", w.Wiki)
	c.require(wikiPath.MatchString(w.Prefix), name+".prefix", "%q is not the path of a wiki's files: write one such as /w/images", w.Prefix)
	c.require(w.Script == "" || wikiPath.MatchString(w.Script), name+".script", "%q is not the path of thumb.php: write one such as /w/thumb.php", w.Script)
	c.require(w.Host == "" || hostPattern.MatchString(w.Host) && !strings.Contains(w.Host, "*"), name+".host", "%q is not a host: write one such as wiki.example", w.Host)
	within(c, name+".hash_levels", w.Levels(), 0, maxLevels)
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
	c.require(len(r.Buckets) <= maxBuckets, "render.buckets", "the list has %d widths: keep at most %d", len(r.Buckets), maxBuckets)
	rising := slices.IsSorted(r.Buckets) && len(slices.Compact(slices.Clone(r.Buckets))) == len(r.Buckets)
	c.require(rising, "render.buckets", "%v is not a list of rising widths in pixels: write one such as 640, 1280", r.Buckets)
	for _, width := range r.Buckets {
		within(c, "render.buckets", width, narrowest, widestOfBucket)
	}
}
