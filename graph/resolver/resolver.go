package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	visitors "github.com/headwater-cdp/headwater/core/form"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/insight/attribution"
	"github.com/headwater-cdp/headwater/core/insight/budget"
	"github.com/headwater-cdp/headwater/core/insight/experiment"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/lead"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/loyalty"
	outbox "github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/quality"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/policies"
)

// Services are what the fields are answered from.
type Services struct {
	Access   *access.Service
	Policies *policies.Enforcer
	Audit    *audit.Log
	Ring     *keyring.Ring // seals cursors
	Jobs     *work.Jobs
	Consent  *consent.Service
	Events   *event.Service
	Profiles *profile.Service
	Objects  *object.Service
	Segments *segment.Service
	Ingest   *ingest.Pipeline
	Rewards  *loyalty.Service
	Forms    *visitors.Service
	Leads    *lead.Service
	Figures  *insight.Service
	Credits  *attribution.Service
	Trials   *experiment.Service
	Predicts *predict.Service
	Privacy  *privacy.Service
	Desk     *privacy.Desk
	Quality  *quality.Service
	Budget   *budget.Service
	Syncs    *sync.Service
	Outbox   *outbox.Service
	Sendouts *campaign.Service
	Library  *library.Service
	Journeys *journey.Service
	Store    store.Watcher // what Hub follows
	Hub      *store.Hub    // where the stream of changes stands, and who hears of it
	Clock    core.Clock
}

// Resolver implements gen.ResolverRoot.
type Resolver struct {
	Services
	guard guard
}

var _ gen.ResolverRoot = (*Resolver)(nil)

// New makes a resolver.
func New(s Services) *Resolver {
	schema := gen.NewExecutableSchema(gen.Config{}).Schema()
	return &Resolver{Services: s, guard: newGuard(schema)}
}

type (
	auditFields        struct{ *Resolver }
	checkpointFields   struct{ *Resolver }
	auditKeyFields     struct{ *Resolver }
	auditKeptFields    struct{ *Resolver }
	query              struct{ *Resolver }
	mutation           struct{ *Resolver }
	subscription       struct{ *Resolver }
	eventFields        struct{ *Resolver }
	fieldFields        struct{ *Resolver }
	resultFields       struct{ *Resolver }
	jobFields          struct{ *Resolver }
	keyFields          struct{ *Resolver }
	staffFields        struct{ *Resolver }
	proposalFields     struct{ *Resolver }
	ruleFields         struct{ *Resolver }
	planFields         struct{ *Resolver }
	profileFields      struct{ *Resolver }
	identifierFields   struct{ *Resolver }
	changeFields       struct{ *Resolver }
	traitFields        struct{ *Resolver }
	viewerFields       struct{ *Resolver }
	policyFields       struct{ *Resolver }
	policyRuleFields   struct{ *Resolver }
	approvalFields     struct{ *Resolver }
	pendingFields      struct{ *Resolver }
	glassFields        struct{ *Resolver }
	importFields       struct{ *Resolver }
	quarantineFields   struct{ *Resolver }
	segmentFields      struct{ *Resolver }
	versionFields      struct{ *Resolver }
	memberFields       struct{ *Resolver }
	entryFields        struct{ *Resolver }
	memberChangeFields struct{ *Resolver }
	regionFields       struct{ *Resolver }
	listFields         struct{ *Resolver }
	explanationFields  struct{ *Resolver }
	typeFields         struct{ *Resolver }
	objectFields       struct{ *Resolver }
	relationFields     struct{ *Resolver }
	recordFields       struct{ *Resolver }
	purposeFields      struct{ *Resolver }
	consentFields      struct{ *Resolver }
	suppressionFields  struct{ *Resolver }
	documentFields     struct{ *Resolver }
	processorFields    struct{ *Resolver }
	loyaltyFields      struct{ *Resolver }
	poolFields         struct{ *Resolver }
	leadFields         struct{ *Resolver }
	submissionFields   struct{ *Resolver }
	journeyFields      struct{ *Resolver }
	drawingFields      struct{ *Resolver }
	enrollmentFields   struct{ *Resolver }
	passageFields      struct{ *Resolver }
	toDoFields         struct{ *Resolver }
	drawingInput       struct{ *Resolver }
)

