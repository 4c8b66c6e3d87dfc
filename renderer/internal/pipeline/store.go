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

// storesWithin is the time in which a prompt store keeps a thumbnail. It is short beside a render, since the client waits.
const storesWithin = 2 * time.Millisecond

// answer sends the edge the image, and writes the thumbnail; the edge then ends the lease. version is the version of the
// rendered original. A prompt store (Config.Prompt) is first, and one message brings both; if it is slow after all, the client gets
// its image meanwhile. freed is as in replyRendered.
func (j *job) answer(ctx context.Context, image []byte, version string, freed bool) {
	if !j.prompt || len(image) > renderjob.MaxInline {
		j.replyRendered(image, freed)
		j.tellStored(j.keep(ctx, image, version))
		return
	}
	told := make(chan struct{})
	late := time.AfterFunc(storesWithin, func() { defer close(told); j.replyRendered(image, freed) })
	why := j.keep(ctx, image, version)
	switch {
	case !late.Stop():
		<-told
		j.tellStored(why)
	case why != nil:
		j.replyRendered(image, freed)
		j.tellStored(why)
	default:
		both := j.result
		both.State, both.Image = renderjob.StateStored, image
		j.reply(both)
	}
}

// tellStored tells the edge that the thumbnail is stored, or why it is not.
func (j *job) tellStored(why *fault.Fault) {
	j.reply(renderjob.Result{State: renderjob.StateStored, Fault: why, FetchMS: j.result.FetchMS, CPUMS: j.result.CPUMS})
}

// keep writes the thumbnail, even if the client is gone. It returns nil, or a fault that says why the
// thumbnail is not stored.
func (j *job) keep(ctx context.Context, image []byte, version string) *fault.Fault {
	j.now.Store("store")
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deadline.Store)
	defer cancel()
	defer j.step(ctx, "store", began)
	return j.put(ctx, image, version)
}

// put writes the bucket and the thumbnail, and deletes them again if the original changed or was purged.
// It returns nil, or a fault that says why the thumbnail is not stored.
func (j *job) put(ctx context.Context, image []byte, version string) *fault.Fault {
	j.storing.Lock()
	defer j.storing.Unlock()
	if j.purged.Load() {
		return fault.New(fault.OriginalStore, "the original was purged during the render: ask again")
	}
	j.storeBucket(ctx, version)
	if err := j.thumbnails.Put(ctx, j.job.Key, image, j.meta(version)); err != nil {
		j.log.Warn("store a thumbnail", "key", j.job.Key, "error", err)
		return fault.Wrap(err, fault.ThumbStore, "cannot store the thumbnail")
	}
	if j.changed(ctx, version) || j.purged.Load() { // a purge can also come while changed asks the store
		j.takeBack(ctx)
		return fault.New(fault.OriginalStore, "the original changed during the render: ask again")
	}
	return nil
}

// meta returns the metadata that the store keeps with the thumbnail.
func (j *job) meta(version string) objectstore.Meta {
	spec, digest := j.job.Spec.CanonicalAndDigest()
	if len(spec) > objectstore.MaxSpec {
		spec = ""
	}
	return objectstore.Meta{
		ContentType: j.result.Format.ContentType(), ETag: j.result.ETag, Disposition: j.job.Disposition, XKey: j.job.XKey,
		Spec: spec, SpecDigest: digest, Rules: thumbnail.RulesVersion, OriginalVersion: version, Rendered: j.result.RenderedAt,
	}
}

// changed reports whether the original's store now has another version than the rendered version. put
// calls it after the write, because a new upload before the write would leave an old thumbnail in the
// store. An original whose version is unknown, or whose store fails, counts as unchanged.
func (j *job) changed(ctx context.Context, version string) bool {
	info, err := j.versions.Head(ctx, j.job.Spec.Original)
	if err != nil {
		return errors.Is(err, objectstore.ErrNotFound)
	}
	return info.Version != version && info.Version != "" && version != ""
}

// takeBack deletes the stored thumbnail and bucket, and tells the edges to forget them.
func (j *job) takeBack(ctx context.Context) {
	j.log.Info("take back a stale thumbnail: its original changed or was purged during the render", "original", j.job.Spec.Original)
	if err := j.thumbnails.Delete(ctx, j.job.Key); err != nil {
		j.log.Error("delete a stale thumbnail", "key", j.job.Key, "error", err)
	}
	j.takeBackBucket(ctx)
	if err := j.edges.TakeBack(j.job.Spec.Original); err != nil {
		j.log.Error("tell edges to forget a stale thumbnail", "key", j.job.Key, "error", err)
	}
}
