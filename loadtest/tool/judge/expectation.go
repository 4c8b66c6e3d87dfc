package judge

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"net/http"
	"strings"
	"time"
)

// Answer is what a server said to one request.
type Answer struct {
	Status int
	Type   string // its Content-Type
	Body   []byte
	Took   time.Duration
}

// Patch is a place whose colour is known.
type Patch struct {
	X, Y   float64 // of width and height, 0 to 1
	Frame  int     // of those that are shown, from 0
	Colour color.NRGBA
	Near   int // of each channel
}

// Refusal is whether an original may be refused.
type Refusal int

// The kinds of refusal.
const (
	Never   Refusal = iota
	Allowed         // a picture, or a clear word
	Required
)

// Expectation is what is right for one request. The zero value is any picture.
type Expectation struct {
	Size    image.Point // zero: any
	Format  string      // of the answer; "": any
	Frames  int         // 0: any
	Patches []Patch
	Refusal Refusal
	Like    []string // names of decoders; one of them must give the same picture
	Profile string   // the colour space of the profile that there must be; "": any
	Varied  bool     // there is something to see: not all pixels are alike
}

// Sized expects a picture of a size.
func Sized(width, height int) Expectation { return Expectation{Size: image.Pt(width, height)} }

// At expects a colour, 0xRRGGBBAA, within near at a place, 0 to 1, of the first frame.
func (e Expectation) At(x, y float64, rgba uint32, near int) Expectation {
	return e.On(0, x, y, rgba, near)
}

// On is At on another frame.
func (e Expectation) On(frame int, x, y float64, rgba uint32, near int) Expectation {
	c := color.NRGBA{uint8(rgba >> 24), uint8(rgba >> 16), uint8(rgba >> 8), uint8(rgba)}
	e.Patches = append(e.Patches[:len(e.Patches):len(e.Patches)], Patch{x, y, frame, c, near})
	return e
}

// Animated expects a number of frames; 1 is a still picture.
func (e Expectation) Animated(frames int) Expectation { e.Frames = frames; return e }

// As expects a format of answer.
func (e Expectation) As(format string) Expectation { e.Format = format; return e }

// By expects the picture that one of these decoders gives.
func (e Expectation) By(decoders ...string) Expectation { e.Like = decoders; return e }

// Sizeless drops the size, where rounding is not the matter.
func (e Expectation) Sizeless() Expectation { e.Size = image.Point{}; return e }

// Drawn expects that there is something to see.
func (e Expectation) Drawn() Expectation { e.Varied = true; return e }

// OrRefused allows a refusal in a clear word.
func (e Expectation) OrRefused() Expectation { e.Refusal = Allowed; return e }

// Refused expects a refusal in a clear word.
func Refused() Expectation { return Expectation{Refusal: Required} }

// Check tells everything in which an answer, and the picture in it, is not as expected, but for Like.
func (e Expectation) Check(a Answer, p Picture) error {
	if a.Status != http.StatusOK {
		return e.checkRefusal(a)
	}
	if e.Refusal == Required {
		return errors.New("drawn, and a refusal is right")
	}
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	size := p.Size()
	wrong(e.Size != image.Point{} && e.Size != size, "%v, want %v", size, e.Size)
	wrong(e.Format != "" && e.Format != p.Format, "%s, want %s", p.Format, e.Format)
	wrong(e.Frames != 0 && e.Frames != p.Frames, "%d frames, want %d", p.Frames, e.Frames)
	wrong(p.MismatchedProfile(), "a GRAY profile on a picture in colours")
	wrong(e.Profile != "" && e.Profile != p.Profile, "profile %q, want %q", p.Profile, e.Profile)
	wrong(e.Varied && blank(p.Shown[0]), "nothing is drawn")
	for _, patch := range e.Patches {
		if patch.Frame >= len(p.Shown) {
			wrong(true, "no frame %d to look at", patch.Frame)
			continue
		}
		got := patch.of(p.Shown[patch.Frame])
		wrong(!patch.near(got), "%s at %.2f, %.2f of frame %d, want %s", hex(got), patch.X, patch.Y, patch.Frame, hex(patch.Colour))
	}
	return errors.Join(errs...)
}

