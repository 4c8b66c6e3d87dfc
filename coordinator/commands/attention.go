package commands

import (
	"fmt"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

const (
	hourMinute = "15:04"
	// indent is as wide as the severity before a sentence, so that sentences begin in one column.
	indent = "         "
)

// severities are the severities as they stand before sentences.
func severities() []string { return []string{"CRITICAL", "WARNING", "NOTE"} }

// isSentence reports whether a line is a sentence about a problem.
func isSentence(line string) bool {
	for _, severity := range severities() {
		if strings.HasPrefix(line, severity+" ") {
			return true
		}
	}
	return false
}

// attention writes the state of the cluster, and a line for each problem.
func (s sections) attention(t coordinator.Throttles) {
	s.out.Row(fmt.Sprintf("%s: %s", t.State.Word, t.State.Sentence))
	if t.Speed.Sentence != "" {
		s.out.Row(t.Speed.Sentence)
	}
	for _, p := range t.Problems {
		s.out.Row(fmt.Sprintf("%-*s%s", len(indent), strings.ToUpper(string(p.Severity)), told(p)))
	}
	s.out.Row()
}

// told writes a problem with its times, and with the action against it.
func told(p coordinator.Problem) string {
	text := p.Sentence
	if !p.RefusedUntil.IsZero() {
		text += " Refused until " + p.RefusedUntil.Local().Format(hourMinute) + "."
	}
	if !p.Since.IsZero() {
		text += " Since " + p.Since.Local().Format(hourMinute) + "."
	}
	if p.Remedy != "" {
		text += " To change this, " + p.Remedy + "."
	}
	if len(p.Actions) > 0 {
		text += " Command: " + command(p.Actions[0])
	}
	return text
}

// command returns the command of an action.
func command(a coordinator.Action) string {
	if a.ID != "" {
		return "thumbmill throttle withdraw " + a.ID
	}
	start := map[directive.Kind]string{
		directive.Block: "throttle block ", directive.Exempt: "throttle exempt ", directive.Limit: "throttle set ",
		directive.Pause: "throttle pause ", directive.Drain: "renderers drain ", directive.Clear: "failing clear ",
	}
	return "thumbmill " + start[a.Kind] + a.Target
}

// many writes a number with its noun.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", more)
}

// clients writes the clients with the largest shares, each once.
func (s sections) clients(t coordinator.Throttles, most int) {
	if len(t.Clients) == 0 {
		return
	}
	s.out.Section("CLIENT", "REFUSED/S", "OF REFUSALS", "OF RENDERERS", "SINCE")
	for _, c := range t.Clients[:min(len(t.Clients), most)] {
		s.out.Row(poolcounter.Unescaped(c.Name), fmt.Sprintf("%.1f", c.Refused), fmt.Sprintf("%.0f %%", 100*c.RefusedShare), fmt.Sprintf("%.0f %%", 100*c.WorkShare), c.Since.Local().Format(time.TimeOnly))
	}
}
