package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

// seen notes people who are about to be shown in the audit log; see audit.Note.
func seen(ctx context.Context, people ...*profile.Profile) error {
	ids := make([]string, 0, len(people))
	for _, p := range people {
		if p != nil {
			ids = append(ids, p.ProfileID())
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return audit.Note(ctx, audit.Seen{Profiles: ids})
}

// shown is seen for one person who was just read.
func shown(ctx context.Context, p *profile.Profile, err error) (*profile.Profile, error) {
	if err == nil && p != nil {
		err = seen(ctx, p)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// seenEvents is seen for the people whose events are about to be shown.
func seenEvents(ctx context.Context, events ...*event.Event) error {
	var ids []string
	for _, e := range events {
		if e != nil && e.Part != "" {
			ids = append(ids, e.Part)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return audit.Note(ctx, audit.Seen{Profiles: ids})
}
