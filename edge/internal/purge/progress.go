package purge

import (
	"fmt"
	"sync"

	"github.com/thumbmill/thumbmill/shared/operators"
)

// maxMissed bounds what could not be reached and is told one by one.
const maxMissed = 50

// Report is what a purge did so far, as operators read it; at most maxMissed are named.
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

// change changes the report and tells it.
func (p *progress) change(change func(*Report)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.report)
	p.tell(p.report)
}

// miss adds to the report what could not be reached. It is told with the next change.
func (p *progress) miss(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.report.Missed) == maxMissed {
		p.report.Unnamed++
		return
	}
	p.report.Missed = append(p.report.Missed, fmt.Sprintf(format, args...))
}

// end tells the report for the last time, and gives it.
func (p *progress) end() Report {
	p.change(func(r *Report) { r.Done = true })
	return p.report
}
