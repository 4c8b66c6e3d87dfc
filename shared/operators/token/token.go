// Package token is the token for operators' changes. Reads need no token. The operators' listener
// checks it, and commands send it.
package token

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// least is the shortest length of a token in bytes. A shorter token could be guessed.
const least = 16

// Token is the token for operators' changes, from the file of admin.token_file. Without that setting,
// it is in a file of the current user. Open makes that file if it is missing: commands of the same user
// find it there.
type Token struct {
	Path  string
	value string
	why   error // the reason why there is no token
}

// Open reads the token. Without the setting and without a folder of the user, as in a container with a
// read-only root, there is no token, and nobody can make changes.
func Open(s settings.Admin) (Token, error) {
	if s.TokenFile != "" {
		return read(s.TokenFile)
	}
	home, err := os.UserConfigDir()
	if err != nil {
		return Token{why: err}, nil
	}
	path := filepath.Join(home, "thumbmill", "token")
	t, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		t, err = create(path)
	}
	if err != nil {
		return Token{why: err}, nil
	}
	return t, nil
}

// Find returns the token for a command: the token in file, or, if file is "", the first that this user
// may read of the site's token, the user's own, and the one that the packages' units make. Its error
// lists these places. Find makes no token, because no process would know it.
func Find(file string) (Token, error) {
	if file != "" {
		return read(file)
	}
	places := []string{"/etc/thumbmill/token"}
	if home, err := os.UserConfigDir(); err == nil {
		places = append(places, filepath.Join(home, "thumbmill", "token"))
	}
	return first(append(places, "/var/lib/thumbmill/thumbmill/token"))
}

func first(places []string) (Token, error) {
	for _, path := range places {
		if t, err := read(path); err == nil {
			return t, nil
		}
	}
	return Token{}, fmt.Errorf("a change needs the operators' token, and none of %s has one that this user may read: "+
		"run the command with sudo, or name the file of admin.token_file with --token-file", strings.Join(places, ", "))
}

func read(path string) (Token, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil {
		return Token{}, fmt.Errorf("admin.token_file: %w", err)
	}
	t := Token{Path: path, value: strings.TrimSpace(string(text))}
	if len(t.value) < least {
		return Token{}, fmt.Errorf("admin.token_file: %s has fewer than %d bytes and could be guessed: write a longer token", path, least)
	}
	return t, nil
}

// create writes a new token, unless another process was faster.
func create(path string) (Token, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return Token{}, fmt.Errorf("admin.token_file: %w", err)
	}
	t := Token{Path: path, value: rand.Text()}
	draft, err := os.CreateTemp(filepath.Dir(path), "token")
	if err != nil {
		return Token{}, fmt.Errorf("admin.token_file: %w", err)
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = fmt.Fprintln(draft, t.value)
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Link(draft.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return read(path)
	}
	if err != nil {
		return Token{}, fmt.Errorf("admin.token_file: %w", err)
	}
	return t, nil
}

// Show adds the token to a request.
func (t Token) Show(r *http.Request) {
	if t.value != "" {
		r.Header.Set("Authorization", "Bearer "+t.value)
	}
}

// Shown reports whether a request has the token. Letters of the scheme may have any case (RFC 9110).
func (t Token) Shown(r *http.Request) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && t.value != "" && subtle.ConstantTimeCompare([]byte(given), []byte(t.value)) == 1
}

// Missing returns the reason why there is no token, or nil.
func (t Token) Missing() error { return t.why }
