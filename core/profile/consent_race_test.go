package profile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// crowd is some people in memory: their events and merges, and profiles that the real
// fold makes of them. It stands for the store behind a real consent.Service, and lets
// others act whenever the service reads or writes.
type crowd struct {
	rnd    *rand.Rand
	clock  *core.VirtualClock
	rules  *rules
	facts  map[string][]*fact // by part
	of     map[string]*Profile
	ledger []*Merge
	n      int
	meddle func() // acts in the middle of a withdrawal; nil: nobody does
	traced bool
	trace  []string
}

func newCrowd(seed uint64, parts int) *crowd {
	c := &crowd{rnd: rand.New(rand.NewPCG(seed, 1)), clock: core.NewVirtualClock(epoch), rules: raceRules, facts: map[string][]*fact{}, of: map[string]*Profile{}}
	for i := range parts {
		id := "prof_" + strconv.Itoa(i)
		c.of[id] = &Profile{Meta: store.Meta{ID: store.Key(ws, id), V: 1}, Parts: []string{id}}
	}
	return c
}

var raceRules = compile(&SettingsDoc{})

func (c *crowd) say(format string, args ...any) {
	if c.traced {
		c.trace = append(c.trace, fmt.Sprintf(format, args...))
	}
}

// commit folds an event into the profile of a part.
func (c *crowd) commit(part string, typ event.Type, at time.Time, context bson.Raw) string {
	c.n++
	p := c.of[part]
	f := &fact{
		Meta: store.Meta{ID: store.Key(ws, fmt.Sprintf("evt_%06d", c.n))}, Part: part, Seq: p.Seq + 1, Type: typ, Timestamp: at,
		CommittedAt: later(c.clock.Now(), p.UpdatedAt), Context: context,
	}
	next := p.clone()
	next.V++
	next.apply(f, c.rules, sorted(p.Parts))
	c.facts[part] = append(c.facts[part], f)
	c.place(next)
	return store.Rest(f.ID)
}

func (c *crowd) place(p *Profile) {
	for _, part := range p.Parts {
		c.of[part] = p
	}
}

func (c *crowd) merge(a, b string) {
	w, l := c.of[a], c.of[b]
	if w == l {
		return
	}
	c.n++
	m := &Merge{Meta: store.Meta{ID: store.Key(ws, fmt.Sprintf("mrg_%06d", c.n))}, WinnerID: w.ProfileID(), LoserID: l.ProfileID(),
		WinnerPart: w.ProfileID(), LoserPart: l.ProfileID(), Seq: max(w.Seq, l.Seq) + 1, At: c.clock.Now()}
	c.ledger = append(c.ledger, m)
	p := join(w, l, m)
	p.V = w.V + 1
	c.place(p)
}

// unmerge takes a merge back and folds both sides anew from their events.
func (c *crowd) unmerge(m *Merge) {
	if m.UndoneAt != nil {
		return
	}
	whole := c.of[m.WinnerPart]
	one, two := replay(c.ledger, m.WinnerPart, nil).split(m)
	now := c.clock.Now()
	m.UndoneAt, m.UndoneSeq = &now, whole.Seq+1
	for _, g := range []group{one, two} {
		p := c.refold(g)
		p.Seq, p.V = m.UndoneSeq, whole.V+1
		c.place(p)
	}
}

func (c *crowd) refold(g group) *Profile {
	p := &Profile{Meta: store.Meta{ID: store.Key(ws, g.id)}, Parts: orderParts(g.id, slices.Clone(g.parts))}
	for _, part := range g.parts {
		for _, f := range c.facts[part] {
			p.apply(f, c.rules, g.cover(f))
		}
	}
	return p
}

// Subject, SubjectAsOf and SubjectBy implement consent.People.
func (c *crowd) Subject(_ context.Context, _, id string) (*consent.Subject, error) {
	c.others()
	s := c.of[id].subject(id)
	s.Parts = slices.Clone(s.Parts)
	return s, nil
}

func (c *crowd) SubjectAsOf(context.Context, string, string, time.Time) (*consent.Subject, error) {
	panic("not asked")
}

func (c *crowd) Normal(_ context.Context, _ string, id event.Identifier) (event.Identifier, bool, error) {
	return id, true, nil
}

func (c *crowd) SubjectBy(context.Context, string, event.Identifier) (*consent.Subject, error) {
	panic("not asked")
}

// committer implements event.Committer.
type committer struct{ *crowd }

func (c committer) Ingest(context.Context, string, string, []event.Input) ([]event.Result, error) {
	panic("not asked")
}

func (c committer) Commit(context.Context, string, event.Input, string, ...store.Op) (event.Result, error) {
	panic("not asked")
}

func (c committer) CommitAll(_ context.Context, _ string, events []event.SystemEvent, _ ...store.Op) ([]event.Result, error) {
	c.others()
	out := make([]event.Result, len(events))
	for i, e := range events {
		id := c.commit(e.ProfileID, event.System, e.Input.Timestamp, e.Input.Context)
		out[i] = event.Result{EventID: id, Status: event.Accepted}
	}
	return out, nil
}

func (c *crowd) others() {
	for c.meddle != nil && c.rnd.IntN(3) == 0 {
		c.meddle()
	}
}

