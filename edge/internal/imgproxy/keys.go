package imgproxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// key is a pair of imgproxy's key and salt.
type key struct {
	name      string
	key, salt []byte
}

// readKeys reads the keys of the settings, which are hexadecimal.
func (p *Parser) readKeys() error {
	for i, k := range p.settings.Imgproxy.Keys {
		secret, err := hex.DecodeString(string(k.Key))
		salt, err2 := hex.DecodeString(string(k.Salt))
		if err != nil || err2 != nil { // these errors would show a part of the key
			return fmt.Errorf("imgproxy.keys[%d]: the key or the salt is not hexadecimal: write them as in IMGPROXY_KEY and IMGPROXY_SALT", i)
		}
		p.keys = append(p.keys, key{k.Name, secret, salt})
	}
	secret, err := hex.DecodeString(string(p.settings.Imgproxy.EncryptionKey))
	if err != nil || !slices.Contains([]int{0, 16, 24, 32}, len(secret)) {
		return fmt.Errorf("imgproxy.encryption_key is not 16, 24 or 32 bytes in hexadecimal: write it as in IMGPROXY_SOURCE_URL_ENCRYPTION_KEY")
	}
	p.secret = secret
	return nil
}

// sign returns the signature of a path after the signature, without its leading slash.
func (k key) sign(rest string, size int) string {
	mac := hmac.New(sha256.New, k.key)
	mac.Write(k.salt)
	mac.Write([]byte("/" + rest))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:size])
}

// Sign returns the whole path of options and a source, which must be percent-encoded as clients send them. Without signed, or
// without a key, the path is unsigned. It returns an error where this edge refuses each such path: only Thumbor's URLs have a
// key.
func (p *Parser) Sign(rest string, signed bool) (string, error) {
	if len(p.keys) == 0 && len(p.settings.Edge.Keys()) > 0 && !p.settings.Edge.AllowUnsafe {
		return "", errors.New("this site has no key for such URLs: set imgproxy.keys")
	}
	first := insecure
	if signed && len(p.keys) > 0 {
		first = p.keys[0].sign(rest, p.settings.Imgproxy.SignatureSize)
	}
	return p.settings.Imgproxy.Prefix + "/" + first + "/" + rest, nil
}

// The first segments of unsigned URLs. imgproxy takes any text; its documentation has these.
const (
	insecure   = "insecure"
	unsafe     = "unsafe" // is Thumbor's word too
	underscore = "_"
)

// Mine reports whether a raw path is in this grammar: it begins with imgproxy.prefix, and its first segment is insecure,
// _, or has the form of a signature. A path that begins with unsafe is Thumbor's unless the next segment is imgproxy's.
func (p *Parser) Mine(raw string) bool {
	rest, ok := strings.CutPrefix(raw, p.settings.Imgproxy.Prefix+"/")
	if !p.settings.Imgproxy.Enabled || !ok {
		return false
	}
	first, rest, _ := strings.Cut(rest, "/")
	switch {
	case p.settings.Imgproxy.Prefix != "", first == insecure, first == underscore:
		return true
	case first == unsafe:
		return p.Begins(rest)
	}
	return len(p.keys) > 0 && p.looks(first)
}

// looks reports whether a segment has the form of a signature.
func (p *Parser) looks(segment string) bool {
	signature, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(segment, "="))
	return err == nil && len(signature) == p.settings.Imgproxy.SignatureSize
}

// Begins reports whether a raw path without its first segment begins with an option that Thumbor's language lacks, or with
// a source.
func (p *Parser) Begins(rest string) bool {
	first, _, _ := strings.Cut(restored(rest), "/")
	name, _, has := strings.Cut(first, p.separator())
	_, known := p.options[name]
	return first == plain || first == encrypted || has && known && !slices.Contains([]string{"trim", "preset"}, name)
}

// signed reports whether a segment is a key's signature of the path after it.
func (p *Parser) signed(k key, segment, rest string) bool {
	return hmac.Equal([]byte(k.sign(rest, p.settings.Imgproxy.SignatureSize)), []byte(strings.TrimRight(segment, "=")))
}

// authorize returns the name of the key that signed the path, or "" for a path that the client may ask for unsigned.
func (p *Parser) authorize(first, rest string, r Request) (signer string, err error) {
	for _, k := range p.keys {
		if p.signed(k, first, rest) || p.signed(k, first, restored(rest)) { // a proxy may have merged slashes
			return k.name, nil
		}
	}
	open := p.settings.Edge.AllowUnsafe || len(p.keys) == 0 && len(p.settings.Edge.Keys()) == 0 && r.Local
	switch {
	case r.Trusted:
		return "", nil
	case open && slices.Contains([]string{insecure, unsafe, underscore}, first):
		return "", nil
	case len(p.keys) == 0:
		return "", fault.New(fault.Forbidden, "the URL is not signed: this site has no key for such URLs").Remedied("set imgproxy.keys, or edge.allow_unsafe")
	}
	return "", fault.New(fault.Forbidden, "the URL's signature is missing or wrong: sign the path with the site's key and salt, as it is sent").Remedied("compare the key and the salt of the signing program with imgproxy.keys")
}
