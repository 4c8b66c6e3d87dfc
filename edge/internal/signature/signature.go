// Package signature signs Thumbor's URLs. A signature is the HMAC-SHA1 of the path after the
// signature, in base64url with padding. The edge verifies signatures, and thumbmill sign makes them.
package signature

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Thumbor's scheme; as an HMAC it holds
	"encoding/base64"
	"strings"
)

// Length is the length of a signature in characters.
const Length = 28

// Sign returns the signature of a path: the bytes after "/<signature>/" in the URL, percent-encoded
// as clients send them, without a leading slash and without a query.
func Sign(key, path string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(path))
	return base64.URLEncoding.EncodeToString(mac.Sum(nil))
}

// Valid reports whether signature is the signature of path, in constant time. With an empty key it
// returns false.
func Valid(key, path, signature string) bool {
	return key != "" && hmac.Equal([]byte(Sign(key, path)), []byte(signature))
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// Looks reports whether a URL's segment has the form of a signature.
func Looks(segment string) bool {
	if len(segment) != Length || segment[Length-1] != '=' {
		return false
	}
	for _, c := range []byte(segment[:Length-1]) {
		if !strings.ContainsRune(alphabet, rune(c)) {
			return false
		}
	}
	return true
}
