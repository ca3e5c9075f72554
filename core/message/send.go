package message

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// SendInput is a message to one person, now. One of ProfileID and Identifier says to whom.
type SendInput struct {
	ProfileID       string
	Identifier      *event.Identifier
	Channel         string
	Purpose         string
	Template        string
	TemplateVersion int64
	Data            bson.Raw
	Priority        int
	Quiet           string // "" is SEND: what somebody waits for is not put off
	DueAt           time.Time
	IdempotencyKey  string // the same one again sends nothing more
	DryRun          bool
}

// SendMessage sends a message to one person: a receipt, a code. It passes every check.
func (s *Service) SendMessage(ctx context.Context, ws string, in SendInput) (*Message, error) {
	if err := access.Allow(ctx, access.Send); err != nil {
		return nil, err
	}
	if len(in.IdempotencyKey) > 200 {
		return nil, core.Errorf(core.Invalid, "IDEMPOTENCY_KEY", "an idempotency key has at most 200 bytes").At("idempotencyKey")
	}
	if (in.ProfileID == "") == (in.Identifier == nil) {
		return nil, core.Errorf(core.Invalid, "WHO", "say to whom: a profile or an identifier")
	}
	who := in.ProfileID
	if in.Identifier != nil {
		p, err := s.Profiles.ByIdentifier(ctx, ws, *in.Identifier)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, core.Errorf(core.NotFound, "PROFILE", "nobody here has this identifier").At("identifier")
		}
		who = p.ProfileID()
	} else if p, err := s.Profiles.Get(ctx, ws, who); err != nil || p == nil {
		if err == nil {
			err = core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
		}
		return nil, err
	}
	r, err := s.Consent.Register(ctx, ws)
	if err != nil {
		return nil, err
	}
	if p := r.Purpose(in.Purpose); p == nil || p.Archived {
		return nil, core.Errorf(core.Invalid, "PURPOSE", "there is no such purpose").At("purpose")
	}
	if err := s.usable(ctx, ws, in.Template, in.TemplateVersion, in.Channel); err != nil {
		return nil, err
	}
	if in.Quiet == "" {
		in.Quiet = QuietSend
	}
	return s.sendNow(ctx, ws, Intent{
		ID: s.newID(ws, in.IdempotencyKey), Profile: who, Channel: in.Channel, Purpose: in.Purpose, Template: in.Template,
		TemplateVersion: in.TemplateVersion, Data: in.Data, Priority: in.Priority, Quiet: in.Quiet, DueAt: in.DueAt,
	}, "message.send", in.DryRun)
}

// TestInput is a message to try a template with.
type TestInput struct {
	Channel         string
	Template        string
	TemplateVersion int64
	To              string // the address; of a channel of our own the profile's inbox
	ProfileID       string // whose data it is rendered with; "" is nobody's
	Data            bson.Raw
	IdempotencyKey  string
}

// TestSend sends a template to an address of the author's own. It asks nobody's consent and
// counts for nothing; the kill switch holds it.
func (s *Service) TestSend(ctx context.Context, ws string, in TestInput) (*Message, error) {
	if err := access.Allow(ctx, access.Send); err != nil {
		return nil, err
	}
	if own(in.Channel) {
		return nil, core.Errorf(core.Invalid, "CHANNEL", "a test goes over EMAIL, SMS or PUSH; preview a template of another channel").At("channel")
	}
	if err := s.usable(ctx, ws, in.Template, in.TemplateVersion, in.Channel); err != nil {
		return nil, err
	}
	if in.ProfileID != "" {
		gate, err := s.Profiles.Gate(ctx, ws)
		if err != nil {
			return nil, err
		}
		p, err := gate.ShowMany(ctx, []string{in.ProfileID})
		if err != nil {
			return nil, err
		}
		if p[0] == nil || !gate.Clear() && !gate.Category(core.Contact).Allowed() {
			return nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id whose data you may see").At("profileId")
		}
	}
	return s.sendNow(ctx, ws, Intent{
		ID: s.newID(ws, in.IdempotencyKey), Profile: in.ProfileID, Channel: in.Channel, Template: in.Template, Purpose: purposeOf(ctx),
		TemplateVersion: in.TemplateVersion, Data: in.Data, Test: true, To: in.To,
	}, "message.test", false)
}

// purposeOf returns the purpose that somebody acts under.
func purposeOf(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil && a.Purpose != "" {
		return a.Purpose
	}
	return consent.Operations
}

// usable reports what is wrong with a template for a channel.
func (s *Service) usable(ctx context.Context, ws, template string, version int64, channel string) error {
	if channel == "" || !channelOr(channel) {
		return core.Errorf(core.Invalid, "CHANNEL", "there is no such channel").At("channel")
	}
	if s.Templates == nil || template == "" {
		return core.Errorf(core.NotFound, "TEMPLATE", "there is no such template").At("templateId")
	}
	t, err := s.Templates.Published(ctx, ws, template, version)
	if err != nil {
		return core.AsError(err).At("templateId")
	}
	if c := t.Channel(); c != "" && c != channel {
		return core.Errorf(core.Invalid, "OTHER_CHANNEL", "the template is for %s", c).At("templateId")
	}
	return nil
}

func (s *Service) newID(ws, key string) string {
	if key != "" {
		return core.HashID(core.PrefixMessage, ws, "send", key)
	}
	return core.NewID(core.PrefixMessage, s.now())
}

// sendNow puts a message into the outbox and wakes its lane.
func (s *Service) sendNow(ctx context.Context, ws string, in Intent, action string, dryRun bool) (*Message, error) {
	m, err := s.outgoing(ctx, ws, in)
	if err != nil || dryRun {
		return m, err
	}
	if err := s.ensure(ctx, ws, in.Channel); err != nil {
		return nil, err
	}
	e := audit.Entry{Workspace: ws, Action: action, Resource: in.ID, Details: map[string]string{"channel": in.Channel, "template": in.Template}}
	if in.Profile != "" {
		e.Subjects = []string{in.Profile}
	}
	unused, err := s.unspent(ctx, ws, in.ID)
	if err != nil {
		return nil, err
	}
	ops, err := s.audited(ctx, e, Messages.Insert(m), unused)
	if err != nil {
		return nil, err
	}
	err = work.Commit(ctx, s.Store, ops...)
	if errors.Is(err, store.ErrConflict) {
		have, err := Messages.Get(ctx, s.Store, m.ID)
		if err != nil {
			return nil, storeError("read the message", err)
		}
		if have == nil {
			if err := s.wasSpent(ctx, ws, in.ID); err != nil {
				return nil, err
			}
		}
		if have == nil || have.Part != m.Part || have.Channel != m.Channel || have.Template != m.Template {
			return nil, core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_USED", "this idempotency key was used for another message; use a new one").At("idempotencyKey")
		}
		return have, nil
	}
	if err != nil {
		return nil, storeError("store the message", err)
	}
	m.V = 1
	s.Wake(ws, in.Channel)
	return m, nil
}
