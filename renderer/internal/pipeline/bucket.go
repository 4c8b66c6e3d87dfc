package pipeline

import (
	"context"
	"crypto/md5" //nolint:gosec // ETags are MD5, as in Swift
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// paysFrom is the number of pixels from which a bucket pays, for pictures that a decoder cannot
	// shrink while it loads them. BenchmarkBucket measured TIFFs.
	paysFrom = 10_000_000
	// maxBucketBytes bounds the bytes of a bucket; no usual bucket is as large.
	maxBucketBytes = 64 << 20
)

// bucketOf is a job's knowledge of its bucket.
type bucketOf struct {
	looked  bool          // the job looked for the bucket in the store
	useless bool          // the bucket is in the store, but too narrow
	makes   bool          // the job makes the bucket before the thumbnail
	made    engine.Result // the bucket that the job made
}

// bucketFirst reports whether the job looks for the bucket before it fetches the original.
func (j *job) bucketFirst() bool {
	likely := j.job.BucketSeen || j.job.Slow || j.job.Lane == renderjob.LaneExpensive
	return likely && j.job.Bucket > 0 && j.job.OriginalVersion != ""
}

// bucketPays decides whether the job makes a bucket: the original must take long to draw, and its
// version must be the job's. It reports whether the job must look for the bucket in the store now.
func (j *job) bucketPays(h guard.Header, version string) bool {
	upright := geometry.Size{Width: h.Width, Height: h.Height}
	if !j.job.Spec.AsStored {
		upright = upright.Turned(h.Orientation)
	}
	narrow := upright.Width > 0 && upright.Width <= j.job.Bucket
	still := h.Frames <= 1 && !h.Sequence
	pays := j.job.Bucket > 0 && version != "" && version == j.job.OriginalVersion && still && !narrow && takesLong(h)
	j.bucket.makes = pays && !j.bucket.useless
	return j.bucket.makes && !j.bucket.looked
}

// takesLong reports whether an original takes long to draw even as a small thumbnail.
func takesLong(h guard.Header) bool {
	switch h.Type {
	case thumbnail.TypePDF, thumbnail.TypeDjVu, thumbnail.TypeXCF, thumbnail.TypeVideo:
		return true
	case thumbnail.TypeJPEG, thumbnail.TypePNG: // a decoder shrinks a JPEG while it loads; a PNG's bucket is a PNG, which also takes long
		return h.Area() > lanes.LongArea
	}
	return h.Area() >= paysFrom
}

// bucketIsGone reports whether the coordinator admitted the job to the standard lane because of its
// bucket. process calls it when the bucket is unusable: the job then belongs to the expensive lane.
func (j *job) bucketIsGone() bool {
	return j.job.BucketSeen && j.job.Lane == renderjob.LaneStandard
}

// renderFromBucket answers the job from the bucket in the store, if look is set and the bucket is
// there. over is false if the job must render the original. An error of a bucket is only counted, and
// the job renders the original.
func (j *job) renderFromBucket(ctx context.Context, drain <-chan struct{}, look bool) (over bool, err error) {
	if !look {
		return false, nil
	}
	j.bucket.looked = true
	from, failed, err := j.openBucketAside(ctx, drain)
	switch {
	case err != nil:
		return true, err
	case j.bucket.useless:
		j.countBucket("narrow", failed)
		return false, nil
	case failed != nil:
		j.countBucket("failed", failed)
		return false, nil
	}
	if from == nil {
		return false, nil
	}
	defer from.free()
	j.now.Store("waits for a slot")
	if err := j.slots.acquire(ctx, drain); err != nil {
		return true, err
	}
	began := time.Now()
	j.now.Store("render")
	result, err := j.attempt(ctx, from.spec, from.source, nil)
	j.slots.release()
	j.step(ctx, "render", began)
	if err != nil {
		j.countBucket("failed", err)
		return ctx.Err() != nil, err
	}
	j.countBucket("used", nil)
	j.release() // siblings look for their own buckets
	j.note(result, time.Since(began))
	j.answer(ctx, result.Image, j.job.OriginalVersion, j.delivery.Place.Store(int64(len(result.Image))))
	return true, nil
}

func (j *job) countBucket(outcome string, err error) {
	j.metrics.bucket.WithLabelValues(outcome).Inc()
	if err != nil {
		j.log.Debug("skip a bucket", "original", j.job.Spec.Original, "outcome", outcome, "error", err)
	}
}

