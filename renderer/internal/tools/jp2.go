package tools

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/fault"
)

const (
	// maxReduction bounds the resolutions of a JPEG 2000 that are left out. Each halves the
	// sides. Encoders write five or six resolutions.
	maxReduction = 5
	// reducedSlack is the minimum of a reduced picture's sides, as a multiple of the thumbnail's.
	reducedSlack = 2
	// decodedJP2 is the file that OpenJPEG writes: a PPM, or a PAM with alpha.
	decodedJP2 = "decoded.ppm"
)

// drawJP2 decodes with OpenJPEG, which converts other colour spaces and profiles to
// sRGB. libvips 8.14 and 8.16 misread files whose tiles or picture do not begin at the
// corner, and take five times as long.
func drawJP2(t *task) error {
	h := t.request.Header
	reduction := t.reduction()
	err := t.decodeJP2(reduction)
	if fault.Is(err, fault.Undecodable) && reduction > 0 && int64(h.Width)*int64(h.Height) <= t.request.MaxPixels {
		err = t.decodeJP2(0) // the original has fewer resolutions
	}
	if err != nil {
		return err
	}
	file, err := os.Open(decodedJP2)
	if err != nil {
		return fault.Wrap(err, fault.Undecodable, "the original could not be decoded")
	}
	defer func() { _ = file.Close() }()
	return repackPAM(t.request.Out, file, t.request.MaxPixels)
}

// decodeJP2 decodes without the highest resolutions; reduction is their number. It tries again without -force-rgb,
// since OpenJPEG refuses that option for an original without a colour space.
func (t *task) decodeJP2(reduction int) error {
	args := []string{"-i", named, "-o", decodedJP2, "-p", "8S", "-r", strconv.Itoa(reduction)}
	if reduction == 0 { // opj_decompress does not reduce and upsample in one run
		args = append(args, "-upsample")
	}
	err := t.runProgram(call{program: "opj_decompress", args: append(args, "-force-rgb"), out: io.Discard})
	if fault.Is(err, fault.Undecodable) {
		err = t.runProgram(call{program: "opj_decompress", args: args, out: io.Discard})
	}
	return err
}

// reduction returns the number of resolutions that the thumbnail does not need, from 0 to maxReduction.
func (t *task) reduction() int {
	s, h := t.request.Spec, t.request.Header
	full := geometry.Size{Width: h.Width, Height: h.Height}
	if !t.evenComponents() {
		return 0
	}
	planned := full
	if !s.Cuts() && s.Trim == nil && s.Focal == nil && !s.NoUpscale && !s.Meta && !s.Debug {
		planned = geometry.New(s, full).Scaled
	}
	for r := range maxReduction {
		next := geometry.Size{Width: full.Width >> (r + 1), Height: full.Height >> (r + 1)}
		enough := next.Width >= reducedSlack*planned.Width && next.Height >= reducedSlack*planned.Height
		pixels := int64(full.Width>>r) * int64(full.Height>>r)
		if !enough && pixels <= t.request.MaxPixels {
			return r
		}
	}
	return maxReduction
}

// sizHead is the part of the file in which evenComponents searches the code stream, in bytes. The boxes
// of colours and metadata stand before the code stream.
const sizHead = 1 << 20

// evenComponents reports whether all components have a sample for each pixel. It reads the SIZ
// marker (ISO/IEC 15444-1, A.5.1).
func (t *task) evenComponents() bool {
	head := make([]byte, sizHead)
	n, _ := t.request.Original.ReadAt(head, 0)
	_, siz, found := bytes.Cut(head[:n], []byte("\xff\x4f\xff\x51"))
	if !found || len(siz) < 36 {
		return false
	}
	components, rest := int(siz[34])<<8|int(siz[35]), siz[36:]
	if len(rest) < 3*components {
		return false
	}
	for c := range components {
		if rest[3*c+1] != 1 || rest[3*c+2] != 1 {
			return false
		}
	}
	return true
}

var errNoRaster = errors.New("the decoded picture is not a PGM, PPM or PAM of 8 bits per sample")

// repackPAM converts a PGM, PPM or PAM of 8 bits per sample to a PNG without compression.
func repackPAM(out io.Writer, in io.Reader, maxPixels int64) error {
	r := bufio.NewReaderSize(in, 1<<20)
	width, height, depth, err := readPAM(r)
	if err != nil {
		return fault.Wrap(err, fault.Undecodable, "the original could not be decoded")
	}
	if int64(width)*int64(height) > maxPixels {
		return fault.New(fault.TooLarge, "the original has %d × %d pixels, at most %d are allowed", width, height, maxPixels)
	}
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	row := make([]byte, width*depth)
	for y := range height {
		if _, err := io.ReadFull(r, row); err != nil {
			return fault.Wrap(err, fault.Undecodable, "the original could not be decoded")
		}
		fillRow(picture.Pix[y*picture.Stride:], row, depth)
	}
	encoder := png.Encoder{CompressionLevel: png.NoCompression}
	return encoder.Encode(out, picture)
}

// fillRow converts samples of grey, grey and alpha, RGB, or RGB and alpha to pixels of RGB and alpha.
func fillRow(to, from []byte, depth int) {
	for x := range len(from) / depth {
		sample, pixel := from[x*depth:(x+1)*depth], to[4*x:4*x+4]
		pixel[0], pixel[1], pixel[2], pixel[3] = sample[0], sample[0], sample[0], 255
		if depth >= 3 {
			pixel[1], pixel[2] = sample[1], sample[2]
		}
		if depth%2 == 0 {
			pixel[3] = sample[depth-1]
		}
	}
}

// maxPAMLines bounds the lines of a header.
const maxPAMLines = 32

// readPAM reads the header of a P5, P6 or P7 with its comments, and returns the size and the samples per pixel.
func readPAM(r *bufio.Reader) (width, height, depth int, err error) {
	var words []string
	for range maxPAMLines {
		line, err := r.ReadString('\n')
		if err != nil {
			return 0, 0, 0, err
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		words = append(words, strings.Fields(line)...)
		kind := words[0]
		if kind == "P7" && strings.TrimSpace(line) == "ENDHDR" || kind != "P7" && len(words) >= 4 {
			return sizeOfPAM(words)
		}
	}
	return 0, 0, 0, errNoRaster
}

// sizeOfPAM returns the numbers of a header's words. Allowed are sides of 1 to 1<<20 pixels, 1 to 4 samples per pixel,
// and 255 as the maximum of a sample.
func sizeOfPAM(words []string) (width, height, depth int, err error) {
	bare := map[string]string{"P5": "1", "P6": "3"}
	fields := map[string]string{}
	if d, ok := bare[words[0]]; ok {
		fields = map[string]string{"WIDTH": words[1], "HEIGHT": words[2], "MAXVAL": words[3], "DEPTH": d}
	}
	for i := 1; words[0] == "P7" && i+1 < len(words); i += 2 {
		fields[words[i]] = words[i+1]
	}
	text := fields["WIDTH"] + " " + fields["HEIGHT"] + " " + fields["DEPTH"] + " " + fields["MAXVAL"]
	var most int
	if _, err := fmt.Sscan(text, &width, &height, &depth, &most); err != nil {
		return 0, 0, 0, err
	}
	if width < 1 || height < 1 || width > 1<<20 || height > 1<<20 || depth < 1 || depth > 4 || most != 255 {
		return 0, 0, 0, errNoRaster
	}
	return width, height, depth, nil
}
