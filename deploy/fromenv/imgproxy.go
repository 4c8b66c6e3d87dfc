package fromenv

import (
	"maps"
	"regexp"
	"strconv"
	"strings"
)

// Imgproxy returns the variables of imgproxy 4.0. The variables of imgproxy Pro have no counterpart.
func Imgproxy() Dialect {
	return Dialect{
		Name: "imgproxy", ours: regexp.MustCompile(`^IMGPROXY_`), together: imgproxyTogether, rules: imgproxyRules(),
		defaults: map[string]any{
			"imgproxy.enabled": true, "edge.cors": []string{}, "edge.max_age": "8760h", "render.quality": 80,
			"fallback.absent.status": 200, "render.qualities": map[string]any{"webp": 79, "avif": 63, "jxl": 77}, "renderer.max_pixels": 50_000_000,
		},
	}
}

func imgproxyRules() map[string]rule {
	const (
		watched = "metrics are at /metrics, traces go to trace.endpoint, and errors are in the log"
		encoder = "the encoder has its own value"
		waits   = "edge.deadline and throttle.queue_wait bound a request"
		google  = "add a loader with kind gcs or azure to store.loaders, and build thumbmill with TAGS=clouds"
		every   = "the keys say only which requests are refused"
	)
	rules := map[string]rule{
		"IMGPROXY_QUALITY":            {key: "render.quality", usual: "80", read: whole},
		"IMGPROXY_FORMAT_QUALITY":     {key: "render.qualities", read: formatQualities},
		"IMGPROXY_AUTO_ROTATE":        {key: "render.respect_orientation", usual: "true", read: truth},
		"IMGPROXY_JPEG_PROGRESSIVE":   {key: "render.progressive", usual: "false", read: truth},
		"IMGPROXY_STRIP_METADATA":     {key: "render.keep_exif", usual: "true", read: opposite},
		"IMGPROXY_MAX_SRC_RESOLUTION": {key: "renderer.max_pixels", usual: "50", read: megapixels},
		"IMGPROXY_MAX_SRC_FILE_SIZE":  {key: "renderer.max_original_bytes", usual: "0", read: size},
		"IMGPROXY_WORKERS":            {key: "renderer.slots", read: whole},
		"IMGPROXY_LOG_FORMAT":         {key: "log.format", usual: "pretty", read: logFormat},
		"IMGPROXY_LOG_LEVEL":          {key: "log.level", usual: "info", read: text},
		"IMGPROXY_AUTO_WEBP":          {}, "IMGPROXY_AUTO_AVIF": {}, "IMGPROXY_AUTO_JXL": {}, "IMGPROXY_ALLOWED_SOURCES": {},
		"IMGPROXY_ENFORCE_WEBP":          {usual: "false", reason: "a format in the URL comes before Accept: leave it out of the URLs"},
		"IMGPROXY_ENFORCE_AVIF":          {usual: "false", reason: "a format in the URL comes before Accept: leave it out of the URLs"},
		"IMGPROXY_ENFORCE_JXL":           {usual: "false", reason: "a format in the URL comes before Accept: leave it out of the URLs"},
		"IMGPROXY_LOCAL_FILESYSTEM_ROOT": {}, "IMGPROXY_USE_S3": {}, "IMGPROXY_S3_REGION": {}, "IMGPROXY_S3_ENDPOINT": {}, "IMGPROXY_S3_ALLOWED_BUCKETS": {},
		"IMGPROXY_USE_SWIFT":                       {usual: "false", reason: "add a loader with kind swift and for: swift/CONTAINER/ to store.loaders"},
		"IMGPROXY_USE_GCS":                         {usual: "false", reason: google},
		"IMGPROXY_USE_ABS":                         {usual: "false", reason: google},
		"IMGPROXY_ALLOW_LOOPBACK_SOURCE_ADDRESSES": {}, "IMGPROXY_ALLOW_LINK_LOCAL_SOURCE_ADDRESSES": {}, "IMGPROXY_ALLOW_PRIVATE_SOURCE_ADDRESSES": {usual: "true"},
		"IMGPROXY_MAX_CLIENTS": {key: "edge.max_connections", usual: "2048", read: whole},
		"IMGPROXY_TIMEOUT":     {usual: "10", reason: waits}, "IMGPROXY_DOWNLOAD_TIMEOUT": {usual: "5", reason: waits}, "IMGPROXY_REQUESTS_QUEUE_SIZE": {usual: "0", reason: "throttle.per_ip.max_queue and the lanes bound the requests that wait"},
		"IMGPROXY_USE_ETAG": {usual: "true", reason: "answers always have an ETag"}, "IMGPROXY_USE_LAST_MODIFIED": {usual: "true", reason: "answers always have Last-Modified"},
		"IMGPROXY_KEEP_COPYRIGHT":             {usual: "true", reason: "author and copyright are kept: write kcr:0 into imgproxy.presets.default"},
		"IMGPROXY_STRIP_COLOR_PROFILE":        {usual: "true", reason: "profiles of sRGB are dropped, and others kept: write scp:1 into imgproxy.presets.default"},
		"IMGPROXY_SKIP_PROCESSING_FORMATS":    {reason: "write skp with these formats into imgproxy.presets.default"},
		"IMGPROXY_ALLOWED_PROCESSING_OPTIONS": {reason: "name the allowed options in presets, and set imgproxy.only_presets"},
		"IMGPROXY_FALLBACK_IMAGE_PATH":        {reason: "put the picture among the originals, and name it in fallback.absent.image"},
		"IMGPROXY_FALLBACK_IMAGE_DATA":        {reason: "put the picture among the originals, and name it in fallback.absent.image"},
		"IMGPROXY_FALLBACK_IMAGE_URL":         {key: "fallback.absent.image", read: text}, "IMGPROXY_FALLBACK_IMAGE_HTTP_CODE": {key: "fallback.absent.status", usual: "200", read: whole}, "IMGPROXY_FALLBACK_IMAGE_TTL": {key: "fallback.absent.max_age", read: seconds},
		"IMGPROXY_ENABLE_CLIENT_HINTS": {key: "edge.client_hints", usual: "false", read: truth},
	}
	maps.Copy(rules, imgproxyURLRules())
	for reason, names := range map[string]string{
		watched: "PROMETHEUS_BIND PROMETHEUS_NAMESPACE OPEN_TELEMETRY_ENABLE DATADOG_ENABLE NEW_RELIC_KEY SENTRY_DSN BUGSNAG_KEY HONEYBADGER_KEY AIRBRAKE_PROJECT_KEY SYSLOG_ENABLE CLOUD_WATCH_SERVICE_NAME",
		encoder: "AVIF_SPEED JXL_EFFORT WEBP_EFFORT WEBP_PRESET PNG_INTERLACED PNG_QUANTIZE PNG_QUANTIZATION_COLORS",
		every:   "DEVELOPMENT_ERRORS_MODE REPORT_DOWNLOADING_ERRORS",
	} {
		for _, name := range strings.Fields(names) {
			rules["IMGPROXY_"+name] = rule{usual: "false", reason: reason}
		}
	}
	return rules
}

