package predict

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/predict/btyd"
	"github.com/headwater-cdp/headwater/core/predict/logistic"
	"github.com/headwater-cdp/headwater/core/predict/sendhour"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Kind says what a model is about.
type Kind string

// The kinds.
const (
	Orders      Kind = "ORDERS"      // clv, churn_risk, p_alive, expected_orders, next_order_at
	Baskets     Kind = "BASKETS"     // what is bought together, and how soon again
	Hours       Kind = "HOURS"       // best_hour, best_hour_chance
	Conversions Kind = "CONVERSIONS" // lead.conversion
)

// Kinds lists them.
var Kinds = []Kind{Orders, Baskets, Hours, Conversions}

// ModelStatus is where a model stands.
type ModelStatus string

// The statuses.
const (
	Candidate    ModelStatus = "CANDIDATE"    // trained, and never active
	Active       ModelStatus = "ACTIVE"       // what predictions are made by; one of a kind
	Retired      ModelStatus = "RETIRED"      // was active; can be again
	Insufficient ModelStatus = "INSUFFICIENT" // there was too little to train one from
	Unfit        ModelStatus = "UNFIT"        // no model fits what there was
)

// Model is what one training found.
type Model struct {
	store.Meta `bson:",inline"`   // key: workspace/kind-number, the number with leading zeros
	Kind       Kind               `bson:"kind"`
	Number     int64              `bson:"number"` // version, from 1
	Status     ModelStatus        `bson:"status"`
	From       time.Time          `bson:"from"` // of the orders that it was trained on
	To         time.Time          `bson:"to"`
	Size       Size               `bson:"size"`
	Params     *Params            `bson:"params,omitempty"` // of ORDERS
	Hours      *sendhour.Prior    `bson:"hours,omitempty"`  // of HOURS
	Quality    map[string]float64 `bson:"quality,omitempty"`
	Conversion *ConversionParams  `bson:"conversion,omitempty"` // of CONVERSIONS
	// Reliability says of CONVERSIONS how often those became customers in the latest period
	// who were given a chance, by tenths of them, by a model that knew nothing of it.
	Reliability []logistic.Bin `bson:"reliability,omitempty"`
	// Set names the products of BASKETS; "" when they are there no more.
	Set      string             `bson:"set,omitempty"`
	Missing  []string           `bson:"missing,omitempty"` // of INSUFFICIENT and UNFIT: what there is too little of
	Shares   [][]float64        `bson:"shares,omitempty"`  // of people in the bins of each number, in training
	Drift    map[string]float64 `bson:"drift,omitempty"`   // population stability index of each number since; see Drift
	DriftAt  time.Time          `bson:"driftAt,omitempty"`
	By       string             `bson:"by"` // who asked for it
	At       time.Time          `bson:"at"`
	ActiveAt time.Time          `bson:"activeAt,omitempty"` // since when it is, or when it last began to be
}

// Size is how much a model was trained on.
type Size struct {
	Buyers    int64 `bson:"buyers"` // of CONVERSIONS people with a signal
	Orders    int64 `bson:"orders"`
	Repeaters int64 `bson:"repeaters"` // who ordered on two days or more
	Regulars  int64 `bson:"regulars"`  // on three days or more
	Days      int64 `bson:"days"`      // from the first order to the last
	Cells     int64 `bson:"cells"`     // of people who are alike
	RoundedTo int64 `bson:"roundedTo"` // days that times were rounded to
	Products  int64 `bson:"products"`
	Barred    int64 `bson:"barred"` // who object, and were left out
	// Of HOURS: people who engaged with messages, and in how many hours of days they did.
	Engaged     int64 `bson:"engaged"`
	Engagements int64 `bson:"engagements"`
}

// Params are what predictions of a person are made by. The unit of time is the week.
type Params struct {
	Orders  btyd.Params `bson:"orders"`
	Spend   *btyd.Spend `bson:"spend,omitempty"` // nil: what orders are worth could not be fitted
	Typical typical     `bson:"typical"`
}

// typical is somebody who has come back as often as those have who have on average.
type typical struct {
	X      float64 `bson:"x"`
	Gap    float64 `bson:"gap"` // from the last order to now
	Tenure float64 `bson:"tenure"`
	Amount float64 `bson:"amount"`
}

// The least that a model of orders is trained from.
const (
	MinBuyers = 500
	MinDays   = 180
)

// missing says what there is too little of, in words that hold no personal value.
func (z Size) missing() []string {
	var out []string
	if z.Buyers < MinBuyers {
		out = append(out, fmt.Sprintf("%d people have ordered; a model needs %d", z.Buyers, MinBuyers))
	}
	if z.Days < MinDays {
		out = append(out, fmt.Sprintf("the orders span %d days; a model needs %d", z.Days, MinDays))
	}
	if z.Regulars == 0 {
		out = append(out, "nobody has ordered on three days; a model needs people who have")
	}
	return out
}

// ModelID returns the id of the model: its kind and version.
func (m *Model) ModelID() string { return store.Rest(m.ID) }

