// Package certificate keeps the certificate that a listener shows: it is read again when its
// files change, so that a renewal needs no restart. Edge, coordinator
// and operators' listeners use it.
package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// lookEvery is how often the files are looked at, when somebody connects.
const lookEvery = time.Second

// certificate is a key pair that is read again when its files change. While they are not
// a pair, the earlier one stays.
type certificate struct {
	files settings.ServerTLS
	log   *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	stamp   [2]time.Time // of the files that were read, good or not
	checked time.Time
}

// Reloading makes a configuration of TLS 1.2 and above with the certificate of the files.
func Reloading(files settings.ServerTLS, log *slog.Logger) (*tls.Config, error) {
	c := &certificate{files: files, log: log}
	stamp, err := c.look()
	if err == nil {
		err = c.load(stamp)
	}
	if err != nil {
		return nil, err
	}
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(), nil }
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get}, nil
}

func (c *certificate) look() (stamp [2]time.Time, err error) {
	for i, name := range []string{c.files.Certificate, c.files.Key} {
		info, statErr := os.Stat(name)
		if statErr != nil {
			err = errors.Join(err, statErr)
			continue
		}
		stamp[i] = info.ModTime()
	}
	return stamp, err
}

func (c *certificate) load(stamp [2]time.Time) error {
	c.stamp = stamp
	pair, err := tls.LoadX509KeyPair(c.files.Certificate, c.files.Key)
	if err != nil {
		return err
	}
	c.pair = &pair
	return nil
}

func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < lookEvery {
		return c.pair
	}
	c.checked = time.Now()
	stamp, err := c.look()
	if err == nil && stamp == c.stamp {
		return c.pair
	}
	if err == nil {
		err = c.load(stamp)
	}
	if err != nil {
		c.log.Warn("the certificate cannot be read again; the earlier one stays", "error", err)
	} else {
		c.log.Info("the certificate was read again", "file", c.files.Certificate)
	}
	return c.pair
}

// Trust makes a configuration of TLS 1.2 and above for those who connect to servers whose
// certificates are signed by those in a PEM file. Without a file it is nil: nothing is
// encrypted.
func Trust(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // as the comment says
	}
	text, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in PEM is in it", file)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

// Itself makes a configuration that trusts one certificate alone, by its own name: for who
// asks a listener of this machine, whatever it is called here.
func Itself(files settings.ServerTLS) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(pair.Leaf.DNSNames)
	for _, ip := range pair.Leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no name in it", files.Certificate)
	}
	pool := x509.NewCertPool()
	pool.AddCert(pair.Leaf)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: strings.Replace(names[0], "*", "any", 1)}, nil
}
