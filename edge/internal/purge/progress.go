package purge

import (
	"fmt"
	"sync"
)

// maxMissed bounds what could not be reached and is told one by one.
const maxMissed = 50

// Report is what a purge did so far.
type Report struct {
	Original string   `json:"original"`
	Deleted  int      `json:"deleted"`           // thumbnails in the store
	Edges    []string `json:"edges"`             // that forgot them
	CDN      int      `json:"cdn"`               // requests that the CDN answered
	Missed   []string `json:"missed,omitempty"`  // what could not be reached, and why: at most 50
	Unnamed  int      `json:"unnamed,omitempty"` // how much more was missed
	Done     bool     `json:"done"`
}

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
