package throttle

import (
	"fmt"
	"strings"
)

// What pools that belong to no throttle are counted as.
const (
	Thumbnail Name = "thumbnail" // the pool in which flights wait for another's render of the same thumbnail
	Other     Name = "other"     // pools of PoolCounter's other clients
)

// ThumbnailClass begins the keys of the pools of thumbnails.
const ThumbnailClass = "thumbnail"

// OfKey names the throttle that a pool belongs to, by the pool's key; Thumbnail or Other
// where it belongs to none.
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

// PoolNames are all that OfKey can answer, for metrics.
func (t Table) PoolNames() (names []Name) {
	for _, row := range t {
		if row.Class != "" {
			names = append(names, row.Name)
		}
	}
	return append(names, Thumbnail, Other)
}

// RuleNames are the names of the rules whose limits operators can change.
func (t Table) RuleNames() (names []string) {
	for r := range t.rules() {
		names = append(names, r.name())
	}
	return names
}

// RuleName finds the rule that an operator, or an older edge, means: its name, with hyphens
// or underscores, or the class of its pools. The error lists the names.
func (t Table) RuleName(text string) (string, error) {
	wanted, variant, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(text, "_", "-")), ":")
	for r := range t.rules() {
		if (wanted == string(r.throttle.Name) || wanted == r.throttle.Class) && variant == r.variant {
			return r.name(), nil
		}
	}
	return "", fmt.Errorf("no throttle of the name %q has limits that can be changed: give one of %s", text, strings.Join(t.RuleNames(), ", "))
}

// CanShadow reports whether the rule of that name, as RuleName gives it, can be in shadow mode.
func (t Table) CanShadow(ruleName string) bool {
	for r := range t.rules() {
		if r.name() == ruleName {
			return r.throttle.CanShadow
		}
	}
	return false
}
