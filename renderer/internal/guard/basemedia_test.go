package guard

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// boxOf returns a box of ISO base media with this content.
func boxOf(kind string, content ...string) string {
	all := kind + strings.Join(content, "")
	return string(binary.BigEndian.AppendUint32(nil, uint32(4+len(all)))) + all
}

const (
	versioned = "\x00\x00\x00\x00"
	one       = "\x00\x00\x00\x01"
	alphaType = "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\x00"
)

// track returns a track of this handler, of 64 × 48 pixels and 3 frames.
func track(handler, more string) string {
	entry := boxOf("av01", strings.Repeat("\x00", 24), "\x00\x40\x00\x30", strings.Repeat("\x00", 50), more)
	return boxOf("trak", boxOf("mdia",
		boxOf("hdlr", versioned, versioned, handler),
		boxOf("minf", boxOf("stbl", boxOf("stsd", versioned, one, entry), boxOf("stsz", versioned, versioned, "\x00\x00\x00\x03")))))
}

func still(more ...string) string {
	return boxOf("meta", versioned, strings.Join(more, ""), boxOf("iprp", boxOf("ipco", boxOf("ispe", versioned, "\x00\x00\x00\x20", "\x00\x00\x00\x10"))))
}

func TestBaseMedia(t *testing.T) {
	brand := func(major string, more ...string) string {
		return boxOf("ftyp", major, versioned, strings.Join(more, ""), "iso8")
	}
	alpha := boxOf("auxi", versioned, alphaType)
	items := boxOf("pitm", versioned) + boxOf("iinf", boxOf("infe", "av01"))
	for name, c := range map[string]struct {
		body string
		want Header
	}{
		"a sequence":                  {brand("avis") + boxOf("moov", track("pict", "")), Header{Type: thumbnail.TypeAVIF, Width: 64, Height: 48, Frames: 3, Sequence: true}},
		"a sequence with alpha":       {brand("avis") + boxOf("moov", track("pict", ""), track("auxv", alpha)), Header{Type: thumbnail.TypeAVIF, Width: 64, Height: 48, Frames: 3, Sequence: true, Alpha: true}},
		"a sequence with depths":      {brand("avis") + boxOf("moov", track("pict", ""), track("auxv", "")), Header{Type: thumbnail.TypeAVIF, Width: 64, Height: 48, Frames: 3, Sequence: true}},
		"a sequence of HEVC":          {brand("hevc", "msf1") + boxOf("moov", track("pict", "")), Header{Type: thumbnail.TypeHEIC, Width: 64, Height: 48, Frames: 3, Sequence: true}},
		"a picture beside a sequence": {brand("avis") + still() + boxOf("moov", track("pict", "")), Header{Type: thumbnail.TypeAVIF, Width: 32, Height: 16, Frames: 3}},
		"a premultiplied picture":     {brand("avif") + still(boxOf("iref", versioned, boxOf("auxl", one), boxOf("prem", one))), Header{Type: thumbnail.TypeAVIF, Width: 32, Height: 16, Premultiplied: true}},
		"a picture without its brand": {brand("mp42") + still(items), Header{Type: thumbnail.TypeAVIF, Width: 32, Height: 16}},
		"a video with metadata":       {brand("mp42") + still() + boxOf("moov"), Header{Type: thumbnail.TypeVideo}},
		"a video with sound":          {brand("isom") + boxOf("moov", track("vide", "")), Header{Type: thumbnail.TypeVideo}},
		"a picture as it is":          {brand("mif1") + boxOf("meta", versioned, boxOf("iprp", boxOf("ipco", boxOf("ispe", versioned, "\x00\x00\x00\x20", "\x00\x00\x00\x10"), boxOf("uncC", versioned)))), Header{Type: thumbnail.TypeHEIC, Width: 32, Height: 16, Uncompressed: true}},
		"a late brand":                {brand("mif1", strings.Repeat("xxxx", 20), "avif") + still(), Header{Type: thumbnail.TypeAVIF, Width: 32, Height: 16}},
	} {
		bitmaps := c.want.Type != thumbnail.TypeVideo
		c.want.Pages, c.want.Frames, c.want.Orientation, c.want.Whole = 1, max(1, c.want.Frames), 1, bitmaps
		if got, err := inspect([]byte(c.body), c.want.Type); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, c.want)
		}
	}
}

