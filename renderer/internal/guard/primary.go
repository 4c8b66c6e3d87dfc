package guard

import (
	"encoding/binary"
	"io"
)

// maxAssociations bounds the table of properties that is read, in bytes.
const maxAssociations = 64 << 10

// primaryOf returns the numbers, from 1 on, of the properties that the primary picture of a HEIF has, or nil if the
// file does not say (ISO/IEC 14496-12, 8.11.4; ISO/IEC 23008-12, 9.3.1). Other pictures, such as a gain map, have
// their own colours and turns.
func primaryOf(r *io.SectionReader, meta box) map[int]bool {
	var id uint32
	var table []byte
	boxes(r, meta.from+4, meta.to, func(b box) bool {
		switch b.kind {
		case "pitm":
			id = itemID(head(io.NewSectionReader(r, b.from, max(0, b.to-b.from)), 8))
		case "iprp":
			boxes(r, b.from, b.to, func(ipma box) bool {
				if ipma.kind == "ipma" {
					table = head(io.NewSectionReader(r, ipma.from, max(0, ipma.to-ipma.from)), maxAssociations)
				}
				return ipma.kind != "ipma"
			})
		}
		return true
	})
	return associated(table, id)
}

// itemID reads the item of a box pitm.
func itemID(b []byte) uint32 {
	switch {
	case len(b) >= 8 && b[0] > 0:
		return binary.BigEndian.Uint32(b[4:])
	case len(b) >= 6:
		return uint32(binary.BigEndian.Uint16(b[4:]))
	}
	return 0
}

// associated returns the properties of an item in a box ipma.
func associated(b []byte, item uint32) map[int]bool {
	if len(b) < 8 || item == 0 {
		return nil
	}
	long, wide := b[0] > 0, b[3]&1 != 0 // IDs of 32 bits, numbers of 15 bits
	for b = b[8:]; len(b) >= 5; {
		id := uint32(binary.BigEndian.Uint16(b))
		b = b[2:]
		if long {
			id, b = id<<16|uint32(binary.BigEndian.Uint16(b)), b[2:]
		}
		count, size := int(b[0]), 1
		if wide {
			size = 2
		}
		if b = b[1:]; len(b) < count*size {
			return nil
		}
		if id == item {
			return numbered(b[:count*size], size)
		}
		b = b[count*size:]
	}
	return nil
}

// numbered reads the numbers of properties. The highest bit of each says that the property is essential.
func numbered(b []byte, size int) map[int]bool {
	numbers := map[int]bool{}
	for ; len(b) >= size; b = b[size:] {
		if size == 1 {
			numbers[int(b[0]&0x7f)] = true
		} else {
			numbers[int(binary.BigEndian.Uint16(b)&0x7fff)] = true
		}
	}
	return numbers
}

// own reports whether a property decides about the primary picture: the picture has the property, or the file does not
// say. The tiles of a grid have other properties than the grid, and these decide too.
func own(of map[int]bool, number int, kind string) bool {
	switch kind {
	case "colr", "irot", "imir":
		return of == nil || of[number]
	}
	return true
}
