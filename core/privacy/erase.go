package privacy

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// EraseInput asks for the erasure of a person, by an id or by an identifier.
type EraseInput struct {
	ProfileID      string
	Identifier     *event.Identifier
	Reason         string    // why, in words; never a personal value
	ReceivedAt     time.Time // of the request; zero: now
	VerifiedBy     string    // who checked that the person asked for it; "": the actor, where VerifiedHow is given
	VerifiedHow    string    // how, in words; never the values of what was shown. "": Desk.Verify notes it later
	RequestID      string    // dsr_… of an erasure that was entered before; "" makes one
	IdempotencyKey string    // the same key again returns the same request
	Anonymise      bool      // keep what is nobody's of events and records: see Anonymous
	DryRun         bool
}

// Plan is what an erasure would do.
type Plan struct {
	ProfileID    string   // "" where nobody has the identifier: it is kept out all the same
	Parts        []string // every id that the person had
	Counts       []Count  // by collection, of those that hold something
	Holds        []*Hold  // that forbid it
	Destinations []string // who would be asked
	Retained     []Retained
}

// Erased is what Erase began, or would.
type Erased struct {
	Plan    *Plan    // of a dry run
	Request *Request // nil after a dry run
	Job     *work.Job
}

// EraseKind is the kind of the job that sweeps.
const EraseKind = "privacy.erase"

// The targets of an erasure's tasks that are not destinations.
const (
	targetHere  = "headwater"  // documents
	targetFiles = "files"      // what lies about in the engine's files
	targetJobs  = "jobs"       // those that were at work when the sweep came by
	targetHold  = "legal hold" // it waits
)

type eraseJob struct {
	Request string `bson:"request"`
}

// target is whom a call is about.
type target struct {
	profile *profile.Profile // nil: nobody is known under the identifier
	named   []event.Identifier
}

func (t *target) parts() []string {
	if t.profile == nil {
		return nil
	}
	return t.profile.Parts
}

