// Package settings holds the configuration of every role: names, defaults and allowed
// values. It merges files, environment and flags.
//
// All roles read one tree, so that a site can keep one folder of files for all machines.
// Each role uses its own part.
package settings

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings/value"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Settings is the whole tree. The koanf tags are the names in files, environment and flags.
type Settings struct {
	Edge        Edge              `koanf:"edge"`
	Coordinator Coordinator       `koanf:"coordinator"`
	NATS        NATS              `koanf:"nats"`
	Memcached   Memcached         `koanf:"memcached"`
	Throttle    Throttle          `koanf:"throttle"`
	Store       storeconfig.Store `koanf:"store"`
	Renderer    Renderer          `koanf:"renderer"`
	Render      Render            `koanf:"render"`
	Thumbor     Thumbor           `koanf:"thumbor"`
	Imgproxy    Imgproxy          `koanf:"imgproxy"`
	MediaWiki   MediaWiki         `koanf:"mediawiki"`
	Fallback    Fallback          `koanf:"fallback"`
	Purge       Purge             `koanf:"purge"`
	Upload      Upload            `koanf:"upload"`
	Admin       Admin             `koanf:"admin"`
	Prometheus  Prometheus        `koanf:"prometheus"`
	Trace       Trace             `koanf:"trace"`
	Log         Log               `koanf:"log"`
}

// Edge is the HTTP server for thumbnails.
type Edge struct {
	Listen         string        `koanf:"listen"`          // address of the HTTP server, host:port; port 0 takes a free port
	SecurityKey    value.Secret  `koanf:"security_key"`    // HMAC key for signed Thumbor URLs; no default
	SecurityKeys   []SecurityKey `koanf:"security_keys"`   // more keys for signed Thumbor URLs, the newest first: edges accept each of them, and thumbmill signs with the first
	AllowUnsafe    bool          `koanf:"allow_unsafe"`    // serve unsigned URLs, Thumbor's and with imgproxy.enabled imgproxy's, to every client
	TryPage        string        `koanf:"try_page"`        // always or never: the operators' listener has a page at /try/ on which developers try URLs; "" = only of thumbmill serve
	Hosts          []string      `koanf:"hosts"`           // names that requests may have in their Host header: thumbs.example or *.example; empty = every name
	TrustedProxies []string      `koanf:"trusted_proxies"` // networks of proxies whose X-Forwarded-For is trusted
	Deadline       time.Duration `koanf:"deadline"`        // time for one request, from its first byte to its answer
	Revalidate     time.Duration `koanf:"revalidate"`      // shortest time between two checks of a stored thumbnail against its original

	// keep or render: whether the edge serves or replaces a stored thumbnail that today's
	// rules and defaults would render differently
	Outdated string `koanf:"outdated"`
	// serve another stored size of a thumbnail that a throttle refuses
	Nearest bool        `koanf:"nearest"`
	Memory  value.Bytes `koanf:"memory"` // memory for thumbnails that clients ask for often; 0 = no memory

	MaxWaiters          int `koanf:"max_waiters"`            // requests on one edge that wait for a render
	MaxWaitersPerClient int `koanf:"max_waiters_per_client"` // requests of one client that wait for a render on one edge
	MaxWidth            int `koanf:"max_width"`              // largest width in pixels that a URL may ask for
	MaxHeight           int `koanf:"max_height"`             // largest height in pixels that a URL may ask for
	MaxPixels           int `koanf:"max_pixels"`             // largest width × height in pixels that a URL may ask for

	MaxAge               time.Duration `koanf:"max_age"`                // time for which caches keep a thumbnail (Cache-Control: max-age)
	AbsentMaxAge         time.Duration `koanf:"absent_max_age"`         // time for which caches keep the answer that an original does not exist (404); 0 = not at all
	StaleWhileRevalidate time.Duration `koanf:"stale_while_revalidate"` // time after max_age in which a cache serves a thumbnail while it asks for a new one; 0 = the header is not sent
	StaleIfError         time.Duration `koanf:"stale_if_error"`         // time after max_age in which a cache serves a thumbnail while the edge answers with errors; 0 = the header is not sent
	CORS                 []string      `koanf:"cors"`                   // origins whose scripts may read answers: https://site.example, or * for every origin
	Blacklist            []string      `koanf:"blacklist"`              // originals that the edge refuses: a/b.jpg, container/a/ab/B.jpg

	// read the hint Sec-CH-DPR (and DPR) for URLs with dpr(auto) and for imgproxy's URLs
	// without dpr, and ask browsers for it (Accept-CH)
	ClientHints     bool `koanf:"client_hints"`
	SaveDataQuality int  `koanf:"save_data_quality"` // quality for clients that send Save-Data: on, where the URL names no quality, 1…100; 0 = as for all

	TLS            ServerTLS `koanf:"tls"`
	MaxConnections int       `koanf:"max_connections"` // connections of clients; above this number the connection that is idle longest is closed
}

