package renderjob

import (
	"encoding/json"
	"strings"
)

// MaxBatch bounds the jobs of one original that a renderer does together. A worker's descriptors and
// messages have this size.
const MaxBatch = 16

// Answer is an edge's answer to Started.
type Answer struct {
	Word string `json:"word"` // Proceed or Gone
	// Siblings are other jobs of the same original, version and lane that no renderer has begun. The
	// renderer does them together with the started job: no other renderer gets them until the delivery
	// ends.
	Siblings []Sibling `json:"siblings,omitempty"`
}

// Sibling is a job that is part of another job's delivery.
type Sibling struct {
	Job   Job    `json:"job"`
	Trace string `json:"trace,omitempty"`
	// WaitedMS is the time in milliseconds that the job has waited. The job's times count from the
	// start of this wait.
	WaitedMS int64 `json:"waited_ms"`
}

// Text returns the answer as a message. Without siblings it is the bare word, which renderers of all
// versions know. An edge sends siblings only to renderers that asked for them.
func (a Answer) Text() (string, error) {
	if len(a.Siblings) == 0 {
		return a.Word, nil
	}
	text, err := json.Marshal(a)
	return string(text), err
}

// ReadAnswer parses an answer. An unclear answer means Proceed without siblings.
func ReadAnswer(text []byte) Answer {
	var a Answer
	switch {
	case string(text) == Gone:
		return Answer{Word: Gone}
	case !strings.HasPrefix(string(text), "{") || json.Unmarshal(text, &a) != nil:
		return Answer{Word: Proceed}
	}
	for i := range a.Siblings {
		a.Siblings[i].Job.Trace = a.Siblings[i].Trace
	}
	return a
}
