package web

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/target"
)

const maxRanges = 5 // of one request; each costs a header of its own

// give writes a thumbnail; http.ServeContent does conditions and ranges.
func (x *exchange) give(t obtain.Thumb, asked target.Target) {
	x.outcome = string(t.Source)
	content := io.ReadSeeker(bytes.NewReader(t.Image))
	if t.Object != nil {
		defer func() { _ = t.Object.Close() }()
		content = t.Object
	}
	if strings.Count(x.r.Header.Get("Range"), ",") >= maxRanges {
		x.r.Header.Del("Range")
	}
	header := x.w.Header()
	header.Set("Content-Type", t.Meta.ContentType)
	header.Set("Content-Disposition", disposition(asked, t.Meta.ContentType))
	header.Set("Etag", strconv.Quote(t.Meta.ETag))
	header.Set("Cache-Control", x.cacheControl(asked))
	header.Set("X-Content-Type-Options", "nosniff")
	if t.Source == obtain.Nearest { // not what was asked for: nobody may keep it
		header.Set("Cache-Control", "no-store")
		header.Set("Thumbmill-Nearest", nearestSize(t, asked))
	}
	if couldBeScript(t.Meta.ContentType) {
		header.Set("Content-Security-Policy", noScripts)
	}
	header.Set("Xkey", target.Printable(asked.XKey))
	if asked.Stored != nil {
		x.asStored(asked, content)
	}
	if asked.Wiki {
		x.wiki(asked)
	}
	http.ServeContent(x.w, x.r, "", t.Meta.Rendered, content)
}

// noScripts is a policy under which a browser shows a picture and does nothing else.
const noScripts = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

// couldBeScript is true of all that is no bitmap: a bitmap of the formats that are
// rendered here cannot be one, with nosniff.
func couldBeScript(contentType string) bool {
	return !strings.HasPrefix(contentType, "image/") || strings.HasPrefix(contentType, "image/svg")
}

// nearestSize is the size that is given instead, as the URL would have it: 330x0.
func nearestSize(t obtain.Thumb, asked target.Target) string {
	width, height, _ := asked.Kin.Size(t.Key.Path)
	return strconv.Itoa(width) + "x" + strconv.Itoa(height)
}

// slowest is how many bytes a second a client must take of an original.
const slowest = 100 << 10

// asStored serves what was uploaded: a script of somebody's, for all we know, which
// must not run in this host's name.
func (x *exchange) asStored(t target.Target, content io.Seeker) {
	header := x.w.Header()
	header.Set("Content-Type", contentType(t.Stored.Path))
	header.Set("Content-Security-Policy", noScripts)
	if size, err := content.Seek(0, io.SeekEnd); err == nil { // as http.ServeContent does
		patience := writeSlack + time.Duration(size/slowest)*time.Second
		_ = http.NewResponseController(x.w).SetWriteDeadline(x.began.Add(patience))
	}
}

// wiki adds what Wikimedia's caches and tools look for.
func (x *exchange) wiki(t target.Target) {
	header := x.w.Header()
	if x.download() {
		header.Set("Content-Disposition", strings.Replace(t.Disposition, "inline", "attachment", 1))
	}
	original := t.Spec.Original
	if t.Stored != nil {
		original = *t.Stored
	} else {
		header.Set("Thumbor-Wikimedia-Thumbnail-Container", target.Printable(t.Key.Container))
		header.Set("Thumbor-Wikimedia-Thumbnail-Path", target.Printable(t.Key.Path))
	}
	header.Set("Thumbor-Wikimedia-Original-Container", target.Printable(original.Container))
	header.Set("Thumbor-Wikimedia-Original-Path", target.Printable(original.Path))
}

func (x *exchange) cacheControl(t target.Target) string {
	if t.Private {
		return "private, no-store"
	}
	control := "public, max-age=" + seconds(t.MaxAge)
	if stale := x.settings.Edge.StaleWhileRevalidate; stale > 0 && t.MaxAge > 0 {
		control += ", stale-while-revalidate=" + seconds(stale)
	}
	if stale := x.settings.Edge.StaleIfError; stale > 0 && t.MaxAge > 0 {
		control += ", stale-if-error=" + seconds(stale)
	}
	return control
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
