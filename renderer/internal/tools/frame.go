package tools

import (
	"fmt"
	"slices"
	"strings"
)

// decoder returns ffmpeg's option for a decoder that reads the transparency of VP8 and VP9. It returns nil for
// streams without transparency and for other codecs.
func (s stream) decoder() []string {
	if s.tag("alpha_mode") != "1" {
		return nil
	}
	option := fmt.Sprintf("-c:%d", s.Index)
	switch s.Codec {
	case "vp8":
		return []string{option, "libvpx"}
	case "vp9":
		return []string{option, "libvpx-vp9"}
	}
	return nil
}

// transparent reports whether the stream's pixels have alpha.
func (s stream) transparent() bool {
	if s.decoder() != nil {
		return true
	}
	for _, alpha := range []string{"yuva", "gbrap", "rgba", "bgra", "argb", "abgr", "ya8", "ya16"} {
		if strings.HasPrefix(s.Pixels, alpha) {
			return true
		}
	}
	return false
}

// output returns ffmpeg's options for the raster: a PNG for pixels with alpha, a PPM for others.
func (s stream) output() []string {
	if s.transparent() {
		return []string{"-f", "image2pipe", "-c:v", "png", "-compression_level", "1", "-"}
	}
	return asPPM()
}

func asPPM() []string { return []string{"-f", "image2pipe", "-c:v", "ppm", "-"} }

// filters returns ffmpeg's filters that convert a frame to sRGB with square pixels, as a browser shows the frame.
// ffmpeg rotates the frame before the filters. After a quarter turn, the shape of the pixels changes the height.
func (s stream) filters() string {
	size := "iw*sar:ih"
	if s.sideways() {
		size = "iw:ih/sar"
	}
	pixels := "rgb24"
	if s.transparent() {
		pixels = "rgba"
	}
	c := s.colours()
	steps := c.toSRGB()
	if s.interlaced() {
		steps = slices.Insert(steps, 0, deinterlaced)
	}
	return fmt.Sprintf("%s,scale=%s:flags=bicubic+accurate_rnd+full_chroma_int:in_color_matrix=%s,setsar=1,format=%s",
		strings.Join(steps, ","), size, c.scaleMatrix(), pixels)
}

// deinterlaced is the filter that makes a frame of the first field's moment, as TimedMediaHandler does. It leaves
// frames that are marked as progressive.
const deinterlaced = "yadif=mode=send_frame:deint=interlaced"

// colours says which colours a frame's numbers stand for, in ffmpeg's names (ITU-T H.273).
type colours struct {
	rgb, odd                              bool   // odd: a side has an odd number of pixels, which subsampled colours do not divide
	matrix, transfer, primaries, numbered string // numbered is the range: tv or pc
}

// hdLines is the height in lines from which untagged colours are BT.709's. Chromium has the same bound.
const hdLines = 720

// untaggedSD lists the codecs whose untagged colours are BT.601's at any size.
var untaggedSD = []string{"vp8", "vp9", "av1", "theora", "mjpeg"}

// matrices lists the matrices that frames of any depth can have, and that both swscale and zimg know.
var matrices = []string{"bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc", "ictcp"}

// colours returns the stream's colours, with defaults for missing and impossible tags.
func (s stream) colours() colours {
	c := colours{rgb: s.Matrix == "gbr" || strings.HasPrefix(s.Pixels, "gbr") || strings.Contains(s.Pixels, "rgb") || strings.Contains(s.Pixels, "bgr"),
		odd: s.Width%2+s.Height%2 > 0, matrix: s.Matrix, transfer: s.Transfer, primaries: s.Primaries, numbered: s.Range}
	ictcp := c.matrix == "ictcp" && !c.hdr() // no encoder makes ICtCp without HDR: the tag is wrong
	if !slices.Contains(matrices, c.matrix) || ictcp {
		c.matrix = s.usualMatrix(c)
	}
	if c.numbered != "pc" {
		c.numbered = "tv"
		if c.rgb || strings.HasPrefix(s.Pixels, "yuvj") {
			c.numbered = "pc"
		}
	}
	return c
}

// usualMatrix returns the matrix of a stream without a usable tag.
func (s stream) usualMatrix(c colours) string {
	switch {
	case c.hdr() || c.primaries == "bt2020":
		return "bt2020nc"
	case s.Height >= hdLines && !slices.Contains(untaggedSD, s.Codec):
		return "bt709"
	}
	return "smpte170m"
}

func (c colours) hdr() bool { return c.transfer == "smpte2084" || c.transfer == "arib-std-b67" }

// wide reports whether the primaries differ much from sRGB's.
func (c colours) wide() bool {
	return slices.Contains([]string{"bt2020", "smpte431", "smpte432"}, c.primaries)
}

const (
	// sdrWhite is the luminance of HDR's diffuse white in cd/m² (ITU-R BT.2408).
	sdrWhite = 203
	// linear is the format of the filters that convert a frame to linear light with BT.709's primaries.
	linear = "zscale=matrixin=%s:rangein=%s:primariesin=%s:transferin=%s:transfer=linear:npl=%d,format=gbrpf32le,zscale=primaries=bt709"
	// toRGB is the format of the filters that convert linear light to RGB.
	toRGB = "zscale=matrix=gbr:range=full:transfer=%s,format=gbrp"
)

// toSRGB returns filters that declare the frame's colours, and convert HDR and wide colours to sRGB.
// They treat BT.709's curve as sRGB's, as browsers and players do.
func (c colours) toSRGB() []string {
	told := fmt.Sprintf("setparams=colorspace=%s:range=%s", c.matrix, c.numbered)
	if c.rgb {
		told = "setparams=colorspace=gbr:range=pc"
	}
	if !c.hdr() && !c.wide() {
		return []string{told}
	}
	if c.odd && !c.rgb { // zimg refuses subsampled frames with odd sides
		told += ",format=yuv444p16le"
	}
	steps := []string{told, c.toLinear()}
	curve := "bt709"
	if c.hdr() {
		steps, curve = append(steps, "tonemap=mobius:desat=0"), "iec61966-2-1"
	}
	return append(steps, fmt.Sprintf(toRGB, curve), "setparams=colorspace=gbr:range=pc")
}

// toLinear returns filters that convert a frame to linear light with sRGB's primaries.
func (c colours) toLinear() string {
	matrix, primaries, transfer, numbered := c.matrix, c.primaries, "bt709", "limited"
	if c.rgb {
		matrix = "gbr"
	}
	if c.numbered == "pc" {
		numbered = "full"
	}
	if c.hdr() {
		transfer = c.transfer
	}
	switch {
	case c.wide():
	case c.primaries == "" || c.primaries == "unknown": // untagged HDR is BT.2020's
		primaries = "bt2020"
	default:
		primaries = "bt709"
	}
	return fmt.Sprintf(linear, matrix, numbered, primaries, transfer, sdrWhite)
}

// scaleMatrix returns the name of the matrix for the last filter, scale. Some versions of scale refuse the names
// bt2020nc and bt470bg.
func (c colours) scaleMatrix() string {
	switch {
	case c.hdr() || c.wide() || c.rgb:
		return "auto"
	case c.matrix == "bt2020nc":
		return "bt2020"
	case c.matrix == "bt470bg":
		return "bt470"
	}
	return c.matrix
}
