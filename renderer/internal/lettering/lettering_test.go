package lettering

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
)

// draw returns the size of a text, and the number of its pixels that have the colour.
func draw(t *testing.T, text Text) (width, height, inked int) {
	t.Helper()
	var out bytes.Buffer
	if err := text.Write(&out, 1_000_000); err != nil {
		t.Fatal(err)
	}
	h, err := guard.Drawn(bytes.NewReader(out.Bytes()), int64(out.Len()), 1_000_000)
	if err != nil || h.Bands != 4 {
		t.Fatalf("%+v, %v", h, err)
	}
	pixels := out.Bytes()[h.Offset:]
	for i := 0; i < len(pixels); i += 4 {
		if bytes.Equal(pixels[i:i+3], text.Colour[:3]) && pixels[i+3] > 200 {
			inked++
		}
	}
	return h.Width, h.Height, inked
}

func TestTexts(t *testing.T) {
	small := Text{Text: "thumbmill", Font: "Sans", Size: 20, Colour: [4]uint8{255, 0, 128, 255}}
	width, height, inked := draw(t, small)
	if width < 40 || width > 200 || height < 15 || height > 40 || inked < 50 {
		t.Errorf("%d × %d, %d pixels inked", width, height, inked)
	}
	large := small
	large.Size = 40
	if w, h, _ := draw(t, large); w < 3*width/2 || h < 3*height/2 {
		t.Errorf("twice the size has %d × %d", w, h)
	}
	lines := small
	lines.Text = "thumb\nmill"
	if w, h, _ := draw(t, lines); w >= width || h < 3*height/2 {
		t.Errorf("two lines have %d × %d", w, h)
	}
	markup := small
	markup.Text = "<b>thumbmill</b>"
	if w, _, _ := draw(t, markup); w < 5*width/4 {
		t.Errorf("markup is read: the text is %d wide", w)
	}
	fonts := small
	fonts.Font = "Mono Bold"
	if w, _, _ := draw(t, fonts); w == width {
		t.Error("the font changes nothing")
	}
	if w, h, _ := draw(t, Text{Text: " ", Size: 1}); w < 1 || h < 1 {
		t.Errorf("a space has %d × %d", w, h)
	}
}

func TestTextsAreBounded(t *testing.T) {
	if err := (Text{Text: "mmmmmmmmmmmmmmmm", Size: 200}).Write(io.Discard, 10_000); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}
