// Package audit keeps the acts of operators in memory, and in a file that outlives the coordinator.
package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/directive"
)

// most bounds the list. A file has at most twice as many lines. The log has all acts.
const most = 1000

// Entry is one act of an operator: a directive given, or withdrawn if the directive says so.
type Entry struct {
	At        time.Time           `json:"at"`
	Who       string              `json:"who"`
	Directive directive.Directive `json:"directive"`
}

// List has the latest acts. Its methods are safe for concurrent use.
type List struct {
	path string // "" keeps the acts in memory only
	log  *slog.Logger

	mu    sync.Mutex
	all   []Entry  // the latest last
	file  *os.File // nil without a path
	lines int      // in the file
}

// Open reads the acts of earlier processes from a file, or makes the file. Without a path, the list
// begins empty and ends with the process. The caller closes the list.
func Open(path string, log *slog.Logger) (*List, error) {
	l := &List{path: path, log: log}
	if path == "" {
		return l, nil
	}
	text, err := os.ReadFile(path) //nolint:gosec // the operator names it
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l.read(text)
	return l, l.rewrite()
}

// read reads the lines of a file. A power failure may leave a line that ends early.
func (l *List) read(text []byte) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			l.log.Warn("skip a line of the audit file", "file", l.path, "error", err)
			continue
		}
		l.all = append(l.all, e)
	}
	if err := lines.Err(); err != nil {
		l.log.Warn("skip the rest of the audit file", "file", l.path, "error", err)
	}
	l.all = l.all[max(0, len(l.all)-most):]
}

// rewrite writes the list into a new file in place of the old one, and leaves it open.
func (l *List) rewrite() error {
	next, err := os.OpenFile(l.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, e := range l.all {
		text.Write(line(e))
	}
	_, err = next.Write(text.Bytes())
	if err = errors.Join(err, next.Sync()); err == nil {
		err = os.Rename(next.Name(), l.path)
	}
	if err != nil {
		return errors.Join(err, next.Close())
	}
	if l.file != nil {
		err = l.file.Close()
	}
	l.file, l.lines = next, len(l.all)
	return err
}

func line(e Entry) []byte {
	text, _ := json.Marshal(e) // plain values
	return append(text, '\n')
}

// Add adds the act of a directive. An act that is in the list already changes nothing: after a restart, edges
// tell a coordinator the directives that it knew before.
func (l *List) Add(d directive.Directive) {
	e := Entry{At: time.Now().UTC(), Who: d.Who, Directive: d}
	if d.Withdrawn != "" {
		e.Who = d.Withdrawn
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.all, func(old Entry) bool { return old.Directive.ID == d.ID && old.Directive.Withdrawn == d.Withdrawn }) {
		return
	}
	l.all = append(l.all, e)
	l.all = l.all[max(0, len(l.all)-most):]
	if err := l.write(e); err != nil {
		l.log.Warn("keep an operator's act in memory only, since the audit file cannot be written", "file", l.path, "error", err)
	}
}

func (l *List) write(e Entry) error {
	if l.file == nil {
		return nil
	}
	if l.lines >= 2*most {
		return l.rewrite()
	}
	l.lines++
	_, err := l.file.Write(line(e))
	if err = errors.Join(err, l.file.Sync()); err != nil {
		l.lines = 2 * most // the file may end within a line: the next act writes it anew
	}
	return err
}

// Latest returns the acts, the latest first.
func (l *List) Latest() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append([]Entry{}, l.all...)
	slices.Reverse(all)
	return all
}

// Close closes the file.
func (l *List) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	if err != nil {
		return fmt.Errorf("audit file: %w", err)
	}
	return nil
}
