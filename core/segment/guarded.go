package segment

import (
	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// guarded is a vocabulary as an actor may hear of it: faults, warnings and suggestions
// say nothing about values that the actor may not read. Of what is hidden it says that
// it is known and may be of any type.
type guarded struct {
	*vocabulary
	sight *sight
}

// guardedPurposes is one that knows the workspace's purposes.
type guardedPurposes struct{ guarded }

// PurposeKeys implements condition.Purposes.
func (v guardedPurposes) PurposeKeys() []string { return v.purposes }

var (
	_ condition.Vocabulary = guarded{}
	_ condition.Purposes   = guardedPurposes{}
)

func (v guarded) shows(owner, path string) bool {
	cats, err := v.sight.categoriesOf(field{owner: owner, path: path, deep: true})
	if err != nil {
		return false
	}
	for _, c := range cats {
		if !v.sight.gate.Category(c).Allowed() {
			return false
		}
	}
	return true
}

func (v guarded) happened() bool { return v.sight.gate.Category(core.Behaviour).Allowed() }

// TraitTypes implements condition.Vocabulary.
func (v guarded) TraitTypes(path string) ([]string, bool) {
	if !v.shows(event.OwnerTrait, path) {
		return nil, true
	}
	return v.vocabulary.TraitTypes(path)
}

// EventKnown implements condition.Vocabulary.
func (v guarded) EventKnown(name string) bool {
	return !v.happened() || v.vocabulary.EventKnown(name)
}

// PropertyTypes implements condition.Vocabulary.
func (v guarded) PropertyTypes(name, path string) ([]string, bool) {
	if !v.happened() || !v.shows(event.OwnerOf(name), path) {
		return nil, true
	}
	return v.vocabulary.PropertyTypes(name, path)
}

// Events implements condition.Vocabulary.
func (v guarded) Events() []string {
	if !v.happened() {
		return nil
	}
	return v.vocabulary.Events()
}
