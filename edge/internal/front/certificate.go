package front

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"os"
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

// reloading makes a configuration of TLS with the certificate of the files.
func reloading(files settings.ServerTLS, log *slog.Logger) (*tls.Config, error) {
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
