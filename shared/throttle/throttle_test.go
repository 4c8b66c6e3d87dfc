package throttle

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func limits() Limits {
	return Limits{Settings: settings.Default().Throttle, Lane: func(renderjob.Lane) settings.Pool {
		return settings.Pool{Workers: 6, MaxQueue: 90, Timeout: 5 * time.Second}
	}}
}

func keys(needs []Need) string {
	var all []string
	for _, n := range needs {
		all = append(all, n.Key)
	}
	return strings.Join(all, " ")
}

func TestNeeds(t *testing.T) {
	photo := Request{Client: "192.0.2.1", Original: thumbnail.Location{Container: "c", Path: "a.jpg"}, Lane: renderjob.LaneStandard}
	exempt, scan := photo, photo
	exempt.Exempt = true
	scan.Expensive, scan.Places, scan.Lane = thumbnail.TypeTIFF, 99, renderjob.LaneExpensive
	for name, c := range map[string]struct {
		request Request
		want    string
	}{
		"a photo":              {photo, "ip:192.0.2.1 original:c%2Fa.jpg lane:standard"},
		"for an exempt client": {exempt, "original:c%2Fa.jpg lane:standard"},
		"of an expensive type": {scan, "ip:192.0.2.1 original:c%2Fa.jpg expensive:tiff lane:expensive"},
	} {
		needs := All().Needs(c.request, limits())
		if got := keys(needs); got != c.want {
			t.Errorf("%s needs %s, want %s", name, got, c.want)
		}
		rules := All().Rules(limits())
		for _, n := range needs {
			if rule := rules[n.Rule]; !strings.HasPrefix(rule.Name, string(n.Throttle.Name)) || int(rule.Workers) != n.Limits.Workers || n.Places > n.Limits.Workers {
				t.Errorf("%s: %+v has the rule %+v", name, n, rule)
			}
		}
	}
}

