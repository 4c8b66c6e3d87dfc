package settings

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/dustin/go-humanize"
)

// Secret is a string that prints as asterisks, in logs and in every format verb.
type Secret string

const mask = "***"

// String hides the secret, and shows whether there is one.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the secret from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// URLs are one URL or several, separated by commas, that print without the
// passwords in them.
type URLs string

// String hides passwords.
func (u URLs) String() string {
	all := strings.Split(string(u), ",")
	for i, text := range all {
		if parsed, err := withScheme(text); text == "" {
			continue
		} else if err == nil {
			all[i] = parsed.Redacted()
		} else {
			all[i] = mask
		}
	}
	return strings.Join(all, ",")
}

// withScheme reads a URL, of NATS where it does not say of what: "user:password@host" alone
// would be read as one of the scheme user.
func withScheme(text string) (*url.URL, error) {
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

// Bytes is a size. It reads 3GiB, 500MB or a plain number.
type Bytes uint64

// UnmarshalText reads a size with or without a unit.
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil {
		return fmt.Errorf("%q is no size such as 3GiB", text)
	}
	*b = Bytes(n)
	return nil
}

// String gives the size in binary units.
func (b Bytes) String() string { return humanize.IBytes(uint64(b)) }
