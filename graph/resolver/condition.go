package resolver

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

// recordVocabulary is what a condition about records may name.
type recordVocabulary map[string]condition.ObjectVocabulary

var _ condition.Vocabulary = recordVocabulary{}

// TraitTypes implements condition.Vocabulary; records have none.
func (recordVocabulary) TraitTypes(string) ([]string, bool) { return nil, false }

// EventKnown implements condition.Vocabulary.
func (recordVocabulary) EventKnown(string) bool { return false }

// PropertyTypes implements condition.Vocabulary.
func (recordVocabulary) PropertyTypes(string, string) ([]string, bool) { return nil, false }

// ObjectType implements condition.Vocabulary.
func (v recordVocabulary) ObjectType(key string) (condition.ObjectVocabulary, bool) {
	t, ok := v[key]
	return t, ok
}

// Segment implements condition.Vocabulary.
func (recordVocabulary) Segment(string) (condition.SegmentInfo, bool) {
	return condition.SegmentInfo{}, false
}

// ObjectTypes implements condition.Vocabulary.
func (v recordVocabulary) ObjectTypes() []string { return slices.Sorted(maps.Keys(v)) }

// Events implements condition.Vocabulary.
func (recordVocabulary) Events() []string { return nil }

// faultsAt puts faults under a path and makes one error of them.
func faultsAt(faults []*core.Error, path ...string) error {
	out := make(segment.Faults, len(faults))
	for i, f := range faults {
		out[i] = f.At(path...)
	}
	return out
}

// decoded reads a JSON input with exact numbers; nil for none.
func decoded(j scalar.JSON) any {
	if j.IsNull() {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(j))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil // the scalar has encoded it
	}
	return v
}
