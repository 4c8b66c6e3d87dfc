package directive

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func valid(t *testing.T, k Kind, target string) Directive {
	t.Helper()
	d, err := New(Directive{Kind: k, Target: target, Who: "ann", Why: "an incident"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhatIsNoDirective(t *testing.T) {
	yes := true
	for want, d := range map[string]Directive{
		`kind is "explode": write`:       {Kind: "explode", Target: "x"},
		"such as 192.0.2.0/24":           {Kind: Block, Target: "everybody"},
		"blocks every client":            {Kind: Block, Target: "0.0.0.0/0"},
		"a /64":                          {Kind: Exempt, Target: "2001:db8::1/128"},
		"set workers":                    {Kind: Limit, Target: "per-ip"},
		"below workers":                  {Kind: Limit, Target: "per-ip", Workers: 4, MaxQueue: 2},
		"at most 1000000":                {Kind: Limit, Target: "per-ip", Workers: 2_000_000},
		"of per-ip, per-original, ":      {Kind: Limit, Target: "per-ipp", Workers: 4},
		"has no shadow mode":             {Kind: Limit, Target: "lane:bulk", Shadow: &yes},
		"only kind limit":                {Kind: Pause, Target: "bulk", Shadow: &yes},
		"standard, expensive, bulk":      {Kind: Pause, Target: "fast"},
		"target has 0 bytes: write 1 to": {Kind: Drain},
		"fields who and why have":        {Kind: Drain, Target: "r", Who: strings.Repeat("x", 400)},
	} {
		if d.Who == "" {
			d.Who, d.Why = "ann", "a test"
		}
		if _, err := New(d, time.Hour); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", d, err, want)
		}
	}
	for _, hold := range []time.Duration{0, -time.Second, Longest + time.Hour} {
		if _, err := New(Directive{Kind: Drain, Target: "r", Who: "a", Why: "b"}, hold); err == nil {
			t.Errorf("for %v", hold)
		}
	}
	if d := valid(t, Block, "192.0.2.7"); d.Target != "192.0.2.7/32" {
		t.Errorf("an address is %s", d.Target)
	}
	if d := valid(t, Block, "2001:db8::7"); d.Target != "2001:db8::/64" {
		t.Errorf("an IPv6 address is %s", d.Target)
	}
}

// Operators, and coordinators of an earlier version, may write a throttle's name otherwise.
func TestALimitIsOfTheThrottleByItsOneName(t *testing.T) {
	for _, target := range []string{"per-ip", "per_ip", "Per-IP", "ip"} {
		d, err := New(Directive{Kind: Limit, Target: target, Workers: 4, Who: "ann", Why: "a test"}, time.Hour)
		if err != nil || d.Target != "per-ip" {
			t.Errorf("%s is %q, %v", target, d.Target, err)
		}
		d.Target = target
		if d, err = Decode(d.Encode()); err != nil || d.Target != "per-ip" {
			t.Errorf("%s arrives as %q, %v", target, d.Target, err)
		}
	}
}

func TestADirectiveEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := 0
		s := NewSet(func() { changes++ })
		defer s.Close()
		d := valid(t, Pause, "bulk")
		if news, err := s.Add(d); !news || err != nil {
			t.Fatal(news, err)
		}
		if news, _ := s.Add(d); news {
			t.Error("the same one is no news")
		}
		time.Sleep(30 * time.Minute)
		if all := s.Holding(); len(all) != 1 || all[0].LeftMS != (30*time.Minute).Milliseconds() {
			t.Errorf("after half an hour: %+v", all)
		}
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		if all := s.All(); len(all) != 0 || changes != 2 {
			t.Errorf("after an hour: %+v, %d changes", all, changes)
		}
	})
}

// A coordinator that was away during a withdrawal does not bring the directive back.
func TestWithdrawnStays(t *testing.T) {
	here, there := NewSet(func() {}), NewSet(func() {})
	defer here.Close()
	defer there.Close()
	d := valid(t, Block, "192.0.2.0/24")
	for _, s := range []*Set{here, there} {
		if _, err := s.Add(d); err != nil {
			t.Fatal(err)
		}
	}
	gone := d
	gone.Withdrawn = "bob"
	if news, err := here.Add(gone); !news || err != nil {
		t.Fatal(news, err)
	}
	for _, old := range there.All() {
		if news, _ := here.Add(old); news {
			t.Error("it is back")
		}
	}
	for _, known := range here.All() {
		decoded, err := Decode(known.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if news, _ := there.Add(decoded); !news {
			t.Error("the other side did not learn of it")
		}
	}
	if len(here.Holding())+len(there.Holding()) > 0 {
		t.Error("it holds")
	}
	if news, _ := here.Add(gone); news {
		t.Error("withdrawn twice")
	}
}

func TestTheLatestOfATarget(t *testing.T) {
	s := NewSet(func() {})
	defer s.Close()
	for i := range 3 {
		d := valid(t, Drain, "r")
		d.Why, d.Began = fmt.Sprint(i), time.Unix(int64(i), 0)
		if _, err := s.Add(d); err != nil {
			t.Fatal(err)
		}
	}
	if d, ok := Find(s.Holding(), Drain, "r"); !ok || d.Why != "2" {
		t.Errorf("%+v", d)
	}
	if _, ok := Find(s.Holding(), Drain, "other"); ok {
		t.Error("of another target")
	}
}

func TestASetIsBounded(t *testing.T) {
	s := NewSet(func() {})
	defer s.Close()
	var last Directive
	for range MaxDirectives {
		last = valid(t, Drain, "r")
		if _, err := s.Add(last); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Add(valid(t, Drain, "r")); err == nil {
		t.Error("one more")
	}
	last.Withdrawn = "bob"
	if _, err := s.Add(last); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(valid(t, Drain, "r")); err != nil {
		t.Errorf("one was withdrawn, and there is no room: %v", err)
	}
	last.Withdrawn = strings.Repeat("<", 400)
	if last.Validate() == nil {
		t.Error("a name of any length")
	}
}

func FuzzDecode(f *testing.F) {
	d, _ := New(Directive{Kind: Block, Target: "192.0.2.0/24", Who: "a", Why: "b"}, time.Hour)
	f.Add(d.Encode())
	f.Add(`{"id":"x","kind":"limit","target":"ip","shadow":true}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Decode(text)
		if err != nil {
			return
		}
		again, err := Decode(d.Encode())
		if err != nil || again.ID != d.ID || again.Kind != d.Kind || again.Target != d.Target {
			t.Errorf("%+v became %+v, %v", d, again, err)
		}
	})
}
