package throttle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// The names in metrics for pools without a throttle.
const (
	Thumbnail Name = "thumbnail" // the pool in which flights wait for another flight's render of the same thumbnail
	Other     Name = "other"     // pools of PoolCounter's other clients
)

// ThumbnailClass begins the keys of the pools of thumbnails.
const ThumbnailClass = "thumbnail"

// ExemptMark begins the names of clients that per-ip does not count.
const ExemptMark = "exempt "

// OfKey returns the throttle of a pool with a key, and Thumbnail or Other for a pool without a
// throttle.
func (t Table) OfKey(key string) Name {
	class, _, _ := strings.Cut(key, ":")
	if class == ThumbnailClass {
		return Thumbnail
	}
	for _, row := range t {
		if row.Class == class && class != "" {
			return row.Name
		}
	}
	return Other
}

// RuleOfKey returns the rule of a pool with a key, and Thumbnail or Other for a pool without a throttle.
func (t Table) RuleOfKey(key string) string {
	of := t.OfKey(key)
	if _, variant, _ := strings.Cut(key, ":"); slices.ContainsFunc(t, func(row Throttle) bool { return row.Name == of && row.Variants != nil }) {
		return ruleName(of, variant)
	}
	return string(of)
}

// PoolNames returns all results of OfKey, for metrics.
func (t Table) PoolNames() (names []Name) {
	for _, row := range t {
		if row.Class != "" {
			names = append(names, row.Name)
		}
	}
	return append(names, Thumbnail, Other)
}

// RuleOf returns the name of the rule of a lane's pool.
func RuleOf(lane renderjob.Lane) string { return ruleName(Lane, string(lane)) }

// OfRule returns the throttle of a rule, and the variant, such as a lane; "" for a rule without variants.
func OfRule(rule string) (of Name, variant string) {
	name, variant, _ := strings.Cut(rule, ":")
	return Name(name), variant
}

// PoolOf returns the key of a lane's pool at the coordinator.
func (t Table) PoolOf(lane renderjob.Lane) string {
	return poolcounter.Key(t.Get(Lane).Class, string(lane))
}

// PoolName returns the key of a pool as operators read it: with the throttle's name in place of the class, such as
// per-ip:192.0.2.0/24. The keys of PoolCounter's clients stay as they are.
func (t Table) PoolName(key string) string {
	class, of, _ := strings.Cut(key, ":")
	for _, row := range t {
		if row.Class == class && of != "" {
			return string(row.Name) + ":" + poolcounter.Unescaped(of)
		}
	}
	return poolcounter.Unescaped(key)
}

// RuleNames returns the names of the rules whose limits operators can change.
func (t Table) RuleNames() (names []string) {
	for r := range t.rules() {
		names = append(names, r.name())
	}
	return names
}

// RuleName returns the name of the rule that a text means: the name with hyphens or underscores,
// or the class of its pools, as older edges write. per-ip:NETWORK is the rule of a network's clients. The error
// lists the names.
func (t Table) RuleName(text string) (string, error) {
	wanted, variant, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(text, "_", "-")), ":")
	for r := range t.rules() {
		if (wanted == string(r.throttle.Name) || wanted == r.throttle.Class) && variant == r.variant {
			return r.name(), nil
		}
	}
	if wanted == string(PerIP) && variant != "" {
		if n, err := ParseNetwork(variant); err == nil {
			return NetworkRule(n), nil
		}
	}
	return "", fmt.Errorf("no limits for throttle %q: write one of %s", text, strings.Join(append(t.RuleNames(), string(PerIP)+":NETWORK"), ", "))
}

// CanShadow reports whether the rule with a name from RuleName has a shadow mode.
func (t Table) CanShadow(ruleName string) bool {
	of, _ := OfRule(ruleName)
	return slices.ContainsFunc(t, func(row Throttle) bool { return row.Name == of && row.CanShadow })
}
