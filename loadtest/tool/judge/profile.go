package judge

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"io"

	"github.com/thumbmill/thumbmill/loadtest/tool/icc"
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

// errTones is the error for pictures brighter than a screen's white: programs map their tones in different ways.
var errTones = errors.New("a picture of high dynamic range has no single right picture in sRGB")

// declaredProfile returns a profile of the colours that an AVIF or HEIC file declares by code points (ITU-T H.273), or
// nil for sRGB and similar colours.
func declaredProfile(body []byte) ([]byte, error) {
	const declared = "colrnclx"
	at := bytes.Index(body, []byte(declared))
	if at < 0 || at+len(declared)+4 > len(body) {
		return nil, nil
	}
	codes := body[at+len(declared):]
	primaries, known := map[uint16]icc.Primaries{9: icc.BT2020, 12: icc.P3}[binary.BigEndian.Uint16(codes)]
	if !known {
		primaries = icc.BT709
	}
	curve := icc.SRGB
	switch transfer := binary.BigEndian.Uint16(codes[2:]); transfer {
	case 4:
		curve = icc.Gamma(2.2)
	case 5:
		curve = icc.Gamma(2.8)
	case 8:
		curve = icc.Gamma(1)
	case 16, 18:
		return nil, errTones
	default:
		if !known {
			return nil, nil
		}
	}
	return icc.RGB("declared", primaries, curve), nil
}