// imgproxyURLRules has the variables about URLs, keys and answers.
func imgproxyURLRules() map[string]rule {
	return map[string]rule{
		"IMGPROXY_BIND":                      {key: "edge.listen", usual: ":8080", read: text},
		"IMGPROXY_PATH_PREFIX":               {key: "imgproxy.prefix", read: text},
		"IMGPROXY_KEY":                       {key: "imgproxy.keys", secret: true},
		"IMGPROXY_SALT":                      {key: "imgproxy.keys", secret: true},
		"IMGPROXY_SIGNATURE_SIZE":            {key: "imgproxy.signature_size", usual: "32", read: whole},
		"IMGPROXY_TRUSTED_SIGNATURES":        {reason: "no URL is served without a signature of its own: sign such URLs"},
		"IMGPROXY_SECRET":                    {reason: "edges ask for no header: let a proxy check it"},
		"IMGPROXY_SOURCE_URL_ENCRYPTION_KEY": {key: "imgproxy.encryption_key", secret: true, read: text},
		"IMGPROXY_BASE_URL":                  {key: "imgproxy.base_url", read: text},
		"IMGPROXY_ARGUMENTS_SEPARATOR":       {key: "imgproxy.separator", usual: ":", read: text},
		"IMGPROXY_ONLY_PRESETS":              {key: "imgproxy.only_presets", usual: "false", read: truth},
		"IMGPROXY_PRESETS":                   {}, "IMGPROXY_PRESETS_SEPARATOR": {usual: ","},
		"IMGPROXY_PRESETS_PATH":      {reason: "write the presets of that file into imgproxy.presets"},
		"IMGPROXY_WATERMARK_PATH":    {reason: "put the watermark among the originals, and name it in imgproxy.watermark"},
		"IMGPROXY_WATERMARK_URL":     {key: "imgproxy.watermark", read: text},
		"IMGPROXY_WATERMARK_DATA":    {reason: "put the watermark among the originals, and name it in imgproxy.watermark"},
		"IMGPROXY_WATERMARK_OPACITY": {usual: "1", reason: "only the opacity in the URL counts"},
		"IMGPROXY_TTL":               {key: "edge.max_age", usual: "31536000", read: seconds},
		"IMGPROXY_ALLOW_ORIGIN":      {key: "edge.cors", read: origin},
	}
}

