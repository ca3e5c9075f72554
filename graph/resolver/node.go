package resolver

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Node answers Query.node: the prefix of an id tells its kind. What the actor may
// not read is no different from what is not there.
func (r query) Node(ctx context.Context, id string) (view.Node, error) {
	ws := workspace(ctx)
	switch core.IDPrefix(id) {
	case core.PrefixProfile:
		return node(r.Resolver.Profiles.Show(ctx, ws, id))
	case core.PrefixEvent:
		return node(r.Resolver.Profiles.ShowEvent(ctx, ws, id))
	case core.PrefixConsent:
		e, err := r.Consent.Entry(ctx, ws, id)
		if err == nil && e != nil {
			err = r.asksConsent(ctx, ws, e.Part)
		}
		if code := core.CodeOf(err); code == core.NotFound || code == core.Forbidden {
			return nil, nil // as of an entry that is not there
		}
		return node(e, err)
	case core.PrefixSuppression:
		if !access.Can(ctx, access.Consent) {
			return nil, nil
		}
		return node(r.Consent.Suppression(ctx, ws, id))
	case core.PrefixDocument:
		return node(r.Consent.Document(ctx, ws, id))
	case core.PrefixProcessor:
		return node(r.Consent.Processor(ctx, ws, id))
	case core.PrefixMerge:
		gate, err := gateOf(ctx)
		if err != nil {
			return nil, err
		}
		return node(gate.ShowMerge(ctx, id))
	case core.PrefixRelease:
		gate, err := gateOf(ctx)
		if err != nil {
			return nil, err
		}
		return node(gate.ShowRelease(ctx, id))
	case core.PrefixProposal:
		gate, err := gateOf(ctx)
		if err != nil {
			return nil, err
		}
		return node(gate.ShowProposal(ctx, id))
	case core.PrefixJourney:
		id, _, _ = strings.Cut(id, ".") // a version of it is approved by its number
		return node(r.Resolver.Journeys.Journey(ctx, ws, id))
	case core.PrefixEnrollment:
		return node(r.Resolver.Journeys.ShowEnrollment(ctx, ws, id))
	case core.PrefixConnection:
		return node(r.Resolver.Syncs.Connection(ctx, ws, id))
	case core.PrefixCampaign:
		return node(r.Sendouts.Get(ctx, ws, id))
	case core.PrefixMessage:
		return r.shownMessage(ctx, ws, id)
	case core.PrefixSync:
		return node(r.Resolver.Syncs.Sync(ctx, ws, id))
	case core.PrefixSyncRun:
		return node(r.Resolver.Syncs.SyncRun(ctx, ws, id))
	case core.PrefixDeadLetter:
		if !access.Can(ctx, access.Connect) {
			return nil, nil
		}
		return node(r.Resolver.Syncs.DeadLetter(ctx, ws, id))
	case core.PrefixJob:
		return node(r.Job(ctx, id))
	case core.PrefixPrivacy:
		return node(r.PrivacyRequest(ctx, id))
	case core.PrefixHold:
		return node(r.legalHold(ctx, id))
	case core.PrefixSource:
		return node(r.Resolver.Events.Source(ctx, ws, id))
	case core.PrefixQuarantine:
		return node(r.Resolver.Events.QuarantineItem(ctx, ws, id))
	case core.PrefixSegment:
		return node(r.Segment(ctx, id))
	case core.PrefixObjectType:
		return node(r.ObjectType(ctx, strings.TrimPrefix(id, core.PrefixObjectType+"_")))
	case core.PrefixRecord:
		found, err := r.Resolver.Objects.ByIDs(ctx, ws, []string{id})
		if err != nil || found[0] == nil || found[0].Deleted() {
			return nil, err
		}
		return node(r.shown(ctx, found[0]))
	case core.PrefixDangerous:
		if !access.Can(ctx, access.Govern) {
			return nil, nil
		}
		return node(r.Access.PendingChange(ctx, id))
	case core.PrefixKey:
		if !access.Can(ctx, access.Manage) {
			return nil, nil
		}
		return node(r.Access.Key(ctx, "", id))
	case core.PrefixAudit:
		if !access.Can(ctx, access.Audit) {
			return nil, nil
		}
		return node(r.Resolver.Audit.Entry(ctx, ws, id))
	case core.PrefixMember:
		if a := core.ActorFrom(ctx); a.ID != id && !access.Can(ctx, access.Manage) {
			return nil, nil
		}
		return node(r.Access.Member(ctx, "", id))
	case core.PrefixPolicyVersion:
		if !access.Can(ctx, access.Govern) {
			return nil, nil
		}
		return node(r.Policies.Version(ctx, id))
	case core.PrefixTemplate:
		return node(r.Resolver.Library.Template(ctx, ws, id))
	case core.PrefixAsset:
		return node(r.Resolver.Library.Asset(ctx, ws, id))
	case core.PrefixApproval:
		return node(r.Access.Approval(ctx, id))
	case core.PrefixWorkspace:
		if id != ws {
			return nil, nil
		}
		return node(r.Access.Workspace(ctx, id))
	}
	return nil, nil
}

// node turns a missing thing into no node: an interface that holds a nil pointer
// is not nil.
func node[T any](thing *T, err error) (view.Node, error) {
	if thing == nil || err != nil {
		return nil, err
	}
	return thing, nil
}

// Viewer answers Query.viewer.
func (r query) Viewer(ctx context.Context) (*core.Actor, error) { return core.ActorFrom(ctx), nil }

// Purpose answers Viewer.purpose.
func (r viewerFields) Purpose(_ context.Context, a *core.Actor) (*string, error) {
	return text(a.Purpose), nil
}

// Reason answers Viewer.reason.
func (r viewerFields) Reason(_ context.Context, a *core.Actor) (*string, error) {
	return text(a.Reason), nil
}

// Limits answers Viewer.limits.
func (r viewerFields) Limits(_ context.Context, a *core.Actor) (*core.Limits, error) {
	return limitsOf(a.Limits), nil
}

// Member answers Viewer.member.
func (r viewerFields) Member(ctx context.Context, a *core.Actor) (*access.Member, error) {
	if core.IDPrefix(a.ID) != core.PrefixMember {
		return nil, nil
	}
	return r.Access.Member(ctx, "", a.ID)
}

// Can answers Viewer.can.
func (r viewerFields) Can(ctx context.Context, _ *core.Actor, action, _ string) (bool, error) {
	return access.Can(ctx, access.Permission(action)), nil
}

// shownMessage returns a message as a node, or nothing to whoever may not read what people
// did: an id of a message is no different from one of nothing.
func (r query) shownMessage(ctx context.Context, ws, id string) (view.Node, error) {
	err := behaviour(ctx, "messages")
	if core.CodeOf(err) == core.Forbidden {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return node(r.Outbox.Show(ctx, ws, id))
}
