package thumbnail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Qualities are the qualities, 1…100, of lossy formats that have one of their own.
type Qualities map[Format]int

// QualityOf is the quality of a thumbnail of this format: its own, else the common one.
func (s Spec) QualityOf(f Format) int {
	if own, ok := s.Qualities[f]; ok {
		return own
	}
	return s.Quality
}

// validate says which quality is of no lossy format, or out of range.
func (q Qualities) validate() error {
	for f, quality := range q {
		switch {
		case !f.Row().Lossy:
			return fmt.Errorf("a quality of the format %q: only %v have one", f, FormatNames(func(row FormatRow) bool { return row.Lossy }))
		case quality < 1 || quality > 100:
			return fmt.Errorf("the quality of %s is %d, which is not within 1…100", f, quality)
		}
	}
	return nil
}

// Specs as JSON have each quality beside the common one, as "quality_webp": they had a
// field for each format once, and what is stored under their digests stays valid.
const (
	qualityKey = "quality_"
	behindThem = `"chroma_subsampling":` // the key before which they stand
)

// MarshalJSON writes the spec as it has always been written.
func (s Spec) MarshalJSON() ([]byte, error) {
	type fields Spec
	text, err := json.Marshal(fields(s))
	if err != nil || len(s.Qualities) == 0 {
		return text, err
	}
	var own []byte
	for _, row := range formats {
		if quality, ok := s.Qualities[row.Format]; ok {
			own = fmt.Appendf(own, `"%s%s":%d,`, qualityKey, row.Format, quality)
		}
	}
	// Quotes in texts are escaped, so that this finds the key and nothing else.
	return slices.Insert(text, bytes.Index(text, []byte(behindThem)), own...), nil
}

// UnmarshalJSON reads what MarshalJSON writes. A quality of 0 is none, and one of a
// format that this version does not know is left out.
func (s *Spec) UnmarshalJSON(text []byte) error {
	type fields Spec
	if err := json.Unmarshal(text, (*fields)(s)); err != nil {
		return err
	}
	var keys map[string]json.RawMessage
	err := json.Unmarshal(text, &keys)
	if err == nil {
		s.Qualities, err = readQualities(keys)
	}
	return err
}

func readQualities(keys map[string]json.RawMessage) (Qualities, error) {
	q := Qualities{}
	for _, row := range formats {
		key, quality := qualityKey+string(row.Format), 0
		if value, ok := keys[key]; ok {
			if err := json.Unmarshal(value, &quality); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		if quality != 0 {
			q[row.Format] = quality
		}
	}
	if len(q) == 0 {
		return nil, nil
	}
	return q, nil
}
