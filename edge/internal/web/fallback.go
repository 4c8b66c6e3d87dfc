package web

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/thumbmill/thumbmill/edge/internal/front"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// fallbackFor returns the picture in place of a fault, and whether rendering it can succeed now.
func (h *Handler) fallbackFor(kind fault.Kind) (picture settings.FallbackPicture, render bool) {
	switch kind {
	case fault.Absent:
		return h.settings.Fallback.Absent, true
	case fault.Failing, fault.Unsupported, fault.Undecodable, fault.TooLarge, fault.Overran, fault.WorkerKilled, fault.OriginalStore:
		return h.settings.Fallback.Failing, true
	case fault.Throttled, fault.LaneFull, fault.NoRenderer, fault.Lost, fault.ThumbStore, fault.Unavailable, fault.Deadline:
		return h.settings.Fallback.Refused, false
	}
	return settings.FallbackPicture{}, false
}

// largestFallback bounds a fallback picture that is served from a store, in bytes.
const largestFallback = 16 << 20

// writeFallback answers with the picture in place of a fault, if the settings name one that can be had. The headers of
// the refusal stay.
func (x *exchange) writeFallback(f *fault.Fault) bool {
	picture, render := x.handler.fallbackFor(f.Kind)
	if picture.Image == "" || x.asked == nil || x.asked.Stored != nil || x.private || prefersJSON(x.r.Header.Get("Accept")) {
		return false
	}
	ctx, cancel := context.WithDeadline(x.r.Context(), x.began.Add(x.handler.settings.Edge.Deadline))
	defer cancel()
	thumb, ok := x.fallback(ctx, picture.Image, render)
	if !ok {
		return false
	}
	if picture.MaxAge > 0 {
		x.setHeader("Cache-Control", "public, max-age="+seconds(picture.MaxAge))
	}
	x.w.Header().Add("Vary", "Accept") // a client that prefers JSON gets no picture
	x.setHeader("Thumbmill-Fallback", string(f.Kind))
	x.setHeader("Content-Type", thumb.Meta.ContentType)
	x.setHeader("X-Content-Type-Options", "nosniff")
	if couldBeScript(thumb.Meta.ContentType) {
		x.setHeader("Content-Security-Policy", noScripts)
	}
	x.setHeader("Content-Length", strconv.Itoa(len(thumb.Image)))
	x.w.WriteHeader(cmp.Or(picture.Status, f.Kind.Traits().Status))
	if x.r.Method != http.MethodHead {
		_ = front.WriteWhole(x.w, x.r, thumb.Image) // an error means that the client left
	}
	return true
}

// fallback returns the picture in the size of the URL. When renderers cannot draw it now, fallback returns a stored size,
// or the picture as it is.
func (x *exchange) fallback(ctx context.Context, image string, render bool) (thumb obtain.Thumb, ok bool) {
	t, err := x.handler.grammar.InPlace(*x.asked, image)
	if err != nil || t.Private {
		return thumb, false
	}
	thumb, ok = x.handler.obtainer.AtHand(ctx, t)
	switch {
	case ok:
	case render:
		thumb, err = x.handler.obtainer.Obtain(ctx, obtain.Request{ID: x.id, Trace: x.traceHeader(), Client: x.client.Key, Target: t, Looked: true})
	default:
		thumb, err = x.handler.obtainer.Original(ctx, t.Spec.Original)
		thumb.Meta.ContentType = contentType(t.Spec.Original.Path)
	}
	if err != nil {
		return thumb, false
	}
	return inMemory(thumb)
}

// inMemory reads a thumbnail's object; ok is false for one that cannot be read, or is larger than largestFallback.
func inMemory(thumb obtain.Thumb) (read obtain.Thumb, ok bool) {
	if thumb.Object == nil {
		return thumb, true
	}
	defer func() { _ = thumb.Object.Close() }()
	image, err := io.ReadAll(io.LimitReader(thumb.Object, largestFallback+1))
	thumb.Image = image
	return thumb, err == nil && len(image) <= largestFallback
}
