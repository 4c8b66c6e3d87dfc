// Package credentials makes the keys that NATS tells thumbmill's roles apart by, and defines the
// rights of each role. A renderer's credentials do not give an edge's rights, and a client without
// credentials has none. The command `thumbmill credentials` uses it.
//
// The keys are NATS's own (an operator, whose key signs an account, whose key signs the
// users): https://docs.nats.io/running-a-nats-service/configuration/securing_nats/jwt
package credentials

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// The files in the folder of credentials. Files that end in .nk are the keys that make credentials;
// no role and no server needs them.
const (
	ServerFile   = "nats.conf"
	operatorFile = "operator.nk"
	systemFile   = "system.nk"
	accountFile  = "account.nk"
	uploadsFile  = "uploads"
)

// File returns the name of a role's file of credentials.
func (r Role) File() string { return string(r) + ".creds" }

// Options are the options of Write.
type Options struct {
	// Uploads is the subject on which edges hear of new originals. "" means none, nil means the
	// subject of the last call.
	Uploads *string
	// Sites are several sites with a queue each. nil means the sites of the last call, and none in the first one.
	Sites *Sites
	// Expire is the validity of the roles' credentials; 0 means until they are revoked.
	Expire time.Duration
	// Revoke revokes all earlier credentials.
	Revoke bool
}

// Write writes the credentials of all roles, the configuration for NATS servers and the secrets that
// are missing into a folder. It reuses the folder's keys, so servers accept older credentials too,
// unless Revoke is set.
func Write(dir string, o Options) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	operator, err := keys(filepath.Join(dir, operatorFile), nkeys.CreateOperator)
	if err != nil {
		return err
	}
	system, err := keys(filepath.Join(dir, systemFile), nkeys.CreateAccount)
	if err != nil {
		return err
	}
	account, err := keys(filepath.Join(dir, accountFile), nkeys.CreateAccount)
	if err != nil {
		return err
	}
	server, err := serverConfig(filepath.Join(dir, ServerFile), operator, system, account, o.Revoke)
	if err != nil {
		return err
	}
	subject, err := uploadSubject(filepath.Join(dir, uploadsFile), o.Uploads)
	if err != nil {
		return err
	}
	for _, r := range Roles() {
		text, err := user(account, string(r), r.Permissions(subject), o.Expire)
		if err != nil {
			return err
		}
		if err := replace(filepath.Join(dir, r.File()), text); err != nil {
			return err
		}
	}
	sites, err := keptSites(filepath.Join(dir, sitesFile), o.Sites)
	if err != nil {
		return err
	}
	return errors.Join(replace(filepath.Join(dir, ServerFile), server), sites.write(dir, account, subject, o), writeSecrets(dir))
}

// uploadSubject returns the given subject and keeps it for the next call. Without one, it returns
// the subject of the last call.
func uploadSubject(file string, given *string) (string, error) {
	if given != nil {
		return *given, replace(file, []byte(*given))
	}
	last, err := os.ReadFile(file) //nolint:gosec // the operator names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(last)), err
}

// keys reads a pair of keys, or makes a new pair if the file is missing.
func keys(file string, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, error) {
	seed, err := os.ReadFile(file) //nolint:gosec // the operator names the folder
	if err == nil {
		pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return pair, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	pair, err := create()
	if err != nil {
		return nil, err
	}
	if seed, err = pair.Seed(); err != nil {
		return nil, err
	}
	return pair, replace(file, append(seed, '\n'))
}

// replace writes a file that only its owner can read. A failed write leaves the old file.
func replace(file string, text []byte) error {
	fresh, err := os.CreateTemp(filepath.Dir(file), ".new-")
	if err != nil {
		return err
	}
	_, err = fresh.Write(text)
	if err = errors.Join(err, fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), file)
	}
	if err != nil {
		_ = os.Remove(fresh.Name())
	}
	return err
}

// user makes the credentials of one role. expire 0 means that they never expire.
func user(account nkeys.KeyPair, name string, may jwt.Permissions, expire time.Duration) ([]byte, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, err
	}
	claims := jwt.NewUserClaims(public)
	claims.Name = name
	claims.Permissions = may
	if expire > 0 {
		claims.Expires = time.Now().Add(expire).Unix()
	}
	token, err := claims.Encode(account)
	if err != nil {
		return nil, err
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, err
	}
	return jwt.FormatUserConfig(token, seed)
}

const serverText = `# NATS servers tell thumbmill's roles apart by this: include it in their
# configuration. Made by thumbmill credentials.
operator: %s
system_account: %s
resolver: MEMORY
resolver_preload: {
  %s: %s
  %s: %s
}
`

// serverConfig returns the configuration for NATS servers. It keeps the old tokens of the operator
// and of the servers' own account: servers accept a reload only if nothing but accounts changed.
func serverConfig(file string, operator, system, account nkeys.KeyPair, revoke bool) ([]byte, error) {
	before, err := words(file)
	if err != nil {
		return nil, err
	}
	operatorName, err1 := operator.PublicKey()
	systemName, err2 := system.PublicKey()
	accountName, err3 := account.PublicKey()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	operatorToken, systemToken := before["operator"], before[systemName]
	if operatorToken == "" {
		claims := jwt.NewOperatorClaims(operatorName)
		claims.Name, claims.SystemAccount = "thumbmill", systemName
		if operatorToken, err = claims.Encode(operator); err != nil {
			return nil, err
		}
	}
	if systemToken == "" {
		claims := jwt.NewAccountClaims(systemName)
		claims.Name = "servers"
		if systemToken, err = claims.Encode(operator); err != nil {
			return nil, err
		}
	}
	accountToken, err := rolesAccount(before[accountName], accountName, operator, revoke)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return fmt.Appendf(nil, serverText, operatorToken, systemName, systemName, systemToken, accountName, accountToken), nil
}

// rolesAccount returns the account of the roles, with all earlier revocations.
func rolesAccount(before, name string, operator nkeys.KeyPair, revoke bool) (string, error) {
	claims := jwt.NewAccountClaims(name)
	if before != "" {
		var err error
		if claims, err = jwt.DecodeAccountClaims(before); err != nil {
			return "", err
		}
	}
	claims.Name = "thumbmill"
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
	}
	if revoke { // credentials of this call are as old as the current second
		claims.RevokeAt(jwt.All, time.Now().Add(-time.Second))
	}
	return claims.Encode(operator)
}

// words returns the tokens of the folder's present server configuration by their names, or nil if
// the file is missing.
func words(file string) (map[string]string, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, token, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			all[name] = token
		}
	}
	return all, err
}
