package demo

import (
	"context"
	"fmt"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/insight/experiment"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/journey/ready"
	"github.com/headwater-cdp/headwater/core/library"
)

// chosen is what the shop chooses where a ready journey leaves it open.
var chosen = map[string]ready.Choices{
	"cross-sell":    {"value.durable": "MAT-160", "value.complement": "SHT-160"},
	"replenishment": {"value.sku": "COF-250", "value.interval": "P21D"},
}

// Journeys is the services of a workspace that leads people through journeys.
type Journeys struct {
	Installer ready.Installer
	Access    *access.Service
	Trials    *experiment.Service
}

// programmeLetters are what programmes send: a ready journey, and which of its templates.
var programmeLetters = map[string]struct {
	ready string
	at    int
}{"welcome": {"onboarding", 0}, "thank-you": {"tier-reached", 0}, "win-back": {"reactivation", 1}}

// Guide installs the ready journeys and those of the Programmes, and lets people in, through the services, as anybody's
// requests do: one part of the server writes the templates, another agrees to them. What is
// there already stays as it is.
func Guide(ctx context.Context, w Workspace, j Journeys) error {
	ws, templates := w.ID, map[string][]string{}
	author, reviewer := core.WithActor(ctx, access.System(ws, "demo")), core.WithActor(ctx, access.System(ws, "demo-reviewer"))
	all, err := ready.Journeys()
	if err != nil {
		return err
	}
	for _, one := range all {
		made, err := j.Installer.Install(author, ws, ready.Request{Key: one.Key, Choices: chosen[one.Key], IdempotencyKey: "demo"})
		if err != nil {
			return fmt.Errorf("install %s: %w", one.Key, err)
		}
		templates[one.Key] = made.Templates
		for _, id := range made.Templates {
			if err := j.publish(author, reviewer, ws, id); err != nil {
				return fmt.Errorf("publish %s: %w", id, err)
			}
		}
		if made.Journey.Mode != journey.Draft {
			continue
		}
		if _, err := j.Installer.Journeys.Publish(author, ws, journey.PublishInput{ID: made.Journey.JourneyID()}); err != nil {
			return fmt.Errorf("publish %s: %w", one.Key, err)
		}
	}
	ids, err := w.segments(ctx)
	if err != nil {
		return err
	}
	for _, g := range Programmes {
		l := programmeLetters[g.Key]
		if err := j.lead(author, ws, g, ids[g.Segment], templates[l.ready][l.at]); err != nil {
			return err
		}
	}
	return nil
}

// publish brings a template through its review.
func (j Journeys) publish(author, reviewer context.Context, ws, id string) error {
	l := j.Installer.Library
	t, err := l.Template(author, ws, id)
	if err != nil {
		return err
	}
	if t.Newest > 0 {
		return nil
	}
	if t.Status != library.Approved {
		_, asked, err := l.Submit(author, ws, id, library.Edit{})
		if err != nil {
			return err
		}
		if _, err := j.Access.DecideApproval(reviewer, asked.ApprovalID, true, ""); err != nil {
			return err
		}
	}
	_, _, err = l.Publish(author, ws, id, library.Edit{})
	return err
}