// Loyalty implements gen.ResolverRoot.
func (r *Resolver) Loyalty() gen.LoyaltyResolver { return loyaltyFields{r} }

// CouponPool implements gen.ResolverRoot.
func (r *Resolver) CouponPool() gen.CouponPoolResolver { return poolFields{r} }

// FormSubmission implements gen.ResolverRoot.
func (r *Resolver) FormSubmission() gen.FormSubmissionResolver { return submissionFields{r} }

// Lead implements gen.ResolverRoot.
func (r *Resolver) Lead() gen.LeadResolver { return leadFields{r} }

// Journey implements gen.ResolverRoot.
func (r *Resolver) Journey() gen.JourneyResolver { return journeyFields{r} }

// JourneyDefinitionInput implements gen.ResolverRoot.
func (r *Resolver) JourneyDefinitionInput() gen.JourneyDefinitionInputResolver {
	return drawingInput{r}
}

// JourneyVersion implements gen.ResolverRoot.
func (r *Resolver) JourneyVersion() gen.JourneyVersionResolver { return drawingFields{r} }

// Enrollment implements gen.ResolverRoot.
func (r *Resolver) Enrollment() gen.EnrollmentResolver { return enrollmentFields{r} }

// JourneyPassage implements gen.ResolverRoot.
func (r *Resolver) JourneyPassage() gen.JourneyPassageResolver { return passageFields{r} }

// JourneyToDo implements gen.ResolverRoot.
func (r *Resolver) JourneyToDo() gen.JourneyToDoResolver { return toDoFields{r} }

// Query implements gen.ResolverRoot.
func (r *Resolver) Query() gen.QueryResolver { return query{r} }

// Mutation implements gen.ResolverRoot.
func (r *Resolver) Mutation() gen.MutationResolver { return mutation{r} }

// Subscription implements gen.ResolverRoot.
func (r *Resolver) Subscription() gen.SubscriptionResolver { return subscription{r} }

// Event implements gen.ResolverRoot.
func (r *Resolver) Event() gen.EventResolver { return eventFields{r} }

// FieldDefinition implements gen.ResolverRoot.
func (r *Resolver) FieldDefinition() gen.FieldDefinitionResolver { return fieldFields{r} }

// IngestResult implements gen.ResolverRoot.
func (r *Resolver) IngestResult() gen.IngestResultResolver { return resultFields{r} }

// Job implements gen.ResolverRoot.
func (r *Resolver) Job() gen.JobResolver { return jobFields{r} }

// Key implements gen.ResolverRoot.
func (r *Resolver) Key() gen.KeyResolver { return keyFields{r} }

// Member implements gen.ResolverRoot.
func (r *Resolver) Member() gen.MemberResolver { return staffFields{r} }

// MergeProposal implements gen.ResolverRoot.
func (r *Resolver) MergeProposal() gen.MergeProposalResolver { return proposalFields{r} }

// PlanRule implements gen.ResolverRoot.
func (r *Resolver) PlanRule() gen.PlanRuleResolver { return ruleFields{r} }

// TrackingPlan implements gen.ResolverRoot.
func (r *Resolver) TrackingPlan() gen.TrackingPlanResolver { return planFields{r} }

// Profile implements gen.ResolverRoot.
func (r *Resolver) Profile() gen.ProfileResolver { return profileFields{r} }

// Identifier implements gen.ResolverRoot.
func (r *Resolver) Identifier() gen.IdentifierResolver { return identifierFields{r} }

// ProfileChange implements gen.ResolverRoot.
func (r *Resolver) ProfileChange() gen.ProfileChangeResolver { return changeFields{r} }

// Trait implements gen.ResolverRoot.
func (r *Resolver) Trait() gen.TraitResolver { return traitFields{r} }