// fromBucket has the source of a render from a bucket, and the spec to draw.
type fromBucket struct {
	source engine.Source
	spec   thumbnail.Spec
}

func (f *fromBucket) free() { _ = f.source.File.Close() }

// openBucket reads the bucket from the store. It returns nil without an error if the bucket is absent
// or made from another version. It returns errNarrow and sets j.bucket.useless if the bucket is too
// narrow.
func (j *job) openBucket(ctx context.Context) (*fromBucket, error) {
	b := bucket.Of(j.job.Spec, j.job.Key, j.job.Bucket)
	object, info, err := j.thumbnails.Open(ctx, b.Key)
	if errors.Is(err, objectstore.ErrNotFound) {
		j.countBucket("absent", nil)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = object.Close() }()
	if !b.IsIn(info.Meta, j.job.OriginalVersion) {
		j.countBucket("absent", nil)
		return nil, nil
	}
	if info.Size > maxBucketBytes {
		return nil, fmt.Errorf("the bucket has %d bytes: at most %d bytes are allowed", info.Size, maxBucketBytes)
	}
	image := make([]byte, info.Size)
	if _, err := io.ReadFull(object, image); err != nil {
		return nil, err
	}
	if sum := md5.Sum(image); info.MD5 != "" && hex.EncodeToString(sum[:]) != info.MD5 { //nolint:gosec // stores give the MD5, no secret
		return nil, errors.Join(errDamaged, j.thumbnails.Delete(ctx, b.Key))
	}
	from, err := j.readBucket(image, info.Meta.Sides)
	j.bucket.useless = errors.Is(err, errNarrow)
	return from, err
}

// errDamaged says that a disk or a power failure changed the bucket. The job deletes it, draws the original, and may make
// the bucket again.
var errDamaged = errors.New("the bucket does not have the MD5 that its store tells")

// errNarrow says that a bucket is not wide enough for the thumbnail, because the page is small.
var errNarrow = errors.New("the bucket is not wide enough for the thumbnail")