// empty is a store that holds nothing.
type empty struct{ store.Store }

func (empty) Get(_ context.Context, _ *store.Spec, ids []string) ([]bson.Raw, error) {
	return make([]bson.Raw, len(ids)), nil
}

// interleave runs one random history and returns what went wrong. Once a withdrawal is
// acknowledged, nobody agrees anew: banners go on saying yes, merges come and go, clocks
// jump, confirmations of older words come late, and no decision may say yes.
func interleave(seed uint64, traced bool) (trace []string, fault string, decisions int) {
	const parts = 4
	c := newCrowd(seed, parts)
	c.traced = traced
	service := consent.NewService(consent.Options{Store: empty{}, Clock: c.clock, People: c, Committer: committer{c}})
	withdrawn := map[string]map[string]bool{} // part → channels
	anybody := func() string { return "prof_" + strconv.Itoa(c.rnd.IntN(parts)) }
	channel := func() string { return []string{"", "", consent.Email}[c.rnd.IntN(3)] }
	when := func() time.Time { return c.clock.Now().Add(time.Duration(c.rnd.IntN(7200)-3600) * time.Second) }
	acked := false
	act := func() {
		switch c.rnd.IntN(6) {
		case 0:
			part, at := anybody(), when()
			yes := c.rnd.IntN(4) > 0
			c.say("banner %s %v at %s", part, yes, at.Format(time.TimeOnly))
			raw, _ := bson.Marshal(bson.D{{Key: "consent", Value: bson.D{{Key: "categoryPreferences", Value: bson.D{{Key: consent.Marketing, Value: yes}}}}}})
			c.commit(part, event.Page, at, raw)
		case 1:
			a, b := anybody(), anybody()
			c.say("merge %s %s", a, b)
			c.merge(a, b)
		case 2:
			if len(c.ledger) > 0 {
				m := c.ledger[c.rnd.IntN(len(c.ledger))]
				c.say("unmerge %s %s", m.WinnerPart, m.LoserPart)
				c.unmerge(m)
			}
		case 3:
			c.clock.Advance(time.Duration(c.rnd.IntN(7200)-3600) * time.Second)
		default:
			if !acked {
				part, at := anybody(), when()
				s := consent.Saying{Purpose: consent.Marketing, Channel: channel(), Status: []string{consent.Granted, consent.Granted, consent.Pending}[c.rnd.IntN(3)]}
				c.say("record %s %s %q at %s", s.Status, part, s.Channel, at.Format(time.TimeOnly))
				c.commit(part, event.System, at, s.Context())
			}
		}
	}
	register := consent.DefaultRegister()
	for range 16 {
		switch c.rnd.IntN(4) {
		case 0:
			part, ch := anybody(), channel()
			in := consent.WithdrawInput{ProfileID: part, Channel: ch}
			if c.rnd.IntN(20) > 0 {
				in.Purpose = consent.Marketing
			}
			c.say("withdraw %s %q", part, ch)
			c.meddle = act
			_, err := service.Withdraw(context.Background(), ws, in)
			c.meddle = nil
			if err != nil {
				return c.trace, err.Error(), decisions
			}
			acked = true
			c.say("acknowledged")
			for _, p := range c.of[part].Parts {
				if withdrawn[p] == nil {
					withdrawn[p] = map[string]bool{}
				}
				withdrawn[p][ch] = true
			}
		case 1:
			p, ch := c.of[anybody()], []string{"", consent.Email, consent.SMS}[c.rnd.IntN(3)]
			v := register.Decide(p.Words(c.clock.Now()), "", consent.Marketing, ch, c.clock.Now())
			decisions++
			for _, part := range p.Parts {
				if v.Allowed && (withdrawn[part][""] || ch != "" && withdrawn[part][ch]) {
					return c.trace, fmt.Sprintf("yes to %s on %q for %v, of whom %s withdrew", consent.Marketing, ch, p.Parts, part), decisions
				}
			}
		default:
			act()
		}
	}
	// The profiles that were folded live are those that a refold makes.
	for _, p := range c.of {
		if seed%8 > 0 {
			break
		}
		if again := c.refold(replay(c.ledger, p.ProfileID(), nil)); fmt.Sprint(again.Consents) != fmt.Sprint(p.Consents) {
			return c.trace, fmt.Sprintf("refolded %v, live %v", again.Consents, p.Consents), decisions
		}
	}
	return c.trace, "", decisions
}

func TestNoYesAfterAnAcknowledgedWithdrawal(t *testing.T) {
	runs := uint64(20_000)
	switch {
	case os.Getenv("HEADWATER_TEST_LONG") != "":
		runs = 1_000_000
	case testing.Short():
		runs = 2000
	}
	var next, decisions atomic.Uint64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for seed := next.Add(1); seed <= runs && !t.Failed(); seed = next.Add(1) {
				_, fault, n := interleave(seed, false)
				decisions.Add(uint64(n))
				if fault != "" {
					trace, _, _ := interleave(seed, true)
					t.Errorf("seed %d: %s\n%v", seed, fault, trace)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d interleavings, %d decisions", runs, decisions.Load())
	require.Greater(t, decisions.Load(), runs/2)
}
