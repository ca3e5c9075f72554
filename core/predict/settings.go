package predict

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Settings say what an order is in a workspace, and what is predicted from it.
type Settings struct {
	store.Meta `bson:",inline"` // key: workspace/settings; its version is the settings'
	Event      string           `bson:"event"` // of type TRACK
	Value      []string         `bson:"value"` // paths of what the order is worth: the first that holds a number counts
	Currency   string           `bson:"currency"`
	// Money is the currency that values count in; those of orders in another one count as
	// unknown. "" takes every value as it is.
	Money  string   `bson:"money,omitempty"`
	Items  string   `bson:"items"`  // path of the list of products
	SKU    []string `bson:"sku"`    // within a product; the first that holds text counts
	Family []string `bson:"family"` // likewise: products of one family are substitutes of each other
	// Purpose is what predictions are made for: whoever objects to it has none.
	Purpose     string   `bson:"purpose"`
	HorizonDays int      `bson:"horizonDays"`          // of expected_orders
	ValueDays   int      `bson:"valueDays"`            // of clv
	Discount    float64  `bson:"discount"`             // what money loses in a year: 0.1 is a tenth
	Margin      float64  `bson:"margin"`               // share of an order's worth that counts as value
	RetrainDays int      `bson:"retrainDays"`          // between two trainings that nobody asks for; 0: none
	Repeatable  []string `bson:"repeatable,omitempty"` // families of which people buy several
	Edges       []Edge   `bson:"edges,omitempty"`
	// What people do and are before they become customers. Without signals it is not
	// predicted whether they do, and nothing of it is kept.
	Signals     []Signal   `bson:"signals,omitempty"`
	Fits        []FitTrait `bson:"fits,omitempty"`
	Outcome     Outcome    `bson:"outcome,omitempty"`     // "" is AnyOutcome
	OutcomeDays int        `bson:"outcomeDays,omitempty"` // within which they become customers; 0 is 30
	At          time.Time  `bson:"at"`

	fits []FitTrait // those of Fits by which people may be judged
}

// EdgeKind says how two products belong together.
type EdgeKind string

// The kinds of edges.
const (
	Substitute EdgeKind = "SUBSTITUTE" // one instead of the other, in both directions
	Complement EdgeKind = "COMPLEMENT" // To goes with From
	Upgrade    EdgeKind = "UPGRADE"    // To is what follows From, though it is a substitute of it
)

// Edge is what the workspace says about two products.
type Edge struct {
	Kind EdgeKind `bson:"kind"`
	From string   `bson:"from"` // SKU
	To   string   `bson:"to"`
}

// Usual returns the settings of a workspace that has set none: orders as the e-commerce
// specification of Segment names them.
func Usual() Settings {
	return Settings{
		Event: "Order Completed", Value: []string{"total", "revenue", "value"}, Currency: "currency", Items: "products",
		SKU: []string{"sku", "product_id"}, Family: []string{"category"}, Purpose: consent.Analytics,
		HorizonDays: 90, ValueDays: 365, Discount: 0.1, Margin: 1, RetrainDays: 7,
	}
}

// Version returns the version of the settings, 0 while none were set.
func (s *Settings) Version() int64 { return s.V }

// rev names what the fold of orders depends on.
func (s *Settings) rev() string {
	words := []string{"moments", s.Event, strings.Join(s.Value, "\n"), s.Currency, s.Money, s.Items, strings.Join(s.SKU, "\n"), strings.Join(s.Family, "\n")}
	if more := s.signalRev(); more != "" {
		words = append(words, more)
	}
	return core.HashID("rev", words...)
}

// The bounds of settings.
const (
	maxPaths = 10
	maxEdges = 2000
	maxText  = 200
)

func (s *Settings) check() *core.Error {
	bad := func(reason, path, format string, args ...any) *core.Error {
		return core.Errorf(core.Invalid, reason, format, args...).At(path)
	}
	paths := func(list []string, path string) *core.Error {
		if len(list) == 0 || len(list) > maxPaths {
			return bad("PATHS", path, "give 1 to %d paths", maxPaths)
		}
		for i, p := range list {
			if p == "" || len(p) > maxText {
				return bad("PATHS", path, "a path is a name, or names with dots between, of at most %d bytes", maxText).At(strconv.Itoa(i))
			}
		}
		return nil
	}
	switch {
	case strings.TrimSpace(s.Event) == "" || len(s.Event) > maxText:
		return bad("EVENT", "event", "name the event that is an order, for example %q", Usual().Event)
	case len(s.Currency) > maxText || len(s.Money) > maxText || len(s.Items) > maxText:
		return bad("PATHS", "items", "a path has at most %d bytes", maxText)
	case s.HorizonDays < 7 || s.HorizonDays > 730:
		return bad("HORIZON", "horizonDays", "orders are expected over 7 to 730 days")
	case s.ValueDays < 30 || s.ValueDays > 3650:
		return bad("HORIZON", "valueDays", "value is counted over 30 to 3650 days")
	case !(s.Discount >= 0 && s.Discount <= 1):
		return bad("DISCOUNT", "discount", "money loses 0 to 1 of its worth in a year: 0.1 is a tenth")
	case !(s.Margin > 0 && s.Margin <= 1):
		return bad("MARGIN", "margin", "the margin is the share of an order's worth that counts: above 0, at most 1")
	case s.RetrainDays < 0 || s.RetrainDays > 365:
		return bad("RETRAIN_DAYS", "retrainDays", "models are trained anew after 1 to 365 days, or with 0 only when somebody asks")
	case len(s.Edges) > maxEdges || len(s.Repeatable) > maxEdges:
		return bad("TOO_MANY_EDGES", "edges", "there are at most %d edges and as many repeatable families", maxEdges)
	}
	for _, list := range []struct {
		paths []string
		name  string
	}{{s.Value, "value"}, {s.SKU, "sku"}, {s.Family, "family"}} {
		if err := paths(list.paths, list.name); err != nil {
			return err
		}
	}
	for i, e := range s.Edges {
		switch {
		case e.From == "" || e.To == "" || e.From == e.To || len(e.From) > maxText || len(e.To) > maxText:
			return bad("EDGE", "edges", "an edge leads from one product to another").At(strconv.Itoa(i))
		case e.Kind != Substitute && e.Kind != Complement && e.Kind != Upgrade:
			return bad("EDGE", "edges", "an edge is of the kind SUBSTITUTE, COMPLEMENT or UPGRADE").At(strconv.Itoa(i), "kind")
		}
	}
	return s.checkSignals()
}

