package librsvg

import (
	"bytes"
	"errors"
	"image"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
)

const (
	most    = 10_000_000
	text    = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 600"><rect width="700" height="600" rx="99" fill="#def"/><circle cx="400" cy="300" r="120" fill="#36c" fill-opacity=".4"/><text x="80" y="90" font-size="60">Thumbnails</text></svg>`
	glyphs  = `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"><text y="90" font-size="54.5">Aé漢字 😀 ا ⌘</text><text y="200" font-size="109" font-family="serif">é😀漢</text></svg>`
	sides   = `<svg xmlns="http://www.w3.org/2000/svg" width="33.3mm" height="2in"><circle cx="40" cy="30" r="29" fill="#36c"/></svg>`
	styled  = `<svg xmlns="http://www.w3.org/2000/svg" width="90" height="70"><style>circle { fill: red; filter: url(#f) } svg { width: 95px }</style><filter id="f"><feGaussianBlur stdDeviation="4"/></filter><circle cx="40" cy="30" r="29"/></svg>`
	partly  = `<svg xmlns="http://www.w3.org/2000/svg" width="50%" height="100%" viewBox="0 0 70 90"><circle cx="40" cy="30" r="29"/></svg>`
	sizless = `<svg xmlns="http://www.w3.org/2000/svg"><circle cx="40" cy="30" r="29"/></svg>`
)

// drawings returns this test's drawings and those in the folders that THUMBMILL_CASES and
// THUMBMILL_CONFORMANCE name.
func drawings(t testing.TB) map[string]string {
	all := map[string]string{"text": text, "glyphs of several fonts": glyphs, "sides": sides, "styled": styled, "partly": partly, "of no size": sizless}
	for _, variable := range []string{"THUMBMILL_CASES", "THUMBMILL_CONFORMANCE"} {
		for _, pattern := range []string{"*.svg", "*/*.svg"} {
			files, _ := filepath.Glob(filepath.Join(os.Getenv(variable), pattern))
			for _, file := range files {
				body, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				all[filepath.Base(file)] = string(body)
			}
		}
	}
	return all
}

func TestDrawingsAreTheProgramsToThePixel(t *testing.T) {
	if _, err := exec.LookPath("rsvg-convert"); err != nil {
		t.Skip(err)
	}
	drawn := 0
	for name, body := range drawings(t) {
		for _, size := range []image.Point{{}, {X: 320}, {Y: 211}, {X: 120, Y: 300}} {
			var got bytes.Buffer
			err := Drawing{Text: []byte(body), Width: size.X, Height: size.Y, MaxPixels: most}.Write(&got)
			if errors.Is(err, ErrNotDrawn) {
				continue // it is for the program
			}
			if err != nil {
				t.Fatal(err)
			}
			drawn++
			if want := pam(t, byProgram(t, body, size)); !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s at %v is another picture than rsvg-convert's: %d bytes %.40q, %d bytes %.40q", name, size, got.Len(), got.Bytes(), len(want), want)
			}
		}
	}
	if drawn < 12 {
		t.Errorf("%d were drawn", drawn)
	}
}

// The fonts are sorted once for a text in all sizes.
func TestTheOrderOfFontsIsKept(t *testing.T) {
	draw := func(width int) int {
		if err := (Drawing{Text: []byte(text), Width: width, MaxPixels: most}).Write(new(bytes.Buffer)); err != nil {
			t.Fatal(err)
		}
		return ordersAgain()
	}
	width := 801 + 2*max(0, ordersAgain()) // new each time: Pango keeps the fonts of a size, also of the drawing's own 800
	first := draw(width)
	if first < 0 {
		t.Skip("the order of this machine's fonts depends on the size of a text")
	}
	if second := draw(width + 1); second <= first {
		t.Errorf("the fonts were sorted again: %d, %d", first, second)
	}
}

func byProgram(t testing.TB, body string, size image.Point) image.Image {
	t.Helper()
	args := []string{"--format=png"}
	if size.X > 0 {
		args = append(args, "--width="+strconv.Itoa(size.X))
	}
	if size.Y > 0 {
		args = append(args, "--height="+strconv.Itoa(size.Y))
	}
	cmd := exec.Command("rsvg-convert", args...)
	cmd.Stdin = bytes.NewReader([]byte(body))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func pam(t testing.TB, m image.Image) []byte {
	t.Helper()
	straight, ok := m.(*image.NRGBA)
	if !ok {
		straight = image.NewNRGBA(m.Bounds())
		draw.Draw(straight, m.Bounds(), m, image.Point{}, draw.Src)
	}
	return append([]byte(guard.RasterHeader(m.Bounds().Dx(), m.Bounds().Dy(), 4)), straight.Pix...)
}

func TestWhatIsNotDrawnSaysSo(t *testing.T) {
	for name, d := range map[string]Drawing{
		"nothing":             {MaxPixels: most},
		"no drawing":          {Text: []byte("<html/>"), MaxPixels: most},
		"a drawing cut short": {Text: []byte(text[:90]), MaxPixels: most},
		"too many pixels":     {Text: []byte(text), Width: 4000, MaxPixels: 100},
		"too long a side":     {Text: []byte(text), Width: 40_000, MaxPixels: 1 << 40},
		"a size of nothing":   {Text: []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="0" height="0"/>`), MaxPixels: most},
		"no size":             {Text: []byte(sizless), MaxPixels: most},
	} {
		var out bytes.Buffer
		if err := d.Write(&out); !errors.Is(err, ErrNotDrawn) || out.Len() > 0 {
			t.Errorf("%s: %v, with %d bytes", name, err, out.Len())
		}
	}
}

// BenchmarkByProgram gives the library's processor time as a part of the program's.
func BenchmarkByProgram(b *testing.B) {
	if _, err := exec.LookPath("rsvg-convert"); err != nil {
		b.Skip(err)
	}
	d := Drawing{Text: []byte(text), Width: 320, Height: 240, MaxPixels: most}
	var own, program time.Duration
	if err := d.Write(new(bytes.Buffer)); err != nil { // which reads the fonts, once in a process
		b.Fatal(err)
	}
	for b.Loop() {
		before := used(b)
		if err := d.Write(new(bytes.Buffer)); err != nil {
			b.Fatal(err)
		}
		between := used(b)
		byProgram(b, text, image.Pt(320, 240))
		own, program = own+between-before, program+used(b)-between
	}
	b.ReportMetric(float64(own)/float64(program), "of-the-program's")
	b.ReportMetric(float64(own.Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}

// BenchmarkNewSizes gives the processor time of a drawing with a text in sizes that this process has not drawn, as a
// part of the time with fonts that are sorted for each size.
func BenchmarkNewSizes(b *testing.B) {
	var kept, sorted time.Duration
	width := 300
	draw := func() time.Duration {
		width++
		before := used(b)
		if err := (Drawing{Text: []byte(text), Width: width, MaxPixels: 1 << 30}).Write(new(bytes.Buffer)); err != nil {
			b.Fatal(err)
		}
		return used(b) - before
	}
	draw() // reads the fonts, once in a process
	for b.Loop() {
		kept += draw()
		forgetOrders()
		sorted += draw()
	}
	b.ReportMetric(float64(kept)/float64(sorted), "of-the-time-with-sorting")
	b.ReportMetric(float64(kept.Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}

func used(b *testing.B) (sum time.Duration) {
	b.Helper()
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}
