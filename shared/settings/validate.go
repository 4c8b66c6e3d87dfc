package settings

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/settings/check"
	"github.com/thumbmill/thumbmill/shared/settings/value"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// problems returns every problem with the values. origin has the file, variable or flag that
// set each key.
func (s Settings) problems(origin map[string]string) []error {
	c := check.New(origin)
	s.Edge.check(c)
	s.Throttle.check(c)
	s.Store.Check(c)
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
			c.Require(check.IsURL(u), key, "a URL is malformed, or has a user or a query: write http://varnish:6081 or the like")
		}
	}
	for _, width := range s.Upload.Widths {
		check.Within(c, "upload.widths", width, 1, s.Edge.MaxWidth)
	}
	c.Require(s.Upload.Subject == "" || subject.MatchString(s.Upload.Subject), "upload.subject", "%q is not a subject: write one such as media.uploads, without spaces, * and >", s.Upload.Subject)
	c.Require(!strings.ContainsAny(s.Purge.Host, " \t\r\n/"), "purge.host", "%q is not a host: write a name without spaces and /", s.Purge.Host)
	for _, server := range s.Memcached.Servers {
		c.Address("memcached.servers", server)
	}
	c.Address("admin.listen", s.Admin.Listen)
	s.Admin.TLS.check(c, "admin.tls")
	c.Require(s.Prometheus.URL == "" || check.IsURL(s.Prometheus.URL), "prometheus.url", "the URL is malformed, or has a user or a query: write http://prometheus:9090 or the like")
	s.Trace.check(c)
	s.NATS.check(c)
	c.OneOf("log.format", s.Log.Format, "text", "json", "journal")
	c.OneOf("log.level", s.Log.Level, "debug", "info", "warn", "error")
	s.checkTimes(c)
	return c.Problems()
}

func (n NATS) check(c *check.Checker) {
	c.Address("nats.listen", n.Listen)
	check.Within(c, "nats.replicas", n.Replicas, 1, 5)
	c.Require(n.Site == "" || site.MatchString(n.Site), "nats.site", "%q is not a site: write 1 to 32 letters, digits and -", n.Site)
	c.Require(len(n.Overflow) == 0 || n.Site != "", "nats.site", "nats.overflow names sites: name this site too")
	for i, other := range n.Overflow {
		c.Require(site.MatchString(other) && other != n.Site && !slices.Contains(n.Overflow[:i], other), "nats.overflow",
			"%q is not another site: write each site once, with 1 to 32 letters, digits and -", other)
	}
	c.Require((n.TLS.Certificate == "") == (n.TLS.Key == ""), "nats.tls.certificate", "one of certificate and key is missing: set both or none")
	for address := range strings.SplitSeq(string(n.URL), ",") {
		c.Require(address == "" || server(address), "nats.url", "an address is not nats://host:port (in a password write %%25 for %%, %%2F for /, %%23 for #, %%3F for ?, %%40 for @)")
	}
}

