// Package value has the types of single settings: secrets, URLs with passwords, and sizes.
package value

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/dustin/go-humanize"
)

// Secret is a string that prints as asterisks, in logs and in every format verb.
type Secret string

// Mask stands for secrets in prints.
const Mask = "***"

// String returns "***", or "" for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Mask
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// URLs is a list of URLs, separated by commas, that prints without passwords.
type URLs string

// String hides passwords.
func (u URLs) String() string {
	all := strings.Split(string(u), ",")
	for i, text := range all {
		if parsed, err := NATSURL(text); text == "" {
			continue
		} else if err == nil {
			all[i] = parsed.Redacted()
		} else {
			all[i] = Mask
		}
	}
	return strings.Join(all, ",")
}

// NATSURL parses a URL, and adds nats:// to a URL without a scheme: net/url reads the user
// of "user:password@host" as a scheme.
func NATSURL(text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = "nats://" + text
	}
	return url.Parse(text)
}

// GoString hides passwords from %#v.
func (u URLs) GoString() string { return u.String() }

// LogValue hides passwords from slog.
func (u URLs) LogValue() slog.Value { return slog.StringValue(u.String()) }

// Bytes is a size in bytes.
type Bytes uint64

// UnmarshalText parses a size such as 3GiB or 500MB, or a number of bytes.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a size: write a number and a unit, such as 3GiB or 500MB", text)
	}
	*b = Bytes(n)
	return nil
}

// String returns the size in binary units, such as 3.0 GiB.
func (b Bytes) String() string { return humanize.IBytes(uint64(b)) }
