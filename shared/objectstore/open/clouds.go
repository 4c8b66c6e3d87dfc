//go:build clouds

package open

import (
	"context"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/blobstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
)

// cloud opens a store of Google Cloud Storage or Azure.
func cloud(b storeconfig.Bucket) (objectstore.Store, error) {
	return blobstore.New(context.Background(), b)
}
