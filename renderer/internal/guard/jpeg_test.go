package guard

import (
	"bytes"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// TestStrayBytes puts bytes that belong to no segment before the frame marker.
func TestStrayBytes(t *testing.T) {
	whole := jpegOf(0xc0, 90, 40)
	at := bytes.Index(whole, []byte{0xff, 0xff, 0xc0})
	for name, c := range map[string]struct {
		stray string
		ok    bool
	}{
		"none":               {"", true},
		"one":                {"\x01", true},
		"sixteen":            {strings.Repeat("\x00\x04", 8), true},
		"coded data":         {"\xff\x00\xff\x00", true},
		"across two reads":   {strings.Repeat("x", 4095-2) + "\xff\x00", true},
		"a 0xff at the seam": {strings.Repeat("x", 4095), true},
		"too many":           {strings.Repeat("x", maxStray+5000), false},
	} {
		body := append(append(bytes.Clone(whole[:at]), c.stray...), whole[at:]...)
		h, err := inspect(body, thumbnail.TypeJPEG)
		if c.ok && (err != nil || h.Width != 90 || h.Height != 40) || !c.ok && !fault.Is(err, fault.Undecodable) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
}

func TestProcesses(t *testing.T) {
	for name, c := range map[string]struct {
		marker, bits byte
		kind         fault.Kind
		says         string
		byTool       bool
	}{
		"baseline":                {0xc0, 8, "", "", false},
		"arithmetic":              {0xc9, 8, "", "", false},
		"arithmetic, progressive": {0xca, 8, "", "", false},
		"lossless":                {0xc3, 8, "", "", true},
		"lossless of 16 bits":     {0xc3, 16, "", "", true},
		"12 bits":                 {0xc1, 12, fault.Unsupported, "12 bits", false},
		"differential":            {0xc5, 8, fault.Unsupported, "differential", false},
		"arithmetic, lossless":    {0xcb, 8, fault.Unsupported, "lossless", false},
		"hierarchical":            {0xde, 8, fault.Unsupported, "hierarchical", false},
	} {
		body := jpegOf(c.marker, 90, 40)
		body[13] = c.bits
		h, err := inspect(body, thumbnail.TypeJPEG)
		if c.kind == "" && (err != nil || h.ByTool != c.byTool) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
		if c.kind != "" && (!fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
