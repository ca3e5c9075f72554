package condition

import (
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// known is what a test knows of a person.
type known struct {
	id       string
	loc      *time.Location
	doc      bson.Raw
	ledgers  map[string][]*Ledger
	records  []bson.Raw
	members  map[string]time.Time
	consents map[string]string
	expires  map[string]time.Time // of consents
	record   bson.Raw
	asked    int
}

func (k *known) ProfileID() string              { return k.id }
func (k *known) Location() *time.Location       { return k.loc }
func (k *known) Ledgers(key string) []*Ledger   { return k.ledgers[key] }
func (k *known) Records(_, _ string) []bson.Raw { return k.records }
func (k *known) Record() bson.Raw               { return k.record }
func (k *known) Member(id string) (time.Time, bool) {
	t, ok := k.members[id]
	return t, ok
}

func (k *known) ConsentStatus(purpose, channel string, now time.Time) (string, time.Time) {
	s, ok := k.consents[purpose+"/"+channel]
	switch until := k.expires[purpose+"/"+channel]; {
	case !ok:
		return "UNKNOWN", time.Time{}
	case until.IsZero():
		return s, time.Time{}
	case now.Before(until):
		return s, until
	}
	return "EXPIRED", time.Time{}
}

func (k *known) Trait(path string) (bson.RawValue, bool) {
	k.asked++
	if k.doc == nil {
		return bson.RawValue{}, false
	}
	v := bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: k.doc}
	for _, key := range SplitPath(path) {
		if v.Type != bson.TypeEmbeddedDocument {
			return v, false
		}
		var ok bool
		if v, ok = lookup(v.Value, key); !ok || isNull(v) {
			return v, false
		}
	}
	return v, true
}

// happening is an event that comes to a part at some time.
type happening struct {
	name, at, properties string
	part                 string
	system               bool
}

// seen folds the happenings into the ledgers that the program needs, as they stand
// at now, pruned.
func (k *known) seen(t testing.TB, p *Program, now time.Time, list ...happening) *known {
	t.Helper()
	k.ledgers = map[string][]*Ledger{}
	for _, spec := range p.Needs().Ledgers {
		f, err := CompileLedger(spec)
		if err != nil {
			t.Fatal(err)
		}
		parts := map[string]*Ledger{}
		for i, h := range list {
			if h.name != spec.Event || h.system != spec.System {
				continue
			}
			l := parts[h.part]
			if l == nil {
				l = &Ledger{}
				parts[h.part] = l
				k.ledgers[spec.Key] = append(k.ledgers[spec.Key], l)
			}
			f.Add(l, LedgerEvent{ID: fmt.Sprintf("evt_%04d", i), At: instantIn(t, h.at), Properties: document(t, h.properties)}, now)
		}
		for _, l := range parts {
			f.Prune(l, now)
		}
	}
	return k
}

func document(t testing.TB, text string) bson.Raw {
	t.Helper()
	if text == "" {
		text = "{}"
	}
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(text), true, &d); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// instantIn reads RFC 3339; without a zone it is UTC.
func instantIn(t testing.TB, text string) time.Time {
	t.Helper()
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999", "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	t.Fatalf("%q is no time", text)
	return time.Time{}
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// program compiles a condition in JSON.
func program(t testing.TB, text string, z Zone) *Program {
	t.Helper()
	n, err := ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	p, err := Compile(n, z)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

// expect evaluates and compares; next is RFC 3339, or "" for never.
func expect(t *testing.T, p *Program, f Facts, now time.Time, value bool, next string) {
	t.Helper()
	a := p.Evaluate(f, now)
	got := ""
	if !a.Next.IsZero() {
		got = a.Next.Format(time.RFC3339Nano)
	}
	want := next
	if next != "" {
		want = instantIn(t, next).UTC().Format(time.RFC3339Nano)
	}
	if a.Value != value || got != want {
		t.Errorf("at %s: %v until %q, want %v until %q", now.UTC().Format(time.RFC3339Nano), a.Value, got, value, want)
	}
}
