package guard

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// maxTriangles bounds the triangles of a binary STL, of 50 bytes each.
	maxTriangles = 20_000_000
	// stlHead bounds the bytes of an STL that are read for its type: a name can be long.
	stlHead = 4096
	// STLHeader is the size of a binary STL's header, and STLTriangle the size of a triangle, in
	// bytes.
	STLHeader, STLTriangle = 84, 50
)

// STLTriangles returns the number of triangles of a binary STL, or 0 if the file is not one. b
// is the beginning of the file, and size its length in bytes. exact says that no bytes follow
// the triangles. A file with more bytes counts as binary unless it begins as a text, because
// the bytes of the count can be any text.
func STLTriangles(b []byte, size int64) (triangles int64, exact bool) {
	if len(b) < STLHeader {
		return 0, false
	}
	n := int64(binary.LittleEndian.Uint32(b[STLHeader-4:]))
	needed := STLHeader + STLTriangle*n
	if n > maxTriangles || size < needed || size > needed && stlText(b) {
		return 0, false
	}
	return n, size == needed
}

// stlText reports whether a file begins with the words of a text STL. Case, white space and a
// byte order mark do not matter.
func stlText(b []byte) bool {
	b = bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	return bytes.HasPrefix(b, []byte("solid")) && bytes.Contains(b, []byte("facet"))
}

func readSTL(r *io.SectionReader) (Header, bool) {
	b := head(r, stlHead)
	_, exact := STLTriangles(b, r.Size())
	return Header{Type: thumbnail.TypeSTL}, exact || stlText(b)
}

// readLongSTL trusts the name, because other bytes follow the triangles.
func readLongSTL(r *io.SectionReader) (Header, bool) {
	n, _ := STLTriangles(head(r, stlHead), r.Size())
	return Header{Type: thumbnail.TypeSTL}, n > 0
}