func opposite(value string) (any, string) {
	b, reason := truth(value)
	if reason != "" {
		return nil, reason
	}
	return !b.(bool), ""
}

func logFormat(value string) (any, string) {
	if value == "json" {
		return "json", ""
	}
	return "text", ""
}

// formatQualities reads jpg=80,webp=70.
func formatQualities(value string) (any, string) {
	all := map[string]any{}
	for _, pair := range list(value) {
		name, number, _ := strings.Cut(pair, "=")
		n, err := strconv.Atoi(strings.TrimSpace(number))
		if err != nil {
			return nil, strconv.Quote(pair) + " is not a quality such as webp=79"
		}
		if name = strings.TrimSpace(name); name == "jpeg" {
			name = "jpg"
		}
		all[name] = n
	}
	return all, ""
}

func imgproxyTogether(c *converter) {
	c.imgproxyKeys()
	c.autoFormats("IMGPROXY_AUTO_JXL", "jxl", "IMGPROXY_AUTO_AVIF", "avif", "IMGPROXY_AUTO_WEBP", "webp")
	if value := c.set["IMGPROXY_PRESETS"]; value != "" {
		separator := c.set["IMGPROXY_PRESETS_SEPARATOR"]
		if separator == "" {
			separator = ","
		}
		all, reason := presets(value, separator)
		if reason != "" {
			c.leave("IMGPROXY_PRESETS", "%s", reason)
		}
		for name, options := range all {
			c.setting("imgproxy.presets."+name, options)
		}
	}
	c.imgproxyStores()
}

// autoFormats sets thumbor.auto_formats from pairs of a variable and a format, the best first.
func (c *converter) autoFormats(pairs ...string) {
	var formats []string
	for i := 0; i < len(pairs); i += 2 {
		if c.is(pairs[i]) {
			formats = append(formats, pairs[i+1])
		}
	}
	if len(formats) > 0 {
		c.setting("thumbor.auto_formats", formats)
	}
}

