package guard

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// maxTriangles of an STL: 50 bytes each when binary.
	maxTriangles = 20_000_000
	// stlHead is how much of an STL is looked at: a name can be long.
	stlHead = 4096
	// STLHeader is the bytes of a binary STL before its triangles, STLTriangle those of each.
	STLHeader, STLTriangle = 84, 50
)

// STLTriangles is the number of triangles of a binary STL, of which b is the beginning and
// size the length in bytes; 0 of all else. exact says that nothing follows them: what is
// longer is binary when it is no text, which can begin with any four bytes there.
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

// stlText tells text by its first words, in any case, behind a byte order mark.
func stlText(b []byte) bool {
	b = bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	return bytes.HasPrefix(b, []byte("solid")) && bytes.Contains(b, []byte("facet"))
}

func readSTL(r *io.SectionReader) (Header, bool) {
	b := head(r, stlHead)
	_, exact := STLTriangles(b, r.Size())
	return Header{Type: thumbnail.TypeSTL}, exact || stlText(b)
}

// readLongSTL believes the name: other bytes follow the triangles.
func readLongSTL(r *io.SectionReader) (Header, bool) {
	n, _ := STLTriangles(head(r, stlHead), r.Size())
	return Header{Type: thumbnail.TypeSTL}, n > 0
}
