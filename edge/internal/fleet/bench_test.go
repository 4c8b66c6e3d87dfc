package fleet

import (
	"encoding/json"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// described returns the heartbeat of a usual renderer, with its description.
func described(name string) renderjob.Heartbeat {
	h := renderjob.Heartbeat{
		Version: 1, Renderer: name, EngineVersion: "8.14.1", Build: "0.10.0 (0123456789ab)", Slots: 8, Whole: 8, Busy: 6, InHand: 8, Batch: 8,
		Utilisation: .8125, Versions: map[string]string{}, TypeVersions: map[thumbnail.Type]string{}, Kills: map[string]int64{"memory": 2, "time": 11},
		Layers: []string{"user", "network", "files", "calls", "landlock", "limits"},
	}
	for _, c := range []string{"libvips", "libjpeg-turbo", "libpng", "libspng", "libwebp", "libtiff", "libheif", "libde265", "dav1d", "libaom", "libjxl", "openjpeg", "librsvg", "poppler", "djvulibre", "imagemagick", "ffmpeg", "gifsicle"} {
		h.Versions[c] = "2.54.7+dfsg-1"
	}
	for _, t := range []thumbnail.Type{"jpg", "png", "webp", "tif", "heic", "avif", "jxl", "jp2", "gif", "svg", "pdf", "djvu", "xcf", "video", "bmp", "ico", "psd", "tga", "pnm", "stl"} {
		h.TypeVersions[t] = "libvips-8.14.1-libjpeg-turbo-2.1.5-ffmpeg-5.1.9-0+deb12u1-rules-3"
		h.Engines = append(h.Engines, "vips "+string(t))
	}
	return h.Digested()
}

// BenchmarkHeartbeats reports the share of a core that the heartbeats of 10,000 slots take at an edge, once a second
// from each renderer, with a description once a minute. It compares the heartbeats of versions before 0.10,
// which all have the description.
func BenchmarkHeartbeats(b *testing.B) {
	const slots = 10_000
	for _, each := range []int{1, 8, 32} {
		for name, every := range map[string]int{"": 60, "/described": 1} {
			b.Run(fmt.Sprintf("slots=%d%s", each, name), func(b *testing.B) {
				f, n, bytes := New("", nil), slots/each, 0
				var texts [][]byte
				for i := range n {
					h := described(fmt.Sprint("renderer-", i))
					if h.Slots = each; i%every > 0 {
						h = h.With(renderjob.Heartbeat{})
					}
					text, err := json.Marshal(h)
					if err != nil {
						b.Fatal(err)
					}
					texts, bytes = append(texts, text), bytes+len(text)
				}
				i, before := 0, used(b)
				for b.Loop() {
					h, err := read(texts[i%n])
					if err != nil {
						b.Fatal(err)
					}
					f.Note(h)
					i++
				}
				b.ReportMetric(float64(bytes)/1e6, "MB/s")
				b.ReportMetric(100*(used(b)-before).Seconds()/float64(i)*float64(n), "%core")
			})
		}
	}
}

// used returns the processor time of this process, which other processes do not bend.
func used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
