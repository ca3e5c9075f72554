package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const person = `query Person($namespace: String!, $value: String!) {
  profile(identifier: { namespace: $namespace, value: $value }) {
    id
    identifiers { namespace value }
    email: trait(path: "email") { value source at rule }
    city: trait(path: "address.city") { value }
    events(first: 50) { edges { node { messageId type name source } } }
  }
}`

type profile struct {
	ID          string
	Identifiers []struct{ Namespace, Value string }
	Email       *struct{ Value, Source, At, Rule string }
	City        *struct{ Value string }
	Events      struct {
		Edges []struct {
			Node struct{ MessageID, Type, Name, Source string }
		}
	}
}

// TestSegmentSDK lets an unmodified Segment SDK tell of one person on two devices
// and finds one profile with all of it, as soon as the SDK has its answers.
func TestSegmentSDK(t *testing.T) {
	requireNode(t)
	s, k := shop(t)
	sent := tell(t, s, k, "ana")
	require.Len(t, sent.MessageIDs, 7)

	find := func(namespace, value string) profile {
		var data struct{ Profile *profile }
		s.query(t, k.AdminKey, person, map[string]any{"namespace": namespace, "value": value}, &data)
		require.NotNil(t, data.Profile, "nobody has %s %s", namespace, value)
		return *data.Profile
	}
	ana := find("user_id", "user-ana")

	for namespace, values := range map[string][]string{
		"user_id":      {"user-ana"},
		"anonymous_id": {"laptop-ana", "phone-ana"},
		"email":        {"ana@shop.example"},
	} {
		for _, value := range values {
			require.Equal(t, ana.ID, find(namespace, value).ID, "%s %s is somebody else", namespace, value)
			require.Contains(t, ana.Identifiers, struct{ Namespace, Value string }{namespace, value})
		}
	}

	require.NotNil(t, ana.Email)
	require.NotEmpty(t, ana.Email.Source, "a trait tells where it came from")
	require.NotEmpty(t, ana.Email.At)
	require.NotEmpty(t, ana.Email.Rule)
	require.NotNil(t, ana.City)
	require.Equal(t, "Porto", ana.City.Value)

	types := map[string]string{}
	for _, e := range ana.Events.Edges {
		types[e.Node.MessageID] = e.Node.Type + " " + e.Node.Name
		require.NotEmpty(t, e.Node.Source, "an event tells where it came from")
	}
	for label, want := range map[string]string{
		"page": "PAGE Page Viewed", "screen": "SCREEN Screen Viewed", "anonymous": "TRACK Product Viewed", "identify": "IDENTIFY Identified",
		"group": "GROUP Grouped", "order": "TRACK Order Completed", "alias": "ALIAS Aliased",
	} {
		require.Equal(t, want, types[sent.MessageIDs[label]], label)
	}
}

// TestSegmentSDKKeepsPeopleApart sends two people and finds two.
func TestSegmentSDKKeepsPeopleApart(t *testing.T) {
	requireNode(t)
	s, k := shop(t)
	tell(t, s, k, "ana")
	tell(t, s, k, "rui")
	var data struct {
		Ana, Rui *struct{ ID string }
		Profiles struct{ TotalCount int }
	}
	s.query(t, k.AdminKey, `{
	  ana: profile(identifier: { namespace: "user_id", value: "user-ana" }) { id }
	  rui: profile(identifier: { namespace: "user_id", value: "user-rui" }) { id }
	  profiles(first: 10) { totalCount }
	}`, nil, &data)
	require.NotNil(t, data.Ana)
	require.NotNil(t, data.Rui)
	require.NotEqual(t, data.Ana.ID, data.Rui.ID)
	require.Equal(t, 2, data.Profiles.TotalCount)
}

type told struct {
	MessageIDs map[string]string `json:"messageIds"`
	Statuses   []int             `json:"statuses"`
}

// tell runs the SDK for one person and demands that each request was taken.
func tell(t *testing.T, s *server, k keys, name string) told {
	t.Helper()
	var out told
	script(t, "segment.mjs", map[string]string{"HEADWATER_URL": s.URL, "HEADWATER_WRITE_KEY": k.WriteKey, "PERSON": name}, &out)
	require.NotEmpty(t, out.Statuses)
	for _, status := range out.Statuses {
		require.Equal(t, 200, status)
	}
	return out
}
