package lead

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
)

// facts answers what rules about fit ask of one person.
type facts struct {
	profile *profile.Profile
	records map[string][]*object.Related // by type
}

var _ condition.Facts = (*facts)(nil)

// ProfileID implements condition.Facts.
func (f *facts) ProfileID() string { return f.profile.ProfileID() }

// Location implements condition.Facts: rules about fit go by UTC.
func (f *facts) Location() *time.Location { return nil }

// Trait implements condition.Facts.
func (f *facts) Trait(path string) (bson.RawValue, bool) {
	t := f.profile.TraitAt(path)
	if t == nil || t.Value.Type == bson.TypeNull {
		return bson.RawValue{}, false
	}
	return t.Value, true
}

// Ledgers implements condition.Facts: such rules do not ask for events.
func (f *facts) Ledgers(string) []*condition.Ledger { return nil }

// Records implements condition.Facts.
func (f *facts) Records(objectType, relation string) []bson.Raw {
	var out []bson.Raw
	var seen []string
	for _, r := range f.records[objectType] {
		if relation != "" && r.Relation != relation || slices.Contains(seen, r.Record.ID) {
			continue
		}
		seen = append(seen, r.Record.ID)
		out = append(out, r.Record.Fields)
	}
	return out
}

// Member implements condition.Facts.
func (f *facts) Member(string) (time.Time, bool) { return time.Time{}, false }

// ConsentStatus implements condition.Facts.
func (f *facts) ConsentStatus(string, string, time.Time) (string, time.Time) {
	return consent.Unknown, time.Time{}
}

// Record implements condition.Facts.
func (f *facts) Record() bson.Raw { return nil }

// read reads the records of a type that are related to the person.
func (f *facts) read(ctx context.Context, s *Service, typeKey string) error {
	if _, known := f.records[typeKey]; known || s.Objects == nil {
		return nil
	}
	ids := make([]event.Identifier, len(f.profile.Identifiers))
	for i, h := range f.profile.Identifiers {
		ids[i] = event.Identifier{Namespace: h.Namespace, Value: h.Value}
	}
	related, err := s.Objects.Related(ctx, f.profile.Workspace(), typeKey, ids, f.profile.Parts)
	if err != nil {
		return fmt.Errorf("lead: read records: %w", err)
	}
	if f.records == nil {
		f.records = map[string][]*object.Related{}
	}
	f.records[typeKey] = related
	return nil
}

// ask asks one rule about fit and notes the answer.
func (l *Lead) ask(ctx context.Context, s *Service, r *rule, f *facts, now time.Time) error {
	for _, t := range r.needs.Objects {
		if err := f.read(ctx, s, t); err != nil {
			return err
		}
	}
	a := r.program.Evaluate(f, now)
	state := l.fit(r.id)
	state.In, state.Next = a.Value, a.Next
	return nil
}
