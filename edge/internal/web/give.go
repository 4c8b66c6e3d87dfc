package web

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/front"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// maxRanges bounds the ranges of a request, because each costs a header in the answer. A request with
// more ranges gets the whole thumbnail.
const maxRanges = 5

// writeThumbnail writes a thumbnail. http.ServeContent handles conditions and ranges.
func (x *exchange) writeThumbnail(t obtain.Thumb, asked target.Target) {
	x.outcome = string(t.Source)
	if t.Object != nil {
		defer func() { _ = t.Object.Close() }()
		if whole, ok := t.Object.(*objectstore.Whole); ok {
			t.Image = x.whole(whole)
		}
	}
	if strings.Count(x.r.Header.Get("Range"), ",") >= maxRanges {
		x.r.Header.Del("Range")
	}
	x.setHeader("Content-Type", t.Meta.ContentType)
	x.setHeader("Content-Disposition", disposition(asked, t.Meta.ContentType))
	if t.Meta.ETag != "" { // "" for an original without a version
		x.setHeader("Etag", `"`+t.Meta.ETag+`"`)
	}
	if t.Unsure {
		asked.MaxAge = min(asked.MaxAge, x.handler.settings.Edge.Revalidate)
	}
	x.setHeader("Cache-Control", x.cacheControl(asked))
	x.setHeader("X-Content-Type-Options", "nosniff")
	if t.Source == obtain.Nearest { // no cache may keep another size than the requested one
		x.setHeader("Cache-Control", "no-store")
		x.setHeader("Thumbmill-Nearest", nearestSize(t, asked))
	}
	if t.Passing {
		x.setHeader("Cache-Control", "no-store")
	}
	if couldBeScript(t.Meta.ContentType) {
		x.setHeader("Content-Security-Policy", noScripts)
	}
	if asked.Stored != nil {
		x.asStored(asked, contentOf(t))
	}
	if asked.Wiki {
		x.addWikiHeaders(asked)
	}
	if t.Image != nil && unconditional(x.r.Header) {
		x.writeWhole(t)
		return
	}
	http.ServeContent(x.w, x.r, "", t.Meta.Rendered, contentOf(t))
}

func contentOf(t obtain.Thumb) io.ReadSeeker {
	if t.Object == nil {
		return bytes.NewReader(t.Image)
	}
	return t.Object
}

// whole returns an object's content, which stays valid while the server writes it. HTTP/2 may read
// the content after the handler has returned, when the object's memory is in use again; there whole
// returns a copy.
func (x *exchange) whole(object *objectstore.Whole) []byte {
	if x.r.ProtoMajor == 1 {
		return object.Bytes()
	}
	return bytes.Clone(object.Bytes())
}

// conditions are the request headers that http.ServeContent reads.
var conditions = []string{"Range", "If-None-Match", "If-Modified-Since", "If-Range", "If-Match", "If-Unmodified-Since"}

func unconditional(header http.Header) bool {
	return !slices.ContainsFunc(conditions, func(name string) bool { return len(header[name]) > 0 })
}

// writeWhole writes a whole picture from memory, as http.ServeContent would, without a copy through a
// buffer.
func (x *exchange) writeWhole(t obtain.Thumb) {
	x.setHeader("Accept-Ranges", "bytes")
	x.setHeader("Content-Length", strconv.Itoa(len(t.Image)))
	if !t.Meta.Rendered.IsZero() {
		x.setHeader("Last-Modified", t.Meta.Rendered.UTC().Format(http.TimeFormat))
	}
	x.w.WriteHeader(http.StatusOK)
	if x.r.Method != http.MethodHead {
		_ = front.WriteWhole(x.w, x.r, t.Image) // an error means that the client left
	}
}

// noScripts is a policy under which a browser shows a picture and runs no scripts.
const noScripts = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

// couldBeScript reports whether an answer could run scripts in a browser. A bitmap with nosniff
// cannot; any other content type could.
func couldBeScript(contentType string) bool {
	return !strings.HasPrefix(contentType, "image/") || strings.HasPrefix(contentType, "image/svg")
}

// nearestSize returns the size of the other thumbnail as in a URL: 330x0.
func nearestSize(t obtain.Thumb, asked target.Target) string {
	width, height, _ := asked.Kin.Size(t.Key.Path)
	return strconv.Itoa(width) + "x" + strconv.Itoa(height)
}

// slowest is the least rate of a client that reads an original, in bytes a second.
const slowest = 100 << 10

// asStored sets the headers and the deadline for an uploaded file. The file may be a script, which
// must not run under this host's name.
func (x *exchange) asStored(t target.Target, content io.Seeker) {
	header := x.w.Header()
	header.Set("Content-Type", contentType(t.Stored.Path))
	header.Set("Content-Security-Policy", noScripts)
	if size, err := content.Seek(0, io.SeekEnd); err == nil { // as http.ServeContent does
		patience := front.WriteSlack + time.Duration(size/slowest)*time.Second
		_ = http.NewResponseController(x.w).SetWriteDeadline(x.began.Add(patience))
	}
}

// addWikiHeaders adds the headers that Wikimedia's caches and tools read.
func (x *exchange) addWikiHeaders(t target.Target) {
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
	if !t.Expires.IsZero() && t.Expires.Sub(x.began) < t.MaxAge+stale(x.handler.settings.Edge) {
		return "public, max-age=" + seconds(min(t.MaxAge, t.Expires.Sub(x.began))) // and no stale answer after the end
	}
	if t.MaxAge == x.handler.settings.Edge.MaxAge {
		return x.handler.control
	}
	return control(x.handler.settings.Edge, t.MaxAge)
}

// stale returns the longest time after its age in which a cache may serve an answer.
func stale(e settings.Edge) time.Duration { return max(e.StaleWhileRevalidate, e.StaleIfError) }

// control returns the Cache-Control of an answer that caches may keep for age.
func control(e settings.Edge, age time.Duration) string {
	text := "public, max-age=" + seconds(age)
	if e.StaleWhileRevalidate > 0 && age > 0 {
		text += ", stale-while-revalidate=" + seconds(e.StaleWhileRevalidate)
	}
	if e.StaleIfError > 0 && age > 0 {
		text += ", stale-if-error=" + seconds(e.StaleIfError)
	}
	return text
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
