package privacy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// RetentionKind is what a rule is about.
type RetentionKind string

// The kinds of rules.
const (
	RetainEvents RetentionKind = "EVENTS" // events that happened longer ago
	RetainTraits RetentionKind = "TRAITS" // traits that nothing has said again for longer
	RetainPeople RetentionKind = "PEOPLE" // people who were not seen for longer
	// RetainMessages is about messages, and what is in inboxes, to which nothing has happened
	// for longer.
	RetainMessages RetentionKind = "MESSAGES"
)

// RetentionAction is what a rule does.
type RetentionAction string

// The actions.
const (
	RetainDelete    RetentionAction = "DELETE"
	RetainAnonymise RetentionAction = "ANONYMISE" // keep what is nobody's: see Anonymous
)

// RetentionRule says what is not kept longer than it is needed.
type RetentionRule struct {
	store.Meta `bson:",inline"` // key: workspace/ret_…
	Kind       RetentionKind    `bson:"kind"`
	Action     RetentionAction  `bson:"action"`
	Names      []string         `bson:"names,omitempty"`    // of EVENTS: their names; none are all
	Category   core.Category    `bson:"category,omitempty"` // of TRAITS: those of this category; "" all
	Purpose    string           `bson:"purpose,omitempty"`  // that the data was kept for: for the record of processing; of MESSAGES: those of this purpose alone
	After      time.Duration    `bson:"after"`
	Enabled    bool             `bson:"enabled"`
	SetBy      string           `bson:"setBy"`
	SetAt      time.Time        `bson:"setAt"`
}

// Rules holds the rules.
var Rules = store.Declare[RetentionRule](store.Spec{Name: "retention_rules"})

// RuleID returns the rule's id, ret_….
func (r *RetentionRule) RuleID() string { return store.Rest(r.ID) }

// Words says what the rule does.
func (r *RetentionRule) Words() string {
	days := inWords(r.After)
	switch r.Kind {
	case RetainEvents:
		what := "events"
		if len(r.Names) > 0 {
			what = "events named " + strings.Join(r.Names, ", ")
		}
		if r.Action == RetainAnonymise {
			return fmt.Sprintf("%s are made anonymous %s after they happened", what, days)
		}
		return fmt.Sprintf("%s are deleted %s after they happened", what, days)
	case RetainTraits:
		what := "traits"
		if r.Category != "" {
			what = "traits of category " + string(r.Category)
		}
		return fmt.Sprintf("%s are cleared %s after they were last said", what, days)
	}
	if r.Kind == RetainMessages {
		what := "messages"
		if r.Purpose != "" {
			what = "messages for " + r.Purpose
		}
		return fmt.Sprintf("%s are deleted %s after the last thing that happened to them", what, days)
	}
	if r.Action == RetainAnonymise {
		return fmt.Sprintf("people are made anonymous %s after they were last seen", days)
	}
	return fmt.Sprintf("people are erased %s after they were last seen", days)
}

const (
	maxRules     = 200
	minRetention = 24 * time.Hour
)

