package fromthumbor

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// rule says how to carry one name over. A rule with an empty key is only checked: together, or
// loaders, carries its value over with other names.
type rule struct {
	key    string
	secret bool
	read   func(any) (value any, reason string)
}

// rules returns the rules by Thumbor's names; the names behind the empty line are Wikimedia's.
func rules() map[string]rule {
	return map[string]rule{
		"SECURITY_KEY":                          {key: "edge.security_key", secret: true, read: text},
		"ALLOW_UNSAFE_URL":                      {key: "edge.allow_unsafe", read: truth},
		"QUALITY":                               {key: "render.quality", read: whole},
		"WEBP_QUALITY":                          {key: "render.qualities.webp", read: whole},
		"AVIF_QUALITY":                          {key: "render.qualities.avif", read: whole},
		"PROGRESSIVE_JPEG":                      {key: "render.progressive", read: truth},
		"PILLOW_JPEG_SUBSAMPLING":               {key: "render.chroma_subsampling", read: subsampling},
		"MAX_WIDTH":                             {key: "thumbor.max_width", read: whole},
		"MAX_HEIGHT":                            {key: "thumbor.max_height", read: whole},
		"MAX_PIXELS":                            {key: "renderer.max_pixels", read: whole},
		"MAX_AGE":                               {key: "edge.max_age", read: seconds},
		"AUTO_PNG_TO_JPG":                       {key: "thumbor.png_to_jpeg", read: truth},
		"RESPECT_ORIENTATION":                   {key: "render.respect_orientation", read: truth},
		"PRESERVE_EXIF_INFO":                    {key: "render.keep_exif", read: truth},
		"ALLOW_ANIMATED_GIFS":                   {key: "render.max_animated_area", read: animated},
		"FILE_LOADER_ROOT_PATH":                 {key: "store.originals.path", read: text},
		"RESULT_STORAGE_FILE_STORAGE_ROOT_PATH": {key: "store.thumbnails.path", read: text},
		"ENGINE":                                {key: "thumbor.rotate", read: direction},
		"OPTIMIZERS":                            {key: "renderer.optimizers", read: optimizers},
		"LOADER":                                {read: text},
		"ALLOWED_SOURCES":                       {read: anything},
		"ACCESS_CONTROL_ALLOW_ORIGIN_HEADER":    {key: "edge.cors", read: origins},
		"RESULT_STORAGE":                        {read: resultStorage},
		"FILTERS":                               {key: "thumbor.filters", read: filters},
		"DETECTORS":                             {read: detectors},
		"AUTO_WEBP":                             {read: truth},
		"AUTO_AVIF":                             {read: truth},
		"AUTO_JPG":                              {read: truth},
		"AUTO_PNG":                              {read: truth},
		"AUTO_IMAGE_FORMAT_PREFERENCE":          {read: words},

		"QUALITY_LOW":                     {key: "render.quality_low", read: whole},
		"CHROMA_SUBSAMPLING":              {key: "render.chroma_subsampling", read: subsampling},
		"DEFAULT_FILTERS_JPEG":            {key: "render.default_filters_jpeg", read: text},
		"MAX_ANIMATED_GIF_AREA":           {key: "render.max_animated_area", read: whole},
		"SUBPROCESS_TIMEOUT":              {key: "renderer.time_limit_expensive", read: seconds},
		"HTTP_LOADER_MAX_BODY_SIZE":       {key: "renderer.max_original_bytes", read: whole},
		"SWIFT_HOST":                      {read: text},
		"SWIFT_AUTH_PATH":                 {read: text},
		"SWIFT_USER":                      {key: "store.originals.user", read: text},
		"SWIFT_KEY":                       {key: "store.originals.key", secret: true, read: text},
		"SWIFT_PATH_PREFIX":               {key: "store.thumbnails.prefix", read: text},
		"SWIFT_SHARDED_CONTAINERS":        {key: "store.sharded_containers", read: words},
		"SWIFT_PRIVATE_CONTAINERS":        {key: "store.private_containers", read: words},
		"SWIFT_PRIVATE_SECRET":            {key: "store.private_secret", secret: true, read: text},
		"POOLCOUNTER_SERVER":              {read: text},
		"POOLCOUNTER_PORT":                {read: whole},
		"POOLCOUNTER_CONFIG_PER_IP":       {read: pool},
		"POOLCOUNTER_CONFIG_PER_ORIGINAL": {read: pool},
		"POOLCOUNTER_CONFIG_EXPENSIVE":    {read: pool},
		"FAILURE_THROTTLING_MAX":          {key: "throttle.failure.max", read: whole},
		"FAILURE_THROTTLING_DURATION":     {key: "throttle.failure.duration", read: seconds},
		"FAILURE_THROTTLING_PREFIX":       {key: "throttle.failure.prefix", read: text},
		"FAILURE_THROTTLING_MEMCACHE":     {key: "memcached.servers", read: words},
	}
}