// SecurityKey is one of several keys of signed Thumbor URLs.
type SecurityKey struct {
	Name      string       `koanf:"name"`      // name of the key in metrics: 2026-11
	Key       value.Secret `koanf:"key"`       // HMAC key
	Algorithm string       `koanf:"algorithm"` // hash of the signatures: sha1 (as in Thumbor, the default), sha256 or sha512
	Truncate  int          `koanf:"truncate"`  // characters of a signature, as imagor truncates them; 0 = all
}

// OnlyKey is the name of edge.security_key in metrics.
const OnlyKey = "security_key"

// Keys returns the keys of signed Thumbor URLs, the newest first. edge.security_key is the oldest.
func (e Edge) Keys() []SecurityKey {
	all := slices.Clone(e.SecurityKeys)
	if e.SecurityKey != "" {
		all = append(all, SecurityKey{Name: OnlyKey, Key: e.SecurityKey})
	}
	return all
}

// The values of edge.outdated.
const (
	Keep        = "keep"
	RenderAgain = "render"
)

// ServerTLS is the certificate of a server, in PEM files. The server reads the files again
// when they change. Without a certificate the server does not use TLS.
type ServerTLS struct {
	Certificate string `koanf:"certificate"` // PEM file with the certificate and its chain
	Key         string `koanf:"key"`         // PEM file with the certificate's key
}

// Coordinator is the process that decides about the throttles.
type Coordinator struct {
	Listen  []string     `koanf:"listen"`  // addresses of the server: host:port (IPv4 or IPv6) or unix:PATH
	Servers []string     `koanf:"servers"` // coordinators' addresses in order of preference; edges use the first one that answers
	Secret  value.Secret `koanf:"secret"`  // secret that edges must know; PoolCounter's protocol has no secret
	// networks of clients that may speak PoolCounter's protocol, which has no
	// authentication; Unix sockets always may
	Classic   []string  `koanf:"classic"`
	TLS       ServerTLS `koanf:"tls"`        // certificate for connections of edges; with it, edges without TLS are refused
	AuditFile string    `koanf:"audit_file"` // file that keeps the latest 1,000 acts of operators; "" = in memory only, until the coordinator ends
	CA        string    `koanf:"ca"`         // PEM file of the CA that signs coordinators' certificates; with it, edges use TLS
}

// NATS is the queue between edges and renderers.
type NATS struct {
	URL         value.URLs `koanf:"url"`         // nats://host:port[,…]; "" in serve = the embedded server
	Listen      string     `koanf:"listen"`      // address of the embedded server; "" = only this process can connect
	Credentials string     `koanf:"credentials"` // path of a .creds file
	TLS         TLS        `koanf:"tls"`
	Replicas    int        `koanf:"replicas"` // copies of the stream: 1 embedded, 3 in a NATS cluster
	Site        string     `koanf:"site"`     // name of this site, where several sites have a queue each; "" = one site
	Overflow    []string   `koanf:"overflow"` // other sites, the first choice first: edges send jobs there while all slots of this site are busy
}

