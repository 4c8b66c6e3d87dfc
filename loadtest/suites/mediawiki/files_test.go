package mediawiki

import (
	"bytes"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
)

// file is an original that is uploaded.
type file struct {
	Name string
	Body []byte
}

// shortFiles returns files of each kind that Debian's MediaWiki shows. They have the most frequent
// problems: alpha, animation, fractions of a pixel, turned pictures, pages and odd names.
func shortFiles(t *testing.T) []file {
	t.Helper()
	of := func(name string) func([]byte, error) file {
		return func(body []byte, err error) file {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return file{name, body}
		}
	}
	return []file{
		of("Landscape.jpg")(samples.JPEG(samples.Landscape(1600, 1000))),
		of("Half pixel.jpg")(samples.JPEG(samples.Landscape(1000, 750))),
		of("Turned.jpg")(samples.TurnedJPEG(samples.Landscape(800, 1200))),
		of("Käse & Brot, 100 'ü' (1).jpg")(samples.JPEG(samples.Landscape(640, 427))),
		of("Small.jpg")(samples.JPEG(samples.Landscape(90, 60))),
		of("Disc.png")(samples.PNG(samples.Disc(801))),
		of("Disc.webp")(samples.WebP(samples.Disc(640))),
		of("Spinner.gif")(samples.GIF(320, 12)),
		of("Scan.tif")(samples.TIFF(samples.Landscape(1200, 901))),
		of("Fraction.svg")(drawing("400.4", "237.5"), nil),
		of("Map.svg")(drawing("640", "400"), nil),
		of("Book.pdf")(pdf(t, 3), nil),
	}
}

// drawing is an SVG of a size in pixels.
func drawing(width, height string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="%[1]s" height="%[2]s" viewBox="0 0 %[1]s %[2]s">
<rect width="100%%" height="100%%" fill="#246"/><circle cx="100" cy="80" r="60" fill="#fd6"/>
<path d="M0 160Q100 110 200 160T400 160V300H0z" fill="#48a"/></svg>
`, width, height)
}

// pdf is a document of pages of different shapes.
func pdf(t *testing.T, pages int) []byte {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for n := range pages {
		var picture image.Image = samples.Landscape(595+40*n, 842)
		body, err := samples.PNG(picture)
		name := filepath.Join(dir, fmt.Sprintf("%d.png", n))
		if err == nil {
			err = os.WriteFile(name, body, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	out := filepath.Join(dir, "out.pdf")
	script := "import sys; from PIL import Image; p=[Image.open(n).convert('RGB') for n in sys.argv[2:]]; p[0].save(sys.argv[1], save_all=True, append_images=p[1:], resolution=72)"
	if said, err := exec.Command("/usr/bin/python3", append([]string{"-c", script, out}, names...)...).CombinedOutput(); err != nil {
		t.Fatalf("python3-pil makes no PDF: %v\n%s", err, said)
	}
	body, err := os.ReadFile(out)
	if err != nil || !bytes.HasPrefix(body, []byte("%PDF")) {
		t.Fatalf("no PDF: %v", err)
	}
	return body
}

// title is a file's name as MediaWiki has it in URLs.
func (f file) title() string {
	name := strings.ReplaceAll(f.Name, " ", "_")
	return strings.ToUpper(name[:1]) + name[1:]
}
