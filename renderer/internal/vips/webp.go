package vips

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
)

// How much larger than the thumbnail a WebP is decoded: its decoder averages luma and chroma as
// they are stored, which shows below twice the size, and sharpened below three times.
const webPSlack = 2

// shrinkWebP is how much libwebp shrinks while it loads a photograph that is so much larger than its
// thumbnail. Averages of drawings would show, and averages of the colours behind transparency.
func (r *render) shrinkWebP(larger float64) int {
	slack := float64(webPSlack)
	if r.spec.Sharpen != nil {
		slack = averagedSlack
	}
	if h := r.header; h.Alpha || h.Frames > 1 || !lossyWebP(r.fd) {
		return 1
	}
	return max(1, int(larger/slack))
}

// Lossless WebPs. A picture of more than losslessBytes a pixel is a photograph in any type of original.
// Without effort a file takes up to a tenth more: a picture above hopelessBytes then stays above losslessBytes,
// and gets no effort, which takes far longer. A noisy picture above noisyBytes gets little effort: the rest takes four times
// as long, and saves a twentieth.
const (
	losslessBytes = 1.5
	hopelessBytes = losslessBytes * 1.15
	noisyBytes    = 1.0
	briefly       = 1.07 // bytes of a brief file, for each byte of a patient one
	hastyWebP     = ".webp[lossless=true,effort=0]"
	briefWebP     = ".webp[lossless=true,effort=1]"
	patientWebP   = ".webp[lossless=true,effort=4]"
)

// losslessWebP returns nil for a picture that takes too many bytes.
func (r *render) losslessWebP() ([]byte, error) {
	file, err := r.packWebP(hastyWebP)
	if err != nil || float64(len(file)) > hopelessBytes*float64(r.area()) {
		return nil, err
	}
	most := losslessBytes * float64(r.area())
	switch noisy := float64(len(file)) > noisyBytes*float64(r.area()); {
	case r.large():
	case noisy:
		most *= briefly
		file, err = r.packWebP(briefWebP)
	default:
		file, err = r.packWebP(patientWebP)
	}
	if err != nil || float64(len(file)) > most {
		return nil, err
	}
	return file, nil
}

func (r *render) packWebP(how string) ([]byte, error) {
	file, err := r.byVips(how)
	return metadata.WithoutExif(file), err
}

// mostChunks of a WebP are looked at: the picture comes after a few of metadata (RFC 9649).
const mostChunks = 16

// lossyWebP reports whether the file's picture is as photographs are.
func lossyWebP(fd int) bool {
	var head [8]byte
	at := int64(12)
	for range mostChunks {
		if n, err := unix.Pread(fd, head[:], at); n < len(head) || err != nil {
			return false
		}
		switch string(head[:4]) {
		case "VP8 ":
			return true
		case "VP8L":
			return false
		}
		length := int64(binary.LittleEndian.Uint32(head[4:]))
		at += int64(len(head)) + length + length&1
	}
	return false
}
