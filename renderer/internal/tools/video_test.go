package tools

import (
	"bytes"
	"image"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// brightening is a film of eight seconds with ten frames per second. Its luma begins at 16 and rises by 20
// per second.
const brightening = "color=black:s=16x16:r=10:d=8,geq=lum='16+20*T':cb=128:cr=128"

// encoders lists ffmpeg's encoders. A start of ffmpeg takes a third of a second of processor time.
var encoders = sync.OnceValues(func() ([]byte, error) { return exec.Command("ffmpeg", "-v", "error", "-encoders").Output() })

// filmed returns the video that ffmpeg makes with the arguments.
func filmed(t *testing.T, out string, args ...string) []byte {
	t.Helper()
	encoders, err := encoders()
	if err != nil {
		t.Skip("ffmpeg is not installed")
	}
	for i, arg := range args[:len(args)-1] {
		if arg == "-c:v" && args[i+1] != "copy" && !bytes.Contains(encoders, []byte(" "+args[i+1]+" ")) {
			t.Skipf("this ffmpeg has no encoder %s", args[i+1])
		}
	}
	return made(t, out, "ffmpeg", append(append([]string{"-v", "error", "-y"}, args...), out)...)
}

// drawnFrom draws the frame at a second: 0 means the default, a negative second means the first frame.
func drawnFrom(t *testing.T, body []byte, second int) []byte {
	t.Helper()
	spec := thumbnail.Spec{Type: thumbnail.TypeVideo, Page: max(0, second), FirstFrame: second < 0}
	drawn, err := work(t, Request{Work: Draw, Spec: spec, MaxPixels: 4_000_000}, body)
	if err != nil {
		t.Fatal(err)
	}
	return drawn
}

func TestTheSecondOfAVideo(t *testing.T) {
	lavfi := func(more ...string) []string {
		return append([]string{"-f", "lavfi", "-i", brightening}, more...)
	}
	x264 := []string{"-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"}
	live := lavfi("-c:v", "libvpx", "-b:v", "1M", "-live", "1")
	late := lavfi(append(x264, "-output_ts_offset", "20")...)
	long := lavfi(append([]string{"-f", "lavfi", "-i", "sine=d=40"}, x264...)...)
	cover := []string{"-loop", "1", "-t", "0.1", "-i", "in.png", "-f", "lavfi", "-i", brightening, "-map", "0:v", "-map", "1:v",
		"-c:v:0", "png", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt:1", "yuv420p", "-metadata:s:v:0", "mimetype=image/png", "-disposition:1", "default"}
	for name, c := range map[string]struct {
		out    string
		args   []string
		page   int
		second float64
	}{
		"the middle":                                          {"out.mp4", lavfi(x264...), 0, 4},
		"a requested second":                                  {"out.mp4", lavfi(x264...), 6, 6},
		"the first frame":                                     {"out.mp4", lavfi(x264...), -1, 0},
		"a second beyond the end":                             {"out.mp4", lavfi(x264...), 60, 7},
		"a film that begins late":                             {"out.mp4", late, 0, 4},
		"a second of a film that begins late":                 {"out.mp4", late, 2, 2},
		"a film shorter than its sound":                       {"out.mp4", long, 0, 4},
		"a film shorter than its sound, in Matroska":          {"out.mkv", long, 0, 4},
		"an unfinished recording":                             {"out.webm", live, 0, 3.95},
		"a second beyond the end of an unfinished recording":  {"out.webm", live, 60, 6.9},
		"a film after a cover":                                {"out.mkv", cover, 0, 4},
		"an MPEG transport stream":                            {"out.ts", lavfi("-c:v", "mpeg2video", "-q:v", "2"), 0, 4},
		"a transport stream with times before each packet":    {"out.m2ts", lavfi("-c:v", "mpeg2video", "-q:v", "2", "-mpegts_m2ts_mode", "1"), 0, 4},
		"a transport stream with a single key frame":          {"out.ts", lavfi("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "500"), 0, 4},
		"the middle in whole seconds, as Wikimedia counts it": {"out.mpg", lavfi("-c:v", "mpeg1video", "-q:v", "2", "-r", "25"), 0, 3},
		"AVI":                             {"out.avi", lavfi("-c:v", "mpeg4", "-q:v", "2"), 0, 4},
		"a film of less than two seconds": {"out.mp4", lavfi(append(x264, "-t", "1")...), 0, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, middle := raster(t, drawnFrom(t, filmed(t, c.out, c.args...), c.page))
			if second := float64(middle[0]) * 219 / 255 / 20; second < c.second-0.25 || second > c.second+0.25 {
				t.Errorf("drawn at second %.2f, want %.2f", second, c.second)
			}
		})
	}
}

// A bar moves between the two fields of a frame. The thumbnail has the bar of one moment, without a comb at its edges.
func TestAnInterlacedVideo(t *testing.T) {
	moving := "color=white:s=128x96:r=50:d=1,format=yuv420p[b];color=black:s=32x96:r=50:d=1,format=yuv420p[f];" +
		"[b][f]overlay=x='mod(4*n,96)',tinterlace=interleave_top,fieldorder=tff"
	body := filmed(t, "out.ts", "-f", "lavfi", "-i", moving, "-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ildct+ilme", "-r", "25")
	drawn := drawnFrom(t, body, 0)
	h, err := guard.Drawn(bytes.NewReader(drawn), int64(len(drawn)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	pixels, combs := drawn[h.Offset:], 0
	for i := h.Width * h.Bands; i < len(pixels)-h.Width*h.Bands; i++ {
		above, below := int(pixels[i-h.Width*h.Bands]), int(pixels[i+h.Width*h.Bands])
		if here := int(pixels[i]); here < min(above, below)-60 || here > max(above, below)+60 {
			combs++
		}
	}
	if combs > len(pixels)/1000 {
		t.Errorf("%d of %d samples differ from those above and below", combs, len(pixels))
	}
}

// The thumbnail of a truncated film shows the middle of the remaining part, not the black beginning.
func TestATruncatedVideo(t *testing.T) {
	body := filmed(t, "out.mp4", "-f", "lavfi", "-i", brightening, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "5", "-movflags", "+faststart")
	film := bytes.Index(body, []byte("mdat"))
	body = body[:film+(len(body)-film)*9/20]
	for page, least := range map[int]byte{0: 20, 7: 20} {
		if _, _, middle := raster(t, drawnFrom(t, body, page)); middle[0] < least {
			t.Errorf("second %d: %v in the middle of the picture, as at the film's beginning", page, middle)
		}
	}
}

func TestTheShapeOfAVideo(t *testing.T) {
	turned := func(degrees string) []byte {
		const in = "in.mp4"
		dir := filmed(t, in, "-f", "lavfi", "-i", "color=red:s=64x32:r=10:d=1", "-vf", "setsar=2", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
		return remuxed(t, dir, in, degrees)
	}
	for name, c := range map[string]struct {
		body          func() []byte
		width, height int
	}{
		"wide pixels":                        {func() []byte { return turned("0") }, 128, 32},
		"wide pixels rotated by 90 degrees":  {func() []byte { return turned("90") }, 32, 128},
		"wide pixels rotated by -90 degrees": {func() []byte { return turned("-90") }, 32, 128},
		"wide pixels upside down":            {func() []byte { return turned("180") }, 128, 32},
		"narrow pixels": {func() []byte {
			return filmed(t, "out.mpg", "-f", "lavfi", "-i", "color=red:s=352x240:r=25:d=1", "-vf", "setsar=10/11", "-c:v", "mpeg1video")
		}, 321, 240},
	} {
		t.Run(name, func(t *testing.T) {
			if w, h, _ := raster(t, drawnFrom(t, c.body(), 0)); w != c.width || h != c.height {
				t.Errorf("%d × %d, want %d × %d", w, h, c.width, c.height)
			}
		})
	}
}

// remuxed writes a rotation into the display matrix of an MP4's track. It does so in Go, because
// versions of ffmpeg have different names for the option.
func remuxed(t *testing.T, body []byte, _, degrees string) []byte {
	t.Helper()
	matrices := map[string][4]int32{"0": {1, 0, 0, 1}, "90": {0, 1, -1, 0}, "-90": {0, -1, 1, 0}, "180": {-1, 0, 0, -1}}
	m := matrices[degrees]
	at := bytes.Index(body, []byte("tkhd"))
	if at < 0 {
		t.Fatal("the MP4 has no track")
	}
	for i, offset := range []int{0, 4, 12, 16} { // offsets of a, b, c and d in rows of three
		value := uint32(m[i] << 16) //nolint:gosec // a fixed-point number's bits
		copy(body[at+4+40+offset:], []byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)})
	}
	return body
}

func TestTheColoursOfAVideo(t *testing.T) {
	const red = "color=0xb41111:s=%s:r=5:d=0.4"
	encode := func(size, matrix string, more ...string) []string {
		filter := "scale=out_color_matrix=" + matrix + ":out_range=tv,format=yuv420p"
		return append([]string{"-f", "lavfi", "-i", strings.Replace(red, "%s", size, 1), "-vf", filter}, more...)
	}
	untagged := []string{"-c:v", "libx264", "-preset", "ultrafast", "-bsf:v", "h264_metadata=colour_primaries=2:transfer_characteristics=2:matrix_coefficients=2"}
	for name, c := range map[string]struct {
		out  string
		args []string
		want [3]uint8
	}{
		"high definition without tags": {"out.mkv", encode("1280x720", "bt709", untagged...), [3]uint8{180, 17, 17}},
		"low definition without tags":  {"out.mkv", encode("320x240", "smpte170m", untagged...), [3]uint8{180, 17, 17}},
		"tags against the size":        {"out.mkv", encode("1280x720", "smpte170m", "-c:v", "libx264", "-preset", "ultrafast", "-colorspace", "smpte170m"), [3]uint8{180, 17, 17}},
		"VP9 without tags":             {"out.webm", encode("1280x720", "smpte170m", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-b:v", "1M"), [3]uint8{180, 17, 17}},
		"a wrong tag for 8 bits":       {"out.mkv", encode("1280x720", "bt709", "-c:v", "libx264", "-preset", "ultrafast", "-bsf:v", "h264_metadata=matrix_coefficients=14"), [3]uint8{180, 17, 17}},
		"full range": {"out.mkv", []string{"-f", "lavfi", "-i", "color=0xb41111:s=320x240:r=5:d=0.4", "-vf", "scale=out_color_matrix=smpte170m:out_range=pc,format=yuvj420p",
			"-c:v", "libx264", "-preset", "ultrafast", "-color_range", "pc"}, [3]uint8{180, 17, 17}},
		"wide colours": {"out.mkv", []string{"-f", "lavfi", "-i", "color=0xb41111:s=320x240:r=5:d=0.4", "-vf",
			"format=gbrp,setparams=colorspace=gbr:range=pc:color_primaries=bt709:color_trc=bt709,zscale=primaries=bt2020:matrix=bt2020nc:transfer=bt709:range=tv,format=yuv420p",
			"-c:v", "libx264", "-preset", "ultrafast", "-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", "bt2020-10"}, [3]uint8{180, 17, 17}},
		// Diffuse white is 203 cd/m² (ITU-R BT.2408): 58 % of PQ's range, and 75 % of HLG's range.
		"white of PQ": {"out.mkv", hdrGrey("smpte2084", "0x949494"), [3]uint8{213, 213, 213}},
		"PQ with odd sides": {"out.mkv", []string{"-f", "lavfi", "-i", "color=0x949494:s=161x121:r=5:d=0.4", "-vf",
			"format=yuv420p,setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=smpte2084", "-c:v", "ffv1"}, [3]uint8{213, 213, 213}},
		"black of PQ":  {"out.mkv", hdrGrey("smpte2084", "0x000000"), [3]uint8{0, 0, 0}},
		"white of HLG": {"out.mkv", hdrGrey("arib-std-b67", "0xbfbfbf"), [3]uint8{213, 213, 213}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, middle := raster(t, drawnFrom(t, filmed(t, c.out, c.args...), 0))
			for i := range middle {
				if d := int(middle[i]) - int(c.want[i]); d < -8 || d > 8 {
					t.Fatalf("%v, want %v", middle, c.want)
				}
			}
		})
	}
}

func hdrGrey(transfer, grey string) []string {
	return []string{"-f", "lavfi", "-i", "color=" + grey + ":s=160x120:r=5:d=0.4", "-vf", "scale=out_color_matrix=bt2020:out_range=tv,format=yuv420p10le,setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc=" + transfer,
		"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", transfer}
}

func TestAVideoWithTransparency(t *testing.T) {
	const half = "color=red@0.5:s=64x64:r=5:d=2,format=yuva420p"
	for name, c := range map[string]struct {
		out  string
		args []string
	}{
		"VP9":    {"out.webm", []string{"-f", "lavfi", "-i", half, "-c:v", "libvpx-vp9", "-b:v", "1M"}},
		"VP8":    {"out.webm", []string{"-f", "lavfi", "-i", half, "-c:v", "libvpx", "-auto-alt-ref", "0", "-b:v", "1M"}},
		"ProRes": {"out.mov", []string{"-f", "lavfi", "-i", half, "-c:v", "prores_ks", "-profile:v", "4444"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, format, err := image.Decode(bytes.NewReader(drawnFrom(t, filmed(t, c.out, c.args...), 0)))
			if err != nil || format != "png" {
				t.Fatalf("format %q: %v", format, err)
			}
			if _, _, _, a := m.At(32, 32).RGBA(); a>>8 < 110 || a>>8 > 145 {
				t.Errorf("alpha is %d, want 110 to 145", a>>8)
			}
		})
	}
}

func TestVideosThatAreNotDrawn(t *testing.T) {
	wide := filmed(t, "out.mkv", "-f", "lavfi", "-i", "color=red:s=640x480:r=5:d=1", "-vf", "setsar=100", "-c:v", "mpeg4")
	sound := filmed(t, "out.mkv", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "pcm_s16le")
	for name, c := range map[string]struct {
		body []byte
		want fault.Kind
	}{"pixels 100 times as wide as high": {wide, fault.TooLarge}, "sound alone": {sound, fault.Undecodable}} {
		r := Request{Work: Draw, Header: guard.Header{Type: thumbnail.TypeVideo}, MaxPixels: 4_000_000}
		if _, err := work(t, r, c.body); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A storyboard has frames of equal distances, the first in the top left corner. The film's luma rises by 20 a second.
func TestStoryboards(t *testing.T) {
	film := filmed(t, "out.mp4", "-f", "lavfi", "-i", brightening, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
	for _, b := range []thumbnail.Storyboard{{Columns: 2, Rows: 2}, {Columns: 4, Rows: 1}, {Columns: 1, Rows: 1}} {
		spec := thumbnail.Spec{Type: thumbnail.TypeVideo, Storyboard: &b}
		drawn, err := work(t, Request{Work: Draw, Spec: spec, MaxPixels: 4_000_000}, film)
		if err != nil {
			t.Fatal(err)
		}
		h, err := guard.Drawn(bytes.NewReader(drawn), int64(len(drawn)), 4_000_000)
		tile := 16 / max(b.Columns, b.Rows)
		if err != nil || h.Width != tile*b.Columns || h.Height != tile*b.Rows {
			t.Fatalf("%+v: %+v, %v", b, h, err)
		}
		count := b.Columns * b.Rows
		for i := range count {
			x, y := i%b.Columns*tile+tile/2, i/b.Columns*tile+tile/2
			second := 8 * (float64(i) + 0.5) / float64(count)
			want := 20 * second * 255 / 219 // of luma from 16 to 235
			if got := float64(drawn[int(h.Offset)+3*(y*h.Width+x)]); got < want-12 || got > want+12 {
				t.Errorf("%+v: frame %d has the grey %v, want %v of second %v", b, i, got, want, second)
			}
		}
	}
}
