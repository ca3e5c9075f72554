package quality

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Kind says what a rule asks.
type Kind string

// The kinds.
const (
	Completeness Kind = "COMPLETENESS" // a field has a value
	Validity     Kind = "VALIDITY"     // a value that is there meets predicates
	Uniqueness   Kind = "UNIQUENESS"   // a value is one person's; of traits
	Freshness    Kind = "FRESHNESS"    // the latest event is not older than MaxAge
	Volume       Kind = "VOLUME"       // a day has about as many events as that weekday usually has
)

// Whole is 100 %: shares are in hundredths of a percent.
const Whole = 10_000

// Rule is what a workspace expects of its data.
type Rule struct {
	store.Meta `bson:",inline"` // key: workspace/KEY
	Name       string           `bson:"name"`
	Kind       Kind             `bson:"kind"`
	// Owner is event.OwnerTrait or the name of an event; of FRESHNESS and VOLUME the name
	// of an event, "" for any.
	Owner  string `bson:"owner,omitempty"`
	Path   string `bson:"path,omitempty"`   // dotted, of the field; none of FRESHNESS and VOLUME
	Source string `bson:"source,omitempty"` // src_…: of FRESHNESS and VOLUME, "" for any; only with Owner ""
	// Where is JSON: of VALIDITY the operators of a predicate, {"matches":"^[0-9]{5}$"}.
	Where string `bson:"where,omitempty"`
	// MaxShare is how much of what is looked at may be at fault; of VOLUME how far the day
	// may be from the usual, either way. In hundredths of a percent, 0 to Whole; of VOLUME
	// to 100 times as much.
	MaxShare int64         `bson:"maxShare"`
	MaxAge   time.Duration `bson:"maxAge,omitempty"` // of FRESHNESS: a minute to 366 days
	SetBy    string        `bson:"setBy"`
	SetAt    time.Time     `bson:"setAt"`
}

// Key returns the rule's key.
func (r *Rule) Key() string { return store.Rest(r.ID) }

// Version rises with each change.
func (r *Rule) Version() int64 { return r.V }

// The bounds of rules.
const (
	MaxRules = 200 // of a workspace
	maxWhere = 10_000
)

var keyForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// ofPeople reports whether the rule is judged by walking everybody.
func (r *Rule) ofPeople() bool { return r.Owner == event.OwnerTrait && r.ofField() }

func (r *Rule) ofField() bool {
	return r.Kind == Completeness || r.Kind == Validity || r.Kind == Uniqueness
}

// check refuses a rule that cannot be judged.
func (r *Rule) check() error {
	fault := func(path, reason, format string, args ...any) error {
		return core.Errorf(core.Invalid, reason, format, args...).At(path)
	}
	switch {
	case !keyForm.MatchString(r.Key()):
		return fault("key", "RULE_KEY", "a rule's key is a letter and up to 63 letters, digits, _ and -")
	case strings.TrimSpace(r.Name) == "" || len(r.Name) > 200:
		return fault("name", "NAME", "give the rule a name of at most 200 bytes")
	case r.Where != "" && r.Kind != Validity:
		return fault("where", "RULE_WHERE", "only a rule about VALIDITY has predicates")
	case r.MaxAge != 0 && r.Kind != Freshness:
		return fault("maxAge", "RULE_MAX_AGE", "only a rule about FRESHNESS has a greatest age")
	case r.MaxShare < 0 || r.MaxShare > Whole && r.Kind != Volume || r.MaxShare > 100*Whole:
		return fault("maxShare", "RULE_MAX_SHARE", "a share is from 0 to 1 (100 %%); of VOLUME to 100")
	}
	switch r.Kind {
	case Completeness, Validity, Uniqueness:
		return r.checkField(fault)
	case Freshness, Volume:
		switch {
		case r.Path != "":
			return fault("path", "RULE_PATH", "a rule about %s is about events, not about a field; leave out the path", r.Kind)
		case r.Owner == event.OwnerTrait || len(r.Owner) > 200:
			return fault("owner", "RULE_OWNER", "a rule about %s names an event, or none for all of them", r.Kind)
		case r.Source != "" && r.Owner != "":
			return fault("source", "RULE_SOURCE", "name either an event or a source")
		case r.Kind == Freshness && (r.MaxAge < time.Minute || r.MaxAge > 366*24*time.Hour):
			return fault("maxAge", "RULE_MAX_AGE", "the greatest age is between PT1M and P366D")
		case r.Kind == Volume && r.MaxShare == 0:
			return fault("maxShare", "RULE_MAX_SHARE", "say how far a day may be from the usual: 0.5 is half as much or half as much again")
		}
		return nil
	}
	return fault("kind", "RULE_KIND", "a rule is about COMPLETENESS, VALIDITY, UNIQUENESS, FRESHNESS or VOLUME")
}