// CheckLike compares a picture with those of the decoders named in Like. One of them must
// give the same.
func (e Expectation) CheckLike(ctx context.Context, p Picture, path string) error {
	if len(e.Like) == 0 {
		return nil
	}
	var errs []error
	for _, name := range e.Like {
		reference, err := Reference(ctx, name, path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d := Compare(p.Shown[0], reference)
		if d.Near() {
			return nil
		}
		errs = append(errs, fmt.Errorf("unlike %s: %s", name, d))
	}
	return errors.Join(errs...)
}

// contrast is how far apart two pixels are that a reader tells apart, of 255.
const contrast = 32

// blank reports whether all pixels are alike over white.
func blank(m *image.NRGBA) bool {
	low, high := 255.0, 0.0
	for i := 0; i < len(m.Pix); i += 4 {
		alpha := float64(m.Pix[i+3]) / 255
		v := (float64(m.Pix[i])+float64(m.Pix[i+1])+float64(m.Pix[i+2]))/3*alpha + 255*(1-alpha)
		low, high = min(low, v), max(high, v)
	}
	return high-low < contrast
}

// vague are words that tell a client nothing, or something that is not so.
var vague = []string{"libvips: )", "exit status", "insecure memory", "takes more memory", ": )"}

func (e Expectation) checkRefusal(a Answer) error {
	said := strings.TrimSpace(string(a.Body[:min(len(a.Body), 200)]))
	switch {
	case a.Status >= http.StatusInternalServerError:
		return fmt.Errorf("status %d: %s", a.Status, said)
	case e.Refusal == Never:
		return fmt.Errorf("refused with %d: %s", a.Status, said)
	}
	for _, word := range vague {
		if strings.Contains(said, word) {
			return fmt.Errorf("the refusal says %q", said)
		}
	}
	return nil
}

// of is the mean colour around the patch's place, of pixels weighted by their alpha.
func (p Patch) of(m *image.NRGBA) color.NRGBA {
	size := m.Rect.Size()
	at := image.Pt(min(int(p.X*float64(size.X)), size.X-1), min(int(p.Y*float64(size.Y)), size.Y-1))
	var sum [4]float64
	n := 0.0
	around := image.Rect(at.X-1, at.Y-1, at.X+2, at.Y+2).Intersect(m.Rect)
	for y := around.Min.Y; y < around.Max.Y; y++ {
		for x := around.Min.X; x < around.Max.X; x++ {
			c := m.NRGBAAt(x, y)
			alpha := float64(c.A)
			sum[0], sum[1], sum[2], sum[3] = sum[0]+float64(c.R)*alpha, sum[1]+float64(c.G)*alpha, sum[2]+float64(c.B)*alpha, sum[3]+alpha
			n++
		}
	}
	if sum[3] == 0 {
		return color.NRGBA{}
	}
	level := func(v float64) uint8 { return uint8(v/sum[3] + 0.5) }
	return color.NRGBA{level(sum[0]), level(sum[1]), level(sum[2]), uint8(sum[3]/n + 0.5)}
}

// near compares; the colour of what is transparent does not matter.
func (p Patch) near(got color.NRGBA) bool {
	within := func(a, b uint8) bool { return max(int(a)-int(b), int(b)-int(a)) <= p.Near }
	if p.Colour.A == 0 {
		return within(got.A, 0)
	}
	return within(got.R, p.Colour.R) && within(got.G, p.Colour.G) && within(got.B, p.Colour.B) && within(got.A, p.Colour.A)
}

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x%02x", c.R, c.G, c.B, c.A) }
