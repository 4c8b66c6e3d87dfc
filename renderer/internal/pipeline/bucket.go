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
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// paysFrom is the number of pixels from which a bucket pays of a picture that its decoder
	// cannot shrink while it loads. TIFFs: BenchmarkBucket.
	paysFrom = 10_000_000
	// maxBucketBytes is more than any bucket has.
	maxBucketBytes = 64 << 20
)

// bucketOf is what a job knows of its bucket.
type bucketOf struct {
	looked  bool // for it, in the store
	useless bool // it is there, and not wide enough
	makes   bool // it, before the thumbnail
	made    engine.Result
}

// bucketFirst reports whether the bucket is looked for before the original is fetched.
func (j *job) bucketFirst() bool {
	likely := j.job.BucketSeen || j.job.Slow || j.job.Lane == renderjob.LaneExpensive
	return likely && j.job.Bucket > 0 && j.job.OriginalVersion != ""
}

// bucketPays reports whether the original takes long enough for a bucket, now that it is
// here: such a bucket is made when it is not there.
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

// takesLong reports whether an original takes long to draw whatever the thumbnail's size.
func takesLong(h guard.Header) bool {
	switch h.Type {
	case thumbnail.TypePDF, thumbnail.TypeDjVu, thumbnail.TypeXCF, thumbnail.TypeVideo:
		return true
	case thumbnail.TypeJPEG, thumbnail.TypePNG: // the one is shrunk while it loads; the other's bucket is a PNG, which takes long itself
		return h.Area() > lanes.LongArea
	}
	return h.Area() >= paysFrom
}

// bucketIsGone reports whether the job was admitted by the cost of a bucket that is not
// there any more, of an original that belongs to the expensive lane.
func (j *job) bucketIsGone() bool {
	return j.job.BucketSeen && j.job.Lane == renderjob.LaneStandard
}

// renderFromBucket answers the job from the bucket in the store, if look says so and the bucket
// is there. over is false when the original must be rendered: what goes wrong with a bucket is
// counted, and costs no more than that.
func (j *job) renderFromBucket(ctx context.Context, drain <-chan struct{}, look bool) (over bool, err error) {
	if !look {
		return false, nil
	}
	j.bucket.looked = true
	from, err := j.openBucket(ctx)
	switch {
	case j.bucket.useless:
		j.countBucket("narrow", err)
		return false, nil
	case err != nil:
		j.countBucket("failed", err)
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
	j.release() // siblings, which have buckets of their own to look for
	j.note(result, time.Since(began))
	j.replyRendered(result.Image)
	j.store(ctx, result.Image, j.job.OriginalVersion)
	return true, nil
}

func (j *job) countBucket(outcome string, err error) {
	j.metrics.bucket.WithLabelValues(outcome).Inc()
	if err != nil {
		j.log.Debug("a bucket is not used", "original", j.job.Spec.Original, "outcome", outcome, "error", err)
	}
}

// fromBucket is what a render from a bucket reads, and the spec that it draws.
type fromBucket struct {
	source engine.Source
	spec   thumbnail.Spec
}

func (f *fromBucket) free() { _ = f.source.File.Close() }

// openBucket brings the bucket here: nil where it is absent, of another version, or not wide
// enough.
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
		return nil, fmt.Errorf("a bucket of %d bytes", info.Size)
	}
	image := make([]byte, info.Size)
	if _, err := io.ReadFull(object, image); err != nil {
		return nil, err
	}
	from, err := j.readBucket(image, info.Meta.Sides)
	j.bucket.useless = errors.Is(err, errNarrow)
	return from, err
}

// errNarrow says that a bucket, of a small page, is not wide enough for the thumbnail.
var errNarrow = errors.New("the bucket is not wide enough")

// readBucket makes a file of a bucket, and the spec that draws the thumbnail from it.
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

// isDrawn reports whether a tool draws originals of a type as bare pixels, which are scaled
// as drawings are.
func isDrawn(t thumbnail.Type) bool {
	return t == thumbnail.TypePDF || t == thumbnail.TypeDjVu || t == thumbnail.TypeVideo
}

