package fleet

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// storing returns the processor time in milliseconds in which a thumbnail of a new original is stored in a directory.
func storing(b *testing.B) float64 {
	b.Helper()
	const n = 1000
	s := settings.Default()
	s.Store.Originals.Path, s.Store.Thumbnails.Path = b.TempDir(), filepath.Join(b.TempDir(), "thumbnails")
	stores, err := open.New(s)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = stores.Close() })
	body, err := samples.JPEG(samples.Landscape(320, 240))
	if err != nil {
		b.Fatal(err)
	}
	before := own(b)
	for i := range n {
		at := thumbnail.Location{Container: "thumbor", Path: fmt.Sprintf("%d.jpg/thumbnail-320x0.auto", i)}
		if err := stores.Thumbnails.Put(b.Context(), at, body, objectstore.Meta{ContentType: "image/jpeg"}); err != nil {
			b.Fatal(err)
		}
	}
	return milliseconds(own(b)-before) / n
}

// own returns the processor time of this process.
func own(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkStoring reports the processor time of storing.
func BenchmarkStoring(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(storing(b), "ms/thumbnail")
		b.ReportMetric(0, "ns/op")
	}
}