// TLS is the encryption of connections to NATS.
type TLS struct {
	CA          string `koanf:"ca"`          // PEM file of the CA that signs the NATS servers' certificates
	Certificate string `koanf:"certificate"` // PEM file with the certificate of this role, for servers that require one
	Key         string `koanf:"key"`         // PEM file with the certificate's key
}

// Memcached is the store of the failure memory.
type Memcached struct {
	Servers []string `koanf:"servers"` // addresses host:port; empty = failures are kept in the memory of each process
	CA      string   `koanf:"ca"`      // PEM file of the CA that signs memcached's certificates; with it, connections use TLS
}

// Pool is the limits of one throttle.
type Pool struct {
	Workers  int           `koanf:"workers"`   // places: requests that render at once
	MaxQueue int           `koanf:"max_queue"` // requests that render and requests that wait, together
	Timeout  time.Duration `koanf:"timeout"`   // longest wait; PoolCounter's protocol rounds it to seconds
	Shadow   bool          `koanf:"shadow"`    // admit every request, and count those that the limits would refuse or delay
}

// ExpensivePool is the pool of each expensive type.
type ExpensivePool struct {
	Workers  int           `koanf:"workers"`   // places: requests that render at once
	MaxQueue int           `koanf:"max_queue"` // requests that render and requests that wait, together
	Timeout  time.Duration `koanf:"timeout"`   // longest wait
	Shadow   bool          `koanf:"shadow"`    // admit every request, and count those that the limits would refuse or delay
	Types    []string      `koanf:"types"`     // expensive types: tiff, pdf, djvu, xcf, stl, svg, video, …
	// rendering time that one place stands for: an original takes three places of 1s while
	// recent renders of its type took 3s
	Place time.Duration `koanf:"place"`
}

// Pool returns the limits that every throttle has.
func (e ExpensivePool) Pool() Pool {
	return Pool{Workers: e.Workers, MaxQueue: e.MaxQueue, Timeout: e.Timeout, Shadow: e.Shadow}
}

// Failure is the limit of the failure memory.
type Failure struct {
	Max      int           `koanf:"max"`      // failures after which an original is refused
	Duration time.Duration `koanf:"duration"` // time for which failures count, from the first one
	Prefix   string        `koanf:"prefix"`   // prefix of the keys in memcached
}

// Throttle is the rules that can refuse or delay a request.
type Throttle struct {
	PerIP          Pool          `koanf:"per_ip"`       // limits for the renders of one client: an IPv4 address, or an IPv6 /64; one client also takes at most half of the line of a lane; one more than workers ask at once, the others wait at their edge
	PerOriginal    Pool          `koanf:"per_original"` // limits for the renders of one original
	Expensive      ExpensivePool `koanf:"expensive"`    // limits for the renders of each expensive type
	Failure        Failure       `koanf:"failure"`
	Exempt         []string      `koanf:"exempt"`          // networks of clients that per_ip does not limit, such as the CDN and the office
	QueueWait      time.Duration `koanf:"queue_wait"`      // longest wait for all pools together, and longest wait for a renderer
	ReleaseTimeout time.Duration `koanf:"release_timeout"` // time after which the coordinator ends a lease that its edge did not release
}

// The values of Edge.TryPage.
const (
	TryAlways = "always"
	TryNever  = "never"
)

