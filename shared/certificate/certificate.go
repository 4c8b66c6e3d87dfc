// Package certificate loads the certificate of a listener, and loads it again when its files
// change, so that a renewal needs no restart.
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

// lookEvery is the shortest time between two checks of the files, which connections cause.
const lookEvery = time.Second

// certificate is a key pair that follows its files. While the files do not fit together, the
// earlier pair stays.
type certificate struct {
	files settings.ServerTLS
	log   *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	stamp   [2]time.Time // of the files that were read, good or not
	checked time.Time
	warned  bool // the log says that the pair is expired
}

// Reloading returns a configuration for TLS 1.2 and later that follows the files. It returns an
// error if the files are missing or do not fit together.
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
	c.pair, c.warned = &pair, false
	return nil
}

// warn says once that the pair is expired: clients refuse it from then on. The caller holds mu.
func (c *certificate) warn() {
	if end := c.pair.Leaf.NotAfter; !c.warned && time.Now().After(end) {
		c.warned = true
		c.log.Error("serve an expired certificate: renew its file", "file", c.files.Certificate, "expired", end)
	}
}

func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < lookEvery {
		return c.pair
	}
	c.checked = time.Now()
	defer c.warn()
	stamp, err := c.look()
	if err == nil && stamp == c.stamp {
		return c.pair
	}
	if err == nil {
		err = c.load(stamp)
	}
	if err != nil {
		c.log.Warn("keep the earlier certificate: reload fails", "error", err)
	} else {
		c.log.Info("reload certificate", "file", c.files.Certificate)
	}
	return c.pair
}

// Trust returns a configuration for clients that trusts the CAs in a PEM file, with TLS 1.2 and
// later. For file "" it returns nil, which means no TLS.
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
		return nil, fmt.Errorf("%s has no certificate in PEM: write the certificate of the CA into it", file)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

// Itself returns a configuration that trusts this certificate alone, under its own name. A client
// on the same machine uses it, where the listener has another address than the certificate.
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
		return nil, fmt.Errorf("%s has no DNS name and no IP address: issue a certificate with one", files.Certificate)
	}
	pool := x509.NewCertPool()
	pool.AddCert(pair.Leaf)
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: strings.Replace(names[0], "*", "any", 1)}, nil
}
