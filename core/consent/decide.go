package consent

import (
	"slices"
	"time"
)

// Decide is the one function that says whether a person's data may be used for a
// purpose, over a channel ("" asks: on any), at an instant. words are the person's,
// in any order, at most one for each purpose and channel; jurisdiction is the country
// where they are, "" when it is not known. It is pure.
func (r *Register) Decide(words []Word, jurisdiction, purpose, channel string, now time.Time) Verdict {
	p := r.purposes[purpose]
	switch {
	case p == nil:
		return Verdict{Reason: ReasonUnknownPurpose}
	case p.Archived:
		return Verdict{Reason: ReasonArchivedPurpose}
	}
	if channel != "" {
		return r.decide(words, jurisdiction, p, channel, now)
	}
	// On any channel: on one of those that something was said of, or on one that
	// nothing was said of.
	out := r.decide(words, jurisdiction, p, "", now)
	var tried []string
	for i := range words {
		c := words[i].Channel
		if out.Allowed || c == "" || slices.Contains(tried, c) || !slices.Contains(r.chains[purpose], words[i].Purpose) {
			continue
		}
		tried = append(tried, c)
		v := r.decide(words, jurisdiction, p, c, now)
		if v.Allowed || out.Reason == ReasonUnknown {
			out = v
		}
	}
	return out
}

// decide answers for one channel, or with "" for a channel that nothing was said of.
func (r *Register) decide(words []Word, jurisdiction string, p *Purpose, channel string, now time.Time) Verdict {
	own := holds(words, p.Key, channel, now)
	if no := r.refusal(words, p, own, channel, now); no != nil {
		switch {
		case !p.Objectionable():
			return Verdict{Allowed: true, Reason: ReasonNoObjection, Words: []Word{*no}}
		case no.Status == Withdrawn:
			return Verdict{Reason: ReasonWithdrawn, Words: []Word{*no}}
		}
		return Verdict{Reason: ReasonDenied, Words: []Word{*no}}
	}
	if !p.ConsentRequired {
		return verdict(true, ReasonNotRequired, own)
	}
	if own == nil {
		if r.Rule(jurisdiction, p.Key) == OptOut {
			return Verdict{Allowed: true, Reason: ReasonOptOut}
		}
		return Verdict{Reason: ReasonUnknown}
	}
	switch own.Status {
	case Expired:
		return verdict(false, ReasonExpired, own)
	case Pending:
		return verdict(false, ReasonPending, own)
	case Granted:
		switch {
		case p.EvidenceRequired && !own.Recorded:
			return verdict(false, ReasonNoEvidence, own)
		case p.DoubleOptIn && !own.Confirmed:
			return verdict(false, ReasonUnconfirmed, own)
		}
		return verdict(true, ReasonGranted, own)
	}
	return verdict(false, ReasonUnknown, own)
}

// refusal returns the no that stands against a purpose: its own, or that of the
// nearest ancestor that has one.
func (r *Register) refusal(words []Word, p *Purpose, own *Word, channel string, now time.Time) *Word {
	if own != nil && No(own.Status) {
		return own
	}
	if p.SaleOrSharing {
		// A recorded yes to this very purpose is later than the signals before it.
		if w := holds(words, GPC, "", now); w != nil && No(w.Status) &&
			(own == nil || own.Status != Granted || !own.Recorded || !own.At.After(w.At)) {
			return w
		}
	}
	for _, key := range r.chains[p.Key][1:] {
		if w := holds(words, key, channel, now); w != nil && No(w.Status) {
			return w
		}
	}
	return nil
}

// holds returns the word that is in force for one purpose and channel: that of the
// channel, unless a no for all channels is not older; else that for all channels; or
// nil.
func holds(words []Word, purpose, channel string, now time.Time) *Word {
	var one, all *Word
	for i := range words {
		switch w := &words[i]; {
		case w.Purpose != purpose:
		case w.Channel == "":
			all = stricter(all, w)
		case w.Channel == channel:
			one = stricter(one, w)
		}
	}
	w := one
	if w == nil || all != nil && No(all.Status) && !all.At.Before(w.At) {
		w = all
	}
	if w == nil {
		return nil
	}
	then := w.Then(now)
	return &then
}

// Status returns the status of a purpose on a channel ("": on every one) at an instant,
// and when that changes by itself; zero: never.
func Status(words []Word, purpose, channel string, now time.Time) (status string, until time.Time) {
	w := holds(words, purpose, channel, now)
	if w == nil {
		return Unknown, time.Time{}
	}
	return w.Status, w.ExpiresAt
}

// stricter chooses between two words on the same thing, should a caller give several.
func stricter(a, b *Word) *Word {
	if a == nil || Strictness(b.Status) > Strictness(a.Status) {
		return b
	}
	return a
}

func verdict(allowed bool, reason string, w *Word) Verdict {
	v := Verdict{Allowed: allowed, Reason: reason}
	if w != nil {
		v.Words = []Word{*w}
	}
	return v
}
