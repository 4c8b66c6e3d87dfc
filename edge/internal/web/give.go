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

const maxRanges = 5 // of one request; each costs a header of its own

// writeThumbnail writes a thumbnail; http.ServeContent does conditions and ranges.
func (x *exchange) writeThumbnail(t obtain.Thumb, asked target.Target) {
	x.outcome = string(t.Source)
	content := io.ReadSeeker(t.Object)
	if t.Object == nil {
		content = bytes.NewReader(t.Image)
	} else {
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
	if t.Meta.ETag != "" { // as of an original whose server tells no version
		x.setHeader("Etag", `"`+t.Meta.ETag+`"`)
	}
	x.setHeader("Cache-Control", x.cacheControl(asked))
	x.setHeader("X-Content-Type-Options", "nosniff")
	if t.Source == obtain.Nearest { // not what was asked for: nobody may keep it
		x.setHeader("Cache-Control", "no-store")
		x.setHeader("Thumbmill-Nearest", nearestSize(t, asked))
	}
	if t.Unsure && asked.MaxAge > x.handler.settings.Edge.Revalidate && !asked.Private {
		x.setHeader("Cache-Control", control(x.handler.settings.Edge, x.handler.settings.Edge.Revalidate))
	}
	if t.Passing {
		x.setHeader("Cache-Control", "no-store")
	}
	if couldBeScript(t.Meta.ContentType) {
		x.setHeader("Content-Security-Policy", noScripts)
	}
	if asked.Stored != nil {
		x.asStored(asked, content)
	}
	if asked.Wiki {
		x.addWikiHeaders(asked)
	}
	if t.Image != nil && unconditional(x.r.Header) {
		x.writeWhole(t)
		return
	}
	http.ServeContent(x.w, x.r, "", t.Meta.Rendered, content)
}

// whole is an object's content for as long as it is written: HTTP/2 may still read it
// when a stream ends before its frame is written, and the object's memory is used again.
func (x *exchange) whole(object *objectstore.Whole) []byte {
	if x.r.ProtoMajor == 1 {
		return object.Bytes()
	}
	return bytes.Clone(object.Bytes())
}

// conditions are the headers for which http.ServeContent looks.
var conditions = []string{"Range", "If-None-Match", "If-Modified-Since", "If-Range", "If-Match", "If-Unmodified-Since"}

func unconditional(header http.Header) bool {
	return !slices.ContainsFunc(conditions, func(name string) bool { return len(header[name]) > 0 })
}

// writeWhole is http.ServeContent for what is in memory and wanted whole, without the
// buffer that it copies through.
func (x *exchange) writeWhole(t obtain.Thumb) {
	x.setHeader("Accept-Ranges", "bytes")
	x.setHeader("Content-Length", strconv.Itoa(len(t.Image)))
	if !t.Meta.Rendered.IsZero() {
		x.setHeader("Last-Modified", t.Meta.Rendered.UTC().Format(http.TimeFormat))
	}
	x.w.WriteHeader(http.StatusOK)
	if x.r.Method != http.MethodHead {
		_ = front.WriteWhole(x.w, x.r, t.Image) // the client left
	}
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
		patience := front.WriteSlack + time.Duration(size/slowest)*time.Second
		_ = http.NewResponseController(x.w).SetWriteDeadline(x.began.Add(patience))
	}
}

// addWikiHeaders adds what Wikimedia's caches and tools look for.
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
	if t.MaxAge == x.handler.settings.Edge.MaxAge {
		return x.handler.control
	}
	return control(x.handler.settings.Edge, t.MaxAge)
}

// control is Cache-Control of what may be kept for a time.
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