// imgproxyKeys pairs keys and salts.
func (c *converter) imgproxyKeys() {
	keys, salts := list(c.set["IMGPROXY_KEY"]), list(c.set["IMGPROXY_SALT"])
	if len(keys) == 0 || len(salts) == 0 {
		c.leave("IMGPROXY_KEY", "the environment has no key and no salt. If imgproxy gets them by -keypath or IMGPROXY_ENV_*, write them "+
			"into imgproxy.keys; if imgproxy serves everybody, set edge.allow_unsafe: true")
		return
	}
	if !c.secrets {
		return
	}
	if len(keys) != len(salts) {
		c.leave("IMGPROXY_KEY", "%d keys and %d salts cannot be paired", len(keys), len(salts))
		return
	}
	var all []any
	for i := range keys {
		all = append(all, map[string]any{"name": "imgproxy-" + strconv.Itoa(i+1), "key": keys[i], "salt": salts[i]})
	}
	c.setting("imgproxy.keys", all)
}

// private has the networks that imgproxy reads unless told otherwise.
var private = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}

func (c *converter) imgproxyStores() {
	if root := c.set["IMGPROXY_LOCAL_FILESYSTEM_ROOT"]; root != "" {
		c.setting("store.originals.kind", "directory")
		c.setting("store.originals.path", root)
	}
	sources, whole := hosts(list(c.set["IMGPROXY_ALLOWED_SOURCES"]))
	if !whole {
		c.leave("IMGPROXY_ALLOWED_SOURCES", "only whole hosts are checked, not paths or parts of names: look at hosts in store.loaders")
	}
	if c.set["IMGPROXY_ALLOWED_SOURCES"] == "" {
		sources = []string{"*"}
	}
	var allow []string
	if c.set["IMGPROXY_ALLOW_PRIVATE_SOURCE_ADDRESSES"] == "" || c.is("IMGPROXY_ALLOW_PRIVATE_SOURCE_ADDRESSES") {
		c.leave("IMGPROXY_ALLOW_PRIVATE_SOURCE_ADDRESSES", "private networks stay closed: if originals are there, write allow: [%s] into the loaders", strings.Join(private, ", "))
	}
	if c.is("IMGPROXY_ALLOW_LOOPBACK_SOURCE_ADDRESSES") {
		allow = append(allow, "127.0.0.0/8", "::1/128")
	}
	if c.is("IMGPROXY_ALLOW_LINK_LOCAL_SOURCE_ADDRESSES") {
		allow = append(allow, "169.254.0.0/16", "fe80::/10")
	}
	var loaders []any
	if len(sources) > 0 {
		loaders = append(loaders, site("https://", sources, allow), site("http://", sources, allow))
	}
	loaders = append(loaders, c.imgproxyBuckets()...)
	if len(loaders) > 0 {
		c.setting("store.loaders", loaders)
	}
}

// imgproxyBuckets returns a loader for each bucket, whose names the settings need.
func (c *converter) imgproxyBuckets() (loaders []any) {
	if !c.is("IMGPROXY_USE_S3") {
		return nil
	}
	buckets := list(c.set["IMGPROXY_S3_ALLOWED_BUCKETS"])
	if len(buckets) == 0 {
		c.leave("IMGPROXY_USE_S3", "add a loader with kind s3 and for: s3/BUCKET/ to store.loaders for each bucket")
	}
	endpoint := c.set["IMGPROXY_S3_ENDPOINT"]
	if endpoint == "" {
		endpoint = "https://s3." + c.region() + ".amazonaws.com"
	}
	for _, bucket := range buckets {
		loaders = append(loaders, map[string]any{"for": "s3/" + bucket + "/", "kind": "s3", "container": bucket, "endpoint": endpoint, "region": c.region()})
	}
	return loaders
}

func (c *converter) region() string {
	for _, name := range []string{"IMGPROXY_S3_REGION", "AWS_LOADER_REGION", "AWS_REGION"} {
		if c.set[name] != "" {
			return c.set[name]
		}
	}
	return "us-west-1" // imgproxy's default
}
