package graph_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph"
)

func parsed(t *testing.T) *ast.Schema {
	t.Helper()
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: graph.SDL()})
	require.NoError(t, err)
	return s
}

// own calls f with each type of the schema that is not GraphQL's own.
func own(s *ast.Schema, f func(*ast.Definition)) {
	for _, def := range s.Types {
		if !def.BuiltIn && !strings.HasPrefix(def.Name, "__") {
			f(def)
		}
	}
}

func TestEverythingIsDescribed(t *testing.T) {
	s := parsed(t)
	own(s, func(def *ast.Definition) {
		require.NotEmpty(t, def.Description, def.Name)
		for _, f := range def.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				require.NotEmpty(t, f.Description, "%s.%s", def.Name, f.Name)
			}
		}
		for _, v := range def.EnumValues {
			require.NotEmpty(t, v.Description, "%s.%s", def.Name, v.Name)
		}
	})
	for _, d := range []string{"data", "can"} {
		require.NotEmpty(t, s.Directives[d].Description)
	}
}

func TestEveryOutputFieldHasACategory(t *testing.T) {
	own(parsed(t), func(def *ast.Definition) {
		if def.Kind != ast.Object && def.Kind != ast.Interface {
			return
		}
		for _, f := range def.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				require.NotNil(t, f.Directives.ForName("data"), "%s.%s", def.Name, f.Name)
			}
		}
	})
}

func TestEveryRootFieldSaysWhoMay(t *testing.T) {
	s := parsed(t)
	for _, root := range []*ast.Definition{s.Query, s.Mutation, s.Subscription} {
		require.NotNil(t, root)
		for _, f := range root.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			can := f.Directives.ForName("can")
			require.NotNil(t, can, "%s.%s", root.Name, f.Name)
			action := can.Arguments.ForName("action").Value.Raw
			// Who accepts an invitation has signed in, and may do nothing yet; what deciding takes
			// depends on what is decided.
			if root == s.Mutation && !slices.Contains([]string{"acceptInvitation", "decideApproval", "decideJourneyToDo"}, f.Name) {
				require.Contains(t, []string{"INGEST", "DESIGN", "CHANGE", "MANAGE", "GOVERN", "CONSENT", "CONNECT", "ENGAGE", "REVIEW", "SEND"}, action, f.Name)
			}
		}
	}
}

func TestShapesOfTheContract(t *testing.T) {
	s := parsed(t)
	for _, f := range s.Mutation.Fields {
		name := strings.ToUpper(f.Name[:1]) + f.Name[1:]
		require.Len(t, f.Arguments, 1, f.Name)
		require.Equal(t, name+"Input!", f.Arguments[0].Type.String())
		require.Equal(t, name+"Payload!", f.Type.String())
		payload := s.Types[name+"Payload"]
		require.Equal(t, "[UserError!]!", payload.Fields.ForName("userErrors").Type.String(), f.Name)
		input := s.Types[name+"Input"]
		switch {
		case strings.HasPrefix(f.Name, "update"), strings.HasPrefix(f.Name, "set"):
			require.NotNil(t, input.Fields.ForName("expectedVersion"), f.Name)
		case strings.HasPrefix(f.Name, "create"):
			require.NotNil(t, input.Fields.ForName("idempotencyKey"), f.Name)
		}
	}
	own(s, func(def *ast.Definition) {
		if strings.HasSuffix(def.Name, "Connection") {
			node := strings.TrimSuffix(def.Name, "Connection")
			require.Equal(t, "["+node+"Edge!]!", def.Fields.ForName("edges").Type.String())
			require.Equal(t, "PageInfo!", def.Fields.ForName("pageInfo").Type.String())
			require.Equal(t, "Int!", def.Fields.ForName("totalCount").Type.String())
			edge := s.Types[node+"Edge"]
			if node == "SegmentMember" { // its node is the person, the membership is the edge
				node = "Profile"
			}
			require.Equal(t, node+"!", edge.Fields.ForName("node").Type.String())
			require.Equal(t, "Cursor!", edge.Fields.ForName("cursor").Type.String())
		}
		for _, f := range def.Fields {
			if def.Kind == ast.Object && strings.HasSuffix(f.Type.Name(), "Connection") {
				for _, arg := range []string{"first", "after", "last", "before"} {
					require.NotNil(t, f.Arguments.ForName(arg), "%s.%s(%s)", def.Name, f.Name, arg)
				}
			}
		}
	})
	for _, implements := range []string{"Profile", "Event", "Merge", "MergeProposal", "Job", "Source", "Key", "Workspace", "QuarantinedEvent", "Segment", "ObjectType", "Record"} {
		require.Contains(t, s.Types[implements].Interfaces, "Node")
	}
}