// server reports whether a text is the address of a NATS server. For malformed addresses the
// errors of the library show the password.
func server(address string) bool {
	u, err := value.NATSURL(address)
	return err == nil && u.Hostname() != "" && strings.Trim(u.Path, "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

func (t Trace) check(c *check.Checker) {
	at, err := url.Parse(t.Endpoint)
	c.Require(t.Endpoint == "" || err == nil && at.Host != "" && (at.Scheme == "http" || at.Scheme == "https"), "trace.endpoint", "%q is not a URL: write one such as http://collector:4318/v1/traces", t.Endpoint)
	c.Require(t.Ratio >= 0 && t.Ratio <= 1, "trace.ratio", "%v is not within 0…1", t.Ratio)
}

func (co Coordinator) check(c *check.Checker) {
	c.Require(len(co.Listen) > 0, "coordinator.listen", "the list is empty: give at least one address")
	for _, address := range co.Listen {
		c.Endpoint("coordinator.listen", address)
	}
	for _, server := range co.Servers {
		c.Endpoint("coordinator.servers", server)
	}
	c.Networks("coordinator.classic", co.Classic)
	co.TLS.check(c, "coordinator.tls")
	c.Require(co.Secret == "" || len(co.Secret) >= 16, "coordinator.secret", "the secret has fewer than 16 bytes: write a longer one, which nobody guesses")
}

// checkTimes checks that the times of one request fit together.
func (s Settings) checkTimes(c *check.Checker) {
	for key, problem := range s.Deadline().Problems() {
		c.Require(false, key, "%s", problem)
	}
	c.Require(s.Throttle.ReleaseTimeout > s.Edge.Deadline, "throttle.release_timeout",
		"%v ends leases that are in use: raise it above edge.deadline (%v)", s.Throttle.ReleaseTimeout, s.Edge.Deadline)
}

func (e Edge) check(c *check.Checker) {
	c.Address("edge.listen", e.Listen)
	c.Duration("edge.deadline", e.Deadline, time.Second, time.Hour)
	c.Duration("edge.revalidate", e.Revalidate, 0, 24*time.Hour)
	c.OneOf("edge.try_page", e.TryPage, "", TryAlways, TryNever)
	c.OneOf("edge.outdated", e.Outdated, Keep, RenderAgain)
	c.Require(e.Memory == 0 || e.Memory >= 1<<20, "edge.memory", "%v is too little for thumbnails: write at least 1 MiB, or 0 to turn the memory off", e.Memory)
	for _, host := range e.Hosts {
		c.Require(check.IsHost(host) && host != "*" && !strings.Contains(host, ":"), "edge.hosts", "%q is not a host name: write one such as thumbs.example or *.example, without a port", host)
	}
	c.Networks("edge.trusted_proxies", e.TrustedProxies)
	check.Within(c, "edge.max_waiters", e.MaxWaiters, 1, 1_000_000)
	check.Within(c, "edge.max_waiters_per_client", e.MaxWaitersPerClient, 1, 1_000_000)
	check.Within(c, "edge.max_width", e.MaxWidth, 1, 65_535)
	check.Within(c, "edge.max_height", e.MaxHeight, 1, 65_535)
	check.Within(c, "edge.max_pixels", e.MaxPixels, 1, 1_000_000_000)
	c.Duration("edge.max_age", e.MaxAge, 0, 10*365*24*time.Hour)
	c.Duration("edge.absent_max_age", e.AbsentMaxAge, 0, 10*365*24*time.Hour)
	c.Duration("edge.stale_while_revalidate", e.StaleWhileRevalidate, 0, 10*365*24*time.Hour)
	c.Duration("edge.stale_if_error", e.StaleIfError, 0, 10*365*24*time.Hour)
	for _, origin := range e.CORS {
		c.Require(origin == "*" || check.IsURL(origin) && !strings.HasSuffix(origin, "/"), "edge.cors", "%q is not an origin: write one such as https://site.example, or *", origin)
	}
	e.checkKeys(c)
	check.Within(c, "edge.save_data_quality", e.SaveDataQuality, 0, 100)
	e.TLS.check(c, "edge.tls")
	check.Within(c, "edge.max_connections", e.MaxConnections, 10, 1_000_000)
}

// shortestSignature is the least number of characters of a truncated signature: 96 bits. A shorter signature could be
// guessed, or be the first folder of another path.
const shortestSignature = 16

func (e Edge) checkKeys(c *check.Checker) {
	for i, k := range e.SecurityKeys {
		name := fmt.Sprintf("edge.security_keys[%d]", i)
		same := func(other SecurityKey) bool { return other.Name == k.Name }
		c.Require(keyName.MatchString(k.Name) && k.Name != OnlyKey, name+".name", "%q is not a name for metrics: write up to 40 letters, digits, dots, hyphens and underscores, other than %s", k.Name, OnlyKey)
		c.Require(slices.IndexFunc(e.SecurityKeys, same) == i, name+".name", "%q is the name of another key: give each key its own", k.Name)
		c.Require(k.Key != "", name+".key", "the key is empty: write the key, or file: and the path of a file with it")
		c.OneOf(name+".algorithm", k.Algorithm, "", "sha1", "sha256", "sha512")
		c.Require(k.Truncate == 0 || k.Truncate >= shortestSignature && k.Truncate <= 88, name+".truncate", "%d is not 0 or within %d…88", k.Truncate, shortestSignature)
	}
}

func (s ServerTLS) check(c *check.Checker, key string) {
	c.Require((s.Certificate == "") == (s.Key == ""), key+".certificate", "one of certificate and key is missing: set both or none")
}

func (t Throttle) check(c *check.Checker) {
	t.PerIP.check(c, "throttle.per_ip")
	t.PerOriginal.check(c, "throttle.per_original")
	t.Expensive.Pool().check(c, "throttle.expensive")
	for _, name := range t.Expensive.Types {
		c.OneOf("throttle.expensive.types", name, thumbnail.TypeNames()...)
	}
	c.Duration("throttle.expensive.place", t.Expensive.Place, time.Millisecond, time.Hour)
	c.Networks("throttle.exempt", t.Exempt)
	check.Within(c, "throttle.failure.max", t.Failure.Max, 1, 1_000_000)
	c.Duration("throttle.failure.duration", t.Failure.Duration, time.Second, 30*24*time.Hour)
	c.Require(len(t.Failure.Prefix) <= 100 && !strings.ContainsAny(t.Failure.Prefix, " \t\r\n"),
		"throttle.failure.prefix", "%q is not a prefix: write at most 100 bytes without white space", t.Failure.Prefix)
	c.Duration("throttle.queue_wait", t.QueueWait, time.Second, time.Hour)
}

func (p Pool) check(c *check.Checker, name string) {
	check.Within(c, name+".workers", p.Workers, 1, 100_000)
	check.Within(c, name+".max_queue", p.MaxQueue, 1, 1_000_000)
	c.Duration(name+".timeout", p.Timeout, 0, time.Hour)
	c.Require(p.MaxQueue >= p.Workers, name+".max_queue",
		"%d is below workers (%d): raise it, since it counts holders and waiters", p.MaxQueue, p.Workers)
}

var (
	presetName = regexp.MustCompile(`^[A-Za-z0-9_]{1,40}$`)
	filterName = regexp.MustCompile(`^[a-z_]{1,40}$`)
	keyName    = regexp.MustCompile(`^[A-Za-z0-9._-]{1,40}$`)
	site       = regexp.MustCompile(`^[A-Za-z0-9-]{1,32}$`)
	subject    = regexp.MustCompile(`^[^\s.*>]+(\.[^\s.*>]+)*$`)
)

func (r Renderer) check(c *check.Checker) {
	check.Within(c, "renderer.slots", r.Slots, 0, 1024)
	check.Within(c, "renderer.ahead", r.Ahead, 0, 1024)
	check.Within(c, "renderer.batch", r.Batch, 1, 16)
	c.Duration("renderer.time_limit", r.TimeLimit, time.Second, time.Hour)
	c.Duration("renderer.time_limit_expensive", r.TimeLimitExpensive, time.Second, time.Hour)
	// A worker uses about 1.7 GB of address space when it starts (measured with libvips 8.14).
	c.Require(r.MemoryLimit >= 2200<<20, "renderer.memory_limit", "%v is too little for a worker to start: write at least 2.2 GiB", r.MemoryLimit)
	c.Require(r.MaxOriginalBytes > 0, "renderer.max_original_bytes", "0 refuses every original: write a size such as 4GiB")
	check.Within(c, "renderer.max_pixels", r.MaxPixels, 1, 10_000_000_000)
	check.Within(c, "renderer.nice", r.Nice, 0, 19)
	check.Within(c, "renderer.recycle", r.Recycle, 0, 1_000_000)
	check.Within(c, "renderer.downloads", r.Downloads, 1, 1024)
	c.Require(r.MinRate <= 1<<30, "renderer.min_rate", "%v a second is more than any host sends: write at most 1 GiB, such as 16KiB, or 0 for any rate", r.MinRate)
	c.Require(r.TempBytes >= r.MaxOriginalBytes, "renderer.temp_bytes", "%v is too little for the largest original: write at least renderer.max_original_bytes (%v)", r.TempBytes, r.MaxOriginalBytes)
	for _, layer := range r.Sandbox {
		c.OneOf("renderer.sandbox", layer, SandboxLayers()...)
	}
	for _, format := range r.Optimizers {
		c.OneOf("renderer.optimizers", format, thumbnail.FormatNames(func(row thumbnail.FormatRow) bool { return row.Optimized })...)
	}
}

func (t Thumbor) check(c *check.Checker) {
	c.OneOf("thumbor.rotate", t.Rotate, "clockwise", "counterclockwise")
	for _, format := range t.AutoFormats {
		c.OneOf("thumbor.auto_formats", format, thumbnail.FormatNames(func(row thumbnail.FormatRow) bool { return row.Negotiable })...)
	}
	for _, name := range t.Filters {
		c.Require(filterName.MatchString(name), "thumbor.filters", "%q is not the name of a filter: write one such as quality", name)
	}
	check.Within(c, "thumbor.max_width", t.MaxWidth, 0, 65_535)
	check.Within(c, "thumbor.max_height", t.MaxHeight, 0, 65_535)
	for _, name := range slices.Sorted(maps.Keys(t.Presets)) {
		c.Require(presetName.MatchString(name) && t.Presets[name] != "", "thumbor.presets."+name, "%q is not a preset: write a name of up to 40 letters, digits and underscores, with options such as 330x200/smart", t.Presets[name])
	}
	c.Require(len(t.Presets) > 0 || !t.OnlyPresets, "thumbor.only_presets", "true refuses every URL: write thumbor.presets")
	c.OneOf("thumbor.size_policy", t.SizePolicy, FreeSizes, RoundUp, Redirect, "refuse")
	c.Require(len(t.Sizes) > 0 || t.SizePolicy == FreeSizes, "thumbor.size_policy", "%s refuses every URL: write thumbor.sizes", t.SizePolicy)
	for _, text := range t.Sizes {
		_, _, ok := ParseSize(text)
		c.Require(ok, "thumbor.sizes", "%q is not a size: write one such as 330x, x200 or 330x200", text)
	}
}

func (p Purge) check(c *check.Checker) {
	for _, header := range p.Headers {
		c.OneOf("purge.headers", header, "Xkey", "Surrogate-Key", "Cache-Tag")
	}
	if f := p.Fastly; f.Service != "" {
		checkService(c, "purge.fastly", f.URL, "token", f.Token)
	}
	if f := p.Cloudflare; f.Zone != "" {
		checkService(c, "purge.cloudflare", f.URL, "token", f.Token)
	}
	if f := p.CloudFront; f.Distribution != "" {
		checkService(c, "purge.cloudfront", f.URL, "key", f.Key)
		c.Require(f.User != "", "purge.cloudfront.user", "the user is empty: write the ID of an access key")
	}
}

// checkService requires the URL and the secret of a CDN's API.
func checkService(c *check.Checker, name, url, key string, secret value.Secret) {
	c.Require(check.IsURL(url), name+".url", "the URL is malformed, or has a user or a query: write the URL of the API, or leave the setting out")
	c.Require(secret != "", name+"."+key, "the %s is empty: write one with the right to purge", key)
}

func (f FallbackPicture) check(c *check.Checker, name string) {
	c.Require(f.Status == 0 || f.Status == 200 || f.Status >= 400 && f.Status <= 599, name+".status", "%d is not 0, 200 or within 400…599", f.Status)
	c.Duration(name+".max_age", f.MaxAge, 0, 10*365*24*time.Hour)
}

func (i Imgproxy) check(c *check.Checker) {
	c.Require(i.Prefix == "" || wikiPath.MatchString(i.Prefix), "imgproxy.prefix", "%q is not the start of a path: write one such as /img", i.Prefix)
	check.Within(c, "imgproxy.signature_size", i.SignatureSize, 8, 32) // a shorter one could be guessed
	c.Require(i.Separator != "" && !strings.Contains(i.Separator, "/"), "imgproxy.separator", "%q is not a separator: write one such as :", i.Separator)
	c.Require(len(i.Presets) > 0 || !i.OnlyPresets, "imgproxy.only_presets", "true refuses every URL: write imgproxy.presets")
	for n, k := range i.Keys {
		name := fmt.Sprintf("imgproxy.keys[%d]", n)
		same := func(other ImgproxyKey) bool { return other.Name == k.Name }
		c.Require(keyName.MatchString(k.Name), name+".name", "%q is not a name for metrics: write up to 40 letters, digits, dots, hyphens and underscores", k.Name)
		c.Require(slices.IndexFunc(i.Keys, same) == n, name+".name", "%q is the name of another key: give each key its own", k.Name)
		c.Require(hexadecimal(k.Key), name+".key", "the key is empty or not hexadecimal: write it as in IMGPROXY_KEY")
		c.Require(hexadecimal(k.Salt), name+".salt", "the salt is empty or not hexadecimal: write it as in IMGPROXY_SALT")
	}
	c.Require(i.EncryptionKey == "" || hexadecimal(i.EncryptionKey), "imgproxy.encryption_key", "the key is not hexadecimal: write it as in IMGPROXY_SOURCE_URL_ENCRYPTION_KEY")
}

// hexadecimal reports whether a secret has bytes in hexadecimal.
func hexadecimal(s value.Secret) bool {
	decoded, err := hex.DecodeString(string(s))
	return err == nil && len(decoded) > 0
}

func (m MediaWiki) check(c *check.Checker) {
	c.OneOf("mediawiki.size_policy", m.SizePolicy, FreeSizes, RoundUp, Redirect, "refuse")
	c.Require(len(m.Sizes) > 0 && m.Sizes[0] > 0 && slices.IsSorted(m.Sizes), "mediawiki.sizes", "%v is not a list of rising widths in pixels: write one such as 320, 640", m.Sizes)
	c.Require(m.Wiki == "" || wikiName.MatchString(m.Wiki), "mediawiki.wiki", "%q is not a wiki: write project/language, such as wikipedia/en", m.Wiki)
	for i, w := range m.Wikis {
		w.check(c, fmt.Sprintf("mediawiki.wikis[%d]", i))
		same := func(other Wiki) bool { return other.Host == w.Host && other.Prefix == w.Prefix }
		c.Require(slices.IndexFunc(m.Wikis, same) == i, fmt.Sprintf("mediawiki.wikis[%d].prefix", i), "%q is another wiki's already: give each wiki a host or a prefix of its own", w.Prefix)
	}
}

var (
	wikiName = regexp.MustCompile(`^[^-/]+/[^/]+$`)
	wikiPath = regexp.MustCompile(`^(/[^/?#% ]+)+$`)
)

const maxLevels = 2

func (w Wiki) check(c *check.Checker, name string) {
	c.Require(wikiName.MatchString(w.Wiki), name+".wiki", "%q is not a wiki: write project/language, such as wikipedia/en", w.Wiki)
	c.Require(wikiPath.MatchString(w.Prefix), name+".prefix", "%q is not the path of a wiki's files: write one such as /w/images", w.Prefix)
	c.Require(w.Script == "" || wikiPath.MatchString(w.Script), name+".script", "%q is not the path of thumb.php: write one such as /w/thumb.php", w.Script)
	c.Require(w.Host == "" || check.IsHost(w.Host) && !strings.Contains(w.Host, "*"), name+".host", "%q is not a host: write one such as wiki.example", w.Host)
	check.Within(c, name+".hash_levels", w.Levels(), 0, maxLevels)
}

func (r Render) check(c *check.Checker) {
	check.Within(c, "render.quality", r.Quality, 1, 100)
	for _, format := range slices.Sorted(maps.Keys(r.Qualities)) {
		key := "render.qualities." + string(format)
		c.OneOf(key, string(format), thumbnail.FormatNames(func(row thumbnail.FormatRow) bool { return row.Lossy })...)
		check.Within(c, key, r.Qualities[format], 1, 100)
	}
	check.Within(c, "render.quality_low", r.QualityLow, 1, 100)
	c.OneOf("render.chroma_subsampling", r.ChromaSubsampling, "4:2:0", "4:4:4")
	r.checkBuckets(c)
	check.Within(c, "render.max_animated_area", r.MaxAnimatedArea, 0, 100_000_000_000)
}

const (
	maxBuckets     = 8
	narrowest      = 64 // pixels
	widestOfBucket = 8192
)

func (r Render) checkBuckets(c *check.Checker) {
	c.Require(len(r.Buckets) <= maxBuckets, "render.buckets", "the list has %d widths: keep at most %d", len(r.Buckets), maxBuckets)
	rising := slices.IsSorted(r.Buckets) && len(slices.Compact(slices.Clone(r.Buckets))) == len(r.Buckets)
	c.Require(rising, "render.buckets", "%v is not a list of rising widths in pixels: write one such as 640, 1280", r.Buckets)
	for _, width := range r.Buckets {
		check.Within(c, "render.buckets", width, narrowest, widestOfBucket)
	}
}
