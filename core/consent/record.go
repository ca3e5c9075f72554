package consent

import (
	"context"
	"crypto/sha256"
	"errors"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// RecordInput is what a person said, as somebody records it. One of ProfileID and
// Identifier says who it was: an identifier that nobody holds begins a profile.
type RecordInput struct {
	ProfileID      string
	Identifier     *event.Identifier
	Purpose        string
	Channel        string     // "" is every channel
	Status         string     // GRANTED, which "" means, or DENIED
	At             *time.Time // when it was said; nil: now
	ExpiresAt      *time.Time // nil: never
	Evidence       *Evidence
	IdempotencyKey string
	DryRun         bool
}

// Record is what became of a word.
type Record struct {
	Entry     *Entry
	ProfileID string
	// Token confirms a word that is PENDING, once, until TokenUntil. It goes to the
	// person and to nobody else.
	Token      string
	TokenUntil time.Time
}

// Record writes a word into the ledger. Where the purpose has double opt-in, a yes is
// PENDING until Confirm; one that the person has confirmed before, and that is in force,
// stands, with nothing to confirm.
func (s *Service) Record(ctx context.Context, ws string, in RecordInput) (*Record, error) {
	p, err := s.prepare(ctx, ws, &in)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		return &Record{Entry: p.entry, ProfileID: p.who.ID}, nil
	}
	lifted, err := s.lifts(ctx, ws, p)
	if err != nil {
		return nil, err
	}
	if err := s.write(ctx, ws, p.Event.Input, p.who, p.trace, lifted...); err != nil {
		return nil, err
	}
	return s.recorded(ctx, ws, p.who, p.entry.ID, p.lasts)
}

// Prepared is a word that is to be committed together with something else.
type Prepared struct {
	Event event.SystemEvent // with event.Committer.CommitAll
	Ops   []store.Op        // likewise

	who    *Subject
	entry  *Entry
	proved bool      // with evidence
	lasts  time.Time // of the yes, once confirmed
	trace  Trace
	// repeats says that the person has confirmed the same before.
	repeats bool
}

// Repeats reports whether the word says again what the person has confirmed before, so that
// there is nothing to confirm. Nobody who has not proved to be that person is told.
func (p *Prepared) Repeats() bool { return p.repeats }

// standing returns the yes that a person has confirmed, and that is in force, on what they
// say yes to again; nil when there is none, or it is later than at.
func standing(who *Subject, say Saying, at, now time.Time) *Word {
	if say.Status != Granted {
		return nil
	}
	own := holds(who.Words(now), say.Purpose, say.Channel, now)
	if own == nil || own.Status != Granted || !own.Confirmed || own.At.After(at) {
		return nil
	}
	return own
}

// lifts returns the operations that lift what an erasure left of a person who now agrees.
func (s *Service) lifts(ctx context.Context, ws string, p *Prepared) ([]store.Op, error) {
	say := Saying{Purpose: p.entry.Purpose, Channel: p.entry.Channel, Status: p.entry.Status}
	return s.anew(ctx, ws, p.who, say, p.proved, p.entry.ID, p.entry.At)
}

// Prepare is Record without the commit, for whoever has more to write in it. Finish then
// tells what Record does.
func (s *Service) Prepare(ctx context.Context, ws string, in RecordInput) (*Prepared, error) {
	p, err := s.prepare(ctx, ws, &in)
	if err != nil {
		return nil, err
	}
	t := p.trace
	t.Workspace, t.Profiles, t.Decision = ws, []string{p.who.ID}, core.Allow
	lifted, err := s.lifts(ctx, ws, p)
	if err == nil {
		p.Ops, err = s.audited(ctx, t, lifted...)
	}
	return p, err
}

// Finish tells of a word that was prepared and is committed.
func (s *Service) Finish(ctx context.Context, ws string, p *Prepared) (*Record, error) {
	return s.recorded(ctx, ws, p.who, p.entry.ID, p.lasts)
}

