package renderjob

import (
	"encoding/json"
	"strings"
)

// MaxBatch bounds how many jobs of one original are done as one: descriptors and messages of
// a worker are made for as many.
const MaxBatch = 16

// Answer is what an edge says to Started.
type Answer struct {
	Word string `json:"word"` // Proceed or Gone
	// Siblings are other jobs of the same original, version and lane that no renderer has begun.
	// They are done with the one that begins: nobody else is given them until its delivery ends.
	Siblings []Sibling `json:"siblings,omitempty"`
}

// Sibling is a job that is done with another's delivery.
type Sibling struct {
	Job   Job    `json:"job"`
	Trace string `json:"trace,omitempty"`
	// WaitedMS is how long it has waited; the job's times count from its beginning. Milliseconds.
	WaitedMS int64 `json:"waited_ms"`
}

// Text is the answer as a message: the bare word, which renderers of all versions know, unless
// there are siblings, of which only those hear who said that they take them.
func (a Answer) Text() (string, error) {
	if len(a.Siblings) == 0 {
		return a.Word, nil
	}
	text, err := json.Marshal(a)
	return string(text), err
}

// ReadAnswer understands an answer. Whatever is not clearly one means Proceed, alone.
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
