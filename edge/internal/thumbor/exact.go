package thumbor

import (
	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// hasBucket reports whether a thumbnail could be rendered from a larger one: else exactness
// changes nothing, and is left out of the spec.
func (t *Parser) hasBucket(s thumbnail.Spec) bool {
	s.Exact = false
	return bucket.Width(s, t.settings.Render.Buckets) > 0
}