func (r *Rule) checkField(fault func(path, reason, format string, args ...any) error) error {
	switch {
	case r.Owner == "" || len(r.Owner) > 200:
		return fault("owner", "RULE_OWNER", "name whose field it is: TRAIT, or the name of an event")
	case r.Source != "":
		return fault("source", "RULE_SOURCE", "a rule about a field looks at all sources; leave it out")
	case r.Path == "" || len(r.Path) > event.MaxPath:
		return fault("path", "RULE_PATH", "name the field by its path, of at most %d bytes: address.city", event.MaxPath)
	case r.Kind == Uniqueness && r.Owner != event.OwnerTrait:
		return fault("owner", "RULE_OWNER", "only traits are one person's; events are told apart by their messageId already")
	case r.Kind == Validity && (r.Where == "" || len(r.Where) > maxWhere):
		return fault("where", "RULE_WHERE", `say what a value must meet, in at most %d bytes: {"matches":"^[0-9]{5}$"}`, maxWhere)
	}
	if r.Kind != Validity {
		return nil
	}
	if _, err := r.program("trait"); err != nil {
		return core.AsError(err).At("where")
	}
	return nil
}

// predicate returns the condition that a valid value meets, as JSON.
func (r *Rule) predicate(node string) ([]byte, error) {
	var ops map[string]json.RawMessage
	if err := json.Unmarshal([]byte(r.Where), &ops); err != nil || len(ops) == 0 {
		return nil, core.Errorf(core.Invalid, "RULE_WHERE", `the predicates are an object of operators: {"matches":"^[0-9]{5}$"}`)
	}
	if _, has := ops["path"]; has {
		return nil, core.Errorf(core.Invalid, "RULE_WHERE", "the rule names the path; leave it out of the predicates")
	}
	ops["path"], _ = json.Marshal(r.Path)
	return json.Marshal(map[string]any{node: ops})
}

// program compiles what a valid value meets, of a trait or, as a "field", of properties.
func (r *Rule) program(node string) (*condition.Program, error) {
	raw, err := r.predicate(node)
	if err != nil {
		return nil, err
	}
	n, err := condition.ParseJSON(raw)
	if err != nil {
		return nil, err
	}
	return condition.Compile(n, condition.Zone{})
}

// Condition returns the condition that those meet whom the rule is at odds with, as JSON
// of a ConditionInput: by it they can be listed, live. "" where no condition says it.
func (r *Rule) Condition() string {
	path, _ := json.Marshal(r.Path)
	switch {
	case r.Owner != event.OwnerTrait:
		return ""
	case r.Kind == Completeness:
		return fmt.Sprintf(`{"trait":{"path":%s,"exists":false}}`, path)
	case r.Kind == Validity:
		valid, err := r.predicate("trait")
		if err != nil {
			return ""
		}
		return fmt.Sprintf(`{"and":[{"trait":{"path":%s,"exists":true}},{"not":%s}]}`, path, valid)
	}
	return ""
}
