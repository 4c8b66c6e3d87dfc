package fromthumbor

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	plainHost = regexp.MustCompile(`^[A-Za-z0-9-]+(?:\\?\.[A-Za-z0-9-]+)*$`)
	// anyBelow matches an expression for all hosts below a domain.
	anyBelow = regexp.MustCompile(`^(?:\.[*+]|\[\^/\]\+)\\?\.((?:[A-Za-z0-9-]+\\?\.)*[A-Za-z0-9-]+)$`)
	// domainToo matches an expression for a domain and all hosts below it.
	domainToo = regexp.MustCompile(`^\((?:\?:)?\.[*+]\\\.\)\?((?:[A-Za-z0-9-]+\\?\.)*[A-Za-z0-9-]+)$`)
	// oneOf matches an expression with a choice of plain words.
	oneOf = regexp.MustCompile(`^([^()|]*)\((?:\?:)?([A-Za-z0-9-]+(?:\|[A-Za-z0-9-]+)+)\)([^()|]*)$`)
	// ofURL matches an expression for URLs, which Thumbor compares from their start.
	ofURL = regexp.MustCompile(`^\^?(?:https?\??|\(\?:https\?\)|\(https\?\)):(?://|\\/\\/)((?:\[\^/\]|[^/])+?)(?:\\?/(.*))?$`)
	// anyPath matches the end of an expression that allows every path.
	anyPath = regexp.MustCompile(`^(?:\.\*)?\$?$`)
)

// hosts converts ALLOWED_SOURCES to names and *.domains. Without it, any host is allowed, as in Thumbor.
// An expression that cannot be read allows no host.
func (c *converter) hosts() []string {
	const name = "ALLOWED_SOURCES"
	v, said := c.assigned[name]
	list, ok := v.([]any)
	switch {
	case v == (unread{}):
		return []string{}
	case !said || ok && len(list) == 0:
		return []string{"*"}
	case !ok:
		c.leaveOnce(name, "it is not a list: "+short(v))
		return []string{}
	}
	hosts := []string{}
	for _, source := range list {
		found, reason := hostsOf(source)
		if reason != "" {
			c.leaveOnce(name, reason)
		}
		hosts = append(hosts, found...)
	}
	return hosts
}

// hostsOf converts one source: a host, an expression for hosts, or a compiled expression for URLs.
func hostsOf(source any) (hosts []string, reason string) {
	switch source := source.(type) {
	case unreadable:
		return nil, string(source)
	case string:
		return hostsLike(source, source)
	case expression:
		parts := ofURL.FindStringSubmatch(string(source))
		switch {
		case parts == nil:
			return nil, fmt.Sprintf("re.compile(%q) does not begin with https?://, and Thumbor compares it with whole URLs: write its hosts into hosts", string(source))
		case !anyPath.MatchString(parts[2]):
			return nil, fmt.Sprintf("re.compile(%q) allows some paths of a host only, and hosts cannot: write its host into hosts to allow all", string(source))
		}
		return hostsLike(parts[1], fmt.Sprintf("re.compile(%q)", string(source)))
	}
	return nil, short(source) + " is not a host"
}

// hostsLike converts an expression for hosts. said is the expression as the file has it.
func hostsLike(expression, said string) (hosts []string, reason string) {
	text := strings.TrimSuffix(strings.TrimPrefix(expression, "^"), "$")
	plain := func(text string) string { return strings.ReplaceAll(text, `\`, "") }
	if plainHost.MatchString(text) {
		return []string{plain(text)}, ""
	}
	if below := anyBelow.FindStringSubmatch(text); below != nil {
		return []string{"*." + plain(below[1])}, ""
	}
	if both := domainToo.FindStringSubmatch(text); both != nil {
		return []string{plain(both[1]), "*." + plain(both[1])}, ""
	}
	if choice := oneOf.FindStringSubmatch(text); choice != nil {
		for word := range strings.SplitSeq(choice[2], "|") {
			found, reason := hostsLike(choice[1]+word+choice[3], said)
			if reason != "" {
				return nil, reason
			}
			hosts = append(hosts, found...)
		}
		return hosts, ""
	}
	return nil, said + " is not a host and not all hosts of a domain: write its hosts into hosts"
}
