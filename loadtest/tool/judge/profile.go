package judge

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
)

// profileSpace finds an embedded ICC profile and gives its colour space.
func profileSpace(body []byte) string {
	if p := pngProfile(body); p != nil {
		body = p
	}
	const signature, space = 36, 16
	for at := signature; ; at++ {
		i := bytes.Index(body[min(at, len(body)):], []byte("acsp"))
		if i < 0 {
			return ""
		}
		if at += i; bytes.Contains([]byte("mntrscnrprtrspac"), body[at-signature+12:at-signature+16]) {
			return string(body[at-signature+space : at-signature+space+4])
		}
	}
}

// mostProfile is how much of a profile is unpacked, in bytes.
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
	profile, _ := io.ReadAll(io.LimitReader(r, mostProfile)) // what there is of it
	return profile
}
