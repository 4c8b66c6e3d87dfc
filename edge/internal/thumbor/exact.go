package thumbor

import (
	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// hasBucket reports whether a renderer could render the thumbnail from a bucket. Otherwise the filter
// exact() changes nothing, and the spec leaves it out.
func (t *Parser) hasBucket(s thumbnail.Spec) bool {
	s.Exact = false
	return bucket.Width(s, t.settings.Render.Buckets) > 0
}