func TestAlphaIsKnownByItsType(t *testing.T) {
	for auxiliary, want := range map[string]bool{
		alphaType: true, "urn:mpeg:hevc:2015:auxid:1\x00": true,
		"urn:mpeg:mpegB:cicp:systems:auxiliary:depth\x00": false, "urn:mpeg:hevc:2015:auxid:2\x00": false,
	} {
		body := boxOf("ftyp", "avif", versioned, "mif1") + boxOf("meta", versioned, boxOf("iprp", boxOf("ipco",
			boxOf("ispe", versioned, "\x00\x00\x00\x20", "\x00\x00\x00\x10"), boxOf("auxC", versioned, auxiliary))))
		if h, err := inspect([]byte(body), thumbnail.TypeAVIF); err != nil || h.Alpha != want {
			t.Errorf("%q: %+v, %v", auxiliary, h, err)
		}
	}
}

// The walk through tracks is bounded, even in tracks of very many nested boxes.
func TestTracksAreBounded(t *testing.T) {
	body := boxOf("stbl", slices.Repeat([]string{boxOf("free")}, maxBoxes)...)
	for _, kind := range []string{"minf", "mdia", "trak"} {
		body = boxOf(kind, body, body, body)
	}
	all := boxOf("ftyp", "avis", versioned, "iso8") + boxOf("moov", slices.Repeat([]string{body}, maxBoxes)...)
	r := &counted{reader: bytes.NewReader([]byte(all))}
	if _, err := Inspect(r, int64(len(all)), thumbnail.TypeAVIF, maxPixels); err == nil {
		t.Error("Inspect accepts a sequence without pictures")
	}
	if r.reads > 20*maxTrackBoxes {
		t.Errorf("Inspect reads %d times", r.reads)
	}
}

type counted struct {
	reader *bytes.Reader
	reads  int
}

func (c *counted) ReadAt(b []byte, at int64) (int, error) {
	c.reads++
	return c.reader.ReadAt(b, at)
}

func TestVideosWithoutABrand(t *testing.T) {
	stream := func(size, at, packets int) string {
		b := make([]byte, size*packets)
		for i := range packets {
			b[i*size+at] = transportSync
		}
		return string(b)
	}
	for name, c := range map[string]struct {
		body string
		ok   bool
	}{
		"MPEG-TS":                 {stream(188, 0, 9), true},
		"MPEG-TS with timestamps": {stream(192, 4, 9), true},
		"MPEG-TS with FEC":        {stream(204, 0, 9), true},
		"too few packets":         {stream(188, 0, transportPackets-1), false},
		"packets of another size": {stream(190, 0, 9), false},
		"AVI":                     {"RIFF\x00\x00\x00\x00AVI LIST", true},
		"early QuickTime":         {boxOf("moov", boxOf("trak")), true},
	} {
		for _, promised := range []thumbnail.Type{thumbnail.TypeVideo, thumbnail.TypeUnknown} {
			if h, err := inspect([]byte(c.body), promised); (err == nil && h.Type == thumbnail.TypeVideo) != c.ok {
				t.Errorf("%s: %+v, %v", name, h, err)
			}
		}
	}
}

// The colours and the turn of another picture, such as a gain map, do not count.
func TestTheColoursOfThePrimaryPicture(t *testing.T) {
	colr := func(primaries byte) string {
		return boxOf("colr", "nclx", "\x00"+string([]byte{primaries}), "\x00\x0d\x00\x00\x80")
	}
	file := func(associations string) string {
		properties := boxOf("ipco", colr(12), boxOf("irot", "\x01"), boxOf("ispe", versioned, "\x00\x00\x00\x20", "\x00\x00\x00\x10"), colr(9))
		return boxOf("ftyp", "avif", versioned, "mif1") + boxOf("meta", versioned, boxOf("pitm", versioned, "\x00\x02"), boxOf("iprp", properties, associations))
	}
	for name, c := range map[string]struct {
		body        string
		want        colour.Space
		orientation int
	}{
		"the second picture's": {file(boxOf("ipma", versioned, "\x00\x00\x00\x02", "\x00\x01\x03\x81\x82\x03", "\x00\x02\x02\x03\x84")), colour.OfCodes(9, 13), 1},
		"in 32 and 15 bits":    {file(boxOf("ipma", "\x01\x00\x00\x01", one, "\x00\x00\x00\x02\x01\x80\x04")), colour.OfCodes(9, 13), 1},
		"without a table":      {file(""), colour.OfCodes(12, 13), 8},
		"with a short table":   {file(boxOf("ipma", versioned, one, "\x00\x02\x09\x03\x84")), colour.OfCodes(12, 13), 8},
	} {
		h, err := inspect([]byte(c.body), thumbnail.TypeAVIF)
		if err != nil || h.Colour != c.want || h.Orientation != c.orientation || h.Width != 32 {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}
