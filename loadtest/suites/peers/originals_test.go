package peers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/photograph"
)

// photographs copies the photographs of ORIGINALS into the folder, or draws some.
func photographs(b *testing.B, dir string) (names []string) {
	b.Helper()
	return givenOr(b, dir, drawPhotographs)
}

// fromCameras does the same, and draws photographs as large as cameras make them.
func fromCameras(b *testing.B, dir string) (names []string) {
	b.Helper()
	return givenOr(b, dir, drawFromCameras)
}

func givenOr(b *testing.B, dir string, otherwise func(*testing.B, string) []string) (names []string) {
	b.Helper()
	from := os.Getenv("ORIGINALS")
	if from == "" {
		return otherwise(b, dir)
	}
	files, _ := filepath.Glob(filepath.Join(from, "*.jp*g"))
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		if len(body) < minOriginal {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)) + ".jpg"
		write(b, filepath.Join(dir, name), body)
		names = append(names, name)
	}
	if len(names) == 0 {
		b.Fatalf("ORIGINALS=%s has no JPEG of %d KB: name a folder of .jpg files, or leave it out", from, minOriginal>>10)
	}
	return names
}

// minOriginal is the least size of a photograph in bytes.
const minOriginal = 50 << 10

func write(b *testing.B, path string, body []byte) {
	b.Helper()
	if err := os.WriteFile(path, body, 0o600); err != nil {
		b.Fatal(err)
	}
}

// drawPhotographs draws eight photographs of 1.5 to 12 megapixels.
func drawPhotographs(b *testing.B, dir string) (names []string) {
	b.Helper()
	for i, width := range []int{1440, 1920, 2400, 2800, 3200, 3600, 4000, 4000} {
		name := fmt.Sprintf("photo%d.jpg", i)
		write(b, filepath.Join(dir, name), noisy(b, width, width*3/4, uint64(i)))
		names = append(names, name)
	}
	return names
}

// drawFromCameras draws eight photographs of 12 to 24 megapixels, with 5 to 10 MB.
func drawFromCameras(b *testing.B, dir string) (names []string) {
	b.Helper()
	for i, size := range [][2]int{{4000, 3000}, {4000, 3000}, {4608, 3456}, {4608, 3456}, {5184, 3888}, {5472, 3648}, {6000, 4000}, {6000, 4000}} {
		name := fmt.Sprintf("camera%d.jpg", i)
		body, err := photograph.Grainy(size[0], size[1], uint64(i), grain)
		if err != nil {
			b.Fatal(err)
		}
		write(b, filepath.Join(dir, name), body)
		names = append(names, name)
	}
	return names
}

// grain lets a megapixel take 390 KB, as in the photographs of cameras at a high quality.
const grain = 3

// noisy draws a photograph.
func noisy(b *testing.B, width, height int, seed uint64) []byte {
	b.Helper()
	body, err := photograph.JPEG(width, height, seed)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

// progressive converts photographs with jpegtran.
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

// copies returns a function that prepares n originals for each round, made from the photographs.
func copies(n int) func(b *testing.B, dir string) []string {
	return func(b *testing.B, dir string) (names []string) {
		few := photographs(b, dir)
		for i := range n {
			name := fmt.Sprintf("copy%d-%s", i, few[i%len(few)])
			for round := warming; round <= judging(); round++ {
				link(b, filepath.Join(dir, few[i%len(few)]), filepath.Join(dir, ofRound(name, round)))
			}
			names = append(names, name)
		}
		return names
	}
}

// uploads also stores photographs in MediaWiki's folders.
func uploads(b *testing.B, dir string) []string {
	names := photographs(b, dir)
	for _, name := range names {
		link(b, filepath.Join(dir, name), filepath.Join(dir, "wikipedia-commons-local-public", shard(name), name))
	}
	return names
}

func link(b *testing.B, from, to string) {
	b.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.Link(from, to)); err != nil {
		b.Fatal(err)
	}
}

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 600"><rect width="800" height="600" fill="#def"/><circle cx="400" cy="300" r="%d" fill="#36c"/><text x="80" y="90" font-size="60">Thumbnails</text></svg>`

// drawOthers draws four originals of a type.
func drawOthers(b *testing.B, dir, kind string) (names []string) {
	b.Helper()
	for i := range 4 {
		name := fmt.Sprintf("original%d.%s", i, kind)
		path := filepath.Join(dir, name)
		names = append(names, name)
		if kind == "svg" {
			write(b, path, []byte(fmt.Sprintf(drawing, 100+20*i)))
			continue
		}
		width := 2400 + 200*i
		if kind == "gif" {
			width = 800 // a usual width
		}
		photo := filepath.Join(dir, fmt.Sprintf("original%d.jpg", i))
		write(b, photo, noisy(b, width, 1800*width/2400, uint64(i)))
		encode(b, kind, photo, path)
	}
	return names
}

// encode converts a photograph with the usual program for a type.
func encode(b *testing.B, kind, photo, path string) {
	b.Helper()
	commands := map[string][]string{
		"png": {"convert", photo, path}, "gif": {"convert", photo, path},
		"webp": {"cwebp", "-quiet", "-q", "85", photo, "-o", path},
		"avif": {"avifenc", "--speed", "8", "--min", "18", "--max", "28", photo, path},
	}
	args, other := commands[kind]
	if !other {
		return
	}
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		b.Skipf("make a %[2]s with %[1]s: %[3]v %[4]s (`make deps` installs it)", args[0], kind, err, out)
	}
}