func (s *Service) prepare(ctx context.Context, ws string, in *RecordInput) (*Prepared, error) {
	r, err := s.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	p, decoded, fault := in.check(r, s.now())
	if fault != nil {
		return nil, fault
	}
	if in.Evidence, err = s.noticed(ctx, ws, in.Evidence); err != nil {
		return nil, err
	}
	who, err := s.find(ctx, ws, in.ProfileID, in.Identifier, !in.DryRun)
	if err != nil {
		return nil, err
	}
	say := Saying{Purpose: in.Purpose, Channel: in.Channel, Status: Granted}
	if in.Status == Denied || in.Evidence != nil && in.Evidence.RawFormat == FormatGPC {
		say.Status = Denied
	}
	at := s.after(who, in.Purpose)
	if in.At != nil {
		at = in.At.UTC().Truncate(time.Millisecond)
	}
	if in.ExpiresAt != nil && say.Status == Granted {
		say.ExpiresAt = in.ExpiresAt.UTC().Truncate(time.Millisecond)
	}
	var lasts time.Time // of the yes, once confirmed
	var repeats string
	if own := standing(who, say, at, s.now()); own != nil && p.DoubleOptIn {
		// It is what they have confirmed before: it stands as it is, for as long as it would
		// have, and is said as of then, so that a no which is said meanwhile is the later one.
		repeats, at, say.Confirmed = own.Entry, own.At, true
		if !own.ExpiresAt.IsZero() && (say.ExpiresAt.IsZero() || own.ExpiresAt.Before(say.ExpiresAt)) {
			say.ExpiresAt = own.ExpiresAt
		}
	} else if say.Status == Granted && p.DoubleOptIn {
		lasts, say.Status, say.ExpiresAt = say.ExpiresAt, Pending, s.now().Add(p.confirmWithin())
	}
	e := s.saying(ctx, *in, say, at, decoded, repeats)
	entry := &Entry{
		ID: EntryID(store.Rest(event.SystemKey(ws, e.MessageID))), Purpose: say.Purpose, Channel: say.Channel, Status: say.Status,
		At: at, RecordedAt: s.now(), ExpiresAt: say.ExpiresAt, Actor: actor(ctx),
	}
	return &Prepared{
		Event: event.SystemEvent{Input: e, ProfileID: who.Part}, who: who, entry: entry, proved: in.Evidence != nil, lasts: lasts, repeats: repeats != "",
		trace: Trace{Action: "consent.record", Resource: entry.ID, Identifier: in.Identifier, Purpose: in.Purpose},
	}, nil
}