// Renderer is the limits of one renderer.
type Renderer struct {
	Slots              int           `koanf:"slots"`                // renders at once; 0 = one for each core
	Ahead              int           `koanf:"ahead"`                // jobs that are fetched while all slots are busy
	Batch              int           `koanf:"batch"`                // thumbnails of one original that one job renders together; 1 = each in its own job
	TimeLimit          time.Duration `koanf:"time_limit"`           // longest time of one render
	TimeLimitExpensive time.Duration `koanf:"time_limit_expensive"` // longest time of one render of an expensive type
	MemoryLimit        value.Bytes   `koanf:"memory_limit"`         // address space of one worker or tool
	Nice               int           `koanf:"nice"`                 // how much lower the priority of workers is than the renderer's; at 14, edges beside them answer sooner, but workers get little beside other busy programs
	Recycle            int           `koanf:"recycle"`              // renders after which a worker is replaced; 0 = never
	Sandbox            []string      `koanf:"sandbox"`              // isolation layers; the renderer does not start without them
	Optimizers         []string      `koanf:"optimizers"`           // formats of thumbnails that a tool makes smaller; the table of formats lists the allowed ones
	MaxOriginalBytes   value.Bytes   `koanf:"max_original_bytes"`   // largest original; larger ones are refused
	MaxPixels          int64         `koanf:"max_pixels"`           // most pixels of an original; decoders that hold the whole picture in memory get a quarter of it, or fewer if memory_limit is too small
	Downloads          int           `koanf:"downloads"`            // originals that are fetched at once from each loader, and from each host of a loader of URLs
	MinRate            value.Bytes   `koanf:"min_rate"`             // least bytes a second of an original from a store or another site (http); a slower one is given up, and after three in a row another site for 30 s; 0 = any rate
	TempDir            string        `koanf:"temp_dir"`             // folder for originals; "" = the default folder of the system
	TempBytes          value.Bytes   `koanf:"temp_bytes"`           // largest size of temp_dir: originals in use, and originals kept for other sizes
}

// SandboxLayers returns the names that renderer.sandbox allows.
func SandboxLayers() []string {
	return []string{"user", "cgroup", "no_new_privs", "rlimits", "landlock", "seccomp"}
}

// Render is the defaults of a spec. The edge reads them and puts them into each spec.
type Render struct {
	Quality   int                 `koanf:"quality"`   // quality of lossy formats, 1…100
	Qualities thumbnail.Qualities `koanf:"qualities"` // quality by format, 1…100, instead of quality: {webp: 80}

	QualityLow         int    `koanf:"quality_low"`          // quality of qlow- thumbnails, 1…100
	ChromaSubsampling  string `koanf:"chroma_subsampling"`   // chroma subsampling of JPEG: 4:2:0 or 4:4:4
	Progressive        bool   `koanf:"progressive"`          // write progressive JPEG
	MaxAnimatedArea    int64  `koanf:"max_animated_area"`    // most pixels of an animation, over all frames; larger ones show their first frame
	DefaultFiltersJPEG string `koanf:"default_filters_jpeg"` // filters for JPEG originals on MediaWiki's paths
	RespectOrientation bool   `koanf:"respect_orientation"`  // rotate originals as their EXIF says
	KeepEXIF           bool   `koanf:"keep_exif"`            // keep all EXIF, instead of author and copyright alone

	// rising widths in pixels, such as 1280, of intermediate thumbnails of slow originals
	// (pages, videos, XCF, large pictures); smaller thumbnails are rendered from them; empty =
	// every thumbnail is rendered from its original, as with exact() in Thumbor's URLs
	Buckets []int `koanf:"buckets"`
}

