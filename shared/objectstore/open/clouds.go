//go:build clouds

package open

import (
	"context"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/blobstore"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// cloud opens a store of Google Cloud Storage or Azure.
func cloud(b settings.Bucket) (objectstore.Store, error) {
	return blobstore.New(context.Background(), b)
}
