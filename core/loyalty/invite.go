package loyalty

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// NameInvitationAccepted is the name of the system event of a person who has followed
// an invitation. Its property inviter is the id of the profile that invited.
const NameInvitationAccepted = "Invitation Accepted"

// inviteLength is how many characters a person's invitation code has.
const inviteLength = 8

// InvitationCode returns the code by which a person invites others, made when it is
// first asked for.
func (s *Service) InvitationCode(ctx context.Context, ws, profileID string) (string, error) {
	var code string
	err := work.Retry(ctx, attempts, func() error {
		p, err := s.person(ctx, ws, profileID)
		if err != nil {
			return err
		}
		for _, part := range p.Parts {
			found, err := invitations.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("profile", part)}}, 1)
			if err != nil {
				return err
			}
			if len(found) > 0 {
				code = store.Rest(found[0].ID)
				return nil
			}
		}
		code = newCode("", inviteLength)
		return work.Commit(ctx, s.Store,
			invitations.Insert(&invitation{Meta: store.Meta{ID: store.Key(ws, code)}, Profile: p.ProfileID(), At: s.now()}),
			store.Claim(ws, "invites", p.ProfileID(), code)) // of two who ask at once, one makes it
	})
	return code, err
}

// Acceptance is what became of an invitation.
type Acceptance struct {
	Inviter string // prof_…
	Entries []*Entry
	Before  bool // the same person had followed it before: nothing was changed
}

// AcceptInvitation says that a person came by somebody's invitation: both earn what the
// program gives for it. A person follows one invitation, once. The errors: NOT_FOUND, reason
// INVITATION_UNKNOWN; INVALID, INVITATION_OWN; CONFLICT, INVITATION_OTHER, when the
// person has followed another.
func (s *Service) AcceptInvitation(ctx context.Context, ws, code, profileID string) (*Acceptance, error) {
	code, ok := Normal(code)
	if !ok {
		return nil, errCode().At("code")
	}
	var out *Acceptance
	err := work.Retry(ctx, attempts, func() error {
		inv, err := invitations.Get(ctx, s.Store, store.Key(ws, code))
		if err != nil {
			return err
		}
		if inv == nil {
			return core.Errorf(core.NotFound, "INVITATION_UNKNOWN", "there is no invitation with this code").At("code")
		}
		p, err := s.person(ctx, ws, profileID)
		if err != nil {
			return err
		}
		if slices.Contains(p.Parts, inv.Profile) {
			return core.Errorf(core.Invalid, "INVITATION_OWN", "nobody follows their own invitation").At("code")
		}
		keys := make([]string, len(p.Parts))
		for i, part := range p.Parts {
			keys[i] = store.Key(ws, part)
		}
		before, err := inviteds.GetMany(ctx, s.Store, keys)
		if err != nil {
			return err
		}
		for _, b := range before {
			switch {
			case b == nil:
			case b.Inviter != inv.Profile:
				return core.Errorf(core.Conflict, "INVITATION_OTHER", "this person has followed another invitation").At("profileId")
			default:
				out = &Acceptance{Inviter: inv.Profile, Before: true}
				return nil
			}
		}
		out, err = s.accept(ctx, ws, inv, p.ProfileID())
		return err
	})
	return out, err
}

// accept commits what follows from an invitation. Everything hangs on the document of the
// invited person, which is made once.
func (s *Service) accept(ctx context.Context, ws string, inv *invitation, profileID string) (*Acceptance, error) {
	program, err := s.Program(ctx, ws)
	if err != nil {
		return nil, err
	}
	props := bson.D{{Key: "inviter", Value: inv.Profile}}
	events := []event.SystemEvent{{ProfileID: profileID, Input: saying(NameInvitationAccepted, "loyalty:"+core.HashID("accepted", profileID), props, props)}}
	ops := []store.Op{inviteds.Insert(&invited{Meta: store.Meta{ID: store.Key(ws, profileID)}, Inviter: inv.Profile, At: s.now()})}
	for _, reward := range []Points{
		{ProfileID: inv.Profile, Points: program.InviterPoints, Key: core.HashID("inviter", profileID), Reason: "invitation"},
		{ProfileID: profileID, Points: program.InvitedPoints, Key: core.HashID("invited", profileID), Reason: "invited"},
	} {
		if reward.Points == 0 {
			continue
		}
		e, _, err := s.earning(ctx, ws, &reward) // there is a program, so the sweep has begun
		if err != nil {
			return nil, err
		}
		events = append(events, event.SystemEvent{ProfileID: reward.ProfileID, Input: e})
	}
	results, err := s.Committer.CommitAll(ctx, ws, events, ops...)
	if err != nil {
		return nil, err
	}
	out := &Acceptance{Inviter: inv.Profile}
	for _, r := range results[1:] {
		entry, err := Entries.Get(ctx, s.Store, store.Key(ws, r.EventID))
		if err != nil {
			return nil, err
		}
		out.Entries = append(out.Entries, entry)
	}
	return out, nil
}
