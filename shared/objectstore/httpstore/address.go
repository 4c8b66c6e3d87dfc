package httpstore

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// maxURL is the longest URL of an original in bytes.
const maxURL = 2048

// Canonical reads an absolute URL of an original and writes it in the one way in which
// it is a name here: lower-case scheme and host, no default port, no fragment, one
// encoding. A scheme with one slash, as proxies leave it that merge slashes, is taken
// for what it was. An error is a sentence about the text.
func Canonical(text string) (string, error) {
	if scheme, rest, ok := strings.Cut(text, ":/"); ok && !strings.Contains(scheme, "/") {
		text = strings.ToLower(scheme) + "://" + strings.TrimLeft(rest, "/")
	}
	if len(text) > maxURL {
		return "", fmt.Errorf("the original's URL is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(strings.ReplaceAll(text, " ", "%20"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" {
		return "", fmt.Errorf("%q is no http or https URL", text)
	}
	if u.User != nil {
		return "", errors.New("the original's URL holds a user name")
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == ".." || segment == "." {
			return "", errors.New("the original's URL holds dots for a path")
		}
	}
	host, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && port != map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		host += ":" + port
	}
	u.Host, u.Fragment, u.RawFragment = host, "", ""
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), nil
}

// locate gives the URL of an original: its name, or below the endpoint.
func (s *Store) locate(at thumbnail.Location) (*url.URL, error) {
	if at.IsURL() {
		if !s.absolute {
			return nil, fmt.Errorf("%w: this store has an endpoint, and reads no other URLs", objectstore.ErrRefused)
		}
		name, err := Canonical(at.Path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", objectstore.ErrRefused, err)
		}
		return url.Parse(name)
	}
	if !objectstore.Valid(at) || s.absolute {
		return nil, fmt.Errorf("%w: not a name that an object can have", objectstore.ErrNotFound)
	}
	base, err := url.Parse(s.endpoint)
	if err != nil {
		return nil, err
	}
	base.Path = strings.TrimSuffix(base.Path, "/") + "/" + at.String()
	return base, nil
}

// hosts is the list of those that are read from.
type hosts []string

// newHosts is the list, and where there is none, the endpoint's host alone.
func newHosts(list []string, endpoint string) (all hosts) {
	for _, h := range list {
		all = append(all, strings.ToLower(h))
	}
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		all = append(all, strings.ToLower(u.Host))
	}
	return all
}

// check refuses a URL whose host is on no list, and any other port than the scheme's
// own unless the list names it.
func (h hosts) check(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return fmt.Errorf("%w: not an http or https URL", objectstore.ErrRefused)
	}
	name, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	usual := port == "" || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443"
	if slices.ContainsFunc(h, func(pattern string) bool {
		host, wanted, err := net.SplitHostPort(pattern)
		if err != nil {
			host, wanted = pattern, ""
		}
		return (wanted == port || wanted == "" && usual) && matches(host, name)
	}) {
		return nil
	}
	return fmt.Errorf("%w: originals of %s are not read", objectstore.ErrRefused, u.Host)
}

func matches(pattern, name string) bool {
	domain, below := strings.CutPrefix(pattern, "*.")
	return pattern == "*" || pattern == name || below && strings.HasSuffix(name, "."+domain)
}
