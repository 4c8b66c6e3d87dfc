package guard

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// bitmapCase is the beginning of a file, and its header.
type bitmapCase struct {
	body []byte
	want Header
}

// bmpOf returns a BMP's headers. The size in bytes tells the version.
func bmpOf(size uint32, width, height int32, bits uint16, alphaMask uint32) []byte {
	header := make([]byte, max(size, 64))
	le := binary.LittleEndian
	le.PutUint32(header, size)
	if size == 12 {
		le.PutUint16(header[4:], uint16(width))
		le.PutUint16(header[6:], uint16(height))
		le.PutUint16(header[10:], bits)
	} else {
		le.PutUint32(header[4:], uint32(width))
		le.PutUint32(header[8:], uint32(height))
		le.PutUint16(header[12:], 1) // planes
		le.PutUint16(header[14:], bits)
		le.PutUint32(header[52:], alphaMask)
	}
	return append([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00"), header...)
}

// icoOf returns an ICO of these pictures.
func icoOf(pictures ...[]byte) []byte {
	b := []byte{0, 0, 1, 0, byte(len(pictures)), 0}
	at := 6 + iconSize*len(pictures)
	for _, p := range pictures {
		b = append(b, 0, 0, 0, 0, 1, 0, 32, 0)
		b = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, uint32(len(p))), uint32(at))
		at += len(p)
	}
	return append(b, bytes.Join(pictures, nil)...)
}

// cursor turns an ICO into a CUR. The directory then has the hot spot in place of the bits.
func cursor(ico []byte) []byte {
	ico[2] = 2
	for i := range int(ico[4]) {
		copy(ico[6+iconSize*i+4:], []byte{9, 0, 9, 0})
	}
	return ico
}

func psdOf(version byte, channels byte, mode byte) []byte {
	return []byte{'8', 'B', 'P', 'S', 0, version, 0, 0, 0, 0, 0, 0, 0, channels, 0, 0, 0, 20, 0, 0, 0, 30, 0, 8, 0, mode}
}

// withLayers appends an empty palette, no resources, and a part of layers that begins with the bytes.
func withLayers(psd []byte, layers ...byte) []byte {
	psd = append(psd, make([]byte, 8)...)
	return append(append(psd, 0, 0, 0, 40, 0, 0, 0, byte(len(layers))), layers...)
}

func tgaOf(mapped, kind, depth byte) []byte {
	return []byte{0, mapped, kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30, 0, 20, 0, depth, 8}
}

func bitmaps() map[string]bitmapCase {
	of := func(t thumbnail.Type) Header {
		return Header{Type: t, Width: 30, Height: 20, Whole: true, Pages: 1, Frames: 1, Orientation: 1}
	}
	with := func(t thumbnail.Type, change func(*Header)) Header { h := of(t); change(&h); return h }
	alpha := func(h *Header) { h.Alpha = true }
	dib := bmpOf(40, 30, 40, 32, 0)[14:]
	small := bmpOf(40, 16, 32, 32, 0)[14:]
	return map[string]bitmapCase{
		"BMP of OS/2":                 {bmpOf(12, 30, 20, 24, 0), of(thumbnail.TypeBMP)},
		"BMP":                         {bmpOf(40, 30, 20, 32, 0xff), of(thumbnail.TypeBMP)},
		"BMP from the top":            {bmpOf(40, 30, -20, 24, 0), of(thumbnail.TypeBMP)},
		"BMP with alpha":              {bmpOf(108, 30, 20, 32, 0xff000000), with(thumbnail.TypeBMP, alpha)},
		"an icon":                     {icoOf(dib), with(thumbnail.TypeICO, alpha)},
		"an icon, the second largest": {icoOf(small, dib, small), with(thumbnail.TypeICO, func(h *Header) { h.Alpha, h.Part = true, 1 })},
		"an icon that is a PNG":       {icoOf(small, append(pngOf(30, 20), make([]byte, 20)...)), with(thumbnail.TypeICO, func(h *Header) { h.Alpha, h.Part = true, 1 })},
		"an icon of version 5":        {icoOf(small, bmpOf(124, 30, 40, 24, 0)[14:]), with(thumbnail.TypeICO, func(h *Header) { h.Alpha, h.Part = true, 1 })},
		"a cursor":                    {cursor(icoOf(small, dib)), with(thumbnail.TypeICO, func(h *Header) { h.Alpha, h.Part = true, 1 })},
		"a cursor, the deepest":       {cursor(icoOf(bmpOf(40, 30, 40, 8, 0)[14:], dib)), with(thumbnail.TypeICO, func(h *Header) { h.Alpha, h.Part = true, 1 })},
		"Photoshop":                   {psdOf(1, 3, 3), of(thumbnail.TypePSD)},
		"Photoshop, alpha":            {psdOf(1, 4, 3), with(thumbnail.TypePSD, alpha)},
		"Photoshop, a selection":      {withLayers(psdOf(1, 4, 3), 0, 2), of(thumbnail.TypePSD)},
		"Photoshop, transparency":     {withLayers(psdOf(1, 4, 3), 0xff, 0xfe), with(thumbnail.TypePSD, alpha)},
		"Photoshop, deep layers":      {append(withLayers(psdOf(1, 4, 3)), "\x00\x00\x00\x008BIMMt16\x00\x00\x00\x00"...), with(thumbnail.TypePSD, alpha)},
		"Photoshop, large":            {psdOf(2, 3, 3), of(thumbnail.TypePSD)},
		"Photoshop, inks":             {psdOf(1, 4, 4), with(thumbnail.TypePSD, func(h *Header) { h.Inks = true })},
		"Photoshop, a palette":        {psdOf(1, 1, 2), with(thumbnail.TypePSD, func(h *Header) { h.Indexed = true })},
		"Photoshop, two tones":        {psdOf(1, 1, 8), of(thumbnail.TypePSD)},
		"Photoshop, spot colours":     {psdOf(1, 5, 7), of(thumbnail.TypePSD)},
		"Targa":                       {tgaOf(0, 2, 24), with(thumbnail.TypeTGA, alpha)},
		"Targa, a palette":            {tgaOf(1, 9, 8), with(thumbnail.TypeTGA, alpha)},
		"a pixmap":                    {[]byte("P6 30 20 255\n"), of(thumbnail.TypePNM)},
		"a pixmap with comments":      {[]byte("P3\n# by 40 50\n30 # wide\n20\n255\n"), of(thumbnail.TypePNM)},
		"a bitmap":                    {[]byte("P4\n30 20\n0000"), of(thumbnail.TypePNM)},
		"a PFM":                       {[]byte("PF\n30 20\n-1.0\n"), of(thumbnail.TypePNM)},
		"a PAM":                       {[]byte("P7\nWIDTH 30\nHEIGHT 20\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"), with(thumbnail.TypePNM, alpha)},
	}
}

