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

// Answer is a server's answer to a request.
type Answer struct {
	Status int
	Type   string // its Content-Type
	Body   []byte
	Took   time.Duration
}

// Patch is a place with a known colour.
type Patch struct {
	X, Y   float64 // shares of width and height, 0 to 1
	Frame  int     // index of a shown frame, from 0
	Colour color.NRGBA
	Near   int // largest difference of each channel
}

// Refusal says whether an original may be refused.
type Refusal int

// The kinds of refusal.
const (
	Never   Refusal = iota
	Allowed         // a picture, or a clear refusal
	Required
)

// Expectation says which answers to a request are right. The zero value allows any picture.
type Expectation struct {
	Size    image.Point // zero: any
	Format  string      // of the answer; "": any
	Frames  int         // 0: any
	Patches []Patch
	Refusal Refusal
	Like    []string // names of decoders; the picture must be like one of theirs
	Profile string   // the colour space of the required profile; "": any
	Varied  bool     // not all pixels are alike
}

// Sized expects a picture of a size.
func Sized(width, height int) Expectation { return Expectation{Size: image.Pt(width, height)} }

// At expects the colour rgba (0xRRGGBBAA) at a place of the first frame, each channel with a
// difference of at most near. x and y are from 0 to 1.
func (e Expectation) At(x, y float64, rgba uint32, near int) Expectation {
	return e.On(0, x, y, rgba, near)
}

// On is At for another frame.
func (e Expectation) On(frame int, x, y float64, rgba uint32, near int) Expectation {
	c := color.NRGBA{uint8(rgba >> 24), uint8(rgba >> 16), uint8(rgba >> 8), uint8(rgba)}
	e.Patches = append(e.Patches[:len(e.Patches):len(e.Patches)], Patch{x, y, frame, c, near})
	return e
}

// Animated expects a number of frames; 1 means a still picture.
func (e Expectation) Animated(frames int) Expectation { e.Frames = frames; return e }

// As expects a format of answer.
func (e Expectation) As(format string) Expectation { e.Format = format; return e }

// By expects the picture of one of these decoders.
func (e Expectation) By(decoders ...string) Expectation { e.Like = decoders; return e }

// Sizeless drops the size, for cases that are not about rounding.
func (e Expectation) Sizeless() Expectation { e.Size = image.Point{}; return e }

// Drawn expects that not all pixels are alike.
func (e Expectation) Drawn() Expectation { e.Varied = true; return e }

// OrRefused also allows a clear refusal.
func (e Expectation) OrRefused() Expectation { e.Refusal = Allowed; return e }

// Refused expects a clear refusal.
func Refused() Expectation { return Expectation{Refusal: Required} }

// Check returns all differences between an answer and the expectation, except Like.
func (e Expectation) Check(a Answer, p Picture) error {
	if a.Status != http.StatusOK {
		return e.checkRefusal(a)
	}
	if e.Refusal == Required {
		return errors.New("drawn, want a refusal")
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

// CheckLike compares a picture with the pictures of the decoders in Like. It must be like one of
// them.
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

// contrast is the least visible difference of two pixels, of 255.
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

// vague has texts that tell a client nothing, or something false.
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

// of returns the mean colour around the patch's place, weighted by alpha.
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

// near compares two colours. The colour of a transparent pixel does not matter.
func (p Patch) near(got color.NRGBA) bool {
	within := func(a, b uint8) bool { return max(int(a)-int(b), int(b)-int(a)) <= p.Near }
	if p.Colour.A == 0 {
		return within(got.A, 0)
	}
	return within(got.R, p.Colour.R) && within(got.G, p.Colour.G) && within(got.B, p.Colour.B) && within(got.A, p.Colour.A)
}

func hex(c color.NRGBA) string { return fmt.Sprintf("#%02x%02x%02x%02x", c.R, c.G, c.B, c.A) }
