package admission

import (
	"encoding/json"
	"maps"

	"github.com/thumbmill/thumbmill/edge/internal/coordinators"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// status returns this edge's status for operators as JSON. It drops the oldest failing originals
// until the JSON fits into half a frame.
func status(s lease.Status, decided *decisions, asked string, breakers map[string]string) string {
	maps.Copy(s.Breakers, breakers)
	s.Asked, s.Decisions, s.Directives, s.TurnsAway = asked, decided.sofar(), true, true
	for {
		text, err := json.Marshal(s)
		if err == nil && len(text) <= lease.MaxFrame/2 || len(s.Failing) == 0 {
			return string(text)
		}
		s.Failing = s.Failing[:len(s.Failing)/2] // the latest come first
	}
}

// heartbeats returns the heartbeats as JSON arrays of at most coordinators.MaxStatus bytes each.
// It drops a heartbeat that is larger.
func heartbeats(all []renderjob.Heartbeat) (parts []string) {
	part := []byte("[")
	end := func() {
		if len(part) > 1 {
			parts = append(parts, string(part[:len(part)-1])+"]")
		}
		part = []byte("[")
	}
	for _, h := range all {
		text, err := json.Marshal(h)
		if err != nil || len(text)+len("[]") > coordinators.MaxStatus {
			continue
		}
		if len(part)+len(text)+len(",]") > coordinators.MaxStatus {
			end()
		}
		part = append(append(part, text...), ',')
	}
	end()
	return parts
}