// reasons returns the names that are never carried over, each with the reason.
func reasons() map[string]string {
	const (
		uploads = "thumbmill accepts no uploads: originals are in the store"
		logs    = "see log.format and log.level"
		pillow  = "it is an option of Pillow; libvips decides by itself"
	)
	return map[string]string{
		"MIN_WIDTH": uploads, "MIN_HEIGHT": uploads, "MAX_ID_LENGTH": uploads,
		"THUMBOR_LOG_CONFIG": logs, "THUMBOR_LOG_FORMAT": logs, "THUMBOR_LOG_DATE_FORMAT": logs,
		"PILLOW_JPEG_QTABLES": pillow, "PILLOW_RESAMPLING_FILTER": pillow, "PILLOW_PRESERVE_INDEXED_MODE": pillow,
		"PNG_COMPRESSION_LEVEL": pillow, "AVIF_SPEED": pillow, "AVIF_CODEC": pillow, "AVIF_CODEC_FALLBACK": pillow, "SRGB_PROFILE": pillow,
		"HEIF_QUALITY": "HEIF is only read, not written", "AUTO_HEIF": "HEIF is only read, not written",
		"PRESERVE_EXIF_COPYRIGHT_INFO":      "artist, copyright and description are always kept",
		"PRESERVE_IPTC_INFO":                "IPTC metadata is not kept",
		"SVG_DPI":                           "SVGs are drawn at the thumbnail's size",
		"MAX_AGE_TEMP_IMAGE":                "there are no temporary images: detection is part of the render",
		"IGNORE_SMART_ERRORS":               "a smart cut that finds no face keeps the part that stands out",
		"GIF_ENGINE":                        "gifsicle resizes all GIFs here",
		"USE_BLACKLIST":                     "list the lines of blacklist.txt in edge.blacklist; --blacklist does it",
		"ENGINE_THREADPOOL_SIZE":            "renders run in separate processes: see renderer.slots",
		"STORAGE":                           "renderers keep originals on their own disks: see renderer.temp_bytes",
		"HEALTHCHECK_ROUTE":                 "it is /healthcheck",
		"META_CALLBACK_NAME":                "meta is only JSON; a callback would be a script from this host",
		"RESULT_STORAGE_EXPIRATION_SECONDS": "thumbnails stay until they are evicted: see store.thumbnails.max_bytes",
		"EXIF_FIELDS_TO_KEEP":               "artist, copyright and description are always kept",
		"EXIF_TINYRGB_PATH":                 "sRGB profiles are always replaced by a tiny one",
		"EXIF_TINYRGB_ICC_REPLACE":          "sRGB profiles are always replaced by a tiny one",
		"VIPS_ENGINE_MIN_PIXELS":            "libvips draws all sizes",
		"PROXY_ENGINE_ENGINES":              "each type has its engine: see docs/formats.md",
		"PROXY_LOADER_LOADERS":              "see store.loaders",
		"LOADER_EXCERPT_LENGTH":             "types are known from names and checked by headers",
		"URL_SIGNER":                        "HMAC-SHA1 in base64url, Thumbor's default, is the only signer",
		"HANDLER_LISTS":                     "Thumbor's and MediaWiki's paths are always served",
		"APP_CLASS":                         "Thumbor's and MediaWiki's paths are always served",
		"STORES_CRYPTO_KEY_FOR_EACH_IMAGE":  "one key signs all URLs",
		"SLOW_PROCESSING_LIMIT":             "slow renders are in the histogram thumbmill_render_seconds",
		"SWIFT_API_PATH":                    "the authentication returns it",
		"SWIFT_PRIVATE_USER":                "one account reads all containers here",
		"SWIFT_PRIVATE_KEY":                 "one account reads all containers here",
	}
}

