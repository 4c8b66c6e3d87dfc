package fromenv

import (
	"regexp"
	"strconv"
	"strings"
)

// Imagor returns the variables of imagor 1.9.
func Imagor() Dialect {
	return Dialect{
		Name: "imagor", together: imagorTogether, rules: imagorRules(),
		ours:     regexp.MustCompile(`^(IMAGOR|FILE|HTTP_LOADER|UPLOAD_LOADER|S3|AWS|GCLOUD|VIPS|SERVER|PROMETHEUS|SENTRY)_`),
		defaults: map[string]any{"edge.cors": []string{}, "edge.max_age": "168h", "render.quality": 75, "thumbor.rotate": "clockwise"},
	}
}

func imagorRules() map[string]rule {
	const (
		watched = "metrics are at /metrics of admin.listen, and errors are in the log"
		unread  = "thumbnails of imagor are not read: store.thumbnails keeps thumbmill's own"
		google  = "add a loader with kind gcs or azure to store.loaders, and build thumbmill with TAGS=clouds"
		never   = "edges send no headers of clients to other sites"
		caches  = "workers have no such cache"
	)
	rules := map[string]rule{
		"PORT": {}, "BIND": {key: "edge.listen", read: text}, "SERVER_ADDRESS": {},
		"IMAGOR_SECRET": {key: "edge.security_keys", secret: true}, "IMAGOR_SIGNER_TYPE": {}, "IMAGOR_SIGNER_TRUNCATE": {},
		"IMAGOR_UNSAFE":                {key: "edge.allow_unsafe", usual: "0", read: truth},
		"IMAGOR_CACHE_HEADER_TTL":      {key: "edge.max_age", usual: "168h", read: seconds},
		"IMAGOR_CACHE_HEADER_SWR":      {key: "edge.stale_while_revalidate", usual: "24h", read: seconds},
		"IMAGOR_CACHE_HEADER_NO_CACHE": {usual: "0", reason: "set edge.max_age: 0s"},
		"IMAGOR_AUTO_WEBP":             {}, "IMAGOR_AUTO_AVIF": {}, "IMAGOR_AUTO_JPEG": {},
		"IMAGOR_BASE_PARAMS":               {reason: "no options apply to every URL: write them into the URLs, or into thumbor.presets"},
		"IMAGOR_MODIFIED_TIME_CHECK":       {usual: "0", reason: "stored thumbnails are always compared with their originals: edge.revalidate"},
		"IMAGOR_DISABLE_ERROR_BODY":        {usual: "0", reason: "refusals always say why"},
		"IMAGOR_RESPONSE_RAW_ON_ERROR":     {usual: "0", reason: "no original is served unchecked"},
		"IMAGOR_REQUEST_TIMEOUT":           {key: "edge.deadline", usual: "30s", read: seconds},
		"IMAGOR_PROCESS_CONCURRENCY":       {key: "renderer.slots", usual: "-1", read: whole},
		"IMAGOR_STORAGE_PATH_STYLE":        {usual: "original", reason: unread},
		"IMAGOR_RESULT_STORAGE_PATH_STYLE": {usual: "original", reason: unread},
		"SERVER_CORS":                      {},
		"SERVER_PATH_PREFIX":               {reason: "URLs have no prefix: let the proxy cut it off"},
		"SERVER_STRIP_QUERY_STRING":        {usual: "0", reason: "queries of Thumbor's URLs never count"},
		"FILE_LOADER_BASE_DIR":             {}, "FILE_LOADER_PATH_PREFIX": {},
		"HTTP_LOADER_ALLOWED_SOURCES": {}, "HTTP_LOADER_DISABLE": {}, "HTTP_LOADER_DEFAULT_SCHEME": {usual: "https"},
		"HTTP_LOADER_ALLOWED_SOURCE_REGEXP":   {reason: "only hosts are checked: write them into hosts in store.loaders"},
		"HTTP_LOADER_BASE_URL":                {reason: "set store.originals: {kind: http, endpoint: …} with this URL"},
		"HTTP_LOADER_MAX_ALLOWED_SIZE":        {key: "renderer.max_original_bytes", usual: "0", read: size},
		"HTTP_LOADER_BLOCK_LOOPBACK_NETWORKS": {}, "HTTP_LOADER_BLOCK_PRIVATE_NETWORKS": {}, "HTTP_LOADER_BLOCK_LINK_LOCAL_NETWORKS": {},
		"UPLOAD_LOADER_ENABLE": {usual: "0", reason: "edges take no uploads"},
		"S3_LOADER_BUCKET":     {}, "S3_LOADER_BASE_DIR": {}, "S3_LOADER_PATH_PREFIX": {}, "S3_ENDPOINT": {}, "S3_LOADER_ENDPOINT": {},
		"AWS_REGION": {}, "AWS_LOADER_REGION": {},
		"AWS_ACCESS_KEY_ID": {key: "user of the S3 store", secret: true}, "AWS_SECRET_ACCESS_KEY": {key: "key of the S3 store", secret: true},
		"S3_RESULT_STORAGE_BUCKET": {reason: unread}, "FILE_RESULT_STORAGE_BASE_DIR": {reason: unread}, "GCLOUD_RESULT_STORAGE_BUCKET": {reason: unread},
		"S3_STORAGE_BUCKET": {reason: "originals are not copied to a second store"}, "FILE_STORAGE_BASE_DIR": {reason: "originals are not copied to a second store"},
		"GCLOUD_LOADER_BUCKET":     {reason: google},
		"VIPS_MAX_WIDTH":           {key: "thumbor.max_width", usual: "0", read: whole},
		"VIPS_MAX_HEIGHT":          {key: "thumbor.max_height", usual: "0", read: whole},
		"VIPS_MAX_RESOLUTION":      {key: "renderer.max_pixels", usual: "0", read: whole},
		"VIPS_STRIP_METADATA":      {usual: "0", reason: "metadata other than author and copyright is always dropped"},
		"VIPS_STRIP_COLOR_PROFILE": {usual: "0", reason: "profiles of sRGB are dropped, and others kept: write strip_icc() into the URLs"},
		"VIPS_DISABLE_FILTERS":     {reason: "name the allowed filters in thumbor.presets, and set thumbor.only_presets"},
		"VIPS_DISABLE_BLUR":        {usual: "0", reason: "name the allowed filters in thumbor.presets, and set thumbor.only_presets"},
	}
	for reason, names := range map[string]string{
		watched: "PROMETHEUS_BIND SENTRY_DSN SERVER_ACCESS_LOG",
		caches:  "VIPS_MAX_CACHE_FILES VIPS_MAX_CACHE_SIZE VIPS_MAX_CACHE_MEM VIPS_CACHE_SIZE VIPS_CACHE_MAX_WIDTH VIPS_CACHE_MAX_HEIGHT",
		never:   "HTTP_LOADER_FORWARD_HEADERS HTTP_LOADER_FORWARD_CLIENT_HEADERS HTTP_LOADER_FORWARD_ALL_HEADERS",
	} {
		for _, name := range strings.Fields(names) {
			rules[name] = rule{usual: "0", reason: reason}
		}
	}
	return rules
}

