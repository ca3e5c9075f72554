package graph_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/graph/resolver"
)

// refused names the fields that hold personal data and cannot be null: where they may
// not be read they are refused with an error, and what is around them is null.
var refused = []string{
	// A person's stay in a segment and why; Profile.segments and the like hold them.
	"Membership.segment", "Membership.enteredAt", "MembershipEntry.change", "MembershipEntry.at", "MembershipChange.change", "MembershipChange.at",
	"SegmentMemberEdge.enteredAt", "Segment.members", "Segment.history", "SegmentPreview.sample", "Profile.segments", "Profile.explain",
	"Explanation.member", "Explanation.stored", "Explanation.root", "ExplanationNode.value", "ExplanationNode.children",
	// Whole operations.
	"Query.previewSegment", "Query.explainMembership", "Query.objects", "Subscription.segmentMembershipChanged",
	// Of a record, by core/object.
	"ObjectImportRow.externalId", "TypeBreak.externalIds",
	// Of enrollments, which whoever may not read behaviour sees none of, and of what is simulated.
	"Profile.enrollments", "Enrollment.cause", "Enrollment.status", "Enrollment.enteredAt", "Enrollment.timeline", "EnrollmentChange.enrollment",
	"EnrollmentChange.at", "JourneyPassage.node", "JourneyPassage.visit", "JourneyPassage.at", "JourneyPassage.did", "JourneyToDo.node",
	"JourneyComparison.examples", "ComparedPerson.before", "ComparedPerson.after", "SimulatedMessage.nodeId", "SimulatedMessage.at",
	// Words on consent, which are refused as a whole.
	"WithdrawConsentPayload.entries",
	// What became of messages, and what people find in their inboxes.
	"Message.status", "Message.timeline", "Message.why", "Message.opens", "Message.clicks", "Message.robots", "Profile.messages", "Profile.inbox",
	// Holds, which are for those who govern.
	"LegalHold.reason",
}

// TestEveryMaskableFieldCanBeMasked goes through the schema: a field that holds personal
// data can be null, or is masked by the domain, or is refused, and then is listed here.
func TestEveryMaskableFieldCanBeMasked(t *testing.T) {
	s := parsed(t)
	unlisted := 0
	own(s, func(def *ast.Definition) {
		if def.Kind != ast.Object && def.Kind != ast.Interface {
			return
		}
		for _, f := range def.Fields {
			d := f.Directives.ForName("data")
			if strings.HasPrefix(f.Name, "__") || d == nil {
				continue
			}
			name, category := def.Name+"."+f.Name, core.Category(d.Arguments.ForName("category").Value.Raw)
			require.True(t, category.Valid(), name)
			if category == core.None || !f.Type.NonNull || resolver.Masked(name) {
				continue
			}
			if def == s.Query || def == s.Mutation || def == s.Subscription {
				continue // refused as a whole
			}
			if !slices.Contains(refused, name) && def.Name != "ConsentEntry" && def.Name != "ConsentDecision" {
				unlisted++
				t.Errorf("%s holds %s data: make it nullable, mask it in the domain or list it as refused", name, category)
			}
		}
	})
	require.Zero(t, unlisted)
}