// SetRule makes a rule, or changes the one with in's id.
func (d *Desk) SetRule(ctx context.Context, ws, id string, in RetentionRule, expected *int64) (*RetentionRule, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	if err := d.checkRule(ctx, ws, &in); err != nil {
		return nil, err
	}
	now := d.now()
	in.SetBy, in.SetAt, in.Meta = core.ActorFrom(ctx).ID, now, store.Meta{}
	if id == "" {
		all, err := d.rules(ctx, ws)
		if err != nil {
			return nil, err
		}
		if len(all) >= maxRules {
			return nil, core.Errorf(core.Invalid, "TOO_MANY", "a workspace has at most %d retention rules", maxRules)
		}
		in.ID = store.Key(ws, core.NewID(core.PrefixRetention, now))
	} else {
		old, err := Rules.Get(ctx, d.o.Store, store.Key(ws, id))
		if err != nil {
			return nil, deskError(err)
		}
		if old == nil {
			return nil, core.Errorf(core.NotFound, "RETENTION_RULE", "there is no retention rule with this id").At("id")
		}
		if expected != nil && *expected != old.V {
			return nil, core.Errorf(core.Conflict, "VERSION_CONFLICT", "the rule has version %d, not %d; read it and try again", old.V, *expected).At("expectedVersion")
		}
		in.Meta = old.Meta
	}
	op, err := d.o.Audit.Op(ctx, audit.Entry{Workspace: ws, Action: "privacy.setRetentionRule", Resource: in.RuleID(), Details: map[string]string{"kind": string(in.Kind), "action": string(in.Action), "after": in.After.String()}})
	if err != nil {
		return nil, err
	}
	for races := 1; ; races++ {
		ops := []store.Op{Rules.Put(&in), op}
		daily, err := d.schedule(ctx, ws)
		if err == nil {
			err = work.Commit(ctx, d.o.Store, append(ops, daily...)...)
		}
		if err == nil {
			in.V++
			return &in, nil
		}
		if len(daily) == 0 || !errors.Is(err, store.ErrConflict) || races == 5 { // else another rule may have begun it
			return nil, deskError(err)
		}
	}
}

func (d *Desk) checkRule(ctx context.Context, ws string, in *RetentionRule) error {
	fault := func(reason, path, format string, args ...any) error {
		return core.Errorf(core.Invalid, reason, format, args...).At(path)
	}
	switch {
	case !slices.Contains([]RetentionKind{RetainEvents, RetainTraits, RetainPeople, RetainMessages}, in.Kind):
		return fault("KIND", "kind", "a rule is about EVENTS, TRAITS, MESSAGES or PEOPLE")
	case in.Action != RetainDelete && in.Action != RetainAnonymise:
		return fault("ACTION", "action", "what is over is deleted, DELETE, or made anonymous, ANONYMISE; what was counted of it stays counted")
	case in.Action == RetainAnonymise && in.Kind == RetainTraits:
		return fault("ACTION", "action", "a trait is somebody's: it is cleared, DELETE; events and people can be made anonymous")
	case in.Action == RetainAnonymise && in.Kind == RetainMessages:
		return fault("ACTION", "action", "a message is somebody's: it is deleted, DELETE; what was counted of it stays counted")
	case in.After < minRetention:
		return fault("AFTER", "after", "a rule waits for a day at least")
	case len(in.Names) > 0 && in.Kind != RetainEvents, len(in.Names) > 100:
		return fault("NAMES", "names", "a rule about events names at most 100 of them; others name none")
	case in.Category != "" && (in.Kind != RetainTraits || !in.Category.Valid()):
		return fault("CATEGORY", "category", "a rule about traits may name a category of data; others name none")
	}
	if in.Purpose != "" {
		reg, err := d.o.Consent.Register(ctx, ws)
		if err != nil {
			return err
		}
		if reg.Purpose(in.Purpose) == nil {
			return fault("PURPOSE", "purpose", "there is no purpose %q", in.Purpose)
		}
	}
	return nil
}

// RetentionRules lists the rules in the order in which they were made.
func (d *Desk) RetentionRules(ctx context.Context, ws string) ([]*RetentionRule, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	return d.rules(ctx, ws)
}

func (d *Desk) rules(ctx context.Context, ws string) ([]*RetentionRule, error) {
	all, err := Rules.Find(ctx, d.o.Store, store.Query{Workspace: ws}, 0)
	return all, deskError(err)
}

func (d *Desk) retentionWords(ctx context.Context, ws string) ([]aboutRetention, error) {
	all, err := d.rules(ctx, ws)
	var out []aboutRetention
	for _, r := range all {
		if r.Enabled {
			out = append(out, aboutRetention{r.RuleID(), r.Words()})
		}
	}
	return out, err
}