// Thumbor is the dialect of Thumbor's URLs, which differs between installations.
type Thumbor struct {
	StrictFilters bool     `koanf:"strict_filters"` // refuse a URL with an unknown filter, instead of skipping the filter
	Rotate        string   `koanf:"rotate"`         // direction of rotate(90): clockwise (Wikimedia's engines) or counterclockwise (Pillow)
	Filters       []string `koanf:"filters"`        // names of the filters that URLs may use, such as quality; others are skipped; empty = all
	GIFFilters    bool     `koanf:"gif_filters"`    // apply filters to each frame of a GIF
	KeepGIFs      bool     `koanf:"keep_gifs"`      // skip the filter format on originals named .gif, as Thumbor does
	AutoFormats   []string `koanf:"auto_formats"`   // formats that are sent to clients that accept them, in this order: avif, webp; the table of formats lists the allowed ones
	PNGToJPEG     bool     `koanf:"png_to_jpeg"`    // make JPEG of PNGs without transparency
	MaxWidth      int      `koanf:"max_width"`      // width that replaces larger ones, in pixels; 0 = URLs beyond edge.max_width are refused
	MaxHeight     int      `koanf:"max_height"`     // height that replaces larger ones, in pixels; 0 = URLs beyond edge.max_height are refused

	Presets     map[string]string `koanf:"presets"`      // options by name, for URLs with preset:NAME: {card: "330x200/smart/filters:quality(80)"}
	OnlyPresets bool              `koanf:"only_presets"` // refuse URLs without a preset
	Sizes       []string          `koanf:"sizes"`        // permitted sizes as in URLs: 330x, x200, 330x200, and 0x0 for the original's own
	SizePolicy  string            `koanf:"size_policy"`  // answer to other sizes: free (render), round_up, redirect or refuse; presets have any size
}

// Imgproxy is the rules for imgproxy's URLs.
type Imgproxy struct {
	Enabled       bool              `koanf:"enabled"`        // read imgproxy's URLs
	Prefix        string            `koanf:"prefix"`         // start of their paths, such as /img; "" = URLs that begin with insecure, _, a signature, or unsafe before an option
	Keys          []ImgproxyKey     `koanf:"keys"`           // keys of signed URLs, the newest first: edges accept each of them
	SignatureSize int               `koanf:"signature_size"` // bytes of a signature, 8…32
	EncryptionKey value.Secret      `koanf:"encryption_key"` // key of encrypted sources in hexadecimal, 16, 24 or 32 bytes
	BaseURL       string            `koanf:"base_url"`       // text before each source that does not begin with it
	Separator     string            `koanf:"separator"`      // text between the arguments of an option
	Presets       map[string]string `koanf:"presets"`        // options by name: {card: rs:fill:300:200/q:80}; default applies to every URL
	OnlyPresets   bool              `koanf:"only_presets"`   // URLs have names of presets in place of options
	Watermark     string            `koanf:"watermark"`      // original that wm draws
}

// ImgproxyKey is a key of imgproxy's URLs with its salt.
type ImgproxyKey struct {
	Name string       `koanf:"name"` // name of the key in metrics: 2026-11
	Key  value.Secret `koanf:"key"`  // key in hexadecimal
	Salt value.Secret `koanf:"salt"` // salt in hexadecimal
}

// The values of thumbor.size_policy and mediawiki.size_policy. The fourth one is refuse.
const (
	FreeSizes = "free"
	RoundUp   = "round_up"
	Redirect  = "redirect"
)

// ParseSize reads a size as in URLs: 330x, x200, 330x200, 0x0. A side of 0 follows from the other side.
func ParseSize(text string) (width, height int, ok bool) {
	wide, high, ok := strings.Cut(text, "x")
	width, err := strconv.Atoi("0" + wide)
	height, err2 := strconv.Atoi("0" + high)
	return width, height, ok && wide+high != "" && err == nil && err2 == nil
}

// MediaWiki is the rules for MediaWiki's paths.
type MediaWiki struct {
	Wiki       string `koanf:"wiki"`        // project/language for paths without one: /images, /w/images, thumb.php
	Wikis      []Wiki `koanf:"wikis"`       // wikis whose files have other paths than /project/language/…
	Sizes      []int  `koanf:"sizes"`       // standard widths in pixels, rising
	SizePolicy string `koanf:"size_policy"` // answer to other widths: free (render), round_up, redirect or refuse
}