// families returns beginnings of names, each with the reason for its names.
func families() map[string]string {
	return map[string]string{
		"HTTP_LOADER_":   "redirects, times and connections of originals over HTTP have fixed limits",
		"UPLOAD_":        "thumbmill accepts no uploads: originals are in the store",
		"REDIS_":         "Redis is not used",
		"SQS_":           "SQS is not used",
		"STATSD_":        "metrics are for Prometheus, at /metrics of the operators' listener",
		"METRICS":        "metrics are for Prometheus, at /metrics of the operators' listener",
		"SENTRY_":        "errors are in the log and in thumbmill_failures_total",
		"MIXED_STORAGE_": "renderers keep originals on their own disks: see renderer.temp_bytes",
		"FILE_STORAGE_":  "renderers keep originals on their own disks: see renderer.temp_bytes",
		"STORAGE_":       "renderers keep originals on their own disks: see renderer.temp_bytes",
		"COMPATIBILITY_": "Thumbor's plugins cannot be loaded",
		"SUBPROCESS_":    "workers limit their tools: see renderer.time_limit and renderer.memory_limit",
		"MAX_WAIT_":      "a stop waits for requests in progress, up to edge.deadline",
		"JPEGTRAN_":      "tools are found in /usr/bin",
		"SWIFT_":         "it has no counterpart: see store in docs/configuration.md",
	}
}

func anything(any) (any, string) { return nil, "" }

func text(v any) (any, string) {
	if v == (null{}) {
		return nil, ""
	}
	if s, ok := v.(string); ok {
		return s, ""
	}
	return nil, "it is not a text: " + short(v)
}

func truth(v any) (any, string) {
	if b, ok := v.(bool); ok {
		return b, ""
	}
	if n, ok := v.(float64); ok {
		return n != 0, ""
	}
	if v == (null{}) {
		return nil, ""
	}
	return nil, "it is not True or False: " + short(v)
}

// whole also accepts numbers such as 75e6.
func whole(v any) (any, string) {
	if v == (null{}) {
		return nil, ""
	}
	if f, ok := v.(float64); ok && f >= 0 && f <= math.MaxInt32*1000.0 {
		return int64(f), ""
	}
	return nil, "it is not a whole number in range: " + short(v)
}

func seconds(v any) (any, string) {
	n, reason := whole(v)
	if n == nil {
		return nil, reason
	}
	return fmt.Sprintf("%ds", n), ""
}

func words(v any) (any, string) {
	list, ok := v.([]any)
	if !ok {
		return nil, "it is not a list: " + short(v)
	}
	var all []string
	for _, item := range list {
		s, ok := item.(string)
		if why, is := item.(unreadable); is {
			return nil, string(why)
		}
		if !ok {
			return nil, "it is not a list of texts: " + short(v)
		}
		all = append(all, s)
	}
	return all, ""
}

func short(v any) string {
	return abbreviated(fmt.Sprint(v))
}

func subsampling(v any) (any, string) {
	s, _ := v.(string)
	switch s {
	case "4:2:0", "4:4:4":
		return s, ""
	}
	if v == (null{}) {
		return nil, ""
	}
	return nil, "only 4:2:0 and 4:4:4 are supported: " + short(v)
}

// animated reads ALLOW_ANIMATED_GIFS. False means that thumbnails of GIFs have only the first
// frame.
func animated(v any) (any, string) {
	if v == false {
		return 0, ""
	}
	return nil, ""
}

