package privacy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Figures tell how requests are answered, and how many people agree.
type Figures struct {
	Received, Answered, Overdue int64
	Median, P90                 *time.Duration
	InTime                      *float64 // share, 0 to 1
	Consents                    []ConsentRate
	ConsentsAt                  time.Time // when the consents were counted
}

// ConsentRate is how many of those who said anything of a purpose agreed.
type ConsentRate struct {
	Purpose, Channel string
	Asked            *int64   // nil: fewer than FewPeople
	Rate             *float64 // nil: those who agreed, or who did not, are fewer
}

// FewPeople is how many people a figure is about at least.
const FewPeople = 10

// consentCount is what people said of each purpose at an instant. To count reads every
// profile, so a count is kept, for whoever asks within countedFor.
type consentCount struct {
	store.Meta `bson:",inline"` // key: workspace/consents
	At         time.Time        `bson:"at"`
	Words      []countedWord    `bson:"words"` // sorted by purpose and channel
}

type countedWord struct {
	Purpose string `bson:"purpose"`
	Channel string `bson:"channel,omitempty"`
	Asked   int64  `bson:"asked"`
	Agreed  int64  `bson:"agreed"`
}

// consentCounts holds one document for each workspace, about nobody in particular.
var consentCounts = store.Declare[consentCount](store.Spec{Name: "consent_counts"})

// countedFor is how old the count of consents in figures may be.
const countedFor = 10 * time.Minute

// Figures reads the requests received in [from, to), and tells what people say of the
// purposes, as it was at ConsentsAt, at most ten minutes ago.
func (d *Desk) Figures(ctx context.Context, ws string, from, to time.Time) (*Figures, error) {
	if _, err := access.Require(ctx, access.Govern); err != nil {
		return nil, err
	}
	if !from.Before(to) {
		return nil, core.Errorf(core.Invalid, "PERIOD", "a period begins before it ends").At("to")
	}
	out := &Figures{}
	var took []time.Duration
	inTime := 0
	now := d.now()
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Gte("receivedAt", from), store.Lt("receivedAt", to)}, Order: []string{"-receivedAt"}}
	err := Requests.Each(ctx, d.o.Store, q, func(r *Request) error {
		out.Received++
		if r.Overdue(now) {
			out.Overdue++
		}
		if r.CompletedAt != nil && r.Status != Failed {
			out.Answered++
			took = append(took, r.CompletedAt.Sub(r.ReceivedAt))
			if !r.CompletedAt.After(r.Deadline()) {
				inTime++
			}
		}
		return nil
	})
	if err != nil {
		return nil, deskError(err)
	}
	if n := len(took); n > 0 {
		slices.Sort(took)
		median, p90, share := took[(n-1)/2], took[(9*n+9)/10-1], float64(inTime)/float64(n)
		out.Median, out.P90, out.InTime = &median, &p90, &share
	}
	counted, err := d.countConsents(ctx, ws)
	if err != nil {
		return nil, deskError(err)
	}
	out.Consents, out.ConsentsAt = counted.rates(), counted.At
	return out, nil
}

// countConsents returns a count that is not too old, counting anew when there is none.
func (d *Desk) countConsents(ctx context.Context, ws string) (*consentCount, error) {
	d.counting.Lock() // whoever waits finds the count of who was first
	defer d.counting.Unlock()
	now, key := d.now(), store.Key(ws, "consents")
	old, err := consentCounts.Get(ctx, d.o.Store, key)
	if err != nil {
		return nil, err
	}
	c := &consentCount{Meta: store.Meta{ID: key}, At: now}
	if old != nil {
		if age := now.Sub(old.At); age >= 0 && age < countedFor {
			return old, nil
		}
		c.Meta = old.Meta
	}
	if c.Words, err = d.words(ctx, ws, now); err != nil {
		return nil, err
	}
	// Another process may have kept its own meanwhile: either will do.
	if err := work.Commit(ctx, d.o.Store, consentCounts.Put(c)); err != nil && !errors.Is(err, store.ErrConflict) {
		return nil, err
	}
	return c, nil
}

func (d *Desk) words(ctx context.Context, ws string, now time.Time) ([]countedWord, error) {
	type key struct{ purpose, channel string }
	counts := map[key]*countedWord{}
	err := profile.Profiles.Each(ctx, d.o.Store, store.Query{Workspace: ws}, func(p *profile.Profile) error {
		for _, w := range p.Words(now) {
			k := key{w.Purpose, w.Channel}
			if counts[k] == nil {
				counts[k] = &countedWord{Purpose: w.Purpose, Channel: w.Channel}
			}
			counts[k].Asked++
			if w.Status == consent.Granted && (w.ExpiresAt.IsZero() || now.Before(w.ExpiresAt)) {
				counts[k].Agreed++
			}
		}
		return nil
	})
	out := make([]countedWord, 0, len(counts))
	for _, c := range counts {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b countedWord) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Channel, b.Channel))
	})
	return out, err
}

// rates tells of a count what is not about few people.
func (c *consentCount) rates() []ConsentRate {
	out := make([]ConsentRate, 0, len(c.Words))
	for _, w := range c.Words {
		one := ConsentRate{Purpose: w.Purpose, Channel: w.Channel}
		if n, yes := w.Asked, w.Agreed; n >= FewPeople {
			one.Asked = &n
			if min(yes, n-yes) >= FewPeople { // else it would tell of few, or of everybody
				share := float64(yes) / float64(n)
				one.Rate = &share
			}
		}
		out = append(out, one)
	}
	return out
}
