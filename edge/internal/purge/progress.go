package purge

import (
	"fmt"
	"sync"

	"github.com/thumbmill/thumbmill/shared/operators"
)

// maxMissed bounds the entries of Missed in a report. Unnamed counts the others.
const maxMissed = 50

// Report is the progress of a purge, as operators read it.
type Report = operators.PurgeReport

// progress is the report of a purge under way. It is safe for concurrent use.
type progress struct {
	tell   func(Report)
	mu     sync.Mutex
	report Report
}

func newProgress(original string, tell func(Report)) *progress {
	return &progress{tell: tell, report: Report{Original: original, Edges: []string{}}}
}

// change changes the report, and passes it to tell.
func (p *progress) change(change func(*Report)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.report)
	p.tell(p.report)
}

// deleted returns the number of deleted thumbnails.
func (p *progress) deleted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.report.Deleted
}

// miss adds a line to Missed. The next change passes it to tell.
// hasMissed reports whether the purge missed a part of the cluster so far.
func (p *progress) hasMissed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.report.Missed) > 0
}

func (p *progress) miss(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.report.Missed) == maxMissed {
		p.report.Unnamed++
		return
	}
	p.report.Missed = append(p.report.Missed, fmt.Sprintf(format, args...))
}

// end sets Done, passes the report to tell for the last time, and returns it.
func (p *progress) end() Report {
	p.change(func(r *Report) { r.Done = true })
	return p.report
}