// TestEnumsAreTheDomains compares enums with the constants that they stand for.
func TestEnumsAreTheDomains(t *testing.T) {
	s := parsed(t)
	values := func(name string) []string {
		var out []string
		for _, v := range s.Types[name].EnumValues {
			out = append(out, v.Name)
		}
		return out
	}
	require.ElementsMatch(t, texts(core.Categories), values("DataCategory"))
	require.ElementsMatch(t, texts([]core.Code{core.Unauthenticated, core.Forbidden, core.ConsentRequired, core.NotFound, core.Invalid, core.Conflict,
		core.RateLimited, core.TooComplex, core.Unavailable, core.Internal, core.CursorExpired}), values("ErrorCode"))
	require.ElementsMatch(t, texts([]event.Status{event.Accepted, event.Duplicate, event.Quarantined, event.Rejected, event.Dropped}), values("IngestStatus"))
	require.ElementsMatch(t, texts([]event.Action{event.Allow, event.Warn, event.QuarantineEvent}), values("PlanAction"))
	require.ElementsMatch(t, texts([]event.Type{event.Identify, event.Track, event.Page, event.Screen, event.Group, event.Alias}), values("EventType"))
	require.ElementsMatch(t, texts([]event.SourceKind{event.SourceHTTP, event.SourceGraphQL, event.SourceImport, event.SourceConnector, event.SourceForm, event.SourceSystem}), values("SourceKind"))
	require.ElementsMatch(t, texts([]event.QuarantineStatus{event.QuarantineOpen, event.QuarantineCorrected, event.QuarantineReplayed, event.QuarantineDiscarded}), values("QuarantineStatus"))
	require.ElementsMatch(t, texts([]work.Status{work.Queued, work.Running, work.Succeeded, work.Failed, work.Cancelled}), values("JobStatus"))
	require.ElementsMatch(t, texts([]segment.Kind{segment.Dynamic, segment.Static, segment.Predictive}), values("SegmentKind"))
	require.ElementsMatch(t, texts([]segment.Status{segment.Building, segment.Live, segment.Archived}), values("SegmentStatus"))
	require.ElementsMatch(t, texts([]segment.ChangeKind{segment.Entered, segment.Left}), values("MembershipChangeType"))
	require.ElementsMatch(t, texts([]segment.Cause{segment.CauseEvent, segment.CauseTime, segment.CauseDefinition, segment.CauseMerge, segment.CauseConsent, segment.CauseErasure}), values("ChangeCause"))
	require.ElementsMatch(t, texts([]segment.ListStatus{segment.ListAdded, segment.ListRemoved, segment.ListAlready, segment.ListUnknown}), values("ListStatus"))
	require.ElementsMatch(t, texts([]segment.Format{segment.NDJSON, segment.CSV}), values("ListFormat"))
	require.ElementsMatch(t, texts([]segment.Operation{segment.Union, segment.Intersection, segment.Difference}), values("SetOperation"))
	require.ElementsMatch(t, texts(object.FieldTypes), values("ObjectFieldType"))
	require.ElementsMatch(t, texts([]object.Outcome{object.Created, object.Updated, object.Unchanged, object.Deleted, object.Restored, object.Failed}), values("RecordOutcome"))
	require.ElementsMatch(t, texts([]condition.Calendar{condition.Day, condition.Week, condition.Month, condition.Quarter, condition.Year}), values("CalendarUnit"))
	require.ElementsMatch(t, texts([]condition.AggregateFn{condition.Count, condition.Sum, condition.Avg, condition.Min, condition.Max, condition.Distinct}), values("AggregateFn"))
	require.ElementsMatch(t, texts([]condition.Quantifier{condition.MatchAny, condition.MatchAll, condition.MatchNone}), values("Quantifier"))
	require.ElementsMatch(t, texts(predict.Kinds), values("PredictionModelKind"))
	require.ElementsMatch(t, texts(predict.Outcomes), values("PredictionOutcome"))
	require.ElementsMatch(t, texts([]profile.ProposalStatus{profile.Pending, profile.Accepted, profile.Rejected, profile.Obsolete}), values("MergeProposalStatus"))
}

func texts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}