// recorded reads back what was written and signs what confirms it.
func (s *Service) recorded(ctx context.Context, ws string, who *Subject, id string, lasts time.Time) (*Record, error) {
	entry, err := s.Entry(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	if entry == nil {
		return nil, core.Errorf(core.Internal, "INTERNAL", "internal error")
	}
	out := &Record{Entry: entry, ProfileID: who.ID}
	if entry.Status == Pending {
		out.TokenUntil = entry.ExpiresAt
		out.Token, err = s.Tokens.Sign(ctx, ws, tokenUse, claims{Entry: id, Part: entry.Part, Until: lasts}, entry.ExpiresAt)
	}
	return out, err
}

// check refuses what cannot be recorded.
func (in *RecordInput) check(r *Register, now time.Time) (*Purpose, bson.D, *core.Error) {
	p := r.Purpose(in.Purpose)
	switch {
	case p == nil:
		return nil, nil, errNoPurpose("purpose")
	case p.Archived:
		return nil, nil, core.Errorf(core.Invalid, "PURPOSE_ARCHIVED", "the purpose is archived; nothing is agreed to for it").At("purpose")
	case in.Status != "" && in.Status != Granted && in.Status != Denied:
		return nil, nil, core.Errorf(core.Invalid, "CONSENT_STATUS", "what is recorded is GRANTED or DENIED; any other status follows from it").At("status")
	case in.At != nil && in.At.After(now):
		return nil, nil, core.Errorf(core.Invalid, "AT_FUTURE", "a word was said now or earlier").At("at")
	case in.At != nil && in.At.Year() < 1970:
		return nil, nil, core.Errorf(core.Invalid, "AT_PAST", "a word was said in 1970 or later").At("at")
	case in.ExpiresAt != nil && (!in.ExpiresAt.After(now) || in.At != nil && !in.ExpiresAt.After(*in.At)):
		return nil, nil, core.Errorf(core.Invalid, "EXPIRES_PAST", "a word expires later than now and than it was said").At("expiresAt")
	case len(in.IdempotencyKey) > 200:
		return nil, nil, core.Errorf(core.Invalid, "IDEMPOTENCY_KEY", "an idempotency key has at most 200 bytes").At("idempotencyKey")
	}
	if e := checkChannel(in.Channel); e != nil {
		return nil, nil, e
	}
	if in.Evidence == nil {
		if p.EvidenceRequired && in.Status != Denied {
			return nil, nil, core.Errorf(core.Invalid, "EVIDENCE_REQUIRED", "consent to this purpose is recorded with evidence: what was shown, in which language, where and how").At("evidence")
		}
		return p, nil, nil
	}
	decoded, fault := in.Evidence.check()
	if fault != nil {
		return nil, nil, fault.At("evidence")
	}
	if in.Evidence.RawFormat == FormatGPC && (!p.SaleOrSharing || in.Status == Granted) {
		return nil, nil, core.Errorf(core.Invalid, "GPC_IS_A_NO", "a Global Privacy Control signal is a no to sale and sharing: record it as DENIED, for a purpose that says that it is one").At("evidence", "rawFormat")
	}
	return p, decoded, nil
}

// saying makes the event of a word.
func (s *Service) saying(ctx context.Context, in RecordInput, say Saying, at time.Time, decoded bson.D, repeats string) event.Input {
	props := bson.D{{Key: "purpose", Value: say.Purpose}, {Key: "status", Value: say.Status}, {Key: "actor", Value: actor(ctx)}}
	if say.Channel != "" {
		props = append(props, bson.E{Key: "channel", Value: say.Channel})
	}
	if repeats != "" {
		props = append(props, bson.E{Key: "repeats", Value: repeats}, bson.E{Key: "saidAt", Value: s.now()})
	}
	if in.Evidence != nil {
		props = append(props, bson.E{Key: "evidence", Value: in.Evidence.kept(decoded)})
	}
	// The same call again is known by what the caller said, not by what time it was.
	said := bson.D{{Key: "purpose", Value: in.Purpose}, {Key: "channel", Value: in.Channel}, {Key: "status", Value: in.Status}, {Key: "at", Value: in.At}, {Key: "until", Value: in.ExpiresAt}}
	if in.Evidence != nil {
		said = append(said, bson.E{Key: "evidence", Value: in.Evidence.document(nil)})
	}
	return event.Input{
		MessageID: messageID("record", in.IdempotencyKey, s.now()), Name: NameRecorded, Timestamp: at,
		Properties: document(props), Context: say.Context(), Sum: sumOf(said),
	}
}

func document(d bson.D) bson.Raw {
	raw, _ := bson.Marshal(d) // texts, times and numbers: cannot fail
	return raw
}

func sumOf(said bson.D) []byte {
	h := sha256.Sum256(document(said))
	return h[:16]
}

// messageID is the same for the same key, and new for none.
func messageID(kind, key string, at time.Time) string {
	if key == "" {
		return "consent:" + core.NewID(kind, at)
	}
	return "consent:" + core.HashID(kind, key)
}

// after returns when a word is said that is said now: later than any recorded before it,
// whatever the clocks of other processes say.
func (s *Service) after(who *Subject, purpose string) time.Time {
	at := s.now()
	if last := who.Latest(purpose); !last.Before(at) {
		at = last.Add(time.Millisecond)
	}
	return at
}

// find returns the person whom a call is about. An identifier that nobody holds begins
// a profile, as an event that names it would.
func (s *Service) find(ctx context.Context, ws, profile string, id *event.Identifier, begin bool) (*Subject, error) {
	switch {
	case (profile == "") == (id == nil):
		return nil, core.Errorf(core.Invalid, "WHO", "name either a profile or an identifier")
	case id == nil:
		return s.subject(ctx, ws, profile)
	}
	who, err := s.People.SubjectBy(ctx, ws, *id)
	if err != nil || who != nil {
		return who, err
	}
	if !begin {
		return &Subject{Latest: func(string) time.Time { return time.Time{} }}, nil
	}
	in := event.Input{
		Type: event.Track, MessageID: "consent:" + core.HashID("subject", ws, id.Namespace, id.Value, strconv.FormatInt(s.now().UnixMilli(), 10)),
		Name: "Consent Subject Named", Timestamp: s.now(),
		Context: document(bson.D{{Key: "externalIds", Value: bson.A{bson.D{
			{Key: "type", Value: id.Namespace}, {Key: "id", Value: id.Value}, {Key: "collection", Value: "users"}, {Key: "encoding", Value: "none"},
		}}}}),
	}
	in.Seal(in.Timestamp)
	out, err := s.Committer.Ingest(ctx, ws, "system", []event.Input{in})
	switch {
	case err != nil:
		return nil, err
	case len(out) == 1 && out[0].Err != nil:
		return nil, core.Errorf(core.Invalid, "IDENTIFIER", "this identifier can name nobody: its namespace is unknown, or its value is none").Wrap(out[0].Err).At("identifier")
	}
	if who, err = s.People.SubjectBy(ctx, ws, *id); who == nil && err == nil {
		err = core.Errorf(core.Invalid, "IDENTIFIER", "this identifier can name nobody: its namespace is unknown, or its value is none").At("identifier")
	}
	return who, err
}

// write commits one word with its entry in the audit log.
func (s *Service) write(ctx context.Context, ws string, e event.Input, who *Subject, t Trace, ops ...store.Op) error {
	t.Workspace, t.Profiles, t.Decision = ws, []string{who.ID}, core.Allow
	ops, err := s.audited(ctx, t, ops...)
	if err != nil {
		return err
	}
	out, err := s.Committer.Commit(ctx, ws, e, who.Part, ops...)
	switch {
	case errors.Is(err, store.ErrConflict):
		return errBusy.Wrap(err)
	case err != nil:
		return err
	case out.Status == event.Rejected:
		return errKeyUsed
	}
	return nil
}

var errKeyUsed = core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_USED", "this idempotency key was used for something else; take another").At("idempotencyKey")
