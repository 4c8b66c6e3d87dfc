package svg

import "strings"

// maxServers bounds the gradients and patterns whose references are checked.
const maxServers = 20000

// server is a gradient or a pattern, in the order of the text.
type server struct {
	pattern bool
	refers  bool
	target  string // of its href, with "#"
}

// servers has the gradients and patterns of a drawing. librsvg paints nothing with a server whose href names no other
// server, or a server that refers back; browsers ignore such an href.
type servers struct {
	all  []server
	byID map[string]int
}

// isServer reports whether a tag begins a gradient or a pattern.
func isServer(t tag) bool {
	switch local(t.name) {
	case "linearGradient", "radialGradient", "pattern":
		return true
	}
	return false
}

// see notes a tag.
func (s *servers) see(t tag) {
	if !isServer(t) || len(s.all) == maxServers {
		return
	}
	if s.byID == nil {
		s.byID = map[string]int{}
	}
	if id := t.value("id"); id != "" {
		if _, known := s.byID[id]; !known {
			s.byID[id] = len(s.all)
		}
	}
	_, refers := t.get("href")
	s.all = append(s.all, server{local(t.name) == "pattern", refers, strings.Trim(t.value("href"), space)})
}

// next returns the server that a server refers to, or false if it refers to no other of its kind.
func (s *servers) next(i int) (int, bool) {
	id, inside := strings.CutPrefix(s.all[i].target, "#")
	j, ok := s.byID[id]
	return j, inside && ok && s.all[i].pattern == s.all[j].pattern
}

// unlinked returns the numbers of the servers whose href goes away.
func (s *servers) unlinked() map[int]bool {
	if len(s.all) == maxServers {
		return nil // there can be further servers
	}
	cut := map[int]bool{}
	walks := make([]int, len(s.all)) // the walk that reached each server
	for first := range s.all {
		for i := first; walks[i] == 0; {
			walks[i] = first + 1
			if !s.all[i].refers || strings.Contains(s.all[i].target, "&") {
				break
			}
			j, ok := s.next(i)
			if !ok || walks[j] == first+1 {
				cut[i] = true
				break
			}
			i = j
		}
	}
	return cut
}
