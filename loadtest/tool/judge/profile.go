package judge

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
)

// Offsets in a profile's header (ICC.1).
const (
	profileClass     = 12
	profileSpace     = 16
	profileSignature = 36
)

// embeddedProfile finds an ICC profile in a picture. A profile in several segments is incomplete.
func embeddedProfile(body []byte) []byte {
	if p := pngProfile(body); p != nil {
		body = p
	}
	for at := profileSignature; ; at++ {
		i := bytes.Index(body[min(at, len(body)):], []byte("acsp"))
		if i < 0 {
			return nil
		}
		at += i
		p := body[at-profileSignature:]
		if bytes.Contains([]byte("mntrscnrprtrspac"), p[profileClass:profileClass+4]) {
			return p[:min(len(p), int(binary.BigEndian.Uint32(p)))]
		}
	}
}

// mostProfile bounds the bytes of a profile that are unpacked.
const mostProfile = 4 << 20

// pngProfile unpacks a PNG's profile.
func pngProfile(body []byte) []byte {
	at := bytes.Index(body[:min(len(body), 4096)], []byte("iCCP"))
	if at < 4 {
		return nil
	}
	end := at + 4 + int(binary.BigEndian.Uint32(body[at-4:]))
	if end > len(body) || end < at {
		return nil
	}
	_, packed, _ := bytes.Cut(body[at+4:end], []byte{0})
	if len(packed) < 1 {
		return nil
	}
	r, err := zlib.NewReader(bytes.NewReader(packed[1:]))
	if err != nil {
		return nil
	}
	profile, _ := io.ReadAll(io.LimitReader(r, mostProfile)) // a damaged profile gives its readable part
	return profile
}