func TestBitmaps(t *testing.T) {
	for name, c := range bitmaps() {
		if got, err := inspect(c.body, c.want.Type); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, c.want)
		}
		if c.want.Type == thumbnail.TypeTGA {
			continue
		}
		for _, promised := range []thumbnail.Type{thumbnail.TypeUnknown, thumbnail.TypeJPEG} { // the bytes decide, not the name
			if got, err := inspect(c.body, promised); err != nil || got != c.want {
				t.Errorf("%s as %s: %+v, %v", name, promised, got, err)
			}
		}
	}
}

// Files that only begin like a bitmap are refused.
func TestNotBitmaps(t *testing.T) {
	solid := make([]byte, 84+50)
	copy(solid, "BM and P6 by Bob Miller")
	solid[80] = 1
	for name, c := range map[string]struct {
		body     []byte
		promised thumbnail.Type
		want     fault.Kind
	}{
		"a BMP without a file header": {bmpOf(40, 30, 20, 24, 0)[14:], thumbnail.TypeBMP, ""},
		"the same without a name":     {bmpOf(40, 30, 20, 24, 0)[14:], thumbnail.TypeUnknown, fault.Unsupported},
		"a solid that begins with BM": {solid, thumbnail.TypeSTL, ""},
		"Targa without a name":        {tgaOf(0, 2, 24), thumbnail.TypeUnknown, fault.Unsupported},
		"Targa named as a PNG":        {tgaOf(0, 2, 24), thumbnail.TypePNG, fault.Undecodable},
		"Targa of an unknown kind":    {tgaOf(0, 5, 24), thumbnail.TypeTGA, fault.Undecodable},
		"Targa without its palette":   {tgaOf(0, 1, 8), thumbnail.TypeTGA, fault.Undecodable},
		"words that begin with BM":    {[]byte("BMW is a maker of cars in Bavaria"), thumbnail.TypeUnknown, fault.Unsupported},
		"words that begin with P6":    {[]byte("P6 is not a number of pixels"), thumbnail.TypeUnknown, fault.Unsupported},
		"a BMP of a huge size":        {bmpOf(40, 1<<31-1, -1<<31, 24, 0), thumbnail.TypeBMP, fault.TooLarge},
		"a BMP of a negative width":   {bmpOf(40, -30, 20, 24, 0), thumbnail.TypeBMP, fault.Undecodable},
		"a pixmap of a huge size":     {[]byte("P6 99999 99999 255\n"), thumbnail.TypePNM, fault.TooLarge},
		"Photoshop, one spot colour":  {psdOf(1, 1, 7), thumbnail.TypePSD, fault.Unsupported},
		"Photoshop, an unknown mode":  {psdOf(1, 3, 5), thumbnail.TypePSD, fault.Unsupported},
		"an icon without pictures":    {icoOf(), thumbnail.TypeICO, fault.Undecodable},
		"an icon that points nowhere": {icoOf([]byte("x")), thumbnail.TypeICO, fault.Undecodable},
		"a truncated gzip file":       {[]byte("\x1f\x8b\x08\x00"), thumbnail.TypeSVG, fault.Undecodable},
	} {
		_, err := inspect(c.body, c.promised)
		if c.want == "" && err != nil || c.want != "" && !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	_, err := inspect([]byte("hello"), thumbnail.TypeUnknown)
	if err == nil || !strings.Contains(err.Error(), "jpeg, png") || strings.Contains(err.Error(), "audio") {
		t.Errorf("the error does not list the allowed types: %v", err)
	}
}

// Inspect measures a compressed SVG, and expands no more bytes than it reads.
func TestCompressedSVG(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"small":      {`<svg width="20" height="10"/>`, true},
		"4 MiB":      {`<svg width="20" height="10">` + strings.Repeat(" ", 4<<20) + `</svg>`, true},
		"no drawing": {strings.Repeat(" ", 4<<20), false},
	} {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(c.text)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		h, err := inspect(b.Bytes(), thumbnail.TypeSVG)
		if c.ok && (err != nil || h.Width != 20 || h.Height != 10) || !c.ok && !fault.Is(err, fault.Undecodable) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}
