package fromthumbor

import (
	"cmp"
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
	case inS3(name):
		c.s3("store.originals", name, "LOADER", "/st")
	default:
		c.leave("LOADER", "thumbmill reads originals from a directory, from Swift, from S3 or over HTTP, not by %s", short(c.value("LOADER")))
	}
	if storage, _ := c.value("RESULT_STORAGE").(string); inS3(storage) {
		c.s3("store.thumbnails", storage, "RESULT_STORAGE", "/rs")
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

func (c *converter) leaveOnce(name, reason string) {
	if !slices.Contains(c.converted.Left, Left{Name: name, Reason: reason}) {
		c.leave(name, "%s", reason)
	}
}

// s3 reads the settings of thumbor-aws (AWS_…), or of tc_aws. part is LOADER or RESULT_STORAGE, and root
// thumbor-aws' default of the folder. Without keys in the file, both programs and thumbmill find
// credentials in the environment or in the machine's role.
func (c *converter) s3(store, module, part, root string) {
	names := map[string]string{"region": "AWS_" + part + "_REGION_NAME", "endpoint": "AWS_" + part + "_S3_ENDPOINT_URL",
		"bucket": "AWS_" + part + "_BUCKET_NAME", "root": "AWS_" + part + "_ROOT_PATH"}
	bucket := "thumbor"
	if c.value("THUMBOR_AWS_RUN_IN_COMPATIBILITY_MODE") == true || strings.Contains(module, "tc_aws") {
		names = map[string]string{"region": "TC_AWS_REGION", "endpoint": "TC_AWS_ENDPOINT",
			"bucket": "TC_AWS_" + part + "_BUCKET", "root": "TC_AWS_" + part + "_ROOT_PATH"}
		bucket, root = "", ""
	}
	read := func(what, otherwise string) string {
		switch v := c.value(names[what]).(type) {
		case string:
			return v
		case unread:
			c.leaveOnce(names[what], "its value is unknown: set "+store+"."+cmp.Or(map[string]string{"bucket": "container", "root": "prefix"}[what], what))
			return ""
		}
		return otherwise
	}
	c.converted.Values[store+".kind"] = "s3"
	if region := read("region", "us-east-1"); region != "" {
		c.converted.Values[store+".region"] = region
		c.converted.Values[store+".endpoint"] = "https://s3." + region + ".amazonaws.com"
	}
	if endpoint := read("endpoint", ""); endpoint != "" {
		c.converted.Values[store+".endpoint"] = endpoint
	}
	if bucket = read("bucket", bucket); bucket == "" && c.value(names["bucket"]) != (unread{}) {
		c.leaveOnce(names["bucket"], "it is not assigned, so that Thumbor's URLs name the bucket: set "+store+".container")
	} else if bucket != "" {
		c.converted.Values[store+".container"] = bucket
	}
	if root = read("root", root); root != "" {
		c.converted.Values[store+".prefix"] = strings.Trim(root, "/") + "/"
		c.converted.Values[store+".leading_slash"] = strings.HasPrefix(root, "/")
	}
	c.keysOfS3(store, part)
}

// keysOfS3 carries over the access key, and reports the options of a store in S3 without a counterpart.
func (c *converter) keysOfS3(store, part string) {
	id, secret := "AWS_"+part+"_S3_ACCESS_KEY_ID", "AWS_"+part+"_S3_SECRET_ACCESS_KEY"
	key, _ := c.value(secret).(string)
	user, _ := c.value(id).(string)
	if key != "" && user != "" && c.secrets {
		c.converted.Values[store+".user"], c.converted.Values[store+".key"] = user, key
	} else if key != "" {
		c.leave(secret, "a secret: set %s.user and %s.key, or convert with --secrets", store, store)
	}
	for name, reason := range map[string]string{
		"AWS_" + part + "_S3_ACL": "objects have the bucket's own permissions",
		"TC_AWS_STORAGE_SSE":      "the bucket's own settings encrypt objects",
		"TC_AWS_STORAGE_RRS":      "the bucket's own settings decide about redundancy",
	} {
		if v := c.value(name); v != (null{}) && v != false {
			c.leaveOnce(name, reason)
		}
	}
	if _, said := c.assigned["AWS_NORMALIZER"]; said {
		c.leaveOnce("AWS_NORMALIZER", "names of originals are not rewritten")
	}
	if c.value("TC_AWS_ENABLE_HTTP_LOADER") == true {
		c.leaveOnce("TC_AWS_ENABLE_HTTP_LOADER", "add a loader for https:// to store.loaders")
	}
}

// inS3 reports whether a module of Thumbor keeps files in S3.
func inS3(module string) bool {
	return strings.Contains(module, "thumbor_aws") || strings.Contains(module, "tc_aws") || strings.Contains(module, "s3")
}
