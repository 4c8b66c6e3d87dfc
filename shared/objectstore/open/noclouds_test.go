//go:build !clouds

package open

import (
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Programs without the libraries of Google and Azure say how to get them.
func TestStoresThatAreNotBuilt(t *testing.T) {
	for _, kind := range []string{"gcs", "azure"} {
		s := settings.Default()
		s.Store.Originals = storeconfig.Bucket{Kind: kind, Container: "pictures", User: "u"}
		if _, err := New(s); err == nil || !strings.Contains(err.Error(), "store.originals: kind "+kind) || !strings.Contains(err.Error(), "TAGS=clouds") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
