package guard

import "io"

// jxlAnimated tells whether a JPEG XL code stream has frames that follow each other in
// time (ISO/IEC 18181-1, D.2 and D.3). They are not counted: that takes decoding.
func jxlAnimated(r *io.SectionReader) bool {
	var b [64]byte // more than two sizes and a preview take; what is missing counts as zeros
	_, _ = r.ReadAt(b[:], 0)
	bits := bitReader{rest: b[2:]}
	skipJXLSize(&bits)
	if allDefault := bits.take(1) == 1; allDefault {
		return false
	}
	if extraFields := bits.take(1) == 1; !extraFields {
		return false
	}
	bits.take(3) // orientation
	if intrinsicSize := bits.take(1) == 1; intrinsicSize {
		skipJXLSize(&bits)
	}
	if preview := bits.take(1) == 1; preview {
		skipJXLPreview(&bits)
	}
	return bits.take(1) == 1
}

func skipJXLSize(bits *bitReader) {
	small := bits.take(1) == 1
	length := func() {
		if small {
			bits.take(5)
			return
		}
		bits.take([]int{9, 13, 18, 30}[bits.take(2)])
	}
	length()
	if ratio := bits.take(3); ratio == 0 {
		length()
	}
}

func skipJXLPreview(bits *bitReader) {
	eighths := bits.take(1) == 1
	sizes := [4]int{6, 8, 10, 12}
	if eighths {
		sizes = [4]int{0, 0, 5, 9}
	}
	length := func() { bits.take(sizes[bits.take(2)]) }
	length()
	if ratio := bits.take(3); ratio == 0 {
		length()
	}
}
