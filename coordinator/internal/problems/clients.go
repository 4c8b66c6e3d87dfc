package problems

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/coordinator/internal/demand"
	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	// A client stands out with such a share of refusals or of the renderers' time, and so many a second.
	outstandingRefusals, outstandingWork = 0.3, 0.5
	leastRefused, leastAsked             = 0.5, 2.0
	leastProcessors                      = 0.5 // that a client with such a share of the processor time keeps busy
	mostClients                          = 3   // that are named
	// A client with smaller figures has no refusals, or no work, to speak of.
	leastTold, leastWork = 0.05, 0.01
	leastBy              = 0.02 // share of a client's refusals from which their throttle is named
	clientsPage          = "clients/"
)

// outstanding reports whether a client takes so much that it explains refusals.
func outstanding(c demand.Client) bool {
	return c.Refused >= leastRefused && c.RefusedShare >= outstandingRefusals ||
		c.WorkShare >= outstandingWork && c.Asked >= leastAsked || c.CPUShare >= outstandingWork && c.Processors >= leastProcessors
}

// takes says what a client takes. Its share of refusals is a mean over a minute, and the rates are of the
// last ten seconds.
func takes(t *snapshot.Throttles, c demand.Client) string {
	var all []string
	if c.Refused >= leastTold {
		by := slices.SortedFunc(maps.Keys(c.By), func(a, b throttle.Name) int {
			return cmp.Or(cmp.Compare(c.By[b], c.By[a]), cmp.Compare(a, b))
		})
		by = slices.DeleteFunc(by, func(n throttle.Name) bool { return c.By[n] < leastBy*c.Refused })
		all = append(all, fmt.Sprintf("has %s of all refusals (%s/s, by %s)", percent(c.RefusedShare), rate(c.RefusedShare*sum(t.Refusals)), some(by, 3)))
	}
	if c.WorkShare >= leastWork {
		all = append(all, fmt.Sprintf("takes %s of the renderers’ time", percent(c.WorkShare)))
	}
	if c.CPUShare >= leastWork && c.Processors >= leastTold {
		all = append(all, fmt.Sprintf("spends %s of the renderers’ processor time (%s processors)", percent(c.CPUShare), rate(c.Processors)))
	}
	if len(all) == 0 {
		return fmt.Sprintf("asks for %s renders/s", rate(c.Asked))
	}
	return listed(all)
}

// listed joins parts of a sentence.
func listed(all []string) string {
	last := len(all) - 1
	if last < 2 {
		return strings.Join(all, " and ")
	}
	return strings.Join(all[:last], ", ") + ", and " + all[last]
}

// ofClients names the clients that stand out and are not blocked yet.
func (f *finder) ofClients() {
	named := 0
	for _, c := range f.t.Clients {
		if !outstanding(c) || named == mostClients {
			continue
		}
		named++
		name := poolcounter.Unescaped(c.Name)
		if f.blocked(name) {
			continue
		}
		f.say(snapshot.Problem{
			Remedy:   "limit it, so that it keeps some renders, or block it; exempt it if it is yours",
			Severity: snapshot.Warning, Who: name, Since: c.Since, Page: clientsPage + url.PathEscape(name), Actions: f.against(name, c.Takes),
		}, "%s %s.", name, c.Takes)
	}
}

func isOfClient(p snapshot.Problem) bool { return strings.HasPrefix(p.Page, clientsPage) }

// against returns the actions against a client, and for it; nil for a client whose name is no network.
func (f *finder) against(name, takes string) []snapshot.Action {
	if _, ok := network(name); !ok {
		return nil
	}
	target := strings.TrimPrefix(name, throttle.ExemptMark)
	all := []snapshot.Action{{Kind: directive.Block, Target: target, Why: "it " + takes}}
	if n, err := throttle.ParseNetwork(name); err == nil { // per-ip counts it
		all = append(all, snapshot.Action{Kind: directive.Limit, Target: throttle.NetworkRule(n), Why: "it " + takes})
	}
	return append(all, snapshot.Action{Kind: directive.Exempt, Target: target})
}

// network returns the network of a client's name.
func network(name string) (netip.Prefix, bool) {
	text := strings.TrimPrefix(name, throttle.ExemptMark)
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	return p, err == nil
}

// blocked reports whether a directive blocks a client.
func (f *finder) blocked(name string) bool {
	client, ok := network(name)
	return ok && slices.ContainsFunc(f.t.Directives, func(d directive.Directive) bool {
		target, err := netip.ParsePrefix(d.Target)
		return d.Kind == directive.Block && err == nil && target.Bits() <= client.Bits() && target.Contains(client.Addr())
	})
}

func mostRefused(t *snapshot.Throttles) (share float64) {
	for _, c := range t.Clients {
		share = max(share, c.RefusedShare)
	}
	return share
}
