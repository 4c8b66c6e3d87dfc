// Package token is what operators show to act: to look takes none.
//
// The operators' listener checks it, and commands show it.
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

// least is the length in bytes below which a token could be guessed.
const least = 16

// Token is what operators show to act; to look takes none. It is read from
// admin.token_file. Without that setting it is in a file of this user's, which is made
// when it is not there, so that commands of the same user find it.
type Token struct {
	Path  string
	value string
	why   error // that there is none
}

// Open reads the token. Where the setting names no file and the user has no folder for
// one, as in a container whose root is read-only, there is none, and nobody can act.
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

func read(path string) (Token, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil {
		return Token{}, fmt.Errorf("admin.token_file: %w", err)
	}
	t := Token{Path: path, value: strings.TrimSpace(string(text))}
	if len(t.value) < least {
		return Token{}, fmt.Errorf("admin.token_file: %s holds fewer than %d bytes: they could be guessed", path, least)
	}
	return t, nil
}

// create writes a new one, unless another process was faster.
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

// Show puts the token into a request.
func (t Token) Show(r *http.Request) {
	if t.value != "" {
		r.Header.Set("Authorization", "Bearer "+t.value)
	}
}

// Shown reports whether a request shows the token.
func (t Token) Shown(r *http.Request) bool {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return ok && t.value != "" && subtle.ConstantTimeCompare([]byte(given), []byte(t.value)) == 1
}

// Missing says why there is none, or is nil.
func (t Token) Missing() error { return t.why }
