package mediawiki

import (
	"fmt"
	"image"
	"image/color/palette"
	"image/draw"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// maker makes the file of one picture.
type maker struct {
	kind, extension string
	encode          func(image.Image) ([]byte, error)
	sizes           [][2]int
}

// makers make bitmaps whose heights are halves of a pixel at common widths, tall and wide ones,
// narrow ones, and every sort of pixel that a format has.
func makers() []maker {
	of := func(change func(image.Image) image.Image, encode func(image.Image) ([]byte, error)) func(image.Image) ([]byte, error) {
		return func(m image.Image) ([]byte, error) { return encode(change(m)) }
	}
	return []maker{
		{"Photo", "jpg", samples.JPEG, [][2]int{{1000, 751}, {999, 333}, {641, 1283}, {2500, 500}, {303, 2000}, {1280, 853}, {777, 777}, {130, 97}, {500, 333}, {1200, 675}}},
		{"Grey", "jpg", of(grey, samples.JPEG), [][2]int{{800, 601}, {333, 500}}},
		{"Upright", "jpeg", samples.TurnedJPEG, [][2]int{{601, 803}, {900, 500}}},
		{"Picture", "png", samples.PNG, [][2]int{{1000, 750}, {333, 251}, {1600, 899}}},
		{"Grey", "png", of(grey, samples.PNG), [][2]int{{640, 481}}},
		{"Palette", "png", of(indexed, samples.PNG), [][2]int{{640, 427}}},
		{"Deep", "png", of(deep, samples.PNG), [][2]int{{500, 375}}},
		{"Lossless", "webp", samples.WebP, [][2]int{{1000, 667}, {250, 187}, {600, 901}}},
		{"Sheet", "tif", samples.TIFF, [][2]int{{1000, 750}, {601, 903}, {1400, 350}}},
		{"Grey", "tif", of(grey, samples.TIFF), [][2]int{{700, 525}}},
	}
}

func redrawn(onto draw.Image, m image.Image) image.Image {
	draw.Draw(onto, m.Bounds(), m, m.Bounds().Min, draw.Src)
	return onto
}

func grey(m image.Image) image.Image { return redrawn(image.NewGray(m.Bounds()), m) }
func deep(m image.Image) image.Image { return redrawn(image.NewNRGBA64(m.Bounds()), m) }
func indexed(m image.Image) image.Image {
	return redrawn(image.NewPaletted(m.Bounds(), palette.Plan9), m)
}

// longFiles returns 68 files, with the files of the short form.
func longFiles(t *testing.T) []file {
	t.Helper()
	all := shortFiles(t)
	add := func(name string, body []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, file{name, body})
	}
	for _, k := range makers() {
		for _, size := range k.sizes {
			body, err := k.encode(samples.Landscape(size[0], size[1]))
			add(fmt.Sprintf("%s %d by %d.%s", k.kind, size[0], size[1], k.extension), body, err)
		}
	}
	for _, side := range []int{120, 201, 480} {
		body, err := samples.GIF(side, 6)
		add(fmt.Sprintf("Spinner %d.gif", side), body, err)
		body, err = samples.PNG(samples.Disc(side + 3))
		add(fmt.Sprintf("Disc %d.png", side), body, err)
	}
	for _, size := range [][2]string{
		{"300.5", "199.5"}, {"99.7", "33.4"}, {"512", "512"}, {"1000.49", "600.51"}, {"40.5", "80.5"}, {"17", "5.5"}, {"800", "533"}, {"210mm", "297mm"}, {"20em", "10em"}, {"4in", "3in"},
	} {
		add(fmt.Sprintf("Drawing %s x %s.svg", size[0], size[1]), drawing(size[0], size[1]), nil)
	}
	for pages := 1; len(all) < wanted; pages++ {
		add(fmt.Sprintf("Document of %d pages.pdf", pages), pdf(t, pages), nil)
	}
	return all[:wanted]
}

// wanted is the number of files, and mustBeAlike how many of them look as MediaWiki's own.
const wanted, mustBeAlike = 68, 64

func TestAFolderOfManyFiles(t *testing.T) {
	onlyLong(t)
	m := setUp(t, inFolder)
	m.unlikeAllowed = wanted - mustBeAlike
	files := longFiles(t)
	m.upload(files)
	m.readsEverything(files, []int{80, 100, 250, 333})
	m.followsChanges()
}

func TestSwiftWithManyFiles(t *testing.T) {
	onlyLong(t)
	swift := servers.StartSwift(t, "")
	m := setUp(t, inSwift, func(m *machine) {
		m.also = []string{"http://127.0.0.1:8080/auth/v1.0", swift.Bucket.AuthURL, "http://127.0.0.1:8080/auth", strings.TrimSuffix(swift.Bucket.AuthURL, "/v1.0")}
	})
	m.unlikeAllowed = wanted - mustBeAlike
	files := longFiles(t)
	m.upload(files)
	m.readsEverything(files, []int{80, 250})
	m.followsChanges()
	m.sharesReaders(swift)
}
