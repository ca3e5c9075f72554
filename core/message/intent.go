package message

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// What is done about a message that falls due within quiet hours.
const (
	QuietDefer = "DEFER" // it waits for their end
	QuietSkip  = "SKIP"
	QuietSend  = "SEND" // they are nothing to it
)

// Intent is a message that somebody decides to send.
type Intent struct {
	ID              string // msg_…, made of the decision, so that it cannot be decided twice
	Profile         string // prof_…; a part is fine: the person who has it is looked up at the hand-off
	Channel         string
	Purpose         string
	Template        string // tpl_…
	TemplateVersion int64  // 0: the newest that is published when it is rendered
	Journey         string // jrn_…; "" when it is not a journey's
	JourneyVersion  int64
	Enrollment      string
	Node            string
	Campaign        string
	Arm             string    // of a split or an A/B test
	Priority        int       // higher goes first through caps; 0 is usual
	Quiet           string    // "" is QuietDefer
	DueAt           time.Time // not before; zero: at once
	Data            bson.Raw  // what the template reads beside the profile: event as {name, properties}, coupon, …
	Coupon          int64     // the visit of the enrollment by which it has the coupon in Data; 0: none
	Goal            bool      // the journey has a goal, and tells it by Attained
	Test            bool      // a test: to the address in To only, past consent, caps and quiet hours
	To              string    // only of tests, and of what is sent to an address that is named
}

// lanes is over how many shards the messages of one channel are spread.
const lanes = 4

// maxData is how many bytes of data a message may carry.
const maxData = 32 << 10

// laneOf returns the lane of a message: those of one person over one channel are in one.
func laneOf(channel, part, id string) string {
	if part == "" {
		part = id
	}
	h := uint32(2166136261)
	for i := range len(part) {
		h = (h ^ uint32(part[i])) * 16777619
	}
	return channel + "." + string(rune('0'+h%lanes))
}

// Queue returns the operations that put a message into the outbox, for the batch of the
// decision. The key is the intent's id: whoever decides the same again gets a conflict on
// the document. The message is looked at once it is due, by whichever process.
func (s *Service) Queue(ctx context.Context, ws string, in Intent) ([]store.Op, error) {
	m, err := s.outgoing(ctx, ws, in)
	if err != nil {
		return nil, err
	}
	if err := s.ensure(ctx, ws, in.Channel); err != nil {
		return nil, err
	}
	return []store.Op{Messages.Insert(m)}, nil
}

func (s *Service) outgoing(ctx context.Context, ws string, in Intent) (*Message, error) {
	if e := in.check(); e != nil {
		return nil, e
	}
	now := s.now()
	m := &Message{
		Meta: store.Meta{ID: store.Key(ws, in.ID)}, Part: in.Profile, Channel: in.Channel, Purpose: in.Purpose,
		Template: in.Template, TemplateVersion: in.TemplateVersion, Journey: in.Journey, JourneyVersion: in.JourneyVersion,
		Enrollment: in.Enrollment, Node: in.Node, Campaign: in.Campaign, Arm: in.Arm, Priority: int64(in.Priority), Quiet: in.Quiet,
		Data: in.Data, Coupon: in.Coupon, Goal: in.Goal, Test: in.Test, At: now, Status: Pending, Lane: laneOf(in.Channel, in.Profile, in.ID), Due: now,
	}
	if in.DueAt.After(now) {
		m.Due, m.NotBefor = ceil(in.DueAt), ceil(in.DueAt)
	}
	if m.Quiet == QuietDefer {
		m.Quiet = ""
	}
	if in.To != "" {
		var err error
		if m.To, err = s.Keys.Seal(ctx, ws, []byte(in.To), []byte(m.ID)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (in *Intent) check() *core.Error {
	switch {
	case core.IDPrefix(in.ID) != core.PrefixMessage || len(in.ID) > 64:
		return core.Errorf(core.Internal, "MESSAGE_ID", "a message's id begins with msg_")
	case !slices.Contains([]string{Email, SMS, Push, WebChat, InApp, Webhook}, in.Channel):
		return core.Errorf(core.Invalid, "CHANNEL", "there is no such channel").At("channel")
	case in.Profile == "" && (in.To == "" || !in.Test):
		return core.Errorf(core.Invalid, "WHO", "say to whom: a profile").At("profileId")
	case in.Test && in.To == "":
		return core.Errorf(core.Invalid, "WHO", "a test goes to an address; name it").At("to")
	case in.Purpose == "" && !in.Test:
		return core.Errorf(core.Invalid, "PURPOSE", "say for which purpose").At("purpose")
	case in.Quiet != "" && in.Quiet != QuietDefer && in.Quiet != QuietSkip && in.Quiet != QuietSend:
		return core.Errorf(core.Invalid, "QUIET_HOURS", "quiet hours are DEFER, SKIP or SEND").At("quietHours")
	case len(in.Data) > maxData:
		return core.Errorf(core.Invalid, "DATA_TOO_LARGE", "a message carries at most %d bytes of data", maxData).At("data")
	case strings.ContainsAny(in.ID, "/"):
		return core.Errorf(core.Internal, "MESSAGE_ID", "a message's id has no slash")
	}
	return nil
}

// ceil rounds up to the store's millisecond: never early.
func ceil(t time.Time) time.Time {
	if f := t.UTC().Truncate(time.Millisecond); f.Before(t) {
		return f.Add(time.Millisecond)
	}
	return t.UTC().Truncate(time.Millisecond)
}
