package cluster

import (
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// A large original is decoded once. The second size comes from the bucket that the first render
// made, and a purge deletes the bucket too.
func TestBuckets(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) { s.Render.Buckets = []int{1280} }})
	body, err := samples.TIFF(samples.Landscape(4000, 2600))
	c.Original("large.tiff", body, err)
	counted := func(outcome string) float64 {
		return metric(t, c.renderers[0], "thumbmill_buckets_total", "outcome", outcome)
	}
	get := func(path string) { c.Get(t.Context(), c.Edges[0], path, alice).Wants(t, http.StatusOK) }
	get("/unsafe/320x/large.tiff")
	Eventually(t, "the bucket is stored", func() bool { return counted("made") == 1 && c.Edges[0].OpenJobs() == 0 })
	get("/unsafe/250x/large.tiff")
	if used, fetched := counted("used"), metric(t, c.renderers[0], "thumbmill_fetch_reused_total"); used != 1 || fetched != 0 {
		t.Errorf("the bucket was used %v times, the original again %v times", used, fetched)
	}
	get("/unsafe/240x/filters:exact()/large.tiff")
	if used := counted("used"); used != 1 {
		t.Errorf("an exact thumbnail used the bucket: %v", used)
	}
	Eventually(t, "all thumbnails are stored", func() bool { return c.Edges[0].OpenJobs() == 0 })
	if report := purge(t, c, c.Edges[0], "large.tiff"); len(report.Missed) > 0 || report.Deleted != 4 {
		t.Errorf("a purge of three thumbnails and a bucket: %+v", report)
	}
	c.must(filepath.WalkDir(c.Settings.Store.Thumbnails.Path, func(path string, _ fs.DirEntry, err error) error {
		if strings.Contains(path, "bucket-") {
			t.Errorf("%s is left", path)
		}
		return err
	}))
}