// Wiki is the URLs of one wiki's files, and the name of its containers.
type Wiki struct {
	Wiki       string `koanf:"wiki"`        // project/language: the files are in the containers project-language-local-public and so on
	Prefix     string `koanf:"prefix"`      // path of its files, $wgUploadPath: /w/images
	Host       string `koanf:"host"`        // host of its files, with the port if it is not the usual one; "" = every host
	Script     string `koanf:"script"`      // path of thumb.php; "" = beside the last folder of prefix: /w/thumb.php
	HashLevels *int   `koanf:"hash_levels"` // folders above a file, hashLevels: 0, 1 or 2 (the default)
}

// Levels returns the number of folders above a file: 0, 1 or 2.
func (w Wiki) Levels() int {
	if w.HashLevels == nil {
		return 2
	}
	return *w.HashLevels
}

// ThumbScript returns the path of thumb.php.
func (w Wiki) ThumbScript() string {
	if w.Script != "" {
		return w.Script
	}
	folder, _ := path.Split(w.Prefix)
	return folder + "thumb.php"
}

// Fallback is the pictures in place of answers without a picture. Clients that ask for JSON get the answer itself.
type Fallback struct {
	Absent  FallbackPicture `koanf:"absent"`  // in place of an original that does not exist
	Failing FallbackPicture `koanf:"failing"` // in place of an original that cannot be decoded or read
	Refused FallbackPicture `koanf:"refused"` // in place of a thumbnail that a throttle refuses, or that is not ready in time; in its own size unless the size is stored
}

// FallbackPicture is one picture and its answer.
type FallbackPicture struct {
	Image  string        `koanf:"image"`   // its name among the originals, as in URLs; "" = no picture
	Status int           `koanf:"status"`  // HTTP status, such as 200; 0 = the status without a picture
	MaxAge time.Duration `koanf:"max_age"` // time for which caches keep the answer; 0 = as long as without a picture
}

// Purge is the caches in front of the edges that must forget purged thumbnails.
type Purge struct {
	URLs []string `koanf:"urls"` // base URLs of caches; PURGE is sent for each path: http://varnish:6081
	XKey []string `koanf:"xkey"` // URLs of caches; one PURGE is sent with the original's key in the header xkey
	Host string   `koanf:"host"` // Host header of purges; "" = the host of the URL

	Headers    []string   `koanf:"headers"` // headers of answers that have the original's key: Xkey (Varnish), Surrogate-Key (Fastly), Cache-Tag (Cloudflare)
	Fastly     Fastly     `koanf:"fastly"`
	Cloudflare Cloudflare `koanf:"cloudflare"`
	CloudFront CloudFront `koanf:"cloudfront"`
}

// Fastly is a service of Fastly that purges by Surrogate-Key.
type Fastly struct {
	Service string       `koanf:"service"` // ID of the service; "" = none
	Token   value.Secret `koanf:"token"`   // API token with the right to purge
	URL     string       `koanf:"url"`     // URL of the API
}

// Cloudflare is a zone of Cloudflare that purges by Cache-Tag.
type Cloudflare struct {
	Zone  string       `koanf:"zone"`  // ID of the zone; "" = none
	Token value.Secret `koanf:"token"` // API token with the right to purge
	URL   string       `koanf:"url"`   // URL of the API
}

// CloudFront is a distribution of CloudFront that forgets the paths of stored MediaWiki thumbnails.
type CloudFront struct {
	Distribution string       `koanf:"distribution"` // ID of the distribution; "" = none
	User         string       `koanf:"user"`         // access key with the right to create invalidations
	Key          value.Secret `koanf:"key"`          // secret key
	URL          string       `koanf:"url"`          // URL of the API
}

// Upload is the rendering in advance for new originals.
type Upload struct {
	Subject string `koanf:"subject"` // NATS subject of messages about new originals; "" = off
	Widths  []int  `koanf:"widths"`  // widths in pixels of the thumbnails to render for each new original
}