// direction reads ENGINE. Wikimedia's engines rotate clockwise, Pillow rotates counterclockwise.
func direction(v any) (any, string) {
	s, _ := v.(string)
	switch {
	case strings.HasPrefix(s, "wikimedia_thumbor"):
		return "clockwise", ""
	case s == "thumbor.engines.pil":
		return nil, ""
	}
	return nil, "libvips is the engine"
}

func optimizers(v any) (any, string) {
	list, reason := words(v)
	if reason != "" {
		return nil, reason
	}
	var formats []string
	for _, name := range list.([]string) {
		if strings.HasSuffix(name, "jpegtran") {
			formats = append(formats, string(thumbnail.FormatJPEG))
			continue
		}
		can := thumbnail.FormatNames(func(row thumbnail.FormatRow) bool { return row.Optimized })
		reason = name + " has no counterpart: renderer.optimizers repacks " + strings.Join(can, ", ")
	}
	if formats == nil {
		return nil, reason
	}
	return formats, reason
}

func resultStorage(v any) (any, string) {
	s, _ := v.(string)
	if v == (null{}) || strings.Contains(s, "file_storage") || inS3(s) || strings.HasPrefix(s, "wikimedia_thumbor") {
		return nil, ""
	}
	return nil, "thumbmill stores thumbnails in a directory, in Swift or in S3, not by " + short(v)
}

// filters converts the list of filters: Thumbor turns others off. It reports filters that are not Thumbor's own.
// The value is nil for a list with all of Thumbor's defaults.
func filters(v any) (any, string) {
	list, reason := words(v)
	if reason != "" {
		return nil, reason
	}
	var known, foreign []string
	for _, module := range list.([]string) {
		name, own := ownFilter(module)
		if own {
			known = append(known, name)
		} else {
			foreign = append(foreign, module)
		}
	}
	if len(foreign) > 0 {
		reason = "not known, and skipped: " + strings.Join(foreign, ", ")
	}
	if len(known) == 0 && reason == "" {
		reason = "an empty list turns no filters off here: name those that stay in thumbor.filters"
	}
	if usual, _ := standard("FILTERS"); len(known) == 0 || allIn(usual.([]any), list.([]string)) {
		return nil, reason
	}
	return known, reason
}

// ownFilter returns the name of a filter in URLs for its module. own is false for a module of another author.
func ownFilter(module string) (name string, own bool) {
	for _, folder := range []string{"thumbor.filters.", "wikimedia_thumbor.filter."} {
		if name, own = strings.CutPrefix(module, folder); own {
			return strings.Replace(name, "redeye", "red_eye", 1), true
		}
	}
	return "", false
}

func allIn(all []any, list []string) bool {
	return !slices.ContainsFunc(all, func(v any) bool { s, ok := v.(string); return ok && !slices.Contains(list, s) })
}

// detectors reports what finds the important part of a picture. A renderer finds faces if it has a package.
func detectors(v any) (any, string) {
	list, reason := words(v)
	all, _ := list.([]string)
	faces := slices.ContainsFunc(all, func(module string) bool { return strings.Contains(module, "face_detector") })
	switch {
	case reason != "" || len(all) == 0:
		return nil, reason
	case faces:
		return nil, "install the package thumbmill-faces on all renderers, so that smart cuts keep faces; without a face they keep the part that stands out"
	}
	return nil, "smart cuts keep faces, if renderers have the package thumbmill-faces, or the part that stands out: other detectors are not used"
}

// origins returns the origins of a header's value, or an empty list.
func origins(v any) (any, string) {
	if v == false || v == (null{}) {
		return []string{}, ""
	}
	s, reason := text(v)
	if reason != "" {
		return nil, reason
	}
	return []string{s.(string)}, ""
}

// pool only checks that the value is a dictionary; converter.pool carries it over.
func pool(v any) (any, string) {
	if v == (null{}) || v == false {
		return nil, ""
	}
	if _, ok := v.(map[string]any); !ok {
		return nil, "it is not a dictionary of workers, maxqueue and timeout: " + short(v)
	}
	return nil, ""
}

