// Package signature signs Thumbor's URLs, and verifies signatures. A signature is an HMAC of the path after
// it, in base64url with padding: with SHA-1 as Thumbor makes it, with SHA-256 or SHA-512, and truncated, as
// imagor can make it.
package signature

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Thumbor's scheme; as an HMAC it holds
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"strings"
)

// The algorithms of a key.
const (
	SHA1   = "sha1"
	SHA256 = "sha256"
	SHA512 = "sha512"
)

// Key signs paths. A key without a secret signs and verifies nothing.
type Key struct {
	Name      string // names the key in metrics
	Secret    string
	Algorithm string // SHA1, SHA256 or SHA512; "" means SHA1
	Length    int    // characters of a truncated signature; 0 means whole signatures
}

func (k Key) hash() func() hash.Hash {
	switch k.Algorithm {
	case SHA256:
		return sha256.New
	case SHA512:
		return sha512.New
	}
	return sha1.New
}

// whole returns the length of the key's whole signatures in characters.
func (k Key) whole() int { return base64.URLEncoding.EncodedLen(k.hash()().Size()) }

// length returns the length of the key's signatures in characters.
func (k Key) length() int {
	if k.Length > 0 {
		return min(k.Length, k.whole())
	}
	return k.whole()
}

// Sign returns the signature of a path: the bytes after "/<signature>/" in the URL, percent-encoded
// as clients send them, without a leading slash and without a query.
func (k Key) Sign(path string) string {
	mac := hmac.New(k.hash(), []byte(k.Secret))
	mac.Write([]byte(path))
	return base64.URLEncoding.EncodeToString(mac.Sum(nil))[:k.length()]
}

// signed reports whether signature is the key's signature of path, in constant time.
func (k Key) signed(path, signature string) bool {
	return k.Secret != "" && hmac.Equal([]byte(k.Sign(path)), []byte(signature))
}

// Keys are the valid keys of a site, the newest first.
type Keys []Key

// Find returns the first key whose signature of path this is. With no such key, ok is false.
func (all Keys) Find(path, signature string) (found Key, ok bool) {
	for _, k := range all {
		if k.signed(path, signature) {
			return k, true
		}
	}
	return Key{}, false
}

// Looks reports whether a URL's segment has the form of a signature of one of the keys, or the form of Thumbor's
// own signatures.
func (all Keys) Looks(segment string) bool {
	if (Key{}).looks(segment) {
		return true
	}
	for _, k := range all {
		if k.looks(segment) {
			return true
		}
	}
	return false
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func (k Key) looks(segment string) bool {
	if len(segment) != k.length() {
		return false
	}
	digits := min(k.length(), base64.RawURLEncoding.EncodedLen(k.hash()().Size()))
	return strings.Trim(segment[:digits], alphabet) == "" && strings.Trim(segment[digits:], "=") == ""
}
