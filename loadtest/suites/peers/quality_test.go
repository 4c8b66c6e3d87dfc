package peers

import (
	"context"
	"fmt"
	"image"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/image/draw"

	"github.com/thumbmill/thumbmill/loadtest/tool/judge"
	"github.com/thumbmill/thumbmill/loadtest/tool/ssim"
)

// mostJudged bounds the number of compared thumbnails of a scenario.
const mostJudged = 16

// judged chooses thumbnails of a round to compare: one per original, the first thumbnail of the
// first original, the second of the second, and so on, so that sizes vary.
func judged(requests []request) (picked []int) {
	of := map[string][]int{}
	var originals []string
	for i, r := range requests {
		if of[r.original] == nil {
			originals = append(originals, r.original)
		}
		of[r.original] = append(of[r.original], i)
	}
	for n, original := range originals[:min(mostJudged, len(originals))] {
		picked = append(picked, of[original][n%len(of[original])])
	}
	return picked
}

// references makes reductions at full quality: it decodes the whole original, converts it to sRGB,
// and reduces it with Lanczos' filter of three lobes.
type references struct {
	dir string
	// The latest original and its latest reduction; originals are large.
	original string
	whole    image.Image
	small    image.Image
}

// similarity returns the SSIM of a thumbnail and its reference, over middle grey.
func (r *references) similarity(ctx context.Context, original string, body []byte) (float64, error) {
	thumbnail, err := judge.Decode(ctx, body)
	if err != nil {
		return 0, fmt.Errorf("a thumbnail of %s: %w", original, err)
	}
	reference, err := r.reduced(ctx, original, thumbnail.Size())
	if err != nil {
		return 0, fmt.Errorf("the reference of %s: %w", original, err)
	}
	return ssim.Mean(thumbnail.Shown[0], reference, 128)
}

// reduced returns a reference of a size.
func (r *references) reduced(ctx context.Context, original string, size image.Point) (image.Image, error) {
	if r.original != original {
		r.original, r.whole, r.small = original, nil, nil
	}
	if r.small != nil && r.small.Bounds().Size() == size {
		return r.small, nil
	}
	small, err := r.reduce(ctx, original, size)
	if err != nil {
		return nil, err
	}
	r.small = small
	return small, nil
}

func (r *references) reduce(ctx context.Context, original string, size image.Point) (image.Image, error) {
	path := filepath.Join(r.dir, original)
	if filepath.Ext(original) == ".svg" {
		return drawn(ctx, path, size)
	}
	if r.whole == nil {
		body, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		decoded, err := judge.Decode(ctx, body)
		if err != nil {
			return nil, err
		}
		r.whole = decoded.Shown[0]
	}
	out := image.NewRGBA(image.Rectangle{Max: size})
	lanczos.Scale(out, out.Rect, r.whole, r.whole.Bounds(), draw.Src, nil)
	return out, nil
}

var lanczos = draw.Kernel{Support: 3, At: func(t float64) float64 {
	if t == 0 {
		return 1
	}
	x := math.Pi * t
	return 3 * math.Sin(x) * math.Sin(x/3) / (x * x)
}}

// drawn draws an SVG with librsvg's own program.
func drawn(ctx context.Context, path string, size image.Point) (image.Image, error) {
	body, err := exec.CommandContext(ctx, "rsvg-convert", "-w", strconv.Itoa(size.X), "-h", strconv.Itoa(size.Y), path).Output()
	if err != nil {
		return nil, fmt.Errorf("rsvg-convert: %w", err)
	}
	decoded, err := judge.Decode(ctx, body)
	if err != nil {
		return nil, err
	}
	return decoded.Shown[0], nil
}

func TestThumbnailsOfEachSizeAreJudged(t *testing.T) {
	var requests []request
	for _, original := range []string{"a", "b", "c"} {
		for _, width := range []int{10, 20} {
			requests = append(requests, request{original, "", width})
		}
	}
	picked := judged(requests)
	if want := []int{0, 3, 4}; fmt.Sprint(picked) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", picked, want)
	}
}
