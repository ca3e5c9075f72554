package resolver

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey"
	outbox "github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

type (
	messageFields struct{ *Resolver }
	inboxFields   struct{ *Resolver }
)

// Message implements gen.ResolverRoot.
func (r *Resolver) Message() gen.MessageResolver { return messageFields{r} }

// InboxItem implements gen.ResolverRoot.
func (r *Resolver) InboxItem() gen.InboxItemResolver { return inboxFields{r} }

// behaviour refuses who may not read what people do.
func behaviour(ctx context.Context, what string) error {
	gate, err := gateOf(ctx)
	if err == nil {
		err = gate.UsableCategory(core.Behaviour, what)
	}
	return err
}

// Message answers Query.message.
func (r query) Message(ctx context.Context, id string) (*outbox.Message, error) {
	if err := behaviour(ctx, "messages"); err != nil {
		return nil, err
	}
	return r.Outbox.Show(ctx, workspace(ctx), id)
}

// Messages answers Query.messages.
func (r query) Messages(ctx context.Context, where *gen.MessageFilter, first *int, after *string, last *int, before *string) (*view.MessageConnection, error) {
	var f outbox.Filter
	if where != nil {
		f = outbox.Filter{
			ProfileID: value(where.ProfileID), Journey: value(where.JourneyID), Enrollment: value(where.EnrollmentID),
			Campaign: value(where.CampaignID), Status: where.Status, Channel: string(value(where.Channel)), From: value(where.From), To: value(where.To),
		}
	}
	return r.messagesOf(ctx, f, first, after, last, before)
}

// Messages answers Profile.messages.
func (r profileFields) Messages(ctx context.Context, p *profile.Profile, first *int, after *string, last *int, before *string) (*view.MessageConnection, error) {
	return r.messagesOf(ctx, outbox.Filter{ProfileID: p.ProfileID()}, first, after, last, before)
}

func (r *Resolver) messagesOf(ctx context.Context, f outbox.Filter, first *int, after *string, last *int, before *string) (*view.MessageConnection, error) {
	w, err := window(first, after, last, before)
	if err == nil {
		err = behaviour(ctx, "messages")
	}
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Outbox.List(ctx, ws, f, w)
	if err != nil {
		return nil, err
	}
	return listed(page, func(ctx context.Context) (int64, error) { return r.Outbox.Count(ctx, ws, f) }), nil
}

