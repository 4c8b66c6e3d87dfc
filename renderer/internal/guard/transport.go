package guard

import (
	"io"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// transportSync begins each packet of an MPEG transport stream (ISO/IEC 13818-1).
	transportSync = 0x47
	// transportPackets is the number of packets that must begin with transportSync.
	transportPackets = 5
)

// transportLayouts are the sizes of a packet, and the offsets of its sync byte, in bytes: plain,
// with a time before each packet (cameras and Blu-ray discs), and with error correction behind
// each packet.
var transportLayouts = []struct{ size, at int }{{188, 0}, {192, 4}, {204, 0}}

// readTransportStream tells a transport stream by the first bytes of its packets, because the
// format has no magic.
func readTransportStream(r *io.SectionReader) (Header, bool) {
	h := Header{Type: thumbnail.TypeVideo}
	b := head(r, 204*transportPackets)
	for _, l := range transportLayouts {
		found := 0
		for at := l.at; at < len(b) && b[at] == transportSync; at += l.size {
			found++
		}
		if found >= transportPackets {
			return h, true
		}
	}
	return h, false
}