// Admin is the operators' listener: metrics, health and profiles.
type Admin struct {
	Listen    string `koanf:"listen"`     // address host:port
	TokenFile string `koanf:"token_file"` // file with the token that operators need for changes; "" = thumbmill/token in the configuration folder of the user

	TLS ServerTLS `koanf:"tls"` // certificate of this listener; without it the token crosses the network in clear text
}

// Prometheus is the server that remembers the cluster's metrics.
type Prometheus struct {
	URL string `koanf:"url"` // URL of a Prometheus server that scrapes the cluster, for the charts of the operators' page: http://prometheus:9090; "" = each coordinator remembers a day itself
}

// Trace is the export of traces.
type Trace struct {
	Endpoint string  `koanf:"endpoint"` // URL of a collector for OTLP over HTTP, such as http://collector:4318/v1/traces; "" = no traces
	Ratio    float64 `koanf:"ratio"`    // share of requests that begin a trace, 0…1; a proxy's decision comes first
}

// Log is the form of the log.
type Log struct {
	Format string `koanf:"format"` // text, json, or journal: fields for systemd's journal if stderr is a stream of it, else text
	Level  string `koanf:"level"`  // debug, info, warn or error
}

// Deadline returns the deadline of each step of a request.
func (s Settings) Deadline() deadline.Split {
	return deadline.New(s.Edge.Deadline, s.Throttle.QueueWait, s.Renderer.TimeLimit, s.Renderer.TimeLimitExpensive)
}

// Default returns the default settings: Wikimedia's production values for throttles and
// rendering, and loopback addresses for listeners.
func Default() Settings {
	return Settings{
		Edge: Edge{
			Listen: "127.0.0.1:8888", Deadline: 70 * time.Second, Revalidate: 60 * time.Second, Outdated: Keep,
			MaxWaiters: 10_000, MaxWaitersPerClient: 1_000,
			MaxWidth: 8192, MaxHeight: 8192, MaxPixels: 40_000_000, MaxAge: 24 * time.Hour, AbsentMaxAge: 10 * time.Minute,
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
		Store: storeconfig.Store{
			Originals:  storeconfig.Bucket{Kind: "directory", Path: "originals", Container: "originals"},
			Thumbnails: storeconfig.Bucket{Kind: "directory", Path: "thumbnails", Container: "thumbnails", MaxBytes: 10 << 30, Sync: true, Scrub: 7 * 24 * time.Hour, CreateAll: true, ExpireShare: 1},
		},
		Renderer: Renderer{
			Ahead: 1, Batch: 16, TimeLimit: 20 * time.Second, TimeLimitExpensive: 59 * time.Second,
			MemoryLimit: 3 << 30, MaxOriginalBytes: 4 << 30, MaxPixels: 400_000_000,
			Nice: 5, Recycle: 1000, Sandbox: []string{"no_new_privs", "rlimits", "landlock", "seccomp"},
			Downloads: 8, MinRate: 16 << 10, TempBytes: 16 << 30,
		},
		Render: Render{
			Quality: 87, QualityLow: 40, ChromaSubsampling: "4:2:0", MaxAnimatedArea: 100_000_000,
			DefaultFiltersJPEG: "conditional_sharpen(0.0,0.8,1.0,0.0,0.85)", RespectOrientation: true,
		},
		Thumbor:   Thumbor{Rotate: "clockwise", SizePolicy: FreeSizes},
		Imgproxy:  Imgproxy{SignatureSize: 32, Separator: ":"},
		MediaWiki: MediaWiki{Sizes: []int{20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840}, SizePolicy: FreeSizes},
		Purge: Purge{
			Headers: []string{"Xkey"}, Fastly: Fastly{URL: "https://api.fastly.com"}, Cloudflare: Cloudflare{URL: "https://api.cloudflare.com/client/v4"},
			CloudFront: CloudFront{URL: "https://cloudfront.amazonaws.com"},
		},
		Admin: Admin{Listen: "127.0.0.1:8889"},
		Trace: Trace{Ratio: 0.01},
		Log:   Log{Format: "text", Level: "info"},
	}
}