// settingsAge is how long a process may go on with settings that another has changed.
const settingsAge = 500 * time.Millisecond

// maxKept bounds what is kept: beyond it everything is read again.
const maxKept = 1000

type kept struct {
	settings *Settings
	at       time.Time // by the process's own clock
}

func settingsKey(ws string) string { return store.Key(ws, "settings") }

// usual returns a workspace's settings, at most half a second old. They must not be
// changed.
func (s *Service) settings(ctx context.Context, ws string) (*Settings, error) {
	s.mu.Lock()
	k, ok := s.kept[ws]
	s.mu.Unlock()
	if ok && time.Since(k.at) < settingsAge {
		return k.settings, nil
	}
	return s.readSettings(ctx, ws)
}

func (s *Service) readSettings(ctx context.Context, ws string) (*Settings, error) {
	at := time.Now()
	set, err := settings.Get(ctx, s.Store, settingsKey(ws))
	if err != nil {
		return nil, fmt.Errorf("predict: read the settings: %w", err)
	}
	if set == nil {
		usual := Usual()
		usual.ID = settingsKey(ws)
		set = &usual
	}
	if err := s.judge(ctx, ws, set); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxKept {
		clear(s.kept)
	}
	s.kept[ws] = kept{set, at}
	return set, nil
}

// Drop forgets what is kept of a workspace: to be called when it was deleted.
func (s *Service) Drop(ws string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, ws)
}

// SettingsOf returns how a workspace predicts.
func (s *Service) SettingsOf(ctx context.Context, ws string) (*Settings, error) {
	set, err := s.readSettings(ctx, ws)
	return set, work.Outward(err)
}

// SetSettings changes the settings that have the version expected; 0 is before the first.
// When the change is about what an order is, a job folds everybody's orders anew; else,
// and without Jobs, it is nil.
func (s *Service) SetSettings(ctx context.Context, ws string, expected int64, change func(*Settings)) (*Settings, *work.Job, error) {
	var out *Settings
	var job *work.Job
	err := work.Retry(ctx, attempts, func() error {
		old, err := s.readSettings(ctx, ws)
		if err != nil {
			return err
		}
		if old.V != expected {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the settings of predictions have version %d, not %d; read them and try again", old.V, expected).At("expectedVersion")
		}
		next := *old
		next.Value, next.SKU, next.Family = slices.Clone(old.Value), slices.Clone(old.SKU), slices.Clone(old.Family)
		change(&next)
		next.At = s.now()
		if err := next.check(); err != nil {
			return err
		}
		if err := s.judge(ctx, ws, &next); err != nil {
			return err
		}
		if err := s.mayJudge(ctx, ws, &next); err != nil {
			return err
		}
		if err := s.checkPurpose(ctx, ws, next.Purpose); err != nil {
			return err
		}
		ops, err := s.begin(ctx, ws, &next)
		if err != nil {
			return err
		}
		ops = append(ops, settings.Put(&next))
		job = nil
		if s.Jobs != nil && next.rev() != old.rev() {
			var more []store.Op
			if job, more, err = s.Jobs.Prepare(ctx, RebuildKind, ws, profile.RebuildInput{Mode: profile.ModeRebuild}, ""); err != nil {
				return err
			}
			ops = append(ops, more...)
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil {
			return err
		}
		out, err = s.readSettings(ctx, ws)
		return err
	})
	if err == nil && s.Runner != nil {
		s.Runner.Wake()
	}
	return out, job, err
}

func (s *Service) checkPurpose(ctx context.Context, ws, purpose string) error {
	if s.Consent == nil {
		return nil
	}
	r, err := s.Consent.Register(ctx, ws)
	if err != nil {
		return err
	}
	if len(r.Chain(purpose)) == 0 {
		return core.Errorf(core.Invalid, "PURPOSE_UNKNOWN", "there is no purpose with this key; predictions are made for a purpose of the workspace, usually %q", consent.Analytics).At("purpose")
	}
	return nil
}

// judge works out by which of the declared traits people may be judged: a category is
// changed at any time.
func (s *Service) judge(ctx context.Context, ws string, set *Settings) error {
	set.fits = nil
	if len(set.Fits) == 0 || s.Categories == nil {
		return nil
	}
	known, err := s.Categories(ctx, ws, event.OwnerTrait)
	if err != nil {
		return fmt.Errorf("predict: read the categories of traits: %w", err)
	}
	set.fits = allowedFits(set.Fits, known)
	return nil
}

// mayJudge refuses traits by which nobody is judged, or which the actor may not ask for.
func (s *Service) mayJudge(ctx context.Context, ws string, set *Settings) error {
	if err := set.checkFits(); err != nil || s.May == nil {
		return err
	}
	for i, f := range set.Fits {
		asked := &condition.Node{Trait: &condition.Predicate{Path: f.Path}}
		if err := s.May(ctx, ws, asked); err != nil {
			return core.AsError(err).At("fits", strconv.Itoa(i), "path")
		}
	}
	return nil
}
