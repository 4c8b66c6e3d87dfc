package tga

import (
	"bytes"
	"errors"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// file returns a TGA file. The palette's colours have 24 bits.
func file(kind, width, height, depth int, descriptor byte, palette, pixels string) []byte {
	b := make([]byte, headerBytes)
	b[2], b[12], b[14], b[16], b[17] = byte(kind), byte(width), byte(height), byte(depth), descriptor
	if palette != "" {
		b[1], b[5], b[7] = 1, byte(len(palette)/3), 24
	}
	return append(append(b, palette...), pixels...)
}

const (
	red, green, blue = "\xff\x00\x00\xff", "\x00\xff\x00\xff", "\x00\x00\xff\xff"
	veiled           = "\xff\x00\x00\x40"
	grey16           = "\x80\x80\x80\x40"
	black            = "\x00\x00\x00\xff"
)

func TestVariants(t *testing.T) {
	r, g, b := "\x00\x00\xff", "\x00\xff\x00", "\xff\x00\x00" // as stored
	for name, c := range map[string]struct {
		body  []byte
		want  string
		alpha bool
	}{
		"24 bits, from the bottom":      {file(2, 1, 2, 24, 0, "", r+g), green + red, false},
		"24 bits, from the top":         {file(2, 1, 2, 24, 0x20, "", r+g), red + green, false},
		"from the right":                {file(2, 2, 1, 24, 0x10, "", r+g), green + red, false},
		"a comment":                     {append(append([]byte{3}, file(2, 1, 1, 24, 0, "", "")[1:]...), "abc"+r...), red, false},
		"15 bits":                       {file(2, 2, 1, 15, 0, "", "\x00\x7c\xe0\x03"), red + green, false},
		"16 bits, alpha of zeros alone": {file(2, 2, 1, 16, 1, "", "\x00\x7c\xe0\x03"), red + green, false},
		"16 bits with alpha":            {file(2, 2, 1, 16, 1, "", "\x00\xfc\xe0\x03"), red + "\x00\xff\x00\x00", true},
		"32 bits":                       {file(2, 2, 1, 32, 8, "", r+"\x40"+g+"\xff"), veiled + green, true},
		"32 bits, undeclared alpha":     {file(2, 2, 1, 32, 0, "", r+"\x40"+g+"\xff"), veiled + green, true},
		"32 bits, the fourth is unused": {file(2, 1, 1, 32, 0, "", r+"\x00"), red, false},
		"grey":                          {file(3, 1, 1, 8, 0, "", "\x80"), "\x80\x80\x80\xff", false},
		"grey with alpha":               {file(3, 1, 1, 16, 8, "", "\x80\x40"), grey16, true},
		"a palette":                     {file(1, 3, 1, 8, 0, r+g+b, "\x02\x01\x00"), blue + green + red, false},
		"a palette without use":         {file(2, 1, 1, 24, 0, r+g+b, g), green, false},
		"runs":                          {file(10, 2, 2, 24, 0x20, "", "\x82"+r+"\x00"+b), red + red + red + blue, false},
		"runs of a palette":             {file(9, 3, 1, 8, 0, r+g+b, "\x81\x01\x00\x02"), green + green + blue, false},
		"runs of grey":                  {file(11, 2, 1, 16, 8, "", "\x81\x80\x40"), grey16 + grey16, true},
		"an early end":                  {file(2, 2, 1, 24, 0, "", r+"\x00"), red + black, false},
	} {
		p, err := Open(bytes.NewReader(c.body), int64(len(c.body)), 100)
		if err != nil || string(p.Pix) != c.want || p.Alpha != c.alpha {
			t.Errorf("%s: %+v, want %q, %v", name, p, c.want, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		body []byte
		kind fault.Kind
	}{
		"a short header":     {[]byte("short"), fault.Undecodable},
		"no width":           {file(2, 0, 1, 24, 0, "", "abc"), fault.Undecodable},
		"too many pixels":    {file(2, 101, 1, 24, 0, "", "abc"), fault.TooLarge},
		"an unknown kind":    {file(5, 1, 1, 24, 0, "", "abc"), fault.Undecodable},
		"an unknown depth":   {file(2, 1, 1, 23, 0, "", "abc"), fault.Undecodable},
		"no palette":         {file(1, 1, 1, 8, 0, "", "abc"), fault.Undecodable},
		"half a palette":     {file(1, 1, 1, 8, 0, "abcabc", "")[:headerBytes+4], fault.Undecodable},
		"no pixels":          {file(2, 1, 1, 24, 0, "", ""), fault.Undecodable},
		"a colour too large": {file(1, 1, 1, 8, 0, "abc", "\x09"), fault.Undecodable},
	} {
		if _, err := Open(bytes.NewReader(c.body), int64(len(c.body)), 100); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(file(10, 2, 2, 24, 0x20, "", "\x82abc\x00def"))
	f.Add(file(9, 3, 1, 8, 0, "abcdef", "\x81\x01\x00\x00"))
	f.Add(file(3, 1, 1, 16, 8, "", "\x80\x40"))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := Open(bytes.NewReader(body), int64(len(body)), 1<<16)
		var known *fault.Fault
		switch {
		case err != nil && !errors.As(err, &known):
			t.Errorf("not a fault: %v", err)
		case err == nil && len(p.Pix) != 4*p.Width*p.Height:
			t.Errorf("%d bytes of %d × %d pixels", len(p.Pix), p.Width, p.Height)
		}
	})
}