// readBucket returns a bucket as a file in memory, with the spec that draws the thumbnail from the
// bucket. sides are the original's. The caller frees the result.
func (j *job) readBucket(image []byte, sides objectstore.Sides) (*fromBucket, error) {
	file, err := worker.MemoryFile(image)
	if err != nil {
		return nil, err
	}
	h, err := guard.Inspect(file, int64(len(image)), thumbnail.TypeJPEG, j.maxOriginalPixels)
	var spec thumbnail.Spec
	if err == nil {
		spec, err = reduced(j.job.Spec, sides, h, j.job.Bucket)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	h.Original = j.job.Spec.Type
	h.Indexed = h.Indexed || isDrawn(h.Original)
	return &fromBucket{engine.Source{Header: h, File: file}, spec}, nil
}

// isDrawn reports whether a tool draws originals of a type as bare pixels. libvips scales such pixels
// as it scales drawings.
func isDrawn(t thumbnail.Type) bool {
	return t == thumbnail.TypePDF || t == thumbnail.TypeDjVu || t == thumbnail.TypeVideo
}

// reduced returns the spec that draws a thumbnail from its bucket with the header h. The thumbnail has
// the same size as a thumbnail from the original, whose sides are given. asked is the requested width of
// the bucket. It returns an error if the bucket is too narrow, or if the thumbnail does not show the
// whole original.
func reduced(s thumbnail.Spec, sides objectstore.Sides, h guard.Header, asked int) (thumbnail.Spec, error) {
	size, ok := sizeOf(s, sides)
	if !ok {
		return s, errors.New("the thumbnail does not show the whole picture")
	}
	whole := h.Width < asked // the bucket has the original's own size
	if h.Width < size.Width || !whole && h.Width < bucket.LeastRatio*size.Width {
		return s, errNarrow
	}
	if s.Format == thumbnail.FormatAuto { // the bucket has the format that suits the original
		format, _ := thumbnail.ParseFormat(string(h.Type))
		s.Prefer = append(slices.Clone(s.Prefer), format)
	}
	s.Width, s.Height, s.Fit, s.Stretch, s.Page, s.FirstFrame, s.Lang = size.Width, size.Height, thumbnail.FitCover, true, 0, false, ""
	return s, nil
}

// sizeOf returns the size of a thumbnail of an original with these sides. ok is false if the thumbnail
// does not show the whole original, or if the sides are unknown.
func sizeOf(s thumbnail.Spec, sides objectstore.Sides) (size geometry.Size, ok bool) {
	width, height, whole := sides.Whole()
	if !whole || s.Type == thumbnail.TypePDF { // tools draw a page as a raster of the same proportions
		return geometry.Size{Width: s.Width, Height: geometry.HeightOf(s, sides)}, sides.Known() && s.Height == 0
	}
	plan := geometry.New(s, geometry.Size{Width: width, Height: height})
	return plan.Size(), plan.Size() == plan.Scaled && plan.Crop == geometry.Rect{Width: width, Height: height}
}

// draw renders the thumbnail. If j.bucket.makes is set, it makes the bucket first, and renders the
// thumbnail from the bucket. If the bucket fails, draw renders the thumbnail from the original.
func (j *job) draw(ctx context.Context, original engine.Source, overlays []engine.Source) (engine.Result, error) {
	if !j.bucket.makes {
		return j.attempt(ctx, j.job.Spec, original, overlays)
	}
	b := bucket.Of(j.job.Spec, j.job.Key, j.job.Bucket)
	made, err := j.attempt(ctx, b.Spec, original, nil)
	if errors.Is(err, intake.ErrSlow) || worker.Exceeded(err) || ctx.Err() != nil {
		return made, err
	}
	var result engine.Result
	if err == nil {
		result, err = j.drawFrom(ctx, made)
	}
	result.CPU += made.CPU
	if err == nil {
		result.Engine, result.Sides = made.Engine, made.Sides
		return result, nil
	}
	j.countBucket("failed", err)
	spent := result.CPU
	result, err = j.attempt(ctx, j.job.Spec, original, overlays)
	result.CPU += spent
	return result, err
}

// drawFrom renders the thumbnail from a bucket that was just made. It keeps the bucket in
// j.bucket.made, to be stored with the thumbnail. A narrow bucket is stored too, so that no job makes
// the bucket again.
func (j *job) drawFrom(ctx context.Context, made engine.Result) (engine.Result, error) {
	if len(made.Image) > maxBucketBytes || !made.Sides.Known() {
		return engine.Result{}, fmt.Errorf("the bucket has %d bytes and the sides %v: it must have at most %d bytes and known sides", len(made.Image), made.Sides, maxBucketBytes)
	}
	j.bucket.made = made
	from, err := j.readBucket(made.Image, made.Sides)
	if err != nil {
		return engine.Result{}, err
	}
	defer from.free()
	return j.attempt(ctx, from.spec, from.source, nil)
}

// storeBucket writes the bucket that the job made, if it made one. It only counts an error, because the
// thumbnail does not depend on the bucket.
func (j *job) storeBucket(ctx context.Context, version string) {
	made := j.bucket.made
	if made.Image == nil {
		return
	}
	b := bucket.Of(j.job.Spec, j.job.Key, j.job.Bucket)
	sum := md5.Sum(made.Image) //nolint:gosec // ETags are MD5, as in Swift
	spec, digest := b.Spec.CanonicalAndDigest()
	meta := objectstore.Meta{
		ContentType: made.Format.ContentType(), ETag: hex.EncodeToString(sum[:]), XKey: j.job.XKey, SpecDigest: digest,
		Rules: thumbnail.RulesVersion, OriginalVersion: version, Rendered: j.result.RenderedAt, Sides: made.Sides,
	}
	if len(spec) <= objectstore.MaxSpec {
		meta.Spec = spec
	}
	if err := j.thumbnails.Put(ctx, b.Key, made.Image, meta); err != nil {
		j.countBucket("unstored", err)
		return
	}
	j.countBucket("made", nil)
}

// takeBackBucket deletes the bucket that the job stored, if it stored one.
func (j *job) takeBackBucket(ctx context.Context) {
	if j.bucket.made.Image == nil {
		return
	}
	b := bucket.Of(j.job.Spec, j.job.Key, j.job.Bucket)
	if err := j.thumbnails.Delete(ctx, b.Key); err != nil {
		j.log.Error("delete a stale bucket", "key", b.Key, "error", err)
	}
}
