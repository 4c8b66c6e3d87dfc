package throttle

import (
	"net/netip"
	"testing"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// The clients of a network have limits of their own, under a rule of their own. The smallest network wins.
func TestNetworksHaveLimitsOfTheirOwn(t *testing.T) {
	l := limits()
	l.Networks = []Network{
		{netip.MustParsePrefix("192.0.2.0/24"), settings.Pool{Workers: 2, MaxQueue: 9}, true},
		{netip.MustParsePrefix("192.0.2.7/32"), settings.Pool{Workers: 1, MaxQueue: 3}, true},
		{netip.MustParsePrefix("192.0.2.8/32"), settings.Pool{Workers: 9, MaxQueue: 9}, false}, // its directive has ended
		{netip.MustParsePrefix("2001:db8::/48"), settings.Pool{Workers: 3, MaxQueue: 5}, true},
	}
	declared := All().Rules(l)
	for client, want := range map[string]struct {
		rule    string
		workers int
	}{
		"192.0.2.7": {"per-ip:192.0.2.7/32", 1}, "192.0.2.8": {"per-ip:192.0.2.0/24", 2}, "2001:db8:0:1::/64": {"per-ip:2001:db8::/48", 3},
		"198.51.100.1": {"per-ip", l.Settings.PerIP.Workers}, "nobody": {"per-ip", l.Settings.PerIP.Workers},
	} {
		need := All().Needs(Request{Client: client, Lane: renderjob.LaneStandard}, l)[0]
		if got := declared[need.Rule].Name; got != want.rule || need.Limits.Workers != want.workers || need.Key != poolcounter.Key("ip", client) {
			t.Errorf("%s: rule %s, %d workers, key %s; want %+v", client, got, need.Limits.Workers, need.Key, want)
		}
	}
	if needs := All().Needs(Request{Client: "192.0.2.7", Exempt: true, Lane: renderjob.LaneStandard}, l); declared[needs[0].Rule].Name != "per-original" {
		t.Errorf("an exempt client needs %+v", needs)
	}
	if len(All().Rules(limits()))+MostNetworks > lease.MaxRules {
		t.Errorf("%d rules and %d networks are more than %d", len(All().Rules(limits())), MostNetworks, lease.MaxRules)
	}
}
