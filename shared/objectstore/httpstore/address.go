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

// Canonical parses an absolute URL of an original and returns its canonical form: lower-case scheme and
// host, no default port, no fragment, one encoding. It also accepts a scheme with one slash, because
// some proxies merge slashes. An error is a sentence about the text.
func Canonical(text string) (string, error) {
	if scheme, rest, ok := strings.Cut(text, ":/"); ok && !strings.Contains(scheme, "/") {
		text = strings.ToLower(scheme) + "://" + strings.TrimLeft(rest, "/")
	}
	if len(text) > maxURL {
		return "", fmt.Errorf("the original's URL has %d bytes, and at most %d are allowed", len(text), maxURL)
	}
	u, err := url.Parse(strings.ReplaceAll(text, " ", "%20"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Opaque != "" {
		return "", fmt.Errorf("%q is not an http or https URL", text)
	}
	if u.User != nil {
		return "", errors.New("the original's URL has a user name: remove it")
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment == ".." || segment == "." {
			return "", errors.New("the original's URL has a path segment . or ..: remove it")
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

// locate returns the URL of an original: its name, or a URL below the endpoint.
func (s *Store) locate(at thumbnail.Location) (*url.URL, error) {
	if at.IsURL() {
		if !s.absolute {
			return nil, fmt.Errorf("%w: this loader reads only URLs below its endpoint", objectstore.ErrRefused)
		}
		name, err := Canonical(at.Path)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", objectstore.ErrRefused, err)
		}
		return url.Parse(name)
	}
	if !objectstore.Valid(at) || s.absolute {
		return nil, fmt.Errorf("%w: no object can have the name %q", objectstore.ErrNotFound, at)
	}
	base, err := url.Parse(s.endpoint)
	if err != nil {
		return nil, err
	}
	base.Path = strings.TrimSuffix(base.Path, "/") + "/" + at.String()
	return base, nil
}

// hosts are the patterns of the hosts that a store may read from.
type hosts []string

// newHosts returns the patterns of the list, and the endpoint's host.
func newHosts(list []string, endpoint string) (all hosts) {
	for _, h := range list {
		all = append(all, strings.ToLower(h))
	}
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		all = append(all, strings.ToLower(u.Host))
	}
	return all
}

// check refuses a URL whose host is not in the list. It also refuses a port that is neither the
// scheme's own nor in the list.
func (h hosts) check(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return fmt.Errorf("%w: the URL is not an http or https URL, or has a user name", objectstore.ErrRefused)
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
	return fmt.Errorf("%w: the setting hosts does not list %s", objectstore.ErrRefused, u.Host)
}

func matches(pattern, name string) bool {
	domain, below := strings.CutPrefix(pattern, "*.")
	return pattern == "*" || pattern == name || below && strings.HasSuffix(name, "."+domain)
}
