package privacy

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Figures tell how requests are answered, and how many people agree.
type Figures struct {
	Received, Answered, Overdue int64
	Median, P90                 *time.Duration
	InTime                      *float64 // share, 0 to 1
	Consents                    []ConsentRate
}

// ConsentRate is how many of those who said anything of a purpose agreed.
type ConsentRate struct {
	Purpose, Channel string
	Asked            *int64   // nil: fewer than FewPeople
	Rate             *float64 // nil: those who agreed, or who did not, are fewer
}

// FewPeople is how many people a figure is about at least.
const FewPeople = 10

// Figures reads the requests received in [from, to), and what people say now. The second
// reads every profile.
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
	out.Consents, err = d.consentRates(ctx, ws)
	return out, deskError(err)
}

func (d *Desk) consentRates(ctx context.Context, ws string) ([]ConsentRate, error) {
	type key struct{ purpose, channel string }
	asked, agreed := map[key]int64{}, map[key]int64{}
	now := d.now()
	err := profile.Profiles.Each(ctx, d.o.Store, store.Query{Workspace: ws}, func(p *profile.Profile) error {
		for _, w := range p.Words(now) {
			k := key{w.Purpose, w.Channel}
			asked[k]++
			if w.Status == consent.Granted && (w.ExpiresAt.IsZero() || now.Before(w.ExpiresAt)) {
				agreed[k]++
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	keys := slices.SortedFunc(maps.Keys(asked), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.purpose, b.purpose), cmp.Compare(a.channel, b.channel))
	})
	out := make([]ConsentRate, 0, len(keys))
	for _, k := range keys {
		one := ConsentRate{Purpose: k.purpose, Channel: k.channel}
		if n, yes := asked[k], agreed[k]; n >= FewPeople {
			one.Asked = &n
			if min(yes, n-yes) >= FewPeople { // else it would tell of few, or of everybody
				share := float64(yes) / float64(n)
				one.Rate = &share
			}
		}
		out = append(out, one)
	}
	return out, nil
}
