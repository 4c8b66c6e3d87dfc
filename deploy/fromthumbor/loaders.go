package fromthumbor

import (
	"regexp"
	"slices"
	"strings"
)

// loaders carries over the source of originals: the loader in LOADER, and its settings. Thumbor's
// default reads originals over HTTP.
func (c *converter) loaders() {
	name := "thumbor.loaders.http_loader"
	if v, said := c.assigned["LOADER"]; said {
		name, _ = v.(string)
	}
	switch {
	case name == "thumbor.loaders.file_loader":
		c.converted.Values["store.originals.kind"] = "directory"
	case strings.Contains(name, "file_loader"):
		c.converted.Values["store.originals.kind"] = "directory"
		c.converted.Values["store.loaders"] = []any{c.site("http://"), c.site("https://")}
	case name == "thumbor.loaders.https_loader", name == "thumbor.loaders.strict_https_loader":
		c.overHTTP("https://")
	case name == "thumbor.loaders.http_loader":
		c.overHTTP("http://")
	case strings.HasPrefix(name, "wikimedia_thumbor.loader"):
		c.converted.Values["store.originals.kind"] = "swift"
	case strings.Contains(name, "s3"):
		c.s3("store.originals", "AWS_LOADER", "TC_AWS_LOADER")
	default:
		c.leave("LOADER", "thumbmill reads originals from a directory, from Swift, from S3 or over HTTP, not by %s", short(c.value("LOADER")))
	}
	if storage, _ := c.value("RESULT_STORAGE").(string); strings.Contains(storage, "s3") {
		c.s3("store.thumbnails", "AWS_RESULT_STORAGE", "TC_AWS_RESULT_STORAGE")
	}
}

// overHTTP adds the scheme to names without one, as Thumbor's loaders do.
func (c *converter) overHTTP(scheme string) {
	c.converted.Values["store.originals.kind"], c.converted.Values["store.originals.endpoint"] = "http", scheme
	c.converted.Values["store.originals.hosts"] = c.hosts()
}

// site returns a loader of absolute URLs.
func (c *converter) site(scheme string) map[string]any {
	return map[string]any{"for": scheme, "kind": "http", "hosts": c.hosts()}
}

var (
	plainHost = regexp.MustCompile(`^[A-Za-z0-9-]+(?:\\?\.[A-Za-z0-9-]+)*$`)
	anyBelow  = regexp.MustCompile(`^(?:\.[*+]|\[\^/\]\+)\\?\.((?:[A-Za-z0-9-]+\\?\.)*[A-Za-z0-9-]+)$`)
)

// hosts converts Thumbor's expressions to names and *.domains. Without the setting, any host is
// allowed, as in Thumbor. An expression or value that cannot be read allows no host.
func (c *converter) hosts() []string {
	v, said := c.assigned["ALLOWED_SOURCES"]
	list, reason := words(v)
	if said && reason != "" {
		if v != (unread{}) {
			c.leaveOnce("ALLOWED_SOURCES", reason)
		}
		return []string{}
	}
	if !said || len(list.([]string)) == 0 {
		return []string{"*"}
	}
	hosts := []string{}
	for _, expression := range list.([]string) {
		text := strings.TrimSuffix(strings.TrimPrefix(expression, "^"), "$")
		switch below := anyBelow.FindStringSubmatch(text); {
		case plainHost.MatchString(text):
			hosts = append(hosts, strings.ReplaceAll(text, `\`, ""))
		case below != nil:
			hosts = append(hosts, "*."+strings.ReplaceAll(below[1], `\`, ""))
		default:
			c.leaveOnce("ALLOWED_SOURCES", expression+" is not a host and not all hosts of a domain: write its hosts into hosts")
		}
	}
	return hosts
}

func (c *converter) leaveOnce(name, reason string) {
	if !slices.Contains(c.converted.Left, Left{name, reason}) {
		c.leave(name, "%s", reason)
	}
}

// s3 reads the settings of thumbor-aws, or else of tc_aws. Credentials stay in the environment, or
// come from the machine's role; both programs and thumbmill find them there.
func (c *converter) s3(store, ours, older string) {
	first := func(names ...string) string {
		for _, name := range names {
			if s, ok := c.value(name).(string); ok && s != "" {
				return s
			}
		}
		return ""
	}
	region := first(ours+"_REGION_NAME", "TC_AWS_REGION")
	if region == "" {
		region = "us-east-1"
	}
	endpoint := first(ours+"_S3_ENDPOINT_URL", "TC_AWS_ENDPOINT")
	if endpoint == "" {
		endpoint = "https://s3." + region + ".amazonaws.com"
	}
	c.converted.Values[store+".kind"], c.converted.Values[store+".region"], c.converted.Values[store+".endpoint"] = "s3", region, endpoint
	if bucket := first(ours+"_BUCKET_NAME", older+"_BUCKET"); bucket != "" {
		c.converted.Values[store+".container"] = bucket
	} else {
		c.leaveOnce(ours+"_BUCKET_NAME", "it is not assigned: set "+store+".container")
	}
	if prefix := first(ours+"_ROOT_PATH", older+"_ROOT_PATH"); prefix != "" {
		c.converted.Values[store+".prefix"] = strings.Trim(prefix, "/") + "/"
	}
}
