package directives

import (
	"net/http"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/operators"
)

// mostEntries bounds the audit list. The log has all entries.
const mostEntries = 1000

// Entry is one act of an operator: a directive given, or withdrawn if the directive says so.
type Entry struct {
	At        time.Time           `json:"at"`
	Who       string              `json:"who"`
	Directive directive.Directive `json:"directive"`
}

// record keeps an act. The caller holds the mutex.
func (b *Book) record(d directive.Directive) {
	who := d.Who
	if d.Withdrawn != "" {
		who = d.Withdrawn
	}
	b.audit = append(b.audit, Entry{At: time.Now().UTC(), Who: who, Directive: d})
	b.audit = b.audit[max(0, len(b.audit)-mostEntries):]
}

// Audit lists the acts of operators since the start of this coordinator, the latest first.
func (b *Book) Audit() []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := append([]Entry{}, b.audit...)
	slices.Reverse(all)
	return all
}

func (b *Book) serveAudit(w http.ResponseWriter, _ *http.Request) {
	operators.Answer(w, map[string]any{"audit": b.Audit()})
}
