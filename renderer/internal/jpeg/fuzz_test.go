package jpeg

import (
	"errors"
	"testing"
)

// area returns the frame's height times its width, or 0 if the file has no frame.
func area(file []byte) int {
	for i := 2; i+9 < len(file); i++ {
		if file[i] == 0xff && file[i+1] >= 0xc0 && file[i+1] <= 0xcf && file[i+1] != 0xc4 && file[i+1] != 0xc8 && file[i+1] != 0xcc {
			return (int(file[i+5])<<8 | int(file[i+6])) * (int(file[i+7])<<8 | int(file[i+8]))
		}
	}
	return 0
}

// FuzzDecode compares Decode with libjpeg: both return the same planes, or both refuse the file.
// Decode may also decode a progressive file that libjpeg cannot decode, because Decode skips scans and
// so does not see their damage.
func FuzzDecode(f *testing.F) {
	for _, file := range kinds(f) {
		f.Add(file, uint8(0), uint8(0))
		f.Add(file, uint8(1), uint8(2))
		f.Add(file[:len(file)*2/3], uint8(3), uint8(3))
	}
	f.Fuzz(func(t *testing.T, file []byte, luma, chroma uint8) {
		if area(file) > 1<<18 || len(file) > 1<<17 {
			t.Skip("the file is too large for many rounds")
		}
		l, c := int(luma%8)+1, int(chroma%8)+1
		got, err := Decode(file, l, c)
		want, wanted := library(file, l, c, true)
		if errors.Is(err, ErrOther) != errors.Is(wanted, ErrOther) {
			t.Fatalf("Decode returns %v, and libjpeg %v", err, wanted)
		}
		if err != nil && wanted == nil {
			t.Fatalf("Decode returns %v, and libjpeg decodes the file", err)
		}
		if err == nil {
			defer got.Free()
		}
		if wanted == nil {
			defer want.Free()
			same(t, got, want)
		}
	})
}