// Viewer implements gen.ResolverRoot.
func (r *Resolver) Viewer() gen.ViewerResolver { return viewerFields{r} }

// PolicyVersion implements gen.ResolverRoot.
func (r *Resolver) PolicyVersion() gen.PolicyVersionResolver { return policyFields{r} }

// PolicyRule implements gen.ResolverRoot.
func (r *Resolver) PolicyRule() gen.PolicyRuleResolver { return policyRuleFields{r} }

// BreakGlassUse implements gen.ResolverRoot.
func (r *Resolver) BreakGlassUse() gen.BreakGlassUseResolver { return glassFields{r} }

// Approval implements gen.ResolverRoot.
func (r *Resolver) Approval() gen.ApprovalResolver { return approvalFields{r} }

// PendingChange implements gen.ResolverRoot.
func (r *Resolver) PendingChange() gen.PendingChangeResolver { return pendingFields{r} }

// ImportRow implements gen.ResolverRoot.
func (r *Resolver) ImportRow() gen.ImportRowResolver { return importFields{r} }

// QuarantinedEvent implements gen.ResolverRoot.
func (r *Resolver) QuarantinedEvent() gen.QuarantinedEventResolver { return quarantineFields{r} }

// Segment implements gen.ResolverRoot.
func (r *Resolver) Segment() gen.SegmentResolver { return segmentFields{r} }

// SegmentVersion implements gen.ResolverRoot.
func (r *Resolver) SegmentVersion() gen.SegmentVersionResolver { return versionFields{r} }

// SegmentMemberEdge implements gen.ResolverRoot.
func (r *Resolver) SegmentMemberEdge() gen.SegmentMemberEdgeResolver { return memberFields{r} }

// MembershipEntry implements gen.ResolverRoot.
func (r *Resolver) MembershipEntry() gen.MembershipEntryResolver { return entryFields{r} }

// MembershipChange implements gen.ResolverRoot.
func (r *Resolver) MembershipChange() gen.MembershipChangeResolver { return memberChangeFields{r} }

// SegmentRegion implements gen.ResolverRoot.
func (r *Resolver) SegmentRegion() gen.SegmentRegionResolver { return regionFields{r} }

// ListResult implements gen.ResolverRoot.
func (r *Resolver) ListResult() gen.ListResultResolver { return listFields{r} }

// ExplanationNode implements gen.ResolverRoot.
func (r *Resolver) ExplanationNode() gen.ExplanationNodeResolver { return explanationFields{r} }

// ObjectType implements gen.ResolverRoot.
func (r *Resolver) ObjectType() gen.ObjectTypeResolver { return typeFields{r} }

// ObjectField implements gen.ResolverRoot.
func (r *Resolver) ObjectField() gen.ObjectFieldResolver { return objectFields{r} }

// ObjectRelation implements gen.ResolverRoot.
func (r *Resolver) ObjectRelation() gen.ObjectRelationResolver { return relationFields{r} }

// Record implements gen.ResolverRoot.
func (r *Resolver) Record() gen.RecordResolver { return recordFields{r} }

// Purpose implements gen.ResolverRoot.
func (r *Resolver) Purpose() gen.PurposeResolver { return purposeFields{r} }

// ConsentEntry implements gen.ResolverRoot.
func (r *Resolver) ConsentEntry() gen.ConsentEntryResolver { return consentFields{r} }

// Suppression implements gen.ResolverRoot.
func (r *Resolver) Suppression() gen.SuppressionResolver { return suppressionFields{r} }

// PolicyDocument implements gen.ResolverRoot.
func (r *Resolver) PolicyDocument() gen.PolicyDocumentResolver { return documentFields{r} }

// Processor implements gen.ResolverRoot.
func (r *Resolver) Processor() gen.ProcessorResolver { return processorFields{r} }

// workspace returns the workspace of the actor; a directive has seen to it that
// there is one.
func workspace(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.Workspace
	}
	return ""
}
