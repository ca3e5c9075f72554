package demo

import (
	"context"
	"fmt"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// categories say what the shop's own fields hold, those whose names mean nothing to
// anybody else.
var categories = []struct {
	owner, path string
	category    core.Category
}{
	{event.OwnerTrait, "loyaltyTier", core.Transaction}, // by what was bought
	{event.OwnerOf("Email Opened"), "campaign_id", core.Behaviour},
	{event.OwnerOf("Email Opened"), "message_id", core.IdentifierID}, // one for each person
	{event.OwnerOf("Email Link Clicked"), "campaign_id", core.Behaviour},
	{event.OwnerOf("Email Link Clicked"), "message_id", core.IdentifierID},
	{event.OwnerOf("Page Viewed"), "utm_campaign", core.Behaviour},
	{event.OwnerOf("Page Viewed"), "utm_medium", core.Behaviour},
	{event.OwnerOf("Page Viewed"), "utm_source", core.Behaviour},
	{event.OwnerOf("Order Completed"), "margin", core.Transaction},
	{event.OwnerOf(ProgrammeEntered), "programme", core.Behaviour},
	{event.OwnerOf(ProgrammeEntered), "arm", core.Behaviour},
	{event.OwnerOf(ExperimentViewed), "experiment", core.Behaviour},
	{event.OwnerOf(ExperimentViewed), "variation", core.Behaviour},
	{event.OwnerOf("Signed Up"), "method", core.Behaviour},
	{event.OwnerOf("Signed Up"), "plan", core.Behaviour},
	{event.OwnerOf("Support Ticket Opened"), "channel", core.Behaviour},
	{event.OwnerOf("Support Ticket Opened"), "ticket_id", core.IdentifierID},
	{event.OwnerOf("Support Ticket Opened"), "topic", core.Behaviour}, // chosen from a list
}

// classify says what the fields hold that nobody has looked at.
func (w Workspace) classify(ctx context.Context) error {
	for _, c := range categories {
		known, err := w.Events.Categories(ctx, w.ID, c.owner)
		if err != nil {
			return fmt.Errorf("read the categories of %s: %w", c.owner, err)
		}
		if have := known[c.path]; have != "" && have != core.Unclassified {
			continue
		}
		if _, err := w.Events.SetField(ctx, w.ID, event.FieldUpdate{Owner: c.owner, Path: c.path, Category: &c.category}); err != nil {
			return fmt.Errorf("classify %s: %w", c.path, err)
		}
	}
	return nil
}
