package engine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// envSoak lets TestOriginalsAtTheirCaps make its large originals; they take minutes.
const envSoak = "THUMBMILL_SOAK"

// writeNoise writes a PAM with rows of noise.
func writeNoise(w io.Writer, side, samples, bytes int) error {
	kind := map[int]string{3: "RGB", 4: "RGB_ALPHA"}[samples]
	out := bufio.NewWriter(w)
	if _, err := fmt.Fprintf(out, "P7\nWIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL %d\nTUPLTYPE %s\nENDHDR\n", side, side, samples, 1<<(8*bytes)-1, kind); err != nil {
		return err
	}
	noise := rand.NewChaCha8([32]byte{})
	row := make([]byte, side*samples*bytes)
	for range side {
		_, _ = noise.Read(row) // never fails
		if _, err := out.Write(row); err != nil {
			return err
		}
	}
	return out.Flush()
}

// A worker draws originals of all pixels that their kind allows.
func TestOriginalsAtTheirCaps(t *testing.T) {
	if os.Getenv(envSoak) == "" {
		t.Skipf("%s is not set: set it to draw the largest originals", envSoak)
	}
	const memory = 3 << 30 // newEngines' limit
	cjxl := func(distance string) []string {
		return []string{"cjxl", "--quiet", "-e", "1", "-d", distance, "IN", "OUT.jxl"}
	}
	for name, c := range map[string]struct {
		header         guard.Header
		samples, bytes int
		make           []string
	}{
		"lossless":                       {guard.Header{Type: thumbnail.TypeJXL}, 3, 1, cjxl("0")},
		"lossy":                          {guard.Header{Type: thumbnail.TypeJXL}, 3, 1, cjxl("1")},
		"lossy with alpha":               {guard.Header{Type: thumbnail.TypeJXL, Alpha: true}, 4, 1, cjxl("1")},
		"lossless, 16 bits":              {guard.Header{Type: thumbnail.TypeJXL, Deep: true}, 3, 2, cjxl("0")},
		"lossy with alpha of 16 bits":    {guard.Header{Type: thumbnail.TypeJXL, Alpha: true, Deep: true}, 4, 2, cjxl("1")},
		"lossless with alpha of 16 bits": {guard.Header{Type: thumbnail.TypeJXL, Alpha: true, Deep: true}, 4, 2, cjxl("0")},
	} {
		t.Run(name, func(t *testing.T) {
			side := largest(c.header, memory)
			dir := t.TempDir()
			in, out := filepath.Join(dir, "in.pam"), filepath.Join(dir, "out."+string(c.header.Type))
			noise, err := os.Create(in)
			if err == nil {
				err = writeNoise(noise, side, c.samples, c.bytes)
			}
			if err != nil {
				t.Fatal(err)
			}
			_ = noise.Close()
			args := append(c.make[1:len(c.make)-2:len(c.make)-2], in, out)
			if said, err := exec.Command(c.make[0], args...).CombinedOutput(); err != nil {
				t.Skipf("%s: %v: %s", c.make[0], err, said)
			}
			drawLargest(t, out, c.header.Type, side, memory)
		})
	}
}

// largest returns the side of the largest square that a worker with the given memory affords.
func largest(h guard.Header, memory int64) int {
	h.Whole = true
	low, high := 1, int(math.Sqrt(400_000_000/4))
	for low < high {
		middle := (low + high + 1) / 2
		if h.Width, h.Height = middle, middle; h.Affords(memory) == nil {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}

func drawLargest(t *testing.T, path string, of thumbnail.Type, side int, memory int64) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	h, err := guard.Inspect(f, info.Size(), of, 400_000_000)
	if err == nil {
		err = h.Affords(memory)
	}
	if err != nil {
		t.Fatal(err)
	}
	cut := &thumbnail.Rect{Right: side - 1, Bottom: side}
	for _, crop := range []*thumbnail.Rect{nil, cut} {
		s := thumbnail.Spec{Type: of, Width: 1000, Quality: 80, Chroma: "4:2:0", Crop: crop}
		r, err := newEngines(t).Render(context.Background(), s, Source{Header: h, File: f}, nil, 40_000_000, 2*time.Minute)
		t.Logf("%d × %d, cut %t: %v of processor time, %v", side, side, crop != nil, r.CPU.Round(time.Millisecond), err)
		if err != nil {
			t.Error(err)
		}
	}
}
