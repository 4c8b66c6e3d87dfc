package jpeg

import (
	"errors"
	"testing"
)

// area is the frame's height times its width, or 0 where there is no frame.
func area(file []byte) int {
	for i := 2; i+9 < len(file); i++ {
		if file[i] == 0xff && file[i+1] >= 0xc0 && file[i+1] <= 0xcf && file[i+1] != 0xc4 && file[i+1] != 0xc8 && file[i+1] != 0xcc {
			return (int(file[i+5])<<8 | int(file[i+6])) * (int(file[i+7])<<8 | int(file[i+8]))
		}
	}
	return 0
}

// FuzzDecode compares with libjpeg: the same planes, or the same refusal. A progressive file
// that libjpeg can not read may be read here, where the damage is in scans that are passed over.
func FuzzDecode(f *testing.F) {
	for _, file := range kinds(f) {
		f.Add(file, uint8(0), uint8(0))
		f.Add(file, uint8(1), uint8(2))
		f.Add(file[:len(file)*2/3], uint8(3), uint8(3))
	}
	f.Fuzz(func(t *testing.T, file []byte, luma, chroma uint8) {
		if area(file) > 1<<18 || len(file) > 1<<17 {
			t.Skip("too large for many rounds")
		}
		l, c := int(luma%8)+1, int(chroma%8)+1
		got, err := Decode(file, l, c)
		want, wanted := library(file, l, c, true)
		if errors.Is(err, ErrOther) != errors.Is(wanted, ErrOther) {
			t.Fatalf("%v, and libjpeg: %v", err, wanted)
		}
		if err != nil && wanted == nil {
			t.Fatalf("%v, and libjpeg reads it", err)
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
