package problems

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

func sum(rates map[string]float64) (all float64) {
	for _, n := range rates {
		all += n
	}
	return all
}

// rate writes events per second.
func rate(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n < 0.1:
		return "<0.1"
	case n < 10:
		return fmt.Sprintf("%.1f", n)
	}
	return humanize.Comma(int64(math.Round(n)))
}

func count(n int) string { return humanize.Comma(int64(n)) }

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }

// many writes a number with its noun.
func many(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return count(n) + " " + noun
}

// some joins the first names of a list.
func some[T ~string](names []T, most int) string {
	var first []string
	for _, name := range names[:min(len(names), most)] {
		first = append(first, string(name))
	}
	text := strings.Join(first, ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// span writes a time of seconds or more.
func span(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 90*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 90*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
