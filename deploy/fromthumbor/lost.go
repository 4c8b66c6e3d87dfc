package fromthumbor

import (
	_ "embed"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// options is the configuration of Thumbor 7.8.0: the default of each documented option, as JSON.
//
//go:embed thumbor.json
var options []byte

// standard returns Thumbor's default of a name. ok is false for a name that is not an option of Thumbor.
func standard(name string) (v any, ok bool) {
	var all map[string]any
	if err := json.Unmarshal(options, &all); err != nil {
		return nil, false // a test reads the file
	}
	if v, ok = all[name]; v == nil {
		v = null{}
	}
	return v, ok
}

// lost returns the loss of a site by a name that has no setting here. It returns "" if the site loses
// nothing: the value is Thumbor's default, or thumbmill does the same. The names of stores in S3 are
// loaders.go's.
func lost(name string, v any) string {
	usual, known := standard(name)
	if known && reflect.DeepEqual(v, usual) || inStores(name) {
		return ""
	}
	if slices.Contains(always(), name) {
		if v == false {
			return "thumbmill always does this"
		}
		return ""
	}
	if reason, ok := reasons()[name]; ok {
		return reason
	}
	for prefix, reason := range families() {
		if strings.HasPrefix(name, prefix) {
			return reason
		}
	}
	if known {
		return "thumbmill has no counterpart"
	}
	return "it is not an option of Thumbor 7.8, nor of a plugin that thumbmill knows"
}

// off reports whether a name has no effect in Thumbor either, because of other lines.
func (c *converter) off(name string) bool {
	is := func(name string) bool { return c.value(name) == true }
	metrics, _ := c.value("METRICS").(string)
	detectors, _ := c.value("DETECTORS").([]any)
	switch {
	case strings.HasPrefix(name, "UPLOAD_"):
		return !is("UPLOAD_ENABLED")
	case strings.HasPrefix(name, "STATSD_"):
		return !strings.Contains(metrics, "statsd")
	case name == "METRICS":
		return strings.Contains(metrics, "prometheus")
	case strings.HasPrefix(name, "SENTRY_"), strings.HasPrefix(name, "ERROR_"):
		return !is("USE_CUSTOM_ERROR_HANDLING")
	case strings.HasSuffix(name, "_DETECTOR_CASCADE_FILE"):
		return len(detectors) == 0
	}
	return false
}

// inStores reports whether a name belongs to a plugin that keeps files in S3.
func inStores(name string) bool {
	return strings.HasPrefix(name, "AWS_") || strings.HasPrefix(name, "TC_AWS_") || name == "THUMBOR_AWS_RUN_IN_COMPATIBILITY_MODE"
}

// always returns the switches of things that thumbmill always does.
func always() []string {
	return []string{"ENABLE_ETAGS", "SEND_IF_MODIFIED_LAST_MODIFIED_HEADERS", "RESULT_STORAGE_STORES_UNSAFE", "USE_GIFSICLE_ENGINE",
		"HTTP_LOADER_FOLLOW_REDIRECTS", "PILLOW_PRESERVE_INDEXED_MODE", "NON_BLOCKING_SOCKETS"}
}
