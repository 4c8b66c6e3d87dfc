// Package settings holds the configuration of every role: its names, its
// defaults, what is allowed, and how files, environment and flags are merged.
//
// All roles read one tree, so that a site can keep one folder of files for all
// machines; each role looks at its own part. The edge, the coordinator, the
// renderer and the operator's commands use it.
package settings

import (
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Settings is the whole tree. The koanf tags are the names that operators type.
type Settings struct {
	Edge        Edge        `koanf:"edge"`
	Coordinator Coordinator `koanf:"coordinator"`
	NATS        NATS        `koanf:"nats"`
	Memcached   Memcached   `koanf:"memcached"`
	Throttle    Throttle    `koanf:"throttle"`
	Store       Store       `koanf:"store"`
	Renderer    Renderer    `koanf:"renderer"`
	Render      Render      `koanf:"render"`
	Thumbor     Thumbor     `koanf:"thumbor"`
	MediaWiki   MediaWiki   `koanf:"mediawiki"`
	Purge       Purge       `koanf:"purge"`
	Upload      Upload      `koanf:"upload"`
	Admin       Admin       `koanf:"admin"`
	Trace       Trace       `koanf:"trace"`
	Log         Log         `koanf:"log"`
}

// Edge is what the HTTP side does.
type Edge struct {
	Listen         string        `koanf:"listen"`          // host:port; port 0 = any free one
	SecurityKey    Secret        `koanf:"security_key"`    // HMAC key of signed Thumbor URLs; there is no default key
	AllowUnsafe    bool          `koanf:"allow_unsafe"`    // serve unsigned Thumbor URLs to everybody
	TrustedProxies []string      `koanf:"trusted_proxies"` // networks whose X-Forwarded-For is believed
	Deadline       time.Duration `koanf:"deadline"`        // of one request, from its first byte to the answer's
	Revalidate     time.Duration `koanf:"revalidate"`      // a hit is compared with its original at most this often

	// what becomes of a stored thumbnail that today's rules and defaults would render
	// otherwise: keep or render
	Outdated string `koanf:"outdated"`
	// give another size of a thumbnail that a throttle refuses, where there is one
	Nearest bool  `koanf:"nearest"`
	Memory  Bytes `koanf:"memory"` // of thumbnails that are asked for often; 0 = none

	MaxWaiters          int `koanf:"max_waiters"`            // requests that wait for a render on one edge
	MaxWaitersPerClient int `koanf:"max_waiters_per_client"` // of these, of one client
	MaxWidth            int `koanf:"max_width"`              // pixels that a URL may ask for
	MaxHeight           int `koanf:"max_height"`             // likewise
	MaxPixels           int `koanf:"max_pixels"`             // width × height that a URL may ask for

	MaxAge               time.Duration `koanf:"max_age"`                // for which caches keep a thumbnail
	StaleWhileRevalidate time.Duration `koanf:"stale_while_revalidate"` // after that, while a cache asks for it anew; 0 = not said
	StaleIfError         time.Duration `koanf:"stale_if_error"`         // after that, while this edge gives errors; 0 = not said
	CORS                 []string      `koanf:"cors"`                   // origins whose scripts may read answers: https://site.example, *
	Blacklist            []string      `koanf:"blacklist"`              // originals that are not served: a/b.jpg, container/a/ab/B.jpg

	TLS            ServerTLS `koanf:"tls"`
	MaxConnections int       `koanf:"max_connections"` // of clients; beyond them the one that is idle longest is closed
}

// What edge.outdated can say.
const (
	Keep        = "keep"
	RenderAgain = "render"
)

// ServerTLS is a certificate for those who connect, in PEM files that are read again when
// they change. Without one nothing is encrypted.
type ServerTLS struct {
	Certificate string `koanf:"certificate"` // with the chain
	Key         string `koanf:"key"`         // of that certificate
}

// Coordinator is who decides about the throttles.
type Coordinator struct {
	Listen  []string `koanf:"listen"`  // each host:port, IPv4 or IPv6, or unix:PATH
	Servers []string `koanf:"servers"` // likewise, in order of preference; edges ask the first that answers
	Secret  Secret   `koanf:"secret"`  // without which no edge is let in; PoolCounter's protocol knows none
	// networks from which PoolCounter's protocol is spoken; it proves nothing of who speaks.
	// Unix sockets are always among them
	Classic []string  `koanf:"classic"`
	TLS     ServerTLS `koanf:"tls"` // of edges' connections; those without it are not let in then
	CA      string    `koanf:"ca"`  // PEM file of those who sign coordinators' certificates; edges encrypt with one
}

// NATS is the queue.
type NATS struct {
	URL         URLs   `koanf:"url"`         // nats://host:port[,…]; "" in serve = the embedded server
	Listen      string `koanf:"listen"`      // of the embedded server; "" = in-process only
	Credentials string `koanf:"credentials"` // path of a .creds file
	TLS         TLS    `koanf:"tls"`
	Replicas    int    `koanf:"replicas"` // of the stream: 1 embedded, 3 clustered
}

// TLS of the connections to NATS, in PEM files.
type TLS struct {
	CA          string `koanf:"ca"`          // those who sign the servers' certificates
	Certificate string `koanf:"certificate"` // this role's own, where servers ask for one
	Key         string `koanf:"key"`         // of that certificate
}

// Memcached is where the failure memory lives.
type Memcached struct {
	Servers []string `koanf:"servers"` // empty = in this process
	CA      string   `koanf:"ca"`      // PEM file of those who sign their certificates; with one connections are encrypted
}

// Pool is PoolCounter's three limits.
type Pool struct {
	Workers  int           `koanf:"workers"`   // holders at once
	MaxQueue int           `koanf:"max_queue"` // holders and waiters together
	Timeout  time.Duration `koanf:"timeout"`   // longest wait; whole seconds in PoolCounter's protocol
	Shadow   bool          `koanf:"shadow"`    // count what would be refused or delayed, and let it through
}

// ExpensivePool is the pool of each expensive type.
type ExpensivePool struct {
	Workers  int           `koanf:"workers"`   // places at once
	MaxQueue int           `koanf:"max_queue"` // holders and waiters together
	Timeout  time.Duration `koanf:"timeout"`   // longest wait
	Shadow   bool          `koanf:"shadow"`    // as above
	Types    []string      `koanf:"types"`     // of tiff, pdf, djvu, xcf, stl, svg, video, …
	// the time of rendering that one of the workers stands for: an original takes as many as
	// such originals took lately
	Place time.Duration `koanf:"place"`
}

// Pool gives the limits without the rest.
func (e ExpensivePool) Pool() Pool {
	return Pool{Workers: e.Workers, MaxQueue: e.MaxQueue, Timeout: e.Timeout, Shadow: e.Shadow}
}

// Failure is the failure memory.
type Failure struct {
	Max      int           `koanf:"max"`      // failures after which an original is refused
	Duration time.Duration `koanf:"duration"` // for which a failure is remembered
	Prefix   string        `koanf:"prefix"`   // of the keys in memcached
}

// Throttle is all rules that can refuse or delay a request.
type Throttle struct {
	PerIP          Pool          `koanf:"per_ip"`       // renders of one client, by address or /64
	PerOriginal    Pool          `koanf:"per_original"` // renders of one original
	Expensive      ExpensivePool `koanf:"expensive"`    // renders of each expensive type
	Failure        Failure       `koanf:"failure"`
	Exempt         []string      `koanf:"exempt"`          // networks of clients that per_ip does not count: the CDN, the office
	QueueWait      time.Duration `koanf:"queue_wait"`      // longest wait for all pools together, and for a renderer to begin
	ReleaseTimeout time.Duration `koanf:"release_timeout"` // ends a lease that was forgotten
}

// Store is where originals come from and thumbnails go.
type Store struct {
	Originals         Bucket   `koanf:"originals"`          // of all originals, but for those that a loader has
	Loaders           []Loader `koanf:"loaders"`            // of originals whose names begin with something, the longest first
	Thumbnails        Bucket   `koanf:"thumbnails"`         // of the results
	ShardedContainers []string `koanf:"sharded_containers"` // MediaWiki containers with a hash suffix
	PrivateContainers []string `koanf:"private_containers"` // served only with the secret
	PrivateSecret     Secret   `koanf:"private_secret"`     // what X-Swift-Secret must hold
}

// Loader finds the loader of an original's name: that whose For is the longest.
func (s Store) Loader(name string) (found Loader, ok bool) {
	for _, l := range s.Loaders {
		if strings.HasPrefix(name, l.For) && len(l.For) > len(found.For) {
			found, ok = l, true
		}
	}
	return found, ok
}

// Names are all that an original is called on its way to its store: as it is, without what
// leads to the store, and what it is called there.
func (s Store) Names(name string) []string {
	all := []string{name, strings.TrimPrefix(name, s.Originals.Prefix)}
	if l, ok := s.Loader(name); ok {
		rest := strings.TrimPrefix(name, l.For)
		all = append(all, rest, l.Bucket.Prefix+rest)
	}
	return all
}

// Bucket is one object store.
type Bucket struct {
	Kind        string        `koanf:"kind"`         // directory, swift or s3; of originals also http
	Path        string        `koanf:"path"`         // of a directory
	MaxBytes    Bytes         `koanf:"max_bytes"`    // bound of a directory of thumbnails; 0 = none
	Prefix      string        `koanf:"prefix"`       // before the path of each object; "thumbor/" at some sites
	Container   string        `koanf:"container"`    // of objects from Thumbor URLs, in Swift; the bucket of S3
	AuthURL     string        `koanf:"auth_url"`     // Swift v1, v2 or v3
	User        string        `koanf:"user"`         // Swift; the access key of S3, "" = as Amazon's tools find it
	Key         Secret        `koanf:"key"`          // Swift; the secret key of S3
	Tenant      string        `koanf:"tenant"`       // Swift v2 and v3
	Domain      string        `koanf:"domain"`       // Swift v3
	CreateAll   bool          `koanf:"create_all"`   // make containers that are missing
	Expire      time.Duration `koanf:"expire"`       // after which Swift deletes thumbnails; 0 = never
	ExpireShare float64       `koanf:"expire_share"` // of the thumbnails that expire, 0…1; to try it out
	Endpoint    string        `koanf:"endpoint"`     // URL of S3's service; of HTTP, what stands before each name, "" = https://
	Region      string        `koanf:"region"`       // S3
	Hosts       []string      `koanf:"hosts"`        // HTTP: host, *.domain, host:port or *; others are refused
	Allow       []string      `koanf:"allow"`        // HTTP: networks that are not public and may be read from
	Verify      string        `koanf:"verify"`       // always or never: whether a renderer compares an original with the MD5 that its store tells; "" = unless it comes over TLS
}

// Verifies reports whether an original that was read is compared with the MD5 that this
// store tells. Unless it is said, that is done where nothing else on the way notices a
// changed bit: Swift and S3 without TLS.
func (b Bucket) Verifies() bool {
	if b.Verify != "" {
		return b.Verify == VerifyAlways
	}
	return b.Kind == "swift" && !overTLS(b.AuthURL) || b.Kind == "s3" && !overTLS(b.Endpoint)
}

// The values of Bucket.Verify.
const (
	VerifyAlways = "always"
	VerifyNever  = "never"
)

func overTLS(address string) bool { return strings.HasPrefix(strings.ToLower(address), "https://") }

// Scheme is what stands before the names in a store of kind http that are whole URLs,
// or would be with it: http:// or https://. "" when the store has an endpoint of its own.
func (b Bucket) Scheme() string {
	switch {
	case b.Kind != "http":
		return ""
	case b.Endpoint == "":
		return "https://"
	case b.Endpoint == "http://", b.Endpoint == "https://":
		return b.Endpoint
	}
	return ""
}

// Loader is one more store of originals.
type Loader struct {
	For    string `koanf:"for"` // what an original's name begins with: s3/, https://
	Bucket Bucket `koanf:",squash"`
}

// Renderer is one renderer's limits.
type Renderer struct {
	Slots              int           `koanf:"slots"`                // renders at once; 0 = one a core
	Ahead              int           `koanf:"ahead"`                // jobs fetched while all slots render
	Batch              int           `koanf:"batch"`                // thumbnails of one original that are rendered as one job; 1 = each alone
	TimeLimit          time.Duration `koanf:"time_limit"`           // of one render
	TimeLimitExpensive time.Duration `koanf:"time_limit_expensive"` // of one render of an expensive type
	MemoryLimit        Bytes         `koanf:"memory_limit"`         // address space of one worker, and of one tool
	Recycle            int           `koanf:"recycle"`              // renders after which a worker is replaced; 0 = never
	Sandbox            []string      `koanf:"sandbox"`              // layers without which the renderer refuses to start
	Optimizers         []string      `koanf:"optimizers"`           // formats of thumbnails that a tool repacks; the table of formats says which it can
	MaxOriginalBytes   Bytes         `koanf:"max_original_bytes"`   // larger originals are refused
	MaxPixels          int64         `koanf:"max_pixels"`           // of an original; a quarter where a decoder must hold all at once
	Downloads          int           `koanf:"downloads"`            // originals fetched at once
	TempDir            string        `koanf:"temp_dir"`             // "" = the system's
	TempBytes          Bytes         `koanf:"temp_bytes"`           // of originals there, in use and kept for other sizes
}

// SandboxLayers are the mechanisms that can confine workers.
func SandboxLayers() []string {
	return []string{"user", "cgroup", "no_new_privs", "rlimits", "landlock", "seccomp"}
}

// Render is the defaults of a spec. The edge reads them: they are part of it.
type Render struct {
	Quality   int                 `koanf:"quality"`   // 1…100, of lossy formats
	Qualities thumbnail.Qualities `koanf:"qualities"` // of lossy formats that have one of their own: {webp: 80}

	QualityLow         int    `koanf:"quality_low"`          // of qlow- thumbnails
	ChromaSubsampling  string `koanf:"chroma_subsampling"`   // of JPEG: 4:2:0 or 4:4:4
	Progressive        bool   `koanf:"progressive"`          // JPEG
	MaxAnimatedArea    int64  `koanf:"max_animated_area"`    // pixels over all frames
	DefaultFiltersJPEG string `koanf:"default_filters_jpeg"` // of JPEG originals on MediaWiki paths
	RespectOrientation bool   `koanf:"respect_orientation"`  // turn originals as EXIF says
	KeepEXIF           bool   `koanf:"keep_exif"`            // all of it, not only who made it

	// rising widths in pixels of larger thumbnails that are kept of originals that take long
	// (pages, videos, XCF, large pictures), so that smaller ones are rendered from them: 1280;
	// empty = all are rendered from the original. exact() in a URL of Thumbor's asks for that
	Buckets []int `koanf:"buckets"`
}

// Thumbor is the dialect of Thumbor's URLs: what one installation of Thumbor does
// otherwise than another.
type Thumbor struct {
	StrictFilters bool     `koanf:"strict_filters"` // refuse a URL with a filter that is not understood, instead of skipping it
	Rotate        string   `koanf:"rotate"`         // direction of rotate(90): clockwise, as Wikimedia's engines; counterclockwise, as Pillow
	GIFFilters    bool     `koanf:"gif_filters"`    // apply filters to GIFs, frame by frame
	AutoFormats   []string `koanf:"auto_formats"`   // taken in this order when the client accepts them: avif, webp; the table of formats says which can be
	PNGToJPEG     bool     `koanf:"png_to_jpeg"`    // of PNGs without transparency
	MaxWidth      int      `koanf:"max_width"`      // larger sizes are made this one; 0 = they are refused beyond edge.max_width
	MaxHeight     int      `koanf:"max_height"`     // likewise
}

// MediaWiki is what holds for MediaWiki's paths.
type MediaWiki struct {
	Wiki       string `koanf:"wiki"`        // project/language of /images, /w/images and a thumb.php that name none
	Sizes      []int  `koanf:"sizes"`       // standard widths in pixels, rising
	SizePolicy string `koanf:"size_policy"` // of other widths: free, round_up, redirect, refuse
}

// Purge is the caches in front that are told when an original's thumbnails are to go.
type Purge struct {
	URLs []string `koanf:"urls"` // each before a path, and PURGE is sent: http://varnish:6081
	XKey []string `koanf:"xkey"` // to each PURGE is sent with the original's key in the header xkey
	Host string   `koanf:"host"` // the Host under which they keep it; "" = that of the URL
}

// Upload is what happens when the queue tells of a new original.
type Upload struct {
	Subject string `koanf:"subject"` // in NATS; "" = nobody listens
	Widths  []int  `koanf:"widths"`  // thumbnails that are rendered at once
}

// Admin is the operators' listener: metrics, health and profiles.
type Admin struct {
	Listen    string `koanf:"listen"`     // host:port
	TokenFile string `koanf:"token_file"` // what operators show to act; empty: thumbmill/token in the user's configuration

	TLS ServerTLS `koanf:"tls"` // without it who is between an operator and this listener reads the token
}

// Trace is where traces go.
type Trace struct {
	Endpoint string  `koanf:"endpoint"` // of a collector: OTLP over HTTP, such as http://collector:4318/v1/traces
	Ratio    float64 `koanf:"ratio"`    // of requests that begin a trace, 0 to 1; a proxy's own decision counts first
}

// Log is how the log looks.
type Log struct {
	Format string `koanf:"format"` // text or json
	Level  string `koanf:"level"`  // debug, info, warn, error
}

// Deadline is how the time of one request is split among its steps.
func (s Settings) Deadline() deadline.Split {
	return deadline.New(s.Edge.Deadline, s.Throttle.QueueWait, s.Renderer.TimeLimit, s.Renderer.TimeLimitExpensive)
}

// Default gives the settings that hold when nobody says otherwise: Wikimedia's
// production values for throttles and rendering, loopback for listeners.
func Default() Settings {
	return Settings{
		Edge: Edge{
			Listen: "127.0.0.1:8888", Deadline: 70 * time.Second, Revalidate: 60 * time.Second, Outdated: Keep,
			MaxWaiters: 10_000, MaxWaitersPerClient: 1_000,
			MaxWidth: 8192, MaxHeight: 8192, MaxPixels: 40_000_000, MaxAge: 24 * time.Hour,
			StaleWhileRevalidate: time.Minute, StaleIfError: 24 * time.Hour, CORS: []string{"*"}, MaxConnections: 20_000,
		},
		Coordinator: Coordinator{Listen: []string{"127.0.0.1:7531"}, Classic: []string{"127.0.0.0/8", "::1/128"}},
		NATS:        NATS{Replicas: 1},
		Throttle: Throttle{
			PerIP:       Pool{Workers: 4, MaxQueue: 50, Timeout: 4 * time.Second},
			PerOriginal: Pool{Workers: 6, MaxQueue: 100, Timeout: 8 * time.Second},
			Expensive: ExpensivePool{
				Workers: 16, MaxQueue: 120, Timeout: 10 * time.Second,
				Types: []string{"xcf", "djvu", "pdf", "tiff", "stl", "video"}, Place: time.Second,
			},
			Failure:   Failure{Max: 4, Duration: time.Hour, Prefix: "thumbmill-failure-"},
			QueueWait: 5 * time.Second, ReleaseTimeout: 120 * time.Second,
		},
		Store: Store{
			Originals:  Bucket{Kind: "directory", Path: "originals", Container: "originals"},
			Thumbnails: Bucket{Kind: "directory", Path: "thumbnails", Container: "thumbnails", MaxBytes: 10 << 30, CreateAll: true, ExpireShare: 1},
		},
		Renderer: Renderer{
			Ahead: 1, Batch: 16, TimeLimit: 20 * time.Second, TimeLimitExpensive: 59 * time.Second,
			MemoryLimit: 3 << 30, MaxOriginalBytes: 4 << 30, MaxPixels: 400_000_000,
			Recycle: 1000, Sandbox: []string{"no_new_privs", "rlimits", "landlock", "seccomp"},
			Downloads: 8, TempBytes: 16 << 30,
		},
		Render: Render{
			Quality: 87, QualityLow: 40, ChromaSubsampling: "4:2:0", MaxAnimatedArea: 100_000_000,
			DefaultFiltersJPEG: "conditional_sharpen(0.0,0.8,1.0,0.0,0.85)", RespectOrientation: true,
		},
		Thumbor:   Thumbor{Rotate: "clockwise"},
		MediaWiki: MediaWiki{Sizes: []int{20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840}, SizePolicy: "free"},
		Admin:     Admin{Listen: "127.0.0.1:8889"},
		Trace:     Trace{Ratio: 0.01},
		Log:       Log{Format: "text", Level: "info"},
	}
}