func imagorTogether(c *converter) {
	c.imagorKey()
	c.autoFormats("IMAGOR_AUTO_AVIF", "avif", "IMAGOR_AUTO_WEBP", "webp", "IMAGOR_AUTO_JPEG", "jpg")
	if c.is("SERVER_CORS") {
		c.setting("edge.cors", []string{"*"})
	}
	if port, address := c.set["PORT"], c.set["SERVER_ADDRESS"]; port != "" && c.set["BIND"] == "" {
		c.setting("edge.listen", address+":"+port)
	}
	c.imagorStores()
}

func (c *converter) imagorKey() {
	if c.set["IMAGOR_SECRET"] == "" || !c.secrets {
		return
	}
	key := map[string]any{"name": "imagor", "key": c.set["IMAGOR_SECRET"]}
	if algorithm := c.set["IMAGOR_SIGNER_TYPE"]; algorithm != "" {
		key["algorithm"] = algorithm
	}
	if n, err := strconv.Atoi(c.set["IMAGOR_SIGNER_TRUNCATE"]); err == nil && n > 0 {
		key["truncate"] = n
	}
	c.setting("edge.security_keys", []any{key})
}

// imagorStores sets the first store that imagor has: a folder, S3, other sites. imagor asks one after the other for
// every image; thumbmill asks the one that the name's beginning says.
func (c *converter) imagorStores() {
	folder, bucket := c.set["FILE_LOADER_BASE_DIR"], c.set["S3_LOADER_BUCKET"]
	prefix := strings.Trim(c.set["FILE_LOADER_PATH_PREFIX"]+c.set["S3_LOADER_PATH_PREFIX"], "/")
	if prefix != "" {
		c.leave("FILE_LOADER_PATH_PREFIX, S3_LOADER_PATH_PREFIX", "make the store a loader with for: %s/", prefix)
	}
	switch {
	case folder != "":
		c.setting("store.originals.kind", "directory")
		c.setting("store.originals.path", folder)
		if bucket != "" {
			c.leave("S3_LOADER_BUCKET", "there is one store without a name's beginning, the folder: add a loader with kind s3 to store.loaders")
		}
	case bucket != "":
		c.imagorBucket(bucket)
	}
	c.imagorSites(folder == "" && bucket == "")
}

