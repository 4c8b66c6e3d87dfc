// Package storeconfig has the settings of the object stores, with the checks of their values. It is apart from
// the stores, so that a process that only reads settings does not link the clients of Swift and S3.
package storeconfig

import (
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/settings/value"
)

// Store is the object stores of originals and thumbnails.
type Store struct {
	Originals         Bucket       `koanf:"originals"`          // store of all originals that no loader matches
	Loaders           []Loader     `koanf:"loaders"`            // stores of originals whose names begin with a given text; the longest match wins
	Thumbnails        Bucket       `koanf:"thumbnails"`         // store of all thumbnails
	ShardedContainers []string     `koanf:"sharded_containers"` // MediaWiki's containers that have a hash suffix
	PrivateContainers []string     `koanf:"private_containers"` // MediaWiki's containers that only requests with private_secret may read
	PrivateSecret     value.Secret `koanf:"private_secret"`     // value of X-Swift-Secret that opens private containers
}

// Loader returns the loader with the longest For that the name begins with. ok is false if
// no loader matches.
func (s Store) Loader(name string) (found Loader, ok bool) {
	for _, l := range s.Loaders {
		if strings.HasPrefix(name, l.For) && len(l.For) > len(found.For) {
			found, ok = l, true
		}
	}
	return found, ok
}

// Names returns every name of an original on its way to its store: the given name, the name
// without the prefix of its store or loader, and the name in the store.
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
	Kind        string        `koanf:"kind"`          // directory, swift, s3, gcs (Google Cloud Storage) or azure (Azure Blob Storage); originals also http
	Path        string        `koanf:"path"`          // path of the directory
	MaxBytes    value.Bytes   `koanf:"max_bytes"`     // largest size of a directory of thumbnails; 0 = unlimited
	Sync        bool          `koanf:"sync"`          // a directory of thumbnails brings the content of each one to the disk before its name; false is faster, and a power failure may damage the newest ones
	Scrub       time.Duration `koanf:"scrub"`         // time between two slow comparisons of a whole directory of thumbnails with their MD5s; damaged ones are removed, and rendered again; 0 = never
	Prefix      string        `koanf:"prefix"`        // text before the name of each object, such as thumbor/
	Bucket      string        `koanf:"bucket"`        // bucket of S3 or Google Cloud Storage, in place of container
	Container   string        `koanf:"container"`     // Swift container of objects from Thumbor's URLs; container of Azure; S3 bucket
	AuthURL     string        `koanf:"auth_url"`      // URL of Swift's authentication, version 1, 2 or 3
	User        string        `koanf:"user"`          // Swift user; storage account of Azure; S3 access key, "" = the default chain of the AWS SDK
	Key         value.Secret  `koanf:"key"`           // Swift key; S3 secret key; JSON of a service account of Google, or key of a storage account of Azure, "" = their default accounts
	Tenant      string        `koanf:"tenant"`        // Swift tenant (authentication 2 and 3)
	Domain      string        `koanf:"domain"`        // Swift domain (authentication 3)
	CreateAll   bool          `koanf:"create_all"`    // create containers of Swift and buckets of S3 that do not exist
	ReadACL     string        `koanf:"read_acl"`      // X-Container-Read of the containers of public wikis that create_all creates in Swift, such as .r:* for everybody
	Expire      time.Duration `koanf:"expire"`        // time after which Swift deletes a thumbnail; 0 = never
	ExpireShare float64       `koanf:"expire_share"`  // share of thumbnails that expire, 0…1; a small share is a trial
	Endpoint    string        `koanf:"endpoint"`      // URL of the S3 service; URL of another service than Google's or Azure's own; for http the text before each name, "" = https://
	Region      string        `koanf:"region"`        // S3 region
	Slash       bool          `koanf:"leading_slash"` // keys of S3 objects begin with a slash, as thumbor-aws writes them
	Hosts       []string      `koanf:"hosts"`         // hosts that http may read from: host, *.domain, host:port, or * for all; other hosts are refused
	Allow       []string      `koanf:"allow"`         // private networks that http may read from
	Verify      string        `koanf:"verify"`        // always or never: renderers compare each original with the MD5 from its store; "" = always without TLS, else never
}

// Named returns the name of the bucket or of the container.
func (b Bucket) Named() string {
	if b.Bucket != "" {
		return b.Bucket
	}
	return b.Container
}

// Verifies reports whether renderers compare originals with the MD5 from this store. The
// default is true for services without TLS, where nothing else notices a changed bit.
func (b Bucket) Verifies() bool {
	if b.Verify != "" {
		return b.Verify == VerifyAlways
	}
	return b.Kind == "swift" && !overTLS(b.AuthURL) || b.Kind != "http" && b.Endpoint != "" && !overTLS(b.Endpoint)
}

// The values of Bucket.Verify.
const (
	VerifyAlways = "always"
	VerifyNever  = "never"
)

func overTLS(address string) bool { return strings.HasPrefix(strings.ToLower(address), "https://") }

// Scheme returns http:// or https:// for a store of kind http whose names are whole URLs, with
// or without their scheme. It returns "" for other kinds, and for a store with an endpoint.
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

// Loader is one more store of originals, chosen by the start of their names.
type Loader struct {
	For    string `koanf:"for"` // start of the names of originals in this store: s3/, https://
	Bucket Bucket `koanf:",squash"`
}

// NameBuckets writes the names of buckets into Container, which the stores read.
func (s *Store) NameBuckets() {
	all := []*Bucket{&s.Originals, &s.Thumbnails}
	for i := range s.Loaders {
		all = append(all, &s.Loaders[i].Bucket)
	}
	for _, b := range all {
		if b.Bucket != "" {
			b.Container, b.Bucket = b.Bucket, ""
		}
	}
}
