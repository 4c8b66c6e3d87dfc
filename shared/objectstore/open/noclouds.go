//go:build !clouds

package open

import (
	"fmt"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
)

// cloud returns an error that says how to get a program with these stores.
func cloud(b storeconfig.Bucket) (objectstore.Store, error) {
	return nil, fmt.Errorf("kind %s: this program is built without it: build it with `make build TAGS=clouds`, "+
		"or for Google Cloud Storage set kind to s3, endpoint to https://storage.googleapis.com, and user and key to an HMAC key", b.Kind)
}