// Each throttle has one name for people, and RuleName accepts each spelling of it.
func TestNames(t *testing.T) {
	all := All()
	want := []string{"per-ip", "per-original", "expensive", "lane:standard", "lane:expensive", "lane:bulk"}
	if got := all.RuleNames(); !slices.Equal(got, want) {
		t.Errorf("rules %v", got)
	}
	for text, want := range map[string]string{
		"per-ip": "per-ip", "per_ip": "per-ip", "PER-IP": "per-ip", "ip": "per-ip", "original": "per-original",
		"per_original": "per-original", "lane:bulk": "lane:bulk", "per_ip:192.0.2.7": "per-ip:192.0.2.7/32", "per-ip:2001:DB8::7": "per-ip:2001:db8::/64",
	} {
		if got, err := all.RuleName(text); got != want || err != nil {
			t.Errorf("%s is %q, %v", text, got, err)
		}
	}
	if of, lane := OfRule(RuleOf(renderjob.LaneBulk)); of != Lane || lane != "bulk" {
		t.Errorf("the rule %s is of %s %s", RuleOf(renderjob.LaneBulk), of, lane)
	}
	for _, text := range []string{"", "ipp", "lane", "lane:fast", "failure", "local", "per-ip:standard"} {
		if got, err := all.RuleName(text); err == nil || !strings.Contains(err.Error(), strings.Join(want, ", ")) {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
}

func TestPoolsAreOfThrottles(t *testing.T) {
	for key, want := range map[string]Name{
		"ip:192.0.2.1": PerIP, "original:a.jpg": PerOriginal, "expensive:tiff": Expensive, "lane:bulk": Lane,
		All().PoolOf("bulk"): Lane, "thumbnail:a": Thumbnail, "thumbor-ip-1.2.3.4": Other, "": Other, "failure:x": Other, ":x": Other,
	} {
		if got := All().OfKey(key); got != want {
			t.Errorf("%q belongs to %s, want %s", key, got, want)
		}
		if rule := All().RuleOfKey(key); rule != string(want) && rule != "lane:bulk" {
			t.Errorf("%q has the rule %s", key, rule)
		}
		if !slices.Contains(All().PoolNames(), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestRefusals(t *testing.T) {
	needs := All().Needs(Request{Client: "a", Lane: renderjob.LaneStandard}, limits())
	for _, c := range []struct {
		f          *fault.Fault
		kind       fault.Kind
		throttle   string
		text       string
		retryAfter time.Duration
		ofClient   bool
	}{
		{needs[0].Refuse(Full, 5*time.Second), fault.Throttled, "per-ip", "for your address at once: the line", 4 * time.Second, true},
		{needs[1].Refuse(Waited, 5*time.Second), fault.Throttled, "per-original", ": no place became free within 5s", 8 * time.Second, false},
		{needs[2].Refuse(Waited, 5*time.Second), fault.LaneFull, "lane", "All renderers are busy", 5 * time.Second, false},
		{All().Get(Lane).Refuse(0, Paused), fault.LaneFull, "lane", "An operator paused thumbnails of this kind: ask again later", 5 * time.Second, false},
		{All().Get(Failure).Refuse(time.Hour, Failed, 4, time.Hour), fault.Failing, "failure", "too often: it failed 4 times within 1h0m0s", time.Hour, false},
		{All().Get(Local).Refuse(0, Busy, 32), fault.Unavailable, "local", ": it renders 32 thumbnails already", 5 * time.Second, false},
	} {
		if c.f.Kind != c.kind || c.f.Throttle != c.throttle || !strings.Contains(c.f.Message, c.text) || c.f.RetryAfter() != c.retryAfter || All().IsOfClient(c.f) != c.ofClient {
			t.Errorf("%+v", c.f)
		}
	}
	if All().IsOfClient(fault.New(fault.Unavailable, "a test")) {
		t.Error("a fault without a throttle concerns a client")
	}
}

// Each throttle has its settings key, and only throttles with a shadow mode have the setting for it.
func TestTheTableIsWhole(t *testing.T) {
	values := settings.Default().Values()
	for _, row := range All() {
		if row.Name == "" || row.Sentence == "" || row.Remedy == "" || row.Kind == "" || strings.HasSuffix(row.Sentence, ".") {
			t.Errorf("the row %+v is incomplete", row)
		}
		if _, full := row.Causes[Full]; len(row.Causes) == 0 || full != (row.Class != "") {
			t.Errorf("%s has the causes %v", row.Name, row.Causes)
		}
		if (row.Class == "") != (row.limits == nil) || (row.Class == "") != (row.pool == nil) {
			t.Errorf("%s lacks a part of a coordinator's rule", row.Name)
		}
		has := func(key string) bool { _, ok := values["throttle."+row.Setting+"."+key]; return ok }
		if row.Setting != "" && !has("workers") && !has("max") {
			t.Errorf("there is no setting throttle.%s", row.Setting)
		}
		if row.CanShadow != has("shadow") {
			t.Errorf("%s can be in shadow mode: %v, and its settings say otherwise", row.Name, row.CanShadow)
		}
	}
	if !All().CanShadow("per-ip") || All().CanShadow("lane:bulk") || All().CanShadow("no such") {
		t.Error("shadow mode is offered to the wrong rules")
	}
}

// A new throttle that counts the renders of a client's network needs only a row of the table and its
// limits in the settings.
func TestAMadeUpThrottle(t *testing.T) {
	network := func(r Request, _ settings.Pool) (string, int) {
		p, err := netip.MustParseAddr(r.Client).Prefix(24)
		if err != nil {
			return "", 0
		}
		return p.String(), 1
	}
	all := append(All(), Throttle{
		Name: "per-network", Setting: "per_network", Class: "network", Kind: fault.Throttled, CanShadow: true,
		Sentence: "Too many thumbnails are rendered for your network at once", Causes: pooled(nil),
		limits: func(Limits, string) settings.Pool {
			return settings.Pool{Workers: 9, MaxQueue: 10, Timeout: time.Second}
		},
		pool: network,
	})
	needs := all.Needs(Request{Client: "192.0.2.77", Lane: renderjob.LaneBulk}, limits())
	last := needs[len(needs)-1]
	if last.Key != "network:192.0.2.0%2F24" || last.Limits.Workers != 9 || all.Rules(limits())[last.Rule].Name != "per-network" {
		t.Errorf("%+v", last)
	}
	if f := last.Refuse(Full, time.Second); f.Throttle != "per-network" || !strings.HasPrefix(f.Message, "Too many thumbnails are rendered for your network") {
		t.Errorf("%+v", f)
	}
	if name, err := all.RuleName("per_network"); name != "per-network" || err != nil || all.OfKey(last.Key) != "per-network" || !all.CanShadow(name) {
		t.Errorf("%s, %v, %s", name, err, all.OfKey(last.Key))
	}
}

// The comment of each cause names the files that decide it.
func TestCausesNameTheirFiles(t *testing.T) {
	text, err := os.ReadFile("refusal.go")
	if err != nil {
		t.Fatal(err)
	}
	files := regexp.MustCompile(`[a-z]+(/[a-z]+)+\.go`).FindAllString(string(text), -1)
	if len(files) < int(Busy) {
		t.Errorf("%d causes name only %v", Busy, files)
	}
	for _, file := range files {
		if _, err := os.Stat(filepath.Join("..", "..", file)); err != nil {
			t.Errorf("refusal.go names a file that is gone: %v", err)
		}
	}
}

func TestPoolName(t *testing.T) {
	for key, want := range map[string]string{"ip:192.0.2.1%2F32": "per-ip:192.0.2.1/32", "lane:bulk": "lane:bulk", "original:c%2Fa.jpg": "per-original:c/a.jpg", "_elastic%20search": "_elastic search", "ip": "ip"} {
		if got := All().PoolName(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

// Flights of a ride share one slot, so that a batch of one original takes one place of its client.
func TestARideTakesNoPlaceOfItsClient(t *testing.T) {
	l := Limits{Settings: settings.Default().Throttle, Lane: func(renderjob.Lane) settings.Pool { return settings.Pool{Workers: 2} }}
	r := Request{Client: "192.0.2.1", Original: thumbnail.Location{Path: "a.jpg"}, Lane: renderjob.LaneStandard}
	for rides, want := range map[bool][]Name{false: {PerIP, PerOriginal, Lane}, true: {PerOriginal}} {
		r.Rides = rides
		var got []Name
		for _, need := range All().Needs(r, l) {
			got = append(got, need.Throttle.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("rides %v: places of %v, want %v", rides, got, want)
		}
	}
}
