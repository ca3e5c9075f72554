package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
)

// letter is what became of the last newsletter to one person.
type letter struct {
	user string
	told []told
}

type told struct {
	status string
	at     time.Time
}

// Letters is the newsletter that was sent nine days before the last day, to those of the
// first n people who agreed: most arrive, some are opened, fewer clicked.
func letters(n int, to time.Time) []letter {
	to = midnight(to)
	sent := to.AddDate(0, 0, -9).Add(8 * time.Hour)
	var out []letter
	for i := range n {
		p := newPerson(i, to.AddDate(0, -Months, 0), to)
		if p.signup.IsZero() || p.signup.After(sent) || !p.consentEmail {
			continue
		}
		rng := rand.New(rand.NewPCG(seed^'l', uint64(i)))
		l := letter{user: p.userID()}
		tell := func(status string, after time.Duration) { l.told = append(l.told, told{status, sent.Add(after)}) }
		tell("SENT", 0)
		if rng.IntN(1000) < 14 {
			tell("BOUNCED", time.Minute)
			out = append(out, l)
			continue
		}
		tell("DELIVERED", time.Minute)
		if opened := days(3 * rng.Float64()); rng.IntN(100) < 34 {
			tell("OPENED", opened)
			switch k := rng.IntN(100); {
			case k < 16:
				tell("CLICKED", opened+time.Minute)
			case k < 18:
				tell("UNSUBSCRIBED", opened+2*time.Minute)
			}
		}
		out = append(out, l)
	}
	return out
}

// newsletter tells of what became of the letters, as the tool by which the shop sent them
// would be read into Headwater. Every tenth was not made for its reader.
func (f Figures) newsletter(ctx context.Context, w Workspace) error {
	list := letters(w.People, w.LastDay)
	for begin := 0; begin < len(list); begin += 40 { // at most four events each
		part := list[begin:min(begin+40, len(list))]
		users := make([]event.Identifier, len(part))
		for i, l := range part {
			users[i] = event.Identifier{Namespace: profile.UserID, Value: l.user}
		}
		people, err := f.Profiles.ByIdentifiers(ctx, w.ID, users)
		if err != nil {
			return err
		}
		var events []event.SystemEvent
		for i, l := range part {
			if people[i] == nil {
				continue // erased by somebody who tries the demo
			}
			for _, t := range l.told {
				props := bson.D{{Key: "messageId", Value: "news:" + l.user}, {Key: "campaignId", Value: "newsletter"}, {Key: "channel", Value: "EMAIL"}, {Key: "purpose", Value: "marketing"}}
				if (begin+i)%10 > 0 {
					props = append(props, bson.E{Key: "templateId", Value: "newsletter"})
				}
				raw, err := bson.Marshal(props)
				if err != nil {
					return fmt.Errorf("encode what became of a letter: %w", err)
				}
				events = append(events, event.SystemEvent{ProfileID: people[i].ProfileID(), Input: event.Input{
					MessageID: "demo:news:" + l.user + ":" + t.status, Name: condition.MessageEvent(t.status), Timestamp: t.at, Properties: raw,
				}})
			}
		}
		if _, err := f.Committer.CommitAll(ctx, w.ID, events); err != nil && core.AsError(err).Reason != "PARTLY_COMMITTED" {
			return err
		}
	}
	return nil
}
