package credentials

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
)

// Secret is a random secret that Write makes beside the credentials.
type Secret struct {
	File    string // in the folder: 64 hexadecimal digits
	Purpose string // the setting that names the file, and its processes
}

// Secrets returns the secrets of a site.
func Secrets() []Secret {
	return []Secret{
		{"coordinator", "coordinator.secret of each edge and coordinator"},
		{"security-key", "edge.security_key of each edge, which signs Thumbor's URLs"},
		{"token", "admin.token_file of each process, the operators' token"},
	}
}

// writeSecrets makes the secrets that the folder does not have. Others stay: their change is the
// site's decision.
func writeSecrets(dir string) (err error) {
	for _, s := range Secrets() {
		err = errors.Join(err, writeSecret(filepath.Join(dir, s.File)))
	}
	return err
}

// writeSecret makes a secret if the file is missing.
func writeSecret(file string) error {
	if info, err := os.Stat(file); err == nil && info.Size() > 0 {
		return nil
	}
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	return replace(file, []byte(hex.EncodeToString(random)+"\n"))
}
