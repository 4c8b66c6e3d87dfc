package swiftstore

import (
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// The metadata of a thumbnail, beside Swift's own headers.
const (
	headerSpec     = "X-Object-Meta-Spec-" // with the number of a part
	headerDigest   = "X-Object-Meta-Spec-Digest"
	headerRules    = "X-Object-Meta-Rules"
	headerOriginal = "X-Object-Meta-Original-Version"
	headerRendered = "X-Object-Meta-Rendered"
	headerSides    = "X-Object-Meta-Sides"
	headerXKey     = "X-Object-Meta-Xkey"
	headerDisp     = "Content-Disposition"
	// headerPlainXKey reaches a CDN in front of Swift itself. Swift drops it unless its object servers'
	// allowed_headers list it.
	headerPlainXKey = "Xkey"
	headerExpiry    = "X-Delete-After"
)

func headers(meta objectstore.Meta, size int) swift.Headers {
	h := swift.Headers{
		"Content-Length": strconv.Itoa(size),
		headerDigest:     meta.SpecDigest,
		headerRules:      strconv.Itoa(meta.Rules),
		headerOriginal:   meta.OriginalVersion,
		headerRendered:   meta.Rendered.UTC().Format(time.RFC3339),
		headerXKey:       meta.XKey,
		headerPlainXKey:  meta.XKey,
		headerDisp:       meta.Disposition,
	}
	if sides := meta.Sides.Text(); sides != "" {
		h[headerSides] = sides
	}
	for i, part := range objectstore.SpecParts(meta.Spec) {
		h[headerSpec+strconv.Itoa(i)] = part
	}
	return h
}

func info(h swift.Headers) objectstore.Info {
	size, _ := strconv.ParseInt(h["Content-Length"], 10, 64)
	modified, _ := http.ParseTime(h["Last-Modified"])
	rules, _ := strconv.Atoi(h[headerRules])
	rendered, _ := time.Parse(time.RFC3339, h[headerRendered])
	etag := strings.Trim(h["Etag"], `"`)
	found := objectstore.Info{
		Size: size, Modified: modified, Version: etag, MD5: etag,
		Meta: objectstore.Meta{
			ContentType: h["Content-Type"], ETag: etag, Disposition: h[headerDisp], XKey: h[headerXKey], Spec: objectstore.JoinSpec(func(i int) string { return h[headerSpec+strconv.Itoa(i)] }),
			SpecDigest: h[headerDigest], Rules: rules, OriginalVersion: h[headerOriginal], Rendered: rendered,
			Sides: objectstore.ReadSides(h[headerSides]),
		},
	}
	if h["X-Static-Large-Object"] != "" || h["X-Object-Manifest"] != "" {
		found.MD5 = "" // the ETag is the MD5 of the segments' ETags
	}
	return found
}

// expires reports whether a thumbnail is in the share that Swift deletes. The name decides: a thumbnail
// that is rendered again stays in or out.
func (s *Store) expires(at thumbnail.Location) bool {
	const lots = 1 << 16
	return s.expire > 0 && float64(crc32.ChecksumIEEE([]byte(at.String()))%lots) < s.share*lots
}

// expiry returns the value of X-Delete-After in seconds.
func (s *Store) expiry() string { return fmt.Sprint(int64(s.expire.Seconds())) }