func modelKey(ws string, kind Kind, number int64) string {
	return store.Key(ws, fmt.Sprintf("%s-%06d", kind, number))
}

// modelAge is how long a process may go on with a model that is active no more.
const modelAge = 500 * time.Millisecond

type keptModel struct {
	model *Model
	at    time.Time
}

// active returns the active model of a kind, at most half a second old; nil when there is
// none. It must not be changed.
func (s *Service) active(ctx context.Context, ws string, kind Kind) (*Model, error) {
	key := store.Key(ws, string(kind))
	s.mu.Lock()
	k, ok := s.models[key]
	s.mu.Unlock()
	if ok && time.Since(k.at) < modelAge {
		return k.model, nil
	}
	at := time.Now()
	m, err := s.readActive(ctx, ws, kind)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.models) >= maxKept {
		clear(s.models)
	}
	s.models[key] = keptModel{m, at}
	return m, nil
}

func (s *Service) readActive(ctx context.Context, ws string, kind Kind) (*Model, error) {
	found, err := Models.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("kind", string(kind)), store.Eq("status", string(Active))}}, 1)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// latest returns the model of a kind that was trained last; nil when there is none.
func (s *Service) latest(ctx context.Context, ws string, kind Kind) (*Model, error) {
	found, err := Models.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("kind", string(kind))}, Order: []string{"-number"}}, 1)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// ModelOf returns a model by its id, or nil.
func (s *Service) ModelOf(ctx context.Context, ws, id string) (*Model, error) {
	m, err := Models.Get(ctx, s.Store, store.Key(ws, id))
	return m, work.Outward(err)
}

func listQuery(ws string, kind Kind) store.Query {
	if kind == "" {
		return store.Query{Workspace: ws, Order: []string{"-at"}}
	}
	return store.Query{Workspace: ws, Where: []store.Cond{store.Eq("kind", string(kind))}, Order: []string{"-number"}}
}

// List returns a page of the models of a kind ("": of all), the latest first.
func (s *Service) List(ctx context.Context, ws string, kind Kind, w core.Window) (store.Page[Model], error) {
	page, err := Models.Page(ctx, s.Store, listQuery(ws, kind), w)
	return page, work.Outward(err)
}

// Count returns how many models List lists.
func (s *Service) Count(ctx context.Context, ws string, kind Kind) (int64, error) {
	n, err := Models.Count(ctx, s.Store, listQuery(ws, kind))
	return n, work.Outward(err)
}

// Activate makes a model the active one of its kind, for the first time or again. What it
// predicts of everybody is then worked out by a job, which is nil without Jobs and for
// kinds that predict nothing of a person. A model that was never trained is INVALID,
// reason MODEL_UNUSABLE.
func (s *Service) Activate(ctx context.Context, ws, id string, expected int64) (*Model, *work.Job, error) {
	var out *Model
	var job *work.Job
	err := work.Retry(ctx, attempts, func() error {
		m, err := Models.Get(ctx, s.Store, store.Key(ws, id))
		switch {
		case err != nil:
			return err
		case m == nil:
			return core.Errorf(core.NotFound, "MODEL", "there is no model with this id").At("id")
		case m.V != expected:
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the model has version %d, not %d; read it and try again", m.V, expected).At("expectedVersion")
		case m.Status == Insufficient || m.Status == Unfit || m.Kind == Baskets && m.Set == "":
			return core.Errorf(core.Invalid, "MODEL_UNUSABLE", "this training found no model, or its products were deleted since; activate a later one that is a CANDIDATE or RETIRED").At("id")
		case m.Status == Active:
			out = m
			return nil
		}
		ops, err := s.activation(ctx, ws, m)
		if err != nil {
			return err
		}
		if job = nil; s.Jobs != nil && m.Kind != Baskets {
			var more []store.Op
			if job, more, err = s.Jobs.Prepare(ctx, ScoreKind, ws, nil, ""); err != nil {
				return err
			}
			ops = append(ops, more...)
		}
		if err := work.Commit(ctx, s.Store, append(ops, Models.Replace(m))...); err != nil {
			return err
		}
		out, err = Models.Get(ctx, s.Store, m.ID)
		return err
	})
	if err == nil && job != nil {
		s.Jobs.Wake()
	}
	return out, job, err
}

// activation marks m active, and returns what else must be committed with it.
func (s *Service) activation(ctx context.Context, ws string, m *Model) ([]store.Op, error) {
	set, err := s.settings(ctx, ws)
	if err != nil {
		return nil, err
	}
	ops, err := s.begin(ctx, ws, set)
	if err != nil {
		return nil, err
	}
	old, err := s.readActive(ctx, ws, m.Kind)
	if err != nil {
		return nil, err
	}
	if old != nil && old.ID != m.ID {
		old.Status = Retired
		ops = append(ops, Models.Replace(old))
	}
	m.Status, m.ActiveAt = Active, s.now()
	return ops, nil
}