func (t *target) identifiers() []event.Identifier {
	out := slices.Clone(t.named)
	if t.profile != nil {
		for _, h := range t.profile.Identifiers {
			if id := (event.Identifier{Namespace: h.Namespace, Value: h.Value}); !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	return out
}

func (s *Service) target(ctx context.Context, ws, id string, identifier *event.Identifier) (*target, error) {
	if (id == "") == (identifier == nil) {
		return nil, core.Errorf(core.Invalid, "SUBJECT", "name the person by either a profile's id or an identifier").At("profileId")
	}
	t := &target{}
	var err error
	if identifier == nil {
		t.profile, err = s.o.Profiles.Get(ctx, ws, id)
		if err == nil && t.profile == nil {
			err = core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
		}
		return t, err
	}
	n, ok, err := s.o.Profiles.Normalise(ctx, ws, *identifier)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, core.Errorf(core.Invalid, "IDENTIFIER", "this can be nobody's identifier: give a known namespace and a value that is not on its blocklist").At("identifier")
	}
	t.named = []event.Identifier{n}
	t.profile, err = s.o.Profiles.ByIdentifier(ctx, ws, n)
	return t, err
}

// Erase erases a person. When it returns, nobody reads the person any more; the job
// does the rest. A person under a legal hold is not erased: the request is stored,
// RECEIVED, and begins when the last hold is lifted. An identifier that nobody has is
// kept out from now on, and looked for where data of nobody known lies.
//
// Errors: FORBIDDEN; INVALID (SUBJECT, IDENTIFIER, REASON, VERIFIED_BY); NOT_FOUND
// (PROFILE, ERASED, ANONYMISED, REQUEST); CONFLICT (REQUEST_BEGUN, IDEMPOTENCY_KEY_REUSED).
func (s *Service) Erase(ctx context.Context, ws string, in EraseInput) (*Erased, error) {
	if err := s.allow(ctx); err != nil {
		return nil, err
	}
	if len(in.Reason) > maxReason {
		return nil, core.Errorf(core.Invalid, "REASON", "a reason has at most %d bytes", maxReason).At("reason")
	}
	if in.DryRun {
		t, err := s.target(ctx, ws, in.ProfileID, in.Identifier)
		if err != nil {
			return nil, outward(err)
		}
		plan, err := s.plan(ctx, ws, t)
		return &Erased{Plan: plan}, outward(err)
	}
	r, err := s.entered(ctx, ws, in)
	if err != nil || r.V > 0 && in.RequestID == "" {
		if err != nil {
			return nil, outward(err)
		}
		return s.began(ctx, r)
	}
	var out *Erased
	err = s.retry(ctx, func() error {
		t, err := s.target(ctx, ws, in.ProfileID, in.Identifier)
		if err != nil {
			return err
		}
		holds, err := s.holdsOn(ctx, ws, t.parts(), t.identifiers())
		if err != nil {
			return err
		}
		next := *r
		if err := s.name(ctx, &next, t); err != nil {
			return err
		}
		if len(holds) > 0 {
			out, err = s.park(ctx, &next, t, holds)
		} else {
			out, err = s.mark(ctx, &next, t)
		}
		return err
	})
	return out, err
}

// entered returns the request of an input: one that was entered before, or a new one.
func (s *Service) entered(ctx context.Context, ws string, in EraseInput) (*Request, error) {
	now := millis(s.o.Clock.Now())
	if in.RequestID != "" {
		r, err := Requests.Get(ctx, s.o.Store, store.Key(ws, in.RequestID))
		switch {
		case err != nil:
			return nil, err
		case r == nil || r.Type != Erasure:
			return nil, core.Errorf(core.NotFound, "REQUEST", "there is no erasure request with this id").At("requestId")
		case r.Status != Received:
			return nil, core.Errorf(core.Conflict, "REQUEST_BEGUN", "the request is %s already", r.Status).At("requestId")
		}
		return r, nil
	}
	id := core.NewID(core.PrefixPrivacy, now)
	if in.IdempotencyKey != "" {
		id = core.HashID(core.PrefixPrivacy, ws, "erasure", in.IdempotencyKey)
		r, err := Requests.Get(ctx, s.o.Store, store.Key(ws, id))
		if err != nil {
			return nil, err
		}
		if r != nil {
			return r, s.sameErasure(ctx, ws, r, in)
		}
	}
	sum, err := s.erasureSum(ctx, ws, in)
	if err != nil {
		return nil, err
	}
	handling, err := in.handling(now)
	if err != nil {
		return nil, err
	}
	handling.Sum = sum
	if in.ReceivedAt.IsZero() {
		in.ReceivedAt = now
	}
	if in.ReceivedAt.After(now.Add(time.Minute)) {
		return nil, core.Errorf(core.Invalid, "RECEIVED_AT", "a request was received in the past").At("receivedAt")
	}
	return &Request{
		Meta: store.Meta{ID: store.Key(ws, id)}, Type: Erasure, Status: Received, ReceivedAt: millis(in.ReceivedAt),
		DueAt: DueAt(in.ReceivedAt), Reason: in.Reason, RequestedBy: actorID(ctx), IdempotencyKey: in.IdempotencyKey,
		VerifiedBy: in.verifiedBy(actorID(ctx)), Handling: handling, Anonymise: in.Anonymise,
	}, nil
}

// DueAt returns by when a request must be answered: one month after its receipt, as
// monthsAfter counts.
func DueAt(receivedAt time.Time) time.Time { return monthsAfter(millis(receivedAt), 1) }

// name writes into a request whose it is, without a value.
func (s *Service) name(ctx context.Context, r *Request, t *target) error {
	var err error
	if t.profile != nil {
		r.Profile = t.profile.ProfileID()
		r.Subject, err = s.o.Keys.Pseudonym(ctx, r.Workspace(), "profile", r.Profile)
		return err
	}
	r.Subject, err = s.o.Keys.Pseudonym(ctx, r.Workspace(), t.named[0].Namespace, t.named[0].Value)
	return err
}

// park stores a request that a legal hold keeps waiting.
func (s *Service) park(ctx context.Context, r *Request, t *target, holds []*Hold) (*Erased, error) {
	ws, now := r.Workspace(), millis(s.o.Clock.Now())
	r.Tasks = nil
	for _, h := range holds {
		r.Tasks = append(r.Tasks, Task{Target: targetHold, Status: work.Queued, Evidence: h.HoldID(), At: &now})
	}
	sealed, err := s.subjectOp(ctx, ws, r.RequestID(), t.parts(), t.identifiers())
	if err != nil {
		return nil, err
	}
	watch, err := s.watched(ctx, r)
	if err != nil {
		return nil, err
	}
	ops := append([]store.Op{Requests.Put(r), sealed}, watch...)
	for _, h := range holds {
		ops = append(ops, Holds.Check(h)) // one that is lifted just now is found lifted
	}
	if err := s.commit(ctx, ws, "erasure.park", r.RequestID(), r.Reason, t.parts(), ops...); err != nil {
		return nil, err
	}
	r.V++
	return &Erased{Request: r}, nil
}

// begin begins an erasure that was parked.
func (s *Service) begin(ctx context.Context, r *Request) (*Erased, error) {
	var out *Erased
	err := s.retry(ctx, func() error {
		fresh, err := Requests.Get(ctx, s.o.Store, r.ID)
		if err != nil || fresh == nil || fresh.Status != Received {
			return err
		}
		t, err := s.parked(ctx, fresh)
		if err != nil || t == nil {
			return err
		}
		holds, err := s.holdsOn(ctx, fresh.Workspace(), t.parts(), t.identifiers())
		if err != nil {
			return err
		}
		if len(holds) > 0 && fresh.waitsFor(holds) {
			return nil
		}
		fresh.Tasks = nil
		if len(holds) > 0 {
			out, err = s.park(ctx, fresh, t, holds)
		} else {
			out, err = s.mark(ctx, fresh, t)
		}
		return err
	})
	return out, err
}

// parked returns whom a parked request is about now; nil when that is forgotten. Who
// is known under its identifiers and not its person is left alone.
func (s *Service) parked(ctx context.Context, r *Request) (*target, error) {
	ws := r.Workspace()
	subject, _, err := s.subjectOf(ctx, ws, r.RequestID())
	if err != nil || subject == nil {
		return nil, err
	}
	t := &target{named: subject.Identifiers}
	switch {
	case r.Profile != "":
		t.profile, err = s.o.Profiles.Get(ctx, ws, r.Profile)
	case len(t.named) > 0:
		t.profile, err = s.o.Profiles.ByIdentifier(ctx, ws, t.named[0])
	}
	if err != nil && core.CodeOf(err) != core.NotFound {
		return nil, err
	}
	if t.profile != nil {
		return t, nil
	}
	docs, err := profile.Identifiers.GetMany(ctx, s.o.Store, profile.IdentifierKeys(ws, t.named))
	if err != nil {
		return nil, err
	}
	var free []event.Identifier
	for i, doc := range docs {
		if doc == nil {
			free = append(free, t.named[i])
		}
	}
	t.named = free
	return t, nil
}

// began returns a request that was made before, with its job.
func (s *Service) began(ctx context.Context, r *Request) (*Erased, error) {
	out := &Erased{Request: r}
	if r.Job == "" {
		return out, nil
	}
	var err error
	out.Job, err = s.o.Jobs.Get(ctx, r.Workspace(), r.Job)
	return out, outward(err)
}

// perMark is how many tombstones the mark itself carries; more are written before.
const perMark = 110
