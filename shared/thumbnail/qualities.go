package thumbnail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Qualities has the quality, 1…100, of each lossy format with its own quality.
type Qualities map[Format]int

// QualityOf returns the quality of a thumbnail of this format: the format's own, or the common one.
func (s Spec) QualityOf(f Format) int {
	if own, ok := s.Qualities[f]; ok {
		return own
	}
	return s.Quality
}

// validate returns an error for a format that is not lossy and for a quality out of range.
func (q Qualities) validate() error {
	for f, quality := range q {
		switch {
		case !f.Row().Lossy:
			return fmt.Errorf("the format %q has no quality: only %v have one", f, FormatNames(func(row FormatRow) bool { return row.Lossy }))
		case quality < 1 || quality > 100:
			return fmt.Errorf("the quality of %s is %d, which is not within 1…100", f, quality)
		}
	}
	return nil
}

// The JSON of a spec has each own quality beside the common one, as "quality_webp". Early specs had a
// field for each format, and thumbnails stored under their digests stay valid.
const (
	qualityKey = "quality_"
	behindThem = `"chroma_subsampling":` // the key after the qualities
)

// MarshalJSON writes the spec in the form that all versions have.
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
	// Quotes in texts are escaped: Index finds only the key.
	return slices.Insert(text, bytes.Index(text, []byte(behindThem)), own...), nil
}

// UnmarshalJSON parses the result of MarshalJSON. It drops a quality of 0 and the quality of a format
// that this version does not know.
func (s *Spec) UnmarshalJSON(text []byte) error {
	type fields Spec
	if err := json.Unmarshal(text, (*fields)(s)); err != nil {
		return err
	}
	if !bytes.Contains(text, []byte(qualityKey)) { // as most are
		s.Qualities = nil
		return nil
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
