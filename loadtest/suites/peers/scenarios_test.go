package peers

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
)

// scenarios are those that can be chosen by name: make bench-peers SCENARIO=mix.
func scenarios() []scenario {
	return []scenario{
		{
			name: "mix", what: "photographs at about 320 pixels, JPEG at quality 80", prepare: photographs, clients: 8,
			requests: func(originals []string, round int) []request { return across(originals, "", round, 290, 8) },
			bounds:   []bound{{"processor time", true, 0.55}, {"thumbnails/s", false, 1.7}, {"memory", true, 0.55}},
		},
		{
			name: "progressive", what: "progressive photographs at an eighth", prepare: progressive, clients: 4,
			requests: func(originals []string, round int) []request { return across(originals, "", round, 100, 6) },
			bounds:   []bound{{"processor time", true, 0.3}},
		},
		{
			name: "mediawiki", what: "photographs at about 330 pixels, sharpened as MediaWiki has JPEGs", prepare: photographs, clients: 4,
			requests: func(originals []string, round int) []request { return across(originals, "", round, 300, 6) },
			bounds:   []bound{{"processor time", true, 0.45}}, against: earlier,
		},
		{
			name: "sizes", what: "six standard sizes of each of 60 photographs, asked for together", prepare: sixty, clients: 48,
			requests: standardSizes,
			bounds:   []bound{{"of the fastest/s", false, 4}},
		},
		formats("png", "png"), formats("webp", "webp"), formats("gif", "gif"), formats("svg", "png"), formats("jpg", "webp"), formats("jpg", "png"),
		formats("jpg", "avif"), formats("png", "webp"), formats("png", "avif"),
	}
}

// formats is originals of a type and thumbnails of a format.
func formats(original, format string) scenario {
	return scenario{
		name: original + "-" + format, what: fmt.Sprintf("%s originals at about 320 pixels, as %s", original, format), clients: 4,
		prepare:  func(b *testing.B, dir string) []string { return drawOthers(b, dir, original) },
		requests: func(originals []string, round int) []request { return across(originals, format, round, 290, 3) },
		bounds:   []bound{{"of the least ms", true, 1.05}},
	}
}

// standardSizes are MediaWiki's, of those of the originals that are a round's own.
func standardSizes(originals []string, round int) (all []request) {
	each := max(1, len(originals)/(rounds()+1))
	for _, o := range originals[(round+1)*each : (round+2)*each] {
		for _, width := range []int{120, 250, 330, 500, 960, 1280} {
			all = append(all, request{o, "", width})
		}
	}
	return all
}

// drawPhotographs makes eight of 1.5 to 12 megapixels, as noisy as a camera's.
func drawPhotographs(b *testing.B, dir string) (names []string) {
	for i, width := range []int{1440, 1920, 2400, 2800, 3200, 3600, 4000, 4000} {
		name := fmt.Sprintf("photo%d.jpg", i)
		write(b, filepath.Join(dir, name), noisy(b, width, width*3/4, uint64(i)))
		names = append(names, name)
	}
	return names
}

// noisy is a landscape with a sensor's noise, at a camera's quality.
func noisy(b *testing.B, width, height int, seed uint64) []byte {
	b.Helper()
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // noise
	drawn := samples.Landscape(width, height)
	m := image.NewRGBA(drawn.Bounds())
	for y := range height {
		for x := range width {
			r, g, blue, _ := drawn.At(x, y).RGBA()
			noise := random.IntN(17) - 8
			m.SetRGBA(x, y, color.RGBA{shifted(r, noise), shifted(g, noise), shifted(blue, noise), 255})
		}
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, &jpeg.Options{Quality: 92}); err != nil {
		b.Fatal(err)
	}
	return file.Bytes()
}

func shifted(v uint32, by int) uint8 { return uint8(min(255, max(0, int(v>>8)+by))) }

// progressive are photographs that jpegtran wrote anew.
func progressive(b *testing.B, dir string) []string {
	names := photographs(b, dir)
	for _, name := range names {
		path := filepath.Join(dir, name)
		body, err := exec.Command("jpegtran", "-progressive", "-copy", "all", path).Output()
		if err != nil {
			b.Skipf("jpegtran: %v", err)
		}
		write(b, path, body)
	}
	return names
}

// sixty are sixty files of the photographs.
func sixty(b *testing.B, dir string) (names []string) {
	few := photographs(b, dir)
	for i := range 60 {
		name := fmt.Sprintf("copy%d-%s", i, few[i%len(few)])
		body, err := os.ReadFile(filepath.Join(dir, few[i%len(few)]))
		if err != nil {
			b.Fatal(err)
		}
		write(b, filepath.Join(dir, name), body)
		names = append(names, name)
	}
	return names
}

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 600"><rect width="800" height="600" fill="#def"/><circle cx="400" cy="300" r="%d" fill="#36c"/><text x="80" y="90" font-size="60">Thumbnails</text></svg>`

// drawOthers makes four originals of a type.
func drawOthers(b *testing.B, dir, kind string) (names []string) {
	b.Helper()
	for i := range 4 {
		name := fmt.Sprintf("original%d.%s", i, kind)
		path := filepath.Join(dir, name)
		photo := noisy(b, 2400+200*i, 1800, uint64(i))
		names = append(names, name)
		switch kind {
		case "jpg":
			write(b, path, photo)
		case "svg":
			write(b, path, []byte(fmt.Sprintf(drawing, 100+20*i)))
		default:
			convert := exec.Command("convert", append(strings.Fields("jpg:- -resize"), sideOf(kind), path)...)
			convert.Stdin = bytes.NewReader(photo)
			if out, err := convert.CombinedOutput(); err != nil {
				b.Skipf("ImageMagick cannot make a %s: %v %s", kind, err, out)
			}
		}
	}
	return names
}

// sideOf is how large an original is: a GIF as people have them.
func sideOf(kind string) string {
	if kind == "gif" {
		return "800x"
	}
	return "100%"
}