// MessageFigures answers Query.messageFigures.
func (r query) MessageFigures(ctx context.Context, of string) ([]*gen.MessageFigure, error) {
	sums, err := r.Outbox.Figures(ctx, workspace(ctx), of)
	out := []*gen.MessageFigure{}
	for name, n := range sums {
		out = append(out, &gen.MessageFigure{Name: name, Count: int(n)})
	}
	slices.SortFunc(out, func(a, b *gen.MessageFigure) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// KillSwitches answers Query.killSwitches.
func (r query) KillSwitches(ctx context.Context) ([]*gen.KillSwitch, error) {
	list, err := r.Outbox.Switches(ctx, workspace(ctx))
	return switchesOf(list), err
}

func switchesOf(list []outbox.Switch) []*gen.KillSwitch {
	out := []*gen.KillSwitch{}
	for _, s := range list {
		out = append(out, &gen.KillSwitch{Channel: channelOf(s.Channel), Reason: text(s.Reason), At: s.At, By: s.By})
	}
	return out
}

func channelOf(c string) *gen.Channel {
	if c == "" {
		return nil
	}
	out := gen.Channel(c)
	return &out
}

func flightsOf(list []outbox.Flight) []*gen.MessageInFlight {
	out := []*gen.MessageInFlight{}
	for _, f := range list {
		out = append(out, &gen.MessageInFlight{ID: f.ID, Channel: gen.Channel(f.Channel), Purpose: f.Purpose, HandedAt: f.HandedAt})
	}
	return out
}

// Profile answers Message.profile.
func (r messageFields) Profile(ctx context.Context, m *outbox.Message) (*profile.Profile, error) {
	if m.Part == "" {
		return nil, nil
	}
	return loadProfile(ctx, m.Part)
}

// Channel answers Message.channel.
func (r messageFields) Channel(_ context.Context, m *outbox.Message) (gen.Channel, error) {
	return gen.Channel(m.Channel), nil
}

// Reason answers Message.reason.
func (r messageFields) Reason(_ context.Context, m *outbox.Message) (*string, error) {
	return text(m.Reason), nil
}

// TemplateID answers Message.templateId.
func (r messageFields) TemplateID(_ context.Context, m *outbox.Message) (*string, error) {
	return text(m.Template), nil
}

// TemplateVersion answers Message.templateVersion.
func (r messageFields) TemplateVersion(_ context.Context, m *outbox.Message) (*int, error) {
	if m.TemplateVersion == 0 {
		return nil, nil
	}
	n := int(m.TemplateVersion)
	return &n, nil
}

// JourneyID answers Message.journeyId.
func (r messageFields) JourneyID(_ context.Context, m *outbox.Message) (*string, error) {
	return text(m.Journey), nil
}

// EnrollmentID answers Message.enrollmentId.
func (r messageFields) EnrollmentID(_ context.Context, m *outbox.Message) (*string, error) {
	return text(m.Enrollment), nil
}

// Enrollment answers Message.enrollment.
func (r messageFields) Enrollment(ctx context.Context, m *outbox.Message) (*journey.Enrollment, error) {
	if m.Enrollment == "" {
		return nil, nil
	}
	return scopeOf(ctx).enrolled.Load(ctx, m.Enrollment)
}

// NodeID answers Message.nodeId.
func (r messageFields) NodeID(_ context.Context, m *outbox.Message) (*string, error) {
	return text(m.Node), nil
}

// CampaignID answers Message.campaignId.
func (r messageFields) CampaignID(_ context.Context, m *outbox.Message) (*string, error) {
	return text(m.Campaign), nil
}

// Arm answers Message.arm.
func (r messageFields) Arm(_ context.Context, m *outbox.Message) (*string, error) {
	return text(m.Arm), nil
}

// Resolved answers Message.resolved.
func (r messageFields) Resolved(_ context.Context, m *outbox.Message) (*string, error) {
	return text(m.Resolved), nil
}

// DueAt answers Message.dueAt.
func (r messageFields) DueAt(_ context.Context, m *outbox.Message) (*time.Time, error) {
	if m.Due.IsZero() || m.Status.Over() {
		return nil, nil
	}
	return &m.Due, nil
}

// Timeline answers Message.timeline.
func (r messageFields) Timeline(_ context.Context, m *outbox.Message) ([]*gen.MessageEvent, error) {
	out := []*gen.MessageEvent{}
	for _, h := range m.Timeline {
		t := gen.MessageEventType(h.Type)
		if !t.IsValid() {
			continue
		}
		detail := map[string]string{}
		for key, v := range map[string]string{"kind": h.Kind, "why": h.Why, "link": h.Link, "robot": h.Bot} {
			if v != "" {
				detail[key] = v
			}
		}
		e := &gen.MessageEvent{Type: t, At: h.At}
		if len(detail) > 0 {
			var err error
			if e.Detail, err = json.Marshal(detail); err != nil {
				return nil, err
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// Why answers Message.why.
func (r messageFields) Why(_ context.Context, m *outbox.Message) ([]*gen.MessageCheck, error) {
	out := []*gen.MessageCheck{}
	for _, c := range m.Checks {
		out = append(out, &gen.MessageCheck{Check: c.Check, Passed: c.Passed, Reason: c.Reason, At: c.At, ReceiptID: text(c.Receipt)})
	}
	return out, nil
}

// Attempt answers Message.attempt.
func (r messageFields) Attempt(_ context.Context, m *outbox.Message) (*gen.MessageAttempt, error) {
	if m.Attempt == nil {
		return nil, nil
	}
	a := m.Attempt
	return &gen.MessageAttempt{Number: int(a.Number), At: a.At, ConnectionID: text(a.Connection), Fault: text(a.Fault), Origin: text(a.Origin)}, nil
}
