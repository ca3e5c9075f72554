package consent

import (
	"bytes"
	"context"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// WithdrawInput takes consent back. One of ProfileID and Identifier says whose.
type WithdrawInput struct {
	ProfileID      string
	Identifier     *event.Identifier
	Purpose        string // "" is every purpose that can be objected to
	Channel        string // "" is every channel
	Evidence       *Evidence
	IdempotencyKey string
	DryRun         bool
}

// Withdrawal is what was taken back.
type Withdrawal struct {
	ProfileID string
	Entries   []*Entry // one for each purpose
	InFlight  []InFlight
}

// InFlight is a message to the person that was handed to its channel before, and that the
// channel has not answered: what the withdrawal cannot reach any more.
type InFlight struct {
	ID, Channel, Purpose string
	HandedAt             time.Time
}

// Withdraw takes consent back. When it returns, nothing that is decided afterwards says
// yes, unless the person agrees anew: the word is written under every part that the
// person has, so that taking merges apart brings no yes back, and it is looked at
// afterwards whether it holds. It needs no evidence and no reason.
func (s *Service) Withdraw(ctx context.Context, ws string, in WithdrawInput) (*Withdrawal, error) {
	c, err := s.read(ctx, ws)
	if err != nil {
		return nil, storeError("read the purposes", err)
	}
	r := c.register
	var decoded bson.D
	if e := checkChannel(in.Channel); e != nil {
		return nil, e
	}
	if in.Purpose != "" {
		switch p := r.Purpose(in.Purpose); {
		case p == nil:
			return nil, errNoPurpose("purpose")
		case !p.Objectionable():
			return nil, core.Errorf(core.Invalid, "OBJECTION_DOES_NOT_APPLY", "the legal basis of this purpose knows no withdrawal").At("purpose")
		}
	}
	if len(in.IdempotencyKey) > 200 {
		return nil, core.Errorf(core.Invalid, "IDEMPOTENCY_KEY", "an idempotency key has at most 200 bytes").At("idempotencyKey")
	}
	if in.Evidence != nil {
		var fault *core.Error
		if decoded, fault = in.Evidence.check(); fault != nil {
			return nil, fault.At("evidence")
		}
		if in.Evidence, err = s.noticed(ctx, ws, in.Evidence); err != nil {
			return nil, err
		}
	}
	who, err := s.find(ctx, ws, in.ProfileID, in.Identifier, !in.DryRun)
	if err != nil {
		return nil, err
	}
	w := &withdrawing{s: s, ws: ws, in: in, decoded: decoded, record: messageID("withdraw", in.IdempotencyKey, s.now()), done: map[string]bool{}}
	w.purposes = []string{in.Purpose}
	if in.Purpose == "" {
		w.purposes = r.objectionable(who, s.now())
	}
	if in.DryRun {
		return w.planned(ctx, who), nil
	}
	return w.run(ctx, who)
}

// objectionable lists the purposes that a withdrawal of everything is about: those of
// the register that can be objected to, and what else the person spoke of.
func (r *Register) objectionable(who *Subject, now time.Time) []string {
	var out []string
	for _, key := range r.keys {
		if r.purposes[key].Objectionable() {
			out = append(out, key)
		}
	}
	if who.Words == nil {
		return out
	}
	for _, w := range who.Words(now) {
		if r.purposes[w.Purpose] == nil && w.Purpose != GPC && !slices.Contains(out, w.Purpose) {
			out = append(out, w.Purpose)
		}
	}
	return out
}

// withdrawing is one withdrawal under way.
type withdrawing struct {
	s        *Service
	ws       string
	in       WithdrawInput
	decoded  bson.D
	record   string
	purposes []string
	done     map[string]bool      // parts under which the present round wrote it
	at       map[string]time.Time // of the present round, by purpose
	entries  []string
	round    int
}

func (w *withdrawing) planned(ctx context.Context, who *Subject) *Withdrawal {
	out := &Withdrawal{ProfileID: who.ID}
	for _, purpose := range w.purposes {
		out.Entries = append(out.Entries, &Entry{Purpose: purpose, Channel: w.in.Channel, Status: Withdrawn, At: w.s.now(), RecordedAt: w.s.now(), Actor: actor(ctx)})
	}
	return out
}

// run writes the word under every part, all of one round at one time, until nothing is
// later that was recorded: merges may bring parts, and others a yes whose time is later,
// while it writes. Under one part alone a later no would hide such a yes, until the two
// are parted.
func (w *withdrawing) run(ctx context.Context, who *Subject) (*Withdrawal, error) {
	id := who.Part
	for range 50 {
		clear(w.done)
		w.at = map[string]time.Time{}
		for _, purpose := range w.purposes {
			w.at[purpose] = w.s.after(who, purpose)
		}
		// The part that was asked for first: its entries are those that are shown.
		todo := slices.Clone(who.Parts)
		if i := slices.Index(todo, id); i > 0 {
			todo[0], todo[i] = todo[i], todo[0]
		}
		if err := w.write(ctx, who, todo); err != nil {
			return nil, err
		}
		var err error
		if who, err = w.s.subject(ctx, w.ws, id); err != nil {
			return nil, err
		}
		if w.settled(who) {
			return w.finish(ctx, who)
		}
	}
	return nil, errBusy
}

// settled reports whether the round reached every part, holds there, and is the latest
// that was recorded.
func (w *withdrawing) settled(who *Subject) bool {
	for _, part := range who.Parts {
		if !w.done[part] || !w.holds(who, part) {
			return false
		}
	}
	for _, purpose := range w.purposes {
		if who.Latest(purpose).After(w.at[purpose]) {
			return false
		}
	}
	return true
}

// holds reports whether nothing that was recorded of a part about the purposes is a yes
// any more. The person as a whole may say no for another part's sake.
func (w *withdrawing) holds(who *Subject, part string) bool {
	now, words := w.s.now(), who.Said(part)
	channels := []string{w.in.Channel}
	if w.in.Channel == "" {
		channels = append(channels, Channels()...)
	}
	for _, purpose := range w.purposes {
		for _, channel := range channels {
			if status, _ := Status(words, purpose, channel, now); !No(status) {
				return false
			}
		}
	}
	return true
}

// write commits the word about each purpose under each part. What a call with the same
// idempotency key wrote before is left as it is, and the rest is committed: the person
// may have another part by now, or the workspace another purpose.
func (w *withdrawing) write(ctx context.Context, who *Subject, parts []string) error {
	w.round++
	var events []event.SystemEvent
	for _, part := range parts {
		for _, purpose := range w.purposes {
			e := event.SystemEvent{ProfileID: part, Input: w.event(ctx, part, purpose)}
			events = append(events, e)
			if len(w.entries) < len(w.purposes) {
				w.entries = append(w.entries, EntryID(store.Rest(event.SystemKey(w.ws, e.Input.MessageID))))
			}
		}
	}
	for chunk := range slices.Chunk(events, event.MaxSystemEvents) {
		if err := retry(ctx, "withdraw consent", func() error { return w.commit(ctx, who, chunk) }); err != nil {
			return err
		}
		for _, e := range chunk {
			w.done[e.ProfileID] = true
		}
	}
	return nil
}

// commit commits those of the events that no call before did.
func (w *withdrawing) commit(ctx context.Context, who *Subject, events []event.SystemEvent) error {
	events, err := w.missing(ctx, events)
	if err != nil || len(events) == 0 {
		return err
	}
	ops, err := w.s.audited(ctx, Trace{
		Workspace: w.ws, Action: "consent.withdraw", Resource: "profile", Profiles: []string{who.ID}, Identifier: w.in.Identifier,
		Purpose: w.in.Purpose, Decision: core.Allow, Details: map[string]string{"channel": w.in.Channel, "entries": strconv.Itoa(len(events))},
	})
	if err != nil {
		return err
	}
	results, err := w.s.Committer.CommitAll(ctx, w.ws, events, ops...)
	if e := core.AsError(err); e != nil && e.Reason == reasonPartly {
		return store.ErrConflict // the same call elsewhere was faster with some of them: look again
	}
	if err == nil && slices.ContainsFunc(results, func(r event.Result) bool { return r.Status == event.Rejected }) {
		err = errKeyUsed
	}
	return err
}

// reasonPartly is the reason of event.Committer's error about events of which some were
// committed before.
const reasonPartly = "PARTLY_COMMITTED"

// missing returns the events that are not on disk. Without an idempotency key none can be.
func (w *withdrawing) missing(ctx context.Context, events []event.SystemEvent) ([]event.SystemEvent, error) {
	if w.in.IdempotencyKey == "" {
		return events, nil
	}
	keys := make([]string, len(events))
	for i := range events {
		keys[i] = event.SystemKey(w.ws, events[i].Input.MessageID)
	}
	there, err := event.Events.GetMany(ctx, w.s.Store, keys)
	if err != nil {
		return nil, err
	}
	var out []event.SystemEvent
	for i, e := range there {
		switch {
		case e == nil:
			out = append(out, events[i])
		case !bytes.Equal(e.Sum, events[i].Input.Sum):
			return nil, errKeyUsed
		}
	}
	return out, nil
}

func (w *withdrawing) event(ctx context.Context, part, purpose string) event.Input {
	say := Saying{Purpose: purpose, Channel: w.in.Channel, Status: Withdrawn}
	props := bson.D{{Key: "purpose", Value: purpose}, {Key: "status", Value: Withdrawn}, {Key: "actor", Value: actor(ctx)}, {Key: "record", Value: w.record + ":" + strconv.Itoa(w.round)}}
	if say.Channel != "" {
		props = append(props, bson.E{Key: "channel", Value: say.Channel})
	}
	if w.in.Evidence != nil {
		props = append(props, bson.E{Key: "evidence", Value: w.in.Evidence.kept(w.decoded)})
	}
	said := bson.D{{Key: "purpose", Value: w.in.Purpose}, {Key: "channel", Value: w.in.Channel}}
	if w.in.Evidence != nil {
		said = append(said, bson.E{Key: "evidence", Value: w.in.Evidence.document(nil)})
	}
	return event.Input{
		MessageID: "consent:" + core.HashID("withdraw", w.record, part, purpose, strconv.Itoa(w.round)), Name: NameRecorded,
		Timestamp: w.at[purpose], Properties: document(props), Context: say.Context(), Sum: sumOf(said),
	}
}

func (w *withdrawing) finish(ctx context.Context, who *Subject) (*Withdrawal, error) {
	entries, err := w.s.load(ctx, w.ws, w.entries)
	if err != nil {
		return nil, storeError("read the ledger", err)
	}
	out := &Withdrawal{ProfileID: who.ID, Entries: entries}
	if w.s.InFlight != nil {
		out.InFlight, err = w.s.InFlight(ctx, w.ws, who.ID)
	}
	return out, err
}
