package consent

import (
	"context"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Question asks whether a person's data may be used.
type Question struct {
	ProfileID string
	Purpose   string
	Channel   string     // "" asks: on any
	AsOf      *time.Time // an instant of commit time; nil: now
}

// Decision is the answer, with the receipt that is kept of it.
type Decision struct {
	Allowed      bool
	Reason       string
	ReceiptID    string // rcp_…: made of what the decision says, so that the same past has the same
	ProfileID    string
	Purpose      string
	Channel      string
	AsOf         time.Time
	Jurisdiction string
	Revision     int64 // of the register that decided
	Entries      []*Entry
}

// Decide answers a question that somebody asks, keeps its receipt and tells the audit
// log. An instant of the past is answered from the ledger and the register as they were
// then.
func (s *Service) Decide(ctx context.Context, ws string, q Question) (*Decision, error) {
	if e := checkChannel(q.Channel); e != nil {
		return nil, e
	}
	d, words, err := s.answer(ctx, ws, q)
	if err != nil {
		return nil, err
	}
	r := &receipt{
		Profile: d.ProfileID, Purpose: d.Purpose, Channel: d.Channel, AsOf: d.AsOf, Allowed: d.Allowed, Reason: d.Reason,
		Jurisdiction: d.Jurisdiction, Revision: d.Revision,
	}
	for _, w := range words {
		r.Entries = append(r.Entries, w.Entry)
	}
	d.ReceiptID = r.name(ws)
	if d.Entries, err = s.load(ctx, ws, r.Entries); err != nil {
		return nil, storeError("read the ledger", err)
	}
	return d, s.keep(ctx, ws, d, r)
}

// answer decides without a trace.
func (s *Service) answer(ctx context.Context, ws string, q Question) (*Decision, []Word, error) {
	now := s.now()
	if q.AsOf != nil && q.AsOf.After(now) {
		return nil, nil, core.Errorf(core.Invalid, "AS_OF_FUTURE", "nobody knows yet; ask as of now or earlier").At("asOf")
	}
	var who *Subject
	var r *Register
	var err error
	d := &Decision{Purpose: q.Purpose, Channel: q.Channel}
	if q.AsOf == nil {
		if who, err = s.subject(ctx, ws, q.ProfileID); err != nil {
			return nil, nil, err
		}
		c, err := s.read(ctx, ws)
		if err != nil {
			return nil, nil, storeError("read the purposes", err)
		}
		// What is known may have been committed by a process whose clock is ahead.
		r, d.AsOf = c.register, latest(now, who.UpdatedAt, c.register.At)
	} else {
		d.AsOf = q.AsOf.UTC().Truncate(time.Millisecond)
		if who, err = s.People.SubjectAsOf(ctx, ws, q.ProfileID, d.AsOf); err != nil {
			return nil, nil, err
		}
		if who == nil {
			return nil, nil, core.Errorf(core.NotFound, "PROFILE", "there was no profile with this id then").At("profileId")
		}
		if r, err = s.registerAt(ctx, ws, d.AsOf); err != nil {
			return nil, nil, storeError("read the purposes", err)
		}
	}
	d.ProfileID, d.Jurisdiction, d.Revision = who.ID, who.Country(r), r.Revision
	v, err := s.judge(ctx, ws, r, who, q.Purpose, q.Channel, d.AsOf)
	if err != nil {
		return nil, nil, err
	}
	d.Allowed, d.Reason = v.Allowed, v.Reason
	return d, v.Words, nil
}

func latest(times ...time.Time) time.Time {
	out := times[0]
	for _, t := range times[1:] {
		if t.After(out) {
			out = t
		}
	}
	return out
}

// name makes the receipt's id.
func (r *receipt) name(ws string) string {
	return core.HashID(core.PrefixReceipt, append([]string{
		ws, r.Profile, r.Purpose, r.Channel, strconv.FormatInt(r.AsOf.UnixMilli(), 10), strconv.FormatBool(r.Allowed), r.Reason,
		r.Jurisdiction, strconv.FormatInt(r.Revision, 10),
	}, r.Entries...)...)
}

// keep stores a receipt, unless it is there already, with its entry in the audit log.
func (s *Service) keep(ctx context.Context, ws string, d *Decision, r *receipt) error {
	r.ID = store.Key(ws, d.ReceiptID)
	effect := core.Deny
	if d.Allowed {
		effect = core.Allow
	}
	return retry(ctx, "keep the receipt", func() error {
		ops, err := s.audited(ctx, Trace{
			Workspace: ws, Action: "consent.decide", Resource: d.ReceiptID, Profiles: []string{d.ProfileID}, Purpose: d.Purpose, Decision: effect,
			Details: map[string]string{"reason": d.Reason, "channel": d.Channel},
		})
		if err != nil {
			return err
		}
		there, err := receipts.Get(ctx, s.Store, r.ID)
		if err != nil {
			return err
		}
		if there == nil {
			ops = append(ops, receipts.Insert(r))
		}
		if len(ops) == 0 {
			return nil
		}
		return work.Commit(ctx, s.Store, ops...)
	})
}

// Receipt returns what a kept receipt says, or nil.
func (s *Service) Receipt(ctx context.Context, ws, id string) (*Decision, error) {
	if core.IDPrefix(id) != core.PrefixReceipt || len(id) > 64 {
		return nil, nil
	}
	r, err := receipts.Get(ctx, s.Store, store.Key(ws, id))
	if r == nil || err != nil {
		return nil, storeError("read the receipt", err)
	}
	d := &Decision{
		Allowed: r.Allowed, Reason: r.Reason, ReceiptID: id, ProfileID: r.Profile, Purpose: r.Purpose, Channel: r.Channel,
		AsOf: r.AsOf, Jurisdiction: r.Jurisdiction, Revision: r.Revision,
	}
	d.Entries, err = s.load(ctx, ws, r.Entries)
	return d, storeError("read the ledger", err)
}

// Basis is what a hand-off rests on. Committed with Op, it happens only if nothing was
// committed about the person since, a withdrawal least of all.
type Basis struct {
	ProfileID      string
	ProfileVersion int64
	Revision       int64     // of the register
	Until          time.Time // when the verdict's words change by themselves; zero: never
	Op             store.Op  // conflicts when the person changed; not to be committed with an event about them
}

// Decider decides hand-offs. Service implements it.
type Decider interface {
	// Check answers for a hand-off that is about to be committed; what it rests on is
	// read from the store. A person whom nobody knows is a NOT_FOUND.
	Check(ctx context.Context, ws, profileID, purpose, channel string) (Verdict, Basis, error)
}

var _ Decider = (*Service)(nil)

// Check implements Decider.
func (s *Service) Check(ctx context.Context, ws, profileID, purpose, channel string) (Verdict, Basis, error) {
	who, err := s.subject(ctx, ws, profileID)
	if err != nil {
		return Verdict{}, Basis{}, err
	}
	r, err := s.Register(ctx, ws)
	if err != nil {
		return Verdict{}, Basis{}, err
	}
	now := s.now()
	v, err := s.judge(ctx, ws, r, who, purpose, channel, now)
	if err != nil {
		return Verdict{}, Basis{}, err
	}
	b := Basis{ProfileID: who.ID, ProfileVersion: who.Version, Revision: r.Revision, Op: who.Check}
	for _, w := range v.Words {
		if !w.ExpiresAt.IsZero() && (b.Until.IsZero() || w.ExpiresAt.Before(b.Until)) {
			b.Until = w.ExpiresAt
		}
	}
	return v, b, nil
}

func checkChannel(channel string) *core.Error {
	if channel == "" {
		return nil
	}
	for _, c := range Channels() {
		if c == channel {
			return nil
		}
	}
	return core.Errorf(core.Invalid, "CHANNEL", "there is no such channel").At("channel")
}
