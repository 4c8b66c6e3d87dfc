//go:build asan

// Package faces tests thumbmill-faces under AddressSanitizer and UBSan: make test-sanitize.
package faces

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/draw"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/portrait"
)

// build returns the path of the program with sanitizers. It skips the test without OpenCV.
func build(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	said, err := exec.Command("../../../renderer/faces/build", folder, "-g", "-O1", "-U_FORTIFY_SOURCE", "-fno-omit-frame-pointer",
		"-fsanitize=address,undefined", "-fno-sanitize-recover=all").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	program := filepath.Join(folder, "thumbmill-faces")
	if _, err := os.Stat(program); err != nil {
		t.Skip(string(said))
	}
	return program
}

// pgm returns a grey picture as the program reads it.
func pgm(width, height int, grey []byte) []byte {
	return append(fmt.Appendf(nil, "P5 %d %d 255\n", width, height), grey...)
}

// crowd has more faces than the program prints.
func crowd() []byte {
	const side, across = 1024, 5
	m := portrait.Wall(side, side)
	for i := range across * across {
		portrait.Face(m, float64(side)*(.5+float64(i%across))/across, float64(side)*(.5+float64(i/across))/across, side*.06)
	}
	grey := image.NewGray(m.Rect)
	draw.Draw(grey, grey.Rect, m, image.Point{}, draw.Src)
	return pgm(side, side, grey.Pix)
}

// The program reads each input to its end or refuses it, and no sanitizer complains.
func TestInputs(t *testing.T) {
	program := build(t)
	t.Setenv("ASAN_OPTIONS", "exitcode=66")
	t.Setenv("UBSAN_OPTIONS", "print_stacktrace=1:exitcode=66")
	noise := bytes.Repeat([]byte{0, 255, 7}, 1024*1024/3+1)
	for name, c := range map[string]struct {
		input []byte
		faces int
		fails bool
	}{
		"a crowd":                   {crowd(), 16, false},
		"one pixel":                 {pgm(1, 1, noise[:1]), 0, false},
		"a row":                     {pgm(1024, 1, noise[:1024]), 0, false},
		"a column":                  {pgm(1, 1024, noise[:1024]), 0, false},
		"the largest noise":         {pgm(1024, 1024, noise[:1024*1024]), 0, false},
		"bytes after the picture":   {pgm(30, 30, noise), 0, false},
		"nothing":                   {nil, 0, true},
		"a head without its pixels": {pgm(30, 30, nil), 0, true},
		"a pixel too few":           {pgm(30, 30, noise[:899]), 0, true},
		"a head without its end":    {[]byte("P5 30 30 255"), 0, true},
		"no width":                  {pgm(0, 30, noise), 0, true},
		"a negative height":         {pgm(30, -30, noise), 0, true},
		"too large a width":         {pgm(1025, 1, noise), 0, true},
		"more than a number holds":  {[]byte("P5 99999999999999999999 1 255\n"), 0, true},
		"16 bits":                   {[]byte("P5 1 1 65535\n\x00\x00"), 0, true},
		"a PNG":                     {[]byte("\x89PNG\r\n\x1a\n"), 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(program)
			var out, complaint bytes.Buffer
			cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.input), &out, &complaint
			err := cmd.Run()
			if c.fails {
				if cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(complaint.String(), "thumbmill-faces: the input is not") {
					t.Errorf("%v: %s", err, complaint.String())
				}
				return
			}
			var boxes []struct{ X, Y, Side int }
			if err != nil || complaint.Len() > 0 || json.Unmarshal(out.Bytes(), &boxes) != nil || len(boxes) != c.faces {
				t.Errorf("%d faces, want %d; %v: %s%s", len(boxes), c.faces, err, out.String(), complaint.String())
			}
		})
	}
}
