package fromthumbor

import (
	"regexp"
	"slices"
	"strings"
)

// loaders carries over where originals come from: what LOADER names, with what belongs
// to it. Thumbor's default reads them over HTTP.
func (c *converter) loaders() {
	name := "thumbor.loaders.http_loader"
	if v, said := c.assigned["LOADER"]; said {
		name, _ = v.(string)
	}
	switch {
	case name == "thumbor.loaders.file_loader":
		c.conversion.Values["store.originals.kind"] = "directory"
	case strings.Contains(name, "file_loader"):
		c.conversion.Values["store.originals.kind"] = "directory"
		c.conversion.Values["store.loaders"] = []any{c.site("http://"), c.site("https://")}
	case name == "thumbor.loaders.https_loader", name == "thumbor.loaders.strict_https_loader":
		c.overHTTP("https://")
	case name == "thumbor.loaders.http_loader":
		c.overHTTP("http://")
	case strings.HasPrefix(name, "wikimedia_thumbor.loader"):
		c.conversion.Values["store.originals.kind"] = "swift"
	case strings.Contains(name, "s3"):
		c.s3("store.originals", "AWS_LOADER", "TC_AWS_LOADER")
	default:
		c.leave("LOADER", "originals are read from a directory, Swift, S3 or over HTTP, not by %s", short(c.value("LOADER")))
	}
	if storage, _ := c.value("RESULT_STORAGE").(string); strings.Contains(storage, "s3") {
		c.s3("store.thumbnails", "AWS_RESULT_STORAGE", "TC_AWS_RESULT_STORAGE")
	}
}

// overHTTP has names without a scheme read with it, as Thumbor's loaders do.
func (c *converter) overHTTP(scheme string) {
	c.conversion.Values["store.originals.kind"], c.conversion.Values["store.originals.endpoint"] = "http", scheme
	c.conversion.Values["store.originals.hosts"] = c.hosts()
}

// site is a loader of absolute URLs.
func (c *converter) site(scheme string) map[string]any {
	return map[string]any{"for": scheme, "kind": "http", "hosts": c.hosts()}
}

var (
	plainHost = regexp.MustCompile(`^[A-Za-z0-9-]+(?:\\?\.[A-Za-z0-9-]+)*$`)
	anyBelow  = regexp.MustCompile(`^(?:\.[*+]|\[\^/\]\+)\\?\.((?:[A-Za-z0-9-]+\\?\.)*[A-Za-z0-9-]+)$`)
)

// hosts turns Thumbor's expressions into names and *.domains. None at all means any host,
// in Thumbor; what is not understood, or not known, is closed.
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
			c.leaveOnce("ALLOWED_SOURCES", expression+" is neither a host nor all below a domain: name what it means in hosts")
		}
	}
	return hosts
}

func (c *converter) leaveOnce(name, reason string) {
	if !slices.Contains(c.conversion.Left, Left{name, reason}) {
		c.leave(name, "%s", reason)
	}
}

// s3 reads the settings of thumbor-aws, or of tc_aws. Credentials stay in the environment
// or with the machine's role, where both have them.
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
	c.conversion.Values[store+".kind"], c.conversion.Values[store+".region"], c.conversion.Values[store+".endpoint"] = "s3", region, endpoint
	if bucket := first(ours+"_BUCKET_NAME", older+"_BUCKET"); bucket != "" {
		c.conversion.Values[store+".container"] = bucket
	} else {
		c.leaveOnce(ours+"_BUCKET_NAME", "it is not said, so that "+store+".container is to be set")
	}
	if prefix := first(ours+"_ROOT_PATH", older+"_ROOT_PATH"); prefix != "" {
		c.conversion.Values[store+".prefix"] = strings.Trim(prefix, "/") + "/"
	}
}
