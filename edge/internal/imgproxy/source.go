package imgproxy

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// The segments before a source.
const (
	plain     = "plain"
	encrypted = "enc"
)

// merged matches a scheme whose slashes a proxy merged.
var merged = regexp.MustCompile(`^([^\s/:]+):/([^/])`)

// restored undoes the changes of proxies to paths: encoded colons in options, and merged slashes in a plain source.
func restored(rest string) string {
	options, source, isPlain := "", "", false
	if after, ok := strings.CutPrefix(rest, plain+"/"); ok {
		source, isPlain = after, true
	} else {
		options, source, isPlain = strings.Cut(rest, "/"+plain+"/")
	}
	options = strings.NewReplacer("%3A", ":", "%3a", ":").Replace(options)
	if !isPlain {
		return options
	}
	source = merged.ReplaceAllString(source, "$1://$2")
	if options != "" {
		options += "/"
	}
	return options + plain + "/" + source
}

// source returns the name of the original, and the extension, of the segments after the options.
func (p *Parser) source(segments []string) (name, extension string, err error) {
	text := strings.Join(segments, "/")
	rest, isPlain := strings.CutPrefix(text, plain+"/")
	switch {
	case isPlain:
		text, extension, err = split(rest, "@")
	case segments == nil || text == "":
		return "", "", refused("the URL has no source: write plain/ and the source, or the source in URL-safe base64")
	case segments[0] == encrypted:
		text, extension, err = split(strings.Join(segments[1:], ""), ".")
	default:
		text, extension, err = split(strings.Join(segments, ""), ".")
	}
	if err != nil {
		return "", "", err
	}
	switch {
	case isPlain:
		name, err = url.PathUnescape(text)
	case segments[0] == encrypted:
		name, err = p.decrypt(text)
	default:
		var decoded []byte
		decoded, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
		name = string(decoded)
	}
	if err != nil || !utf8.ValidString(name) || name == "" {
		return "", "", refused("the URL's source cannot be read: write plain/ and the percent-encoded source, or the source in URL-safe base64")
	}
	return p.named(name), extension, nil
}

// split separates a source and its extension.
func split(text, mark string) (source, extension string, err error) {
	source, extension, _ = strings.Cut(text, mark)
	if strings.Contains(extension, mark) {
		return "", "", refused("the URL has several extensions: write one after the last %q, and encode others as in %%40", mark)
	}
	return source, extension, nil
}

// errNotEncrypted says nothing about the reason, so that answers do not tell about the padding.
func errNotEncrypted() error { return refused("the URL's source cannot be decrypted") }

// decrypt returns an encrypted source: base64 of 16 bytes and of the source in AES-CBC, with PKCS #7's padding.
func (p *Parser) decrypt(text string) (string, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(p.secret) == 0 || len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return "", errNotEncrypted()
	}
	block, err := aes.NewCipher(p.secret)
	if err != nil {
		return "", errNotEncrypted()
	}
	opened := make([]byte, len(sealed)-aes.BlockSize)
	cipher.NewCBCDecrypter(block, sealed[:aes.BlockSize]).CryptBlocks(opened, sealed[aes.BlockSize:])
	padding := int(opened[len(opened)-1])
	if padding == 0 || padding > aes.BlockSize {
		return "", errNotEncrypted()
	}
	for _, b := range opened[len(opened)-padding:] {
		if int(b) != padding {
			return "", errNotEncrypted()
		}
	}
	return string(opened[:len(opened)-padding]), nil
}

// named returns the name of an original for a source: URLs stay, local:///a.jpg is a.jpg, and s3://bucket/a.jpg is
// s3/bucket/a.jpg, which a loader for s3/ reads.
func (p *Parser) named(source string) string {
	if base := p.settings.Imgproxy.BaseURL; base != "" && !strings.HasPrefix(source, base) {
		source = base + source
	}
	scheme, rest, is := strings.Cut(source, "://")
	switch {
	case !is, scheme == "http", scheme == "https":
		return source
	case scheme == "local":
		return strings.TrimLeft(rest, "/")
	}
	return scheme + "/" + strings.TrimLeft(rest, "/")
}
