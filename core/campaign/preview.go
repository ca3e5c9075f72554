package campaign

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/message"
)

// Preview is what a campaign would do now.
type Preview struct {
	People  int64 // who would be written to, before any check; exact
	Tested  int64 // of them, in the test
	Looked  int64 // at whom everything was asked that is asked before a hand-off: a sample
	Goes    int64 // of the sample
	Skipped []Reason
	Locales []Reason // of the sample, by the trait "locale"; "" is nobody knows; for who may read everything
	Zones   []Reason // of the sample, by time zone; for who may read everything
	Hours   []Reason // of the sample, by the hour of their own day ("09") at which they would get it now; with Best, for who may read everything
}

// Reason is how many there are of something, in the sample and, as an estimate, in all.
type Reason struct {
	Check    string // which check said no; "" of locales and zones
	Name     string
	Count    int64
	Estimate int64
}

const (
	sampleOf     = 1000
	localeOfKeep = 50
)

// Preview counts whom a campaign is for, and asks for a sample of them everything that is
// asked before a hand-off. Nothing is stored or sent.
func (s *Service) Preview(ctx context.Context, ws, id string) (*Preview, error) {
	if err := access.Allow(ctx, access.Design); err != nil {
		return nil, err
	}
	c, err := s.must(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	d := &c.Definition
	if err := s.Segments.MayUse(ctx, ws, d.segments()); err != nil {
		return nil, err
	}
	out := &Preview{}
	// The sample is those with the least buckets of their own, so that it is spread evenly
	// and the same each time.
	type drawn struct {
		id string
		n  int64
	}
	var sample []drawn
	walk := s.Segments.Among(ctx, ws, d.Include, d.Exclude, "")
	for {
		ids, last, err := walk.Next(2000)
		if err != nil {
			return nil, err
		}
		if last == "" {
			break
		}
		out.People += int64(len(ids))
		for _, one := range ids {
			if d.Test != nil && bucket(id, "test", one) < d.Test.Percent*100 {
				out.Tested++
			}
			sample = append(sample, drawn{one, bucket(id, "sample", one)})
		}
		if len(sample) > 4*sampleOf {
			slices.SortFunc(sample, func(a, b drawn) int { return cmp.Or(cmp.Compare(a.n, b.n), strings.Compare(a.id, b.id)) })
			sample = sample[:sampleOf]
		}
	}
	slices.SortFunc(sample, func(a, b drawn) int { return cmp.Or(cmp.Compare(a.n, b.n), strings.Compare(a.id, b.id)) })
	sample = sample[:min(len(sample), sampleOf)]
	gate, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	skipped, locales, zones, hours := map[[2]string]int64{}, map[string]int64{}, map[string]int64{}, map[string]int64{}
	system := core.WithActor(ctx, access.System(ws, "campaigns"))
	for from := 0; from < len(sample); from += 100 {
		var ids []string
		var intents []message.Intent
		for _, one := range sample[from:min(from+100, len(sample))] {
			arm := d.armOf(id, one.id)
			ids = append(ids, one.id)
			intents = append(intents, message.Intent{
				ID: core.HashID(core.PrefixMessage, ws, id, one.id, "preview"), Profile: one.id, Channel: d.Channel, Purpose: d.Purpose,
				Template: arm.Template, TemplateVersion: arm.TemplateVersion, Priority: int(d.Priority), Quiet: d.Quiet,
			})
		}
		answers, err := s.Messages.Rehearse(system, ws, d.Channel, intents)
		if err != nil {
			return nil, err
		}
		people, err := s.Profiles.GetMany(ctx, ws, ids)
		if err != nil {
			return nil, err
		}
		where, err := s.Messages.Zones(ctx, ws, people)
		if err != nil {
			return nil, err
		}
		var dues []time.Time
		if d.Best != nil {
			if dues, where, err = s.bestDues(ctx, ws, people, d.Best, s.now()); err != nil {
				return nil, err
			}
		}
		for i, a := range answers {
			out.Looked++
			if a.Goes {
				out.Goes++
			} else {
				skipped[[2]string{string(a.Check), a.Reason}]++
			}
			if !gate.Clear() { // whose locale and zone are told of
				continue
			}
			locale := ""
			if people[i] != nil {
				if t := people[i].TraitAt("locale"); t != nil {
					locale, _ = t.Value.StringValueOK()
				}
			}
			locales[locale]++
			zones[where[i].String()]++
			if d.Best != nil {
				hours[dues[i].In(where[i]).Format("15")]++
			}
		}
	}
	for k, n := range skipped {
		out.Skipped = append(out.Skipped, out.reason(k[0], k[1], n))
	}
	for k, n := range locales {
		out.Locales = append(out.Locales, out.reason("", k, n))
	}
	for k, n := range zones {
		out.Zones = append(out.Zones, out.reason("", k, n))
	}
	for k, n := range hours {
		out.Hours = append(out.Hours, out.reason("", k, n))
	}
	for _, list := range []*[]Reason{&out.Skipped, &out.Locales, &out.Zones} {
		slices.SortFunc(*list, func(a, b Reason) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Check+a.Name, b.Check+b.Name))
		})
		*list = (*list)[:min(len(*list), localeOfKeep)]
	}
	slices.SortFunc(out.Hours, func(a, b Reason) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (p *Preview) reason(check, name string, n int64) Reason {
	return Reason{Check: check, Name: name, Count: n, Estimate: (n*p.People + p.Looked/2) / p.Looked}
}

// TestSend sends each arm of a campaign to an address of the author's own, as profileID ("" is
// nobody) would get it. It asks nobody's consent and counts for nothing.
func (s *Service) TestSend(ctx context.Context, ws, id, arm, to, profileID, key string) ([]*message.Message, error) {
	c, err := s.must(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	if arm != "" && c.Definition.arm(arm) == nil {
		return nil, invalid("ARM", "the campaign has no such arm").At("arm")
	}
	var out []*message.Message
	for _, a := range c.Definition.Arms {
		if arm != "" && a.ID != arm {
			continue
		}
		in := message.TestInput{Channel: c.Definition.Channel, Template: a.Template, TemplateVersion: a.TemplateVersion, To: to, ProfileID: profileID}
		if key != "" {
			in.IdempotencyKey = id + "/" + a.ID + "/" + key
		}
		m, err := s.Messages.TestSend(ctx, ws, in)
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
	return out, nil
}
