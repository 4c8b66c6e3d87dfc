package pipeline

import (
	"context"
	"errors"
	"time"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// store writes the thumbnail and tells the edge, which then ends the lease. version is that of
// the original that was rendered.
func (j *job) store(ctx context.Context, image []byte, version string) {
	j.tellStored(j.keep(ctx, image, version))
}

// tellStored tells the edge that the thumbnail is stored, or why not.
func (j *job) tellStored(why *fault.Fault) {
	stored := j.result
	stored.State, stored.Fault = renderjob.StateStored, why
	j.reply(stored)
}

// keep writes the thumbnail, whatever became of the client; the fault says why nothing is stored.
func (j *job) keep(ctx context.Context, image []byte, version string) *fault.Fault {
	j.now.Store("store")
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Store)
	defer cancel()
	defer j.step(ctx, "store", began)
	return j.put(ctx, image, version)
}

// put writes the thumbnail, unless the original changed or was purged; the fault says why
// nothing is stored.
func (j *job) put(ctx context.Context, image []byte, version string) *fault.Fault {
	j.storing.Lock()
	defer j.storing.Unlock()
	if j.purged.Load() {
		return fault.New(fault.OriginalStore, "the original was purged while it was rendered")
	}
	j.storeBucket(ctx, version)
	if err := j.thumbnails.Put(ctx, j.job.Key, image, j.meta(version)); err != nil {
		j.log.Warn("a thumbnail could not be stored", "key", j.job.Key, "error", err)
		return fault.Wrap(err, fault.ThumbStore, "the thumbnail could not be stored")
	}
	if j.changed(ctx, version) || j.purged.Load() { // or while its store was asked
		j.withdraw(ctx)
		return fault.New(fault.OriginalStore, "the original changed while it was rendered")
	}
	return nil
}

// meta is what is kept with the thumbnail.
func (j *job) meta(version string) objectstore.Meta {
	spec := j.job.Spec.Canonical()
	if len(spec) > objectstore.MaxSpec {
		spec = ""
	}
	return objectstore.Meta{
		ContentType: j.result.Format.ContentType(), ETag: j.result.ETag, Disposition: j.job.Disposition, XKey: j.job.XKey,
		Spec: spec, SpecDigest: j.job.Spec.Digest(), Rules: thumbnail.RulesVersion, OriginalVersion: version, Rendered: j.result.RenderedAt,
	}
}

// changed compares the original with what was rendered, after the write: an
// upload that came in between would otherwise be hidden by the old picture. An original
// whose version is not known, or whose store fails, counts as unchanged.
func (j *job) changed(ctx context.Context, version string) bool {
	info, err := j.versions.Head(ctx, j.job.Spec.Original)
	if err != nil {
		return errors.Is(err, objectstore.ErrNotFound)
	}
	return info.Version != version && info.Version != "" && version != ""
}

// withdraw deletes what was stored.
func (j *job) withdraw(ctx context.Context) {
	j.log.Info("a stale thumbnail is withdrawn: its original changed or was purged under way", "original", j.job.Spec.Original)
	if err := j.thumbnails.Delete(ctx, j.job.Key); err != nil {
		j.log.Error("a stale thumbnail could not be deleted", "key", j.job.Key, "error", err)
	}
	j.withdrawBucket(ctx)
	if err := j.edges.TakeBack(j.job.Spec.Original); err != nil {
		j.log.Error("edges could not be told of a stale thumbnail", "key", j.job.Key, "error", err)
	}
}
