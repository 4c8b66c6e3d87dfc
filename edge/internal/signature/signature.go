// Package signature signs Thumbor's URLs: HMAC-SHA1 over the path behind the
// signature, in base64url with its padding. The edge verifies, thumbmill sign
// makes them.
package signature

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Thumbor's scheme; as an HMAC it holds
	"encoding/base64"
	"strings"
)

// Length of a signature in characters.
const Length = 28

// Sign gives the signature of a path: what follows "/<signature>/" in the URL,
// byte for byte, percent-encoding included, without a leading slash and a query.
func Sign(key, path string) string {
	mac := hmac.New(sha1.New, []byte(key))
	mac.Write([]byte(path))
	return base64.URLEncoding.EncodeToString(mac.Sum(nil))
}

// Valid compares in constant time. An empty key makes nothing valid.
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
