package storeconfig

import "testing"

// An original is compared with its store's MD5 where nothing else would notice a changed bit.
func TestVerifies(t *testing.T) {
	for name, k := range map[string]struct {
		bucket Bucket
		want   bool
	}{
		"a directory":                   {Bucket{Kind: "directory"}, false},
		"Swift":                         {Bucket{Kind: "swift", AuthURL: "http://swift/auth/v1.0"}, true},
		"Swift over TLS":                {Bucket{Kind: "swift", AuthURL: "https://swift/auth/v1.0"}, false},
		"S3":                            {Bucket{Kind: "s3", Endpoint: "http://s3"}, true},
		"Google's own service":          {Bucket{Kind: "gcs"}, false},
		"another Azure without TLS":     {Bucket{Kind: "azure", Endpoint: "http://azurite"}, true},
		"S3 over TLS":                   {Bucket{Kind: "s3", Endpoint: "HTTPS://s3"}, false},
		"other sites tell none":         {Bucket{Kind: "http", Endpoint: "http://"}, false},
		"never, as somebody said":       {Bucket{Kind: "s3", Endpoint: "http://s3", Verify: VerifyNever}, false},
		"always, over TLS as elsewhere": {Bucket{Kind: "s3", Endpoint: "https://s3", Verify: VerifyAlways}, true},
	} {
		if got := k.bucket.Verifies(); got != k.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
