package resolver

import (
	"context"
	"encoding/json"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	outbox "github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

// dataOf reads what a template is given beside the profile.
func dataOf(j scalar.JSON) (bson.Raw, error) {
	m, err := jsonObject(j, "data")
	if m == nil || err != nil {
		return nil, err
	}
	raw, fault := event.FromJSON(m)
	if fault != nil {
		return nil, fault.At("data")
	}
	return raw, nil
}

// SendMessage answers Mutation.sendMessage.
func (r mutation) SendMessage(ctx context.Context, in gen.SendMessageInput) (*gen.SendMessagePayload, error) {
	data, err := dataOf(in.Data)
	if err == nil && in.Identifier != nil {
		gate, fault := gateOf(ctx)
		if err = fault; err == nil {
			err = gate.LookUp(in.Identifier.Namespace) // else guesses could be confirmed
		}
		audit.Lookup(ctx, in.Identifier.Namespace, in.Identifier.Value)
	}
	var m *outbox.Message
	if err == nil {
		m, err = r.Outbox.SendMessage(ctx, workspace(ctx), outbox.SendInput{
			ProfileID: value(in.ProfileID), Identifier: in.Identifier, Channel: string(in.Channel), Purpose: in.Purpose, Template: in.TemplateID,
			TemplateVersion: int64(value(in.TemplateVersion)), Data: data, Priority: value(in.Priority), Quiet: string(in.QuietHours),
			DueAt: value(in.SendAt), IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun),
		})
	}
	out := &gen.SendMessagePayload{}
	out.Message, out.UserErrors, err = settled(m, err)
	return out, err
}

// TestSend answers Mutation.testSend.
func (r mutation) TestSend(ctx context.Context, in gen.TestSendInput) (*gen.TestSendPayload, error) {
	data, err := dataOf(in.Data)
	var m *outbox.Message
	if err == nil {
		m, err = r.Outbox.TestSend(ctx, workspace(ctx), outbox.TestInput{
			Channel: string(in.Channel), Template: in.TemplateID, TemplateVersion: int64(value(in.TemplateVersion)), To: in.To,
			ProfileID: value(in.ProfileID), Data: data, IdempotencyKey: value(in.IdempotencyKey),
		})
	}
	out := &gen.TestSendPayload{}
	out.Message, out.UserErrors, err = settled(m, err)
	return out, err
}

// StopSending answers Mutation.stopSending.
func (r mutation) StopSending(ctx context.Context, in gen.StopSendingInput) (*gen.StopSendingPayload, error) {
	list, flights, err := r.Outbox.SetSwitch(ctx, workspace(ctx), string(value(in.Channel)), true, value(in.Reason))
	out := &gen.StopSendingPayload{Switches: switchesOf(list), InFlight: flightsOf(flights)}
	out.UserErrors, err = problems(err)
	return out, err
}

// ResumeSending answers Mutation.resumeSending.
func (r mutation) ResumeSending(ctx context.Context, in gen.ResumeSendingInput) (*gen.ResumeSendingPayload, error) {
	list, _, err := r.Outbox.SetSwitch(ctx, workspace(ctx), string(value(in.Channel)), false, value(in.Reason))
	out := &gen.ResumeSendingPayload{Switches: switchesOf(list)}
	out.UserErrors, err = problems(err)
	return out, err
}

// ResolveMessage answers Mutation.resolveMessage.
func (r mutation) ResolveMessage(ctx context.Context, in gen.ResolveMessageInput) (*gen.ResolveMessagePayload, error) {
	m, err := r.Outbox.Resolve(ctx, workspace(ctx), in.ID, in.As, long(in.ExpectedVersion))
	out := &gen.ResolveMessagePayload{}
	out.Message, out.UserErrors, err = settled(m, err)
	return out, err
}

// CancelMessage answers Mutation.cancelMessage.
func (r mutation) CancelMessage(ctx context.Context, in gen.CancelMessageInput) (*gen.CancelMessagePayload, error) {
	m, err := r.Outbox.Cancel(ctx, workspace(ctx), in.ID, long(in.ExpectedVersion))
	out := &gen.CancelMessagePayload{}
	out.Message, out.UserErrors, err = settled(m, err)
	return out, err
}

// MessageSettings answers Query.messageSettings.
func (r query) MessageSettings(ctx context.Context) (*gen.MessageSettings, error) {
	t, err := r.Outbox.Settings(ctx, workspace(ctx))
	if err != nil {
		return nil, err
	}
	return messageSettings(t)
}

