package benchmark

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/graph"
)

// journeys measures what leads people on and writes to them: durable steps and how late
// they come, campaigns, the simulator, templates, and what those who wait cost in memory.
func journeys(ctx context.Context, o Options) error {
	if err := render(o); err != nil {
		return fmt.Errorf("render: %w", err)
	}
	if err := simulate(ctx, o); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	z := o.size()
	h, err := prepareLives(ctx, o, "journeys", max(z.sendout, z.inside), agreeing)
	if err != nil {
		return err
	}
	post := &nullPost{}
	err = o.Wire(ctx, h.dir, post, func(ctx context.Context, s graph.Services) error {
		g, err := newGuided(ctx, h, s, post)
		if err != nil {
			return err
		}
		for _, with := range []bool{false, true} {
			if err := g.steps(ctx, o, with); err != nil {
				return fmt.Errorf("steps: %w", err)
			}
		}
		if err := g.sendout(ctx, o); err != nil {
			return fmt.Errorf("campaign: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return waiting(ctx, o, h)
}

// agreeing is the life of somebody with an address who agrees to marketing.
func agreeing(n int) [][]byte {
	m := strings.Replace(string(person(n)), `"traits":{`, fmt.Sprintf(`"context":{"consent":{"categoryPreferences":{"marketing":true}}},"traits":{"email":"p%d@example.com",`, n), 1)
	return [][]byte{[]byte(m)}
}

// guided is a workspace with all that sending needs.
type guided struct {
	graph.Services
	h        *house
	ws       string
	post     *nullPost
	source   string
	template string
}

// newGuided makes the connection to the null channel, with its agreement, and a published
// template.
func newGuided(ctx context.Context, h *house, s graph.Services, post *nullPost) (*guided, error) {
	g := &guided{Services: s, h: h, ws: h.keys.Workspace, post: post}
	ctx = g.as(ctx, "bench")
	src, err := s.Events.EnsureSource(ctx, g.ws, event.SourceInput{Name: "Bench", Kind: event.SourceSystem})
	if err != nil {
		return nil, err
	}
	g.source = src.SourceID()
	signed := time.Now().Add(-24 * time.Hour)
	p, err := s.Consent.SetProcessor(ctx, g.ws, "", "null", consent.Processor{
		Name: "Null", Country: "DE", Purposes: []string{consent.Marketing}, Agreement: "none is needed to send nothing", AgreementSignedOn: &signed,
		Categories: []core.Category{core.IdentifierID, core.Contact}, TransferMechanism: consent.TransferNone,
	}, consent.Edit{})
	if err != nil {
		return nil, err
	}
	if _, err := s.Syncs.CreateConnection(ctx, g.ws, sync.ConnectionInput{Name: "Null", Connector: nullName, Config: map[string]any{}, Processor: p.ProcessorID()}); err != nil {
		return nil, err
	}
	t, err := s.Library.Create(ctx, g.ws, library.Input{
		Name: "Bench", Channel: message.Email,
		Content: library.Content{Default: "en", Skips: true, Locales: map[string]library.Text{"en": {Subject: "{{ profile.firstName | default: \"Hello\" }}, your cart", HTML: letter}}},
	})
	if err != nil {
		return nil, err
	}
	g.template = t.TemplateID()
	if t, _, err = s.Library.Submit(ctx, g.ws, g.template, library.Edit{}); err != nil {
		return nil, err
	}
	if _, _, err := s.Library.Decide(g.as(ctx, "reader"), g.ws, g.template, t.Hash, true, ""); err != nil {
		return nil, err
	}
	_, _, err = s.Library.Publish(ctx, g.ws, g.template, library.Edit{})
	return g, err
}

func (g *guided) as(ctx context.Context, who string) context.Context {
	return core.WithActor(ctx, access.System(g.ws, who))
}

// letter is what the messages say: what a person's traits hold, a condition, a link.
const letter = `<html><body><p>Hello {{ profile.firstName | default: "there" | capitalize }},</p>
{% if profile.plan == "plus" %}<p>thank you for being with us{% if profile.address.city %} in {{ profile.address.city }}{% endif %}.</p>{% endif %}
<p>You have looked at us {{ profile.visits | default: 0 }} times. <a href="https://shop.example/cart?c={{ profile.visits | default: 0 }}">Back to your cart</a></p>
<p><a href="{{ unsubscribeUrl }}">Unsubscribe</a> | <a href="{{ preferencesUrl }}">Preferences</a></p></body></html>`

// published makes a journey that people enter by an event.
func (g *guided) published(ctx context.Context, name, on string, nodes []string, more string) (*journey.Journey, error) {
	ctx = g.as(ctx, "bench")
	all := []string{fmt.Sprintf(`{"id":"in","step":{"entry":{"event":{"name":%q}}}}`, on)}
	var edges []string
	last := "in"
	for _, n := range nodes {
		id, step, _ := strings.Cut(n, " ")
		all = append(all, `{"id":"`+id+`","step":`+step+`}`)
		edges = append(edges, `{"from":"`+last+`","on":"next","to":"`+id+`"}`)
		last = id
	}
	text := `{"timeZone":"UTC","reentry":"ALWAYS","nodes":[` + strings.Join(all, ",") + `],"edges":[` + strings.Join(edges, ",") + `]` + more + `}`
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var def any
	if err := d.Decode(&def); err != nil {
		return nil, err
	}
	j, _, err := g.Journeys.Create(ctx, g.ws, journey.CreateInput{Name: name, Definition: def})
	if err != nil {
		return nil, err
	}
	out, err := g.Journeys.Publish(ctx, g.ws, journey.PublishInput{ID: j.JourneyID()})
	if err != nil {
		return nil, err
	}
	if out.Approval != nil {
		return nil, fmt.Errorf("the journey waits for an approval")
	}
	return out.Journey, nil
}

// until asks whether something is so, again and again, for some minutes.
func until(ctx context.Context, every time.Duration, so func() (bool, error)) error {
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); {
		ok, err := so()
		if err != nil || ok {
			return err
		}
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("it does not come to be so")
}