// together carries over settings that depend on several names.
func (c *converter) together() {
	c.autoFormats()
	for name, key := range map[string]string{
		"POOLCOUNTER_CONFIG_PER_IP": "throttle.per_ip", "POOLCOUNTER_CONFIG_PER_ORIGINAL": "throttle.per_original",
		"POOLCOUNTER_CONFIG_EXPENSIVE": "throttle.expensive",
	} {
		c.pool(name, key)
	}
	if server, _ := text(c.value("POOLCOUNTER_SERVER")); server != nil {
		port, _ := whole(c.value("POOLCOUNTER_PORT"))
		if port == nil {
			port = 7531
		}
		c.converted.Values["coordinator.servers"] = []string{fmt.Sprintf("%s:%d", server, port)}
	}
	c.loaders()
	c.swift()
}

func (c *converter) value(name string) any {
	if v, ok := c.assigned[name]; ok {
		return v
	}
	return null{}
}

// autoFormats carries over the formats that Accept chooses. With a valid format in
// the list, the switches AUTO_… do not count, as in Thumbor 7.8.
func (c *converter) autoFormats() {
	const list = "AUTO_IMAGE_FORMAT_PREFERENCE"
	order := []string{"webp", "avif", "jpg", "heif", "png"}
	var formats []string
	asked, _ := words(c.value(list))
	all, _ := asked.([]string)
	for _, f := range all {
		f = strings.ToLower(strings.TrimSpace(f))
		if slices.Contains(order, f) && !slices.Contains(formats, f) {
			formats = append(formats, f)
		}
	}
	if formats == nil {
		formats = slices.DeleteFunc(order, func(f string) bool { return c.value("AUTO_"+strings.ToUpper(f)) != true })
	}
	if slices.Contains(formats, "heif") && len(all) > 0 {
		c.leave(list, "HEIF is only read, not written")
	}
	if formats = slices.DeleteFunc(formats, func(f string) bool { return f == "heif" }); len(formats) > 0 {
		c.converted.Values["thumbor.auto_formats"] = formats
	}
}

func (c *converter) pool(name, key string) {
	d, ok := c.value(name).(map[string]any)
	if !ok {
		return
	}
	ours := map[string]string{"workers": "workers", "maxqueue": "max_queue", "timeout": "timeout"}
	for _, theirs := range slices.Sorted(maps.Keys(d)) {
		value, reason := whole(d[theirs])
		switch {
		case theirs == "timeout":
			value, reason = seconds(d[theirs])
		case theirs == "extensions" && key == "throttle.expensive":
			value, reason = types(d[theirs])
			ours[theirs] = "types"
		case ours[theirs] == "":
			reason = "thumbmill has no counterpart"
		}
		if reason != "" {
			c.leave(name, "%s: %s", theirs, reason)
			continue
		}
		c.converted.Values[key+"."+ours[theirs]] = value
	}
}

// types converts Wikimedia's extensions to types of originals.
func types(v any) (any, string) {
	list, reason := words(v)
	if reason != "" {
		return nil, reason
	}
	var all []string
	for _, extension := range list.([]string) {
		if t := string(thumbnail.TypeOf("x." + extension)); !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all, ""
}

// swift carries over Wikimedia's account, which reads originals and writes thumbnails.
func (c *converter) swift() {
	host, _ := text(c.value("SWIFT_HOST"))
	if host == nil {
		return
	}
	path, _ := text(c.value("SWIFT_AUTH_PATH"))
	if path == nil {
		path = "/auth/v1.0"
	}
	url := strings.TrimSuffix(host.(string), "/") + path.(string)
	for _, store := range []string{"store.originals", "store.thumbnails"} {
		c.converted.Values[store+".kind"], c.converted.Values[store+".auth_url"] = "swift", url
		for _, field := range []string{".user", ".key"} {
			if v, ok := c.converted.Values["store.originals"+field]; ok {
				c.converted.Values[store+field] = v
			}
		}
	}
}