// reduced is the spec that draws the thumbnail from its bucket, at the size that it has when
// it is drawn from the original, whose sides are given.
func reduced(s thumbnail.Spec, sides objectstore.Sides, h guard.Header, asked int) (thumbnail.Spec, error) {
	size, ok := sizeOf(s, sides)
	if !ok {
		return s, errors.New("the thumbnail is not the whole picture")
	}
	whole := h.Width < asked // the original's own size
	if h.Width < size.Width || !whole && h.Width < bucket.LeastRatio*size.Width {
		return s, errNarrow
	}
	if s.Format == thumbnail.FormatAuto { // the bucket's is the one that suits the original
		format, _ := thumbnail.ParseFormat(string(h.Type))
		s.Prefer = append(slices.Clone(s.Prefer), format)
	}
	s.Width, s.Height, s.Fit, s.Stretch, s.Page, s.FirstFrame, s.Lang = size.Width, size.Height, thumbnail.FitCover, true, 0, false, ""
	return s, nil
}

// sizeOf is the size of a thumbnail that shows the whole of an original of these sides. ok is
// false for one that does not.
func sizeOf(s thumbnail.Spec, sides objectstore.Sides) (size geometry.Size, ok bool) {
	width, height, whole := sides.Whole()
	if !whole || s.Type == thumbnail.TypePDF { // a page, of which tools draw a raster in the same proportions
		return geometry.Size{Width: s.Width, Height: geometry.HeightOf(s, sides)}, sides.Known() && s.Height == 0
	}
	plan := geometry.New(s, geometry.Size{Width: width, Height: height})
	return plan.Size(), plan.Size() == plan.Scaled && plan.Crop == geometry.Rect{Width: width, Height: height}
}

// draw renders what is asked for: where that pays, from the bucket that it makes first.
func (j *job) draw(ctx context.Context, original engine.Source, overlays []engine.Source) (engine.Result, error) {
	if !j.bucket.makes {
		return j.attempt(ctx, j.job.Spec, original, overlays)
	}
	b := bucket.Of(j.job.Spec, j.job.Key, j.job.Bucket)
	made, err := j.attempt(ctx, b.Spec, original, nil)
	if errors.Is(err, intake.ErrSlow) || fault.Is(err, fault.Overran) || ctx.Err() != nil {
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

// drawFrom renders from the bucket that was just made, which is stored with the thumbnail: a
// narrow one too, so that it is not made again.
func (j *job) drawFrom(ctx context.Context, made engine.Result) (engine.Result, error) {
	if len(made.Image) > maxBucketBytes || !made.Sides.Known() {
		return engine.Result{}, fmt.Errorf("a bucket of %d bytes and sides %v", len(made.Image), made.Sides)
	}
	j.bucket.made = made
	from, err := j.readBucket(made.Image, made.Sides)
	if err != nil {
		return engine.Result{}, err
	}
	defer from.free()
	return j.attempt(ctx, from.spec, from.source, nil)
}

// storeBucket writes the bucket that was made. The thumbnail does not depend on it.
func (j *job) storeBucket(ctx context.Context, version string) {
	made := j.bucket.made
	if made.Image == nil {
		return
	}
	b := bucket.Of(j.job.Spec, j.job.Key, j.job.Bucket)
	sum := md5.Sum(made.Image) //nolint:gosec // ETags are MD5, as in Swift
	meta := objectstore.Meta{
		ContentType: made.Format.ContentType(), ETag: hex.EncodeToString(sum[:]), XKey: j.job.XKey, SpecDigest: b.Spec.Digest(),
		Rules: thumbnail.RulesVersion, OriginalVersion: version, Rendered: j.result.RenderedAt, Sides: made.Sides,
	}
	if spec := b.Spec.Canonical(); len(spec) <= objectstore.MaxSpec {
		meta.Spec = spec
	}
	if err := j.thumbnails.Put(ctx, b.Key, made.Image, meta); err != nil {
		j.countBucket("unstored", err)
		return
	}
	j.countBucket("made", nil)
}

// withdrawBucket deletes the bucket that was stored.
func (j *job) withdrawBucket(ctx context.Context) {
	if j.bucket.made.Image == nil {
		return
	}
	b := bucket.Of(j.job.Spec, j.job.Key, j.job.Bucket)
	if err := j.thumbnails.Delete(ctx, b.Key); err != nil {
		j.log.Error("a stale bucket could not be deleted", "key", b.Key, "error", err)
	}
}