func messageSettings(t *outbox.Settings) (*gen.MessageSettings, error) {
	or := func(s, usual string) string {
		if s == "" {
			return usual
		}
		return s
	}
	sender, err := json.Marshal(t.Sender)
	if t.Sender == nil {
		sender = []byte("{}")
	}
	out := &gen.MessageSettings{
		TimeZone: or(t.TimeZone, "UTC"), TimeZoneTrait: or(t.ZoneTrait, "timezone"), Locale: text(t.Locale), LocaleTrait: or(t.LocaleTrait, "locale"),
		Caps: []*gen.MessageCap{}, QuietHours: []*gen.QuietHours{}, Channels: []*gen.MessageChannel{}, StopWords: append([]string{}, t.StopWords...),
		StopReplyTemplateID: text(t.StopReply), Sender: sender, Version: int(t.V),
	}
	for _, c := range t.Caps {
		one := &gen.MessageCap{Channel: channelOf(c.Channel), Purposes: append([]string{}, c.Purposes...), Limit: int(c.Limit), ExemptFrom: short(c.Exempt), Defer: c.Defer}
		if c.Rolling > 0 {
			one.Rolling = &c.Rolling
		}
		if c.Calendar != "" {
			p := gen.CapPeriod(c.Calendar)
			one.Calendar = &p
		}
		out.Caps = append(out.Caps, one)
	}
	for _, q := range t.Quiets {
		out.QuietHours = append(out.QuietHours, &gen.QuietHours{Channel: channelOf(q.Channel), From: q.From, To: q.To})
	}
	for _, w := range t.Ways {
		one := &gen.MessageChannel{
			Channel: gen.Channel(w.Channel), ConnectionID: text(w.Connection), Identifier: text(w.Identifier), Trait: text(w.Trait),
			From: text(w.From), ReplyTo: text(w.ReplyTo), Clicks: w.Clicks, Opens: w.Opens, URL: text(w.URL),
		}
		if w.PerSecond > 0 {
			one.PerSecond = short(&w.PerSecond)
		}
		out.Channels = append(out.Channels, one)
	}
	return out, err
}

// UpdateMessageSettings answers Mutation.updateMessageSettings.
func (r mutation) UpdateMessageSettings(ctx context.Context, in gen.UpdateMessageSettingsInput) (*gen.UpdateMessageSettingsPayload, error) {
	sender, err := senderOf(in.Sender)
	var t *outbox.Settings
	if err == nil {
		t, err = r.Outbox.SetSettings(ctx, workspace(ctx), long(in.ExpectedVersion), value(in.DryRun), func(t *outbox.Settings) {
			set(&t.TimeZone, in.TimeZone)
			set(&t.ZoneTrait, in.TimeZoneTrait)
			set(&t.Locale, in.Locale)
			set(&t.LocaleTrait, in.LocaleTrait)
			set(&t.StopReply, in.StopReplyTemplateID)
			if in.StopWords != nil {
				t.StopWords = append([]string{}, in.StopWords...)
			}
			if sender != nil {
				t.Sender = sender
			}
			lists(t, &in)
		})
	}
	out := &gen.UpdateMessageSettingsPayload{}
	if err == nil {
		out.Settings, err = messageSettings(t)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

func lists(t *outbox.Settings, in *gen.UpdateMessageSettingsInput) {
	if in.Caps != nil {
		t.Caps = nil
		for _, c := range in.Caps {
			t.Caps = append(t.Caps, outbox.Cap{
				Channel: string(value(c.Channel)), Purposes: c.Purposes, Limit: int64(c.Limit), Rolling: value(c.Rolling), Calendar: string(value(c.Calendar)),
				Exempt: long(c.ExemptFrom), Defer: c.Defer,
			})
		}
	}
	if in.QuietHours != nil {
		t.Quiets = nil
		for _, q := range in.QuietHours {
			t.Quiets = append(t.Quiets, outbox.Quiet{Channel: string(value(q.Channel)), From: q.From, To: q.To})
		}
	}
	if in.Channels != nil {
		t.Ways = nil
		for _, c := range in.Channels {
			t.Ways = append(t.Ways, outbox.Way{
				Channel: string(c.Channel), Connection: value(c.ConnectionID), Identifier: value(c.Identifier), Trait: value(c.Trait), From: value(c.From),
				ReplyTo: value(c.ReplyTo), PerSecond: int64(value(c.PerSecond)), Clicks: c.Clicks, Opens: c.Opens, URL: value(c.URL),
			})
		}
	}
}

// short is the reverse of long.
func short(n *int64) *int {
	if n == nil {
		return nil
	}
	out := int(*n)
	return &out
}

func senderOf(j scalar.JSON) (map[string]string, error) {
	m, err := jsonObject(j, "sender")
	if m == nil || err != nil {
		return nil, err
	}
	out := map[string]string{}
	for key, v := range m {
		s, ok := v.(string)
		if !ok || len(s) > 1000 || len(out) >= 50 {
			return nil, core.Errorf(core.Invalid, "SENDER", "what templates read as sender are at most 50 texts by name").At("sender", key)
		}
		out[key] = s
	}
	return out, nil
}
