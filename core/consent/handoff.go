package consent

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Weighed is a verdict about a hand-off to somebody who was just read, with the receipt
// that its commit keeps.
type Weighed struct {
	Verdict
	Basis
	ReceiptID string
	Receipt   store.Op // stores the receipt; for the commit of the hand-off
}

// Weigh is Check for a person whom the caller has read, for hand-offs of many at once. The
// receipt is the caller's to commit; no entry of the audit log is made of it.
func (s *Service) Weigh(ctx context.Context, ws string, who *Subject, purpose, channel string) (Weighed, error) {
	r, err := s.Register(ctx, ws)
	if err != nil {
		return Weighed{}, err
	}
	now := s.now()
	country := who.Country(r)
	v, err := s.judge(ctx, ws, r, who, purpose, channel, now)
	if err != nil {
		return Weighed{}, err
	}
	w := Weighed{
		Verdict: v,
		Basis:   Basis{ProfileID: who.ID, ProfileVersion: who.Version, Revision: r.Revision, Op: who.Check},
	}
	kept := &receipt{
		Profile: who.ID, Purpose: purpose, Channel: channel, AsOf: latest(now, who.UpdatedAt, r.At), Allowed: w.Allowed, Reason: w.Reason,
		Jurisdiction: country, Revision: r.Revision,
	}
	for _, word := range w.Words {
		kept.Entries = append(kept.Entries, word.Entry)
		if !word.ExpiresAt.IsZero() && (w.Until.IsZero() || word.ExpiresAt.Before(w.Until)) {
			w.Until = word.ExpiresAt
		}
	}
	w.ReceiptID = kept.name(ws)
	kept.ID = store.Key(ws, w.ReceiptID)
	w.Receipt = receipts.Insert(kept)
	return w, nil
}

// mark moves whenever something about the suppressions of a range of identifiers changes:
// what a hand-off checks instead of each suppression that there is not.
type mark struct {
	store.Meta `bson:",inline"` // key: workspace/the first three digits of the keyed hash
	N          int64            `bson:"n"`
}

var marks = store.Declare[mark](store.Spec{Name: "suppression_marks"})

func markKey(ws, mac string) string { return store.Key(ws, mac[:3]) }

// moveMarks returns the operations that make every hand-off conflict that was asked for
// before about one of the keyed hashes.
func moveMarks(ws string, macs []string) []store.Op {
	var ops []store.Op
	done := map[string]bool{}
	for _, mac := range macs {
		if key := markKey(ws, mac); !done[key] {
			done[key] = true
			ops = append(ops, marks.Add(key, map[string]int64{"n": 1}))
		}
	}
	return ops
}

// Reachable is whether something may be sent to the identifiers of one person.
type Reachable struct {
	Reason string // of the suppression that says no; "" where none does
	// Ops demand that nothing was suppressed since: for the commit of the hand-off.
	// Several people's may be the same.
	Ops []store.Op
	Err error // an identifier can name nobody
}

// Reach answers Suppressed for many people at once, each with their identifiers, for
// hand-offs that are about to be committed.
func (s *Service) Reach(ctx context.Context, ws, channel string, people [][]event.Identifier) ([]Reachable, error) {
	if e := checkChannel(channel); e != nil {
		return nil, e
	}
	channels := []string{""}
	if channel != "" {
		channels = append(channels, channel)
	}
	out := make([]Reachable, len(people))
	var keys, marked []string
	var of, markOf []int // whose
	for i, ids := range people {
		for _, id := range ids {
			n, ok, err := s.People.Normal(ctx, ws, id)
			if err != nil {
				return nil, err
			}
			if !ok {
				out[i].Err = errIdentifier
				continue
			}
			mac, err := s.mac(ctx, ws, n)
			if err != nil {
				return nil, err
			}
			marked, markOf = append(marked, markKey(ws, mac)), append(markOf, i)
			for _, c := range channels {
				for _, reason := range SuppressionReasons() {
					keys, of = append(keys, suppressionKey(ws, n.Namespace, mac, c, reason)), append(of, i)
				}
			}
		}
	}
	// The marks first: what changes after this makes the hand-off conflict.
	there, err := getAll(ctx, s.Store, marks, marked)
	if err != nil {
		return nil, storeError("read the suppressions", err)
	}
	for i, m := range there {
		op := marks.Absent(marked[i])
		if m != nil {
			op = marks.Check(m)
		}
		out[markOf[i]].Ops = append(out[markOf[i]].Ops, op)
	}
	found, err := getAll(ctx, s.Store, suppressions, keys)
	if err != nil {
		return nil, storeError("read the suppressions", err)
	}
	now := s.now()
	for i, sup := range found {
		if sup != nil && sup.Holds(now) {
			out[of[i]].Reason = sup.Reason
		}
	}
	return out, nil
}

// maxKeys is how many documents are read at once.
const maxKeys = 500

func getAll[T any](ctx context.Context, r store.Reader, c *store.Collection[T], keys []string) ([]*T, error) {
	out := make([]*T, 0, len(keys))
	for len(keys) > 0 {
		n := min(len(keys), maxKeys)
		part, err := c.GetMany(ctx, r, keys[:n])
		if err != nil {
			return nil, err
		}
		out, keys = append(out, part...), keys[n:]
	}
	return out, nil
}

// LetterLinks are the links that a letter carries.
type LetterLinks struct {
	Unsubscribe *UnsubscribeLink // nil where the purpose's legal basis knows no withdrawal
	Preferences *Link
}

// LetterLinks makes the links of one letter to a person who was just read: whose hand-off
// is written down is not written down again. to says where it is delivered; nil where that
// proves nothing. Without a public URL there are none, and it returns nil.
func (s *Service) LetterLinks(ctx context.Context, ws string, who *Subject, purpose, channel string, to *Delivery) (*LetterLinks, error) {
	if s.URL == "" {
		return nil, nil
	}
	r, err := s.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	sign := func(path, use string, lasts time.Duration, l link) (*Link, error) {
		l.Profile, l.By = who.Part, actor(ctx)
		until := s.now().Add(lasts)
		token, err := s.Tokens.Sign(ctx, ws, use, l, until)
		return &Link{URL: s.URL + path + token, ExpiresAt: until}, err
	}
	out := &LetterLinks{}
	if p := r.Purpose(purpose); p != nil && p.Objectionable() {
		l, err := sign(UnsubscribePath, useUnsubscribe, UnsubscribeFor, link{Purpose: purpose, Channel: channel})
		if err != nil {
			return nil, err
		}
		out.Unsubscribe = &UnsubscribeLink{Link: *l, ListUnsubscribe: "<" + l.URL + ">", ListUnsubscribePost: OneClick}
	}
	var l link
	if to != nil && addressed[to.Channel] == to.To.Namespace && to.To.Namespace != "" {
		l.Channel, l.To = to.Channel, &to.To
	}
	if out.Preferences, err = sign(PreferencesPath, usePreferences, PreferencesFor, l); err != nil {
		return nil, err
	}
	return out, nil
}