func (c *converter) imagorBucket(bucket string) {
	endpoint := c.set["S3_LOADER_ENDPOINT"] + c.set["S3_ENDPOINT"]
	if endpoint == "" {
		endpoint = "https://s3." + c.region() + ".amazonaws.com"
	}
	c.setting("store.originals.kind", "s3")
	c.setting("store.originals.container", bucket)
	c.setting("store.originals.endpoint", endpoint)
	c.setting("store.originals.region", c.region())
	if dir := strings.Trim(c.set["S3_LOADER_BASE_DIR"], "/"); dir != "" {
		c.setting("store.originals.prefix", dir+"/")
	}
	if c.secrets && c.set["AWS_ACCESS_KEY_ID"] != "" {
		c.setting("store.originals.user", c.set["AWS_ACCESS_KEY_ID"])
		c.setting("store.originals.key", c.set["AWS_SECRET_ACCESS_KEY"])
	}
}

// imagorSites sets the loaders of other sites, and the store of originals when there is no other.
func (c *converter) imagorSites(alone bool) {
	if c.is("HTTP_LOADER_DISABLE") {
		return
	}
	allowed := list(c.set["HTTP_LOADER_ALLOWED_SOURCES"])
	if len(allowed) == 0 && c.set["HTTP_LOADER_ALLOWED_SOURCE_REGEXP"] == "" {
		allowed = []string{"*"}
	}
	if len(allowed) == 0 {
		return
	}
	for i, host := range allowed {
		allowed[i] = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(host, "https://"), "http://"), "/")
	}
	if !c.is("HTTP_LOADER_BLOCK_PRIVATE_NETWORKS") {
		c.leave("HTTP_LOADER_BLOCK_PRIVATE_NETWORKS", "private networks stay closed: if originals are there, write allow: [%s] into the loaders", strings.Join(private, ", "))
	}
	c.setting("store.loaders", []any{site("https://", allowed, nil), site("http://", allowed, nil)})
	if alone {
		scheme := c.set["HTTP_LOADER_DEFAULT_SCHEME"]
		if scheme == "" {
			scheme = "https"
		}
		c.setting("store.originals.kind", "http")
		c.setting("store.originals.endpoint", scheme+"://")
		c.setting("store.originals.hosts", allowed)
	}
}
