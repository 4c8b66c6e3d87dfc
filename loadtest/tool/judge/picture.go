package judge

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
)

// Picture is a decoded thumbnail.
type Picture struct {
	Shown  []*image.NRGBA // in sRGB: each frame as shown, or only the first
	Frames int            // in the file
	// Profile is the colour space of the embedded profile, such as "RGB " or "GRAY"; "": no
	// profile.
	Profile string
	Format  string // jpeg, png, gif, webp, avif, jxl
}

// errFormat is the error for other formats than thumbnails have.
var errFormat = errors.New("not a JPEG, PNG, GIF, WebP, AVIF or JPEG XL")

// Decode decodes a thumbnail: WebP, AVIF and JPEG XL with their own programs, and pictures with a
// colour profile with ImageMagick.
func Decode(ctx context.Context, body []byte) (p Picture, err error) {
	p.Format, p.Frames = Format(body), 1
	profile := embeddedProfile(body)
	if profile != nil {
		p.Profile = string(profile[profileSpace : profileSpace+4])
	}
	switch p.Format {
	case "gif":
		p.Shown, err = playGIF(body)
		p.Frames = len(p.Shown)
		return p, err
	case "webp":
		p.Frames = max(1, bytes.Count(body, []byte("ANMF")))
		p.Shown, err = one(decodeWebP(ctx, body))
	case "avif":
		p.Shown, err = one(throughProgram(ctx, body, "avif", "avifdec", "--no-strict", "IN", "OUT"))
		p.Frames = max(1, samplesOf(body))
	case "jxl":
		p.Shown, err = one(throughProgram(ctx, body, "jxl", "djxl", "IN", "OUT"))
	case "png":
		p.Shown, err = one(png.Decode(bytes.NewReader(body)))
	case "jpeg":
		p.Shown, err = one(jpeg.Decode(bytes.NewReader(body)))
	default:
		err = errFormat
	}
	if err == nil && profile != nil {
		p.Shown, err = one(toSRGB(ctx, body, profile, p))
	}
	return p, err
}

func one(m image.Image, err error) ([]*image.NRGBA, error) {
	if err != nil {
		return nil, err
	}
	return []*image.NRGBA{flat(m)}, nil
}

// flat copies a picture to the origin.
func flat(m image.Image) *image.NRGBA {
	out := image.NewNRGBA(image.Rectangle{Max: m.Bounds().Size()})
	draw.Draw(out, out.Rect, m, m.Bounds().Min, draw.Src)
	return out
}

// Format returns a picture's format from its first bytes, or "" if thumbnails never have it.
func Format(body []byte) string {
	for _, f := range []struct {
		name, begins string
		at           int
	}{
		{"jpeg", "\xff\xd8", 0}, {"png", "\x89PNG\r\n\x1a\n", 0}, {"gif", "GIF8", 0}, {"webp", "WEBP", 8}, {"avif", "ftypavi", 4},
		{"jxl", "\xff\x0a", 0}, {"jxl", "JXL ", 4},
	} {
		if len(body) > f.at && bytes.HasPrefix(body[f.at:], []byte(f.begins)) {
			return f.name
		}
	}
	return ""
}

// playGIF composes a GIF's frames as a browser shows them.
func playGIF(body []byte) (shown []*image.NRGBA, err error) {
	g, err := gif.DecodeAll(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	screen := image.NewNRGBA(image.Rect(0, 0, g.Config.Width, g.Config.Height))
	for i, frame := range g.Image {
		before := bytes.Clone(screen.Pix)
		draw.Draw(screen, frame.Rect, frame, frame.Rect.Min, draw.Over)
		shown = append(shown, flat(screen))
		switch g.Disposal[i] {
		case gif.DisposalBackground:
			draw.Draw(screen, frame.Rect, image.NewUniform(color.Transparent), image.Point{}, draw.Src)
		case gif.DisposalPrevious:
			copy(screen.Pix, before)
		}
	}
	return shown, nil
}

// decodeWebP decodes a WebP, or the first frame of an animation.
func decodeWebP(ctx context.Context, body []byte) (image.Image, error) {
	if !bytes.Contains(body[:min(len(body), 64)], []byte("ANIM")) {
		return throughProgram(ctx, body, "webp", "dwebp", "-quiet", "IN", "-o", "OUT")
	}
	return asImage(inFolder(body, "webp", func(in, out string) error {
		if err := run(ctx, "webpmux", "-get", "frame", "1", in, "-o", in+".frame.webp"); err != nil {
			return err
		}
		return run(ctx, "dwebp", "-quiet", in+".frame.webp", "-o", out)
	}))
}

// samplesOf returns the number of frames of an AVIF sequence, from its box of sample sizes.
func samplesOf(body []byte) int {
	at := bytes.Index(body, []byte("stsz"))
	if at < 0 || at+16 > len(body) {
		return 0
	}
	return int(binary.BigEndian.Uint32(body[at+12:]))
}

// toSRGB converts with the embedded profile. It ignores a profile of grey on a colour picture, as
// browsers do.
func toSRGB(ctx context.Context, body, profile []byte, p Picture) (image.Image, error) {
	if p.Format == "jpeg" { // the profile may be in several segments, and the colours CMYK
		return throughProgram(ctx, body, "jpeg", "convert", append([]string{"IN"}, toSRGBOptions...)...)
	}
	if p.MismatchedProfile() {
		return p.Shown[0], nil
	}
	return profiled(ctx, p.Shown[0], profile)
}

// profiled converts a picture to sRGB. The profile must be one of grey or of red, green and blue.
func profiled(ctx context.Context, m image.Image, profile []byte) (image.Image, error) {
	var decoded bytes.Buffer
	if err := png.Encode(&decoded, m); err != nil {
		return nil, err
	}
	return asImage(inFolder(decoded.Bytes(), "png", func(in, out string) error {
		from := in + ".icc"
		if err := os.WriteFile(from, profile, 0o600); err != nil {
			return err
		}
		args := []string{"IN", "-profile", from}
		if string(profile[profileSpace:profileSpace+4]) == "GRAY" {
			args = []string{"IN", "-colorspace", "Gray", "-profile", from}
		}
		return run(ctx, "convert", fill(append(args, toSRGBOptions...), in, out)...)
	}))
}

// MismatchedProfile reports whether the picture has a profile of grey in a format with only
// colours. Browsers ignore such a profile, or refuse the picture.
func (p Picture) MismatchedProfile() bool {
	return p.Profile == "GRAY" && (p.Format == "webp" || p.Format == "avif")
}

// Size returns the size of the picture.
func (p Picture) Size() image.Point { return p.Shown[0].Rect.Size() }

// String returns the picture's description for a table.
func (p Picture) String() string {
	return fmt.Sprintf("%s %d×%d, %d frames", p.Format, p.Size().X, p.Size().Y, p.Frames)
}
