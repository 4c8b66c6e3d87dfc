package storeconfig

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/settings/check"
)

var bucket = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// Check notes every problem with the settings of the stores.
func (s Store) Check(c *check.Checker) {
	s.Thumbnails.check(c, "store.thumbnails", "directory", "swift", "s3", "gcs", "azure")
	s.Originals.check(c, "store.originals", "directory", "swift", "s3", "gcs", "azure", "http")
	for i, l := range s.Loaders {
		name := fmt.Sprintf("store.loaders[%d]", i)
		c.Require(l.For != "" && !strings.HasPrefix(l.For, "/"), name+".for", "%q is not the start of a name: write one such as s3/ or https://", l.For)
		same := func(other Loader) bool { return other.For == l.For }
		c.Require(slices.IndexFunc(s.Loaders, same) == i, name+".for", "%q is the start of another loader's names: give each loader its own", l.For)
		l.Bucket.check(c, name, "directory", "swift", "s3", "gcs", "azure", "http")
	}
}

func (b Bucket) check(c *check.Checker, name string, kinds ...string) {
	c.OneOf(name+".kind", b.Kind, kinds...)
	c.OneOf(name+".verify", b.Verify, "", VerifyAlways, VerifyNever)
	switch b.Kind {
	case "directory":
		c.Require(b.Path != "", name+".path", "the path is empty: write the path of the directory")
	case "swift":
		c.Require(check.IsURL(b.AuthURL), name+".auth_url", "the URL is missing or malformed: write the URL of Swift's authentication, without a user in it")
		c.Require(b.User != "", name+".user", "the user is empty: write the user of Swift")
	case "s3":
		service, _ := url.Parse(b.Endpoint)
		c.Require(check.IsURL(b.Endpoint) && strings.Trim(service.Path, "/") == "", name+".endpoint", "the URL is missing or malformed: write the URL of the S3 service, such as https://s3.eu-central-1.amazonaws.com")
		b.checkName(c, name)
	case "gcs", "azure":
		c.Require(b.Endpoint == "" || check.IsURL(b.Endpoint), name+".endpoint", "the URL is malformed: write the URL of the service, or leave it out")
		c.Require(b.Kind == "gcs" || b.User != "" || b.Endpoint != "", name+".user", "the user is empty: write the name of the storage account")
		b.checkName(c, name)
	case "http":
		c.Require(b.Scheme() != "" || check.IsURL(b.Endpoint), name+".endpoint", "%q is not a URL: write one such as https://site.example/", b.Endpoint)
		c.Require(len(b.Hosts) > 0 || b.Scheme() == "", name+".hosts", "the list is empty: name the allowed hosts, or write * for all public hosts")
		for _, host := range b.Hosts {
			c.Require(check.IsHost(host), name+".hosts", "%q is not a host: write host, *.domain, host:port or *", host)
		}
		c.Networks(name+".allow", b.Allow)
	}
	c.Require(b.Bucket == "" || b.Kind == "s3" || b.Kind == "gcs", name+".bucket", "%s has no buckets: write container, or set kind to s3 or gcs", b.Kind)
	c.Require(b.ReadACL == "" || b.Kind == "swift", name+".read_acl", "%s has no such lists: remove it", b.Kind)
	c.Require(b.Expire == 0 || b.Kind == "swift", name+".expire", "%s does not delete objects after a time: set it to 0, and use a lifecycle rule of the bucket, or max_bytes of a directory", b.Kind)
	c.Duration(name+".expire", b.Expire, 0, 10*365*24*time.Hour)
	c.Duration(name+".scrub", b.Scrub, 0, 365*24*time.Hour)
	c.Require(b.ExpireShare >= 0 && b.ExpireShare <= 1, name+".expire_share", "%v is not within 0…1", b.ExpireShare)
	c.Require(!b.Slash || b.Kind == "s3", name+".leading_slash", "%s has no such names: leave it out, or set kind to s3", b.Kind)
	c.Require(!strings.HasPrefix(b.Prefix, "/") && !strings.Contains(b.Prefix, ".."), name+".prefix",
		"%q begins with / or contains ..: write a prefix such as thumbor/, and set leading_slash for S3 keys that begin with /", b.Prefix)
}

// checkName requires the name of a bucket, as S3 and Google Cloud Storage have it; names of Azure's containers are narrower.
func (b Bucket) checkName(c *check.Checker, name string) {
	key := ".container"
	if b.Bucket != "" {
		key = ".bucket"
	}
	c.Require(bucket.MatchString(b.Named()), name+key, "%q is not the name of a bucket: write 3 to 63 lower-case letters, digits, dots and hyphens", b.Named())
}
