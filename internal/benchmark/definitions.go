package benchmark

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// touching are ten conditions over the events of a name: one event touches all of
// them, and few people meet one at a time. Six ledgers are behind them.
var touching = []string{
	`{"event":{"name":%q,"count":{"gte":2},"window":{"last":"P7D"}}}`,
	`{"event":{"name":%q,"count":{"gte":3},"window":{"last":"P30D"}}}`,
	`{"event":{"name":%q,"count":{"gte":5},"window":{"last":"P90D"}}}`,
	`{"event":{"name":%q,"where":[{"path":"price","gte":90}],"window":{"last":"P30D"}}}`,
	`{"event":{"name":%q,"where":[{"path":"category","eq":"Kitchen"}],"window":{"last":"P30D"}}}`,
	`{"aggregate":{"event":{"name":%q,"window":{"last":"P30D"}},"fn":"SUM","path":"price","value":{"gte":200}}}`,
	`{"aggregate":{"event":{"name":%q,"window":{"last":"P30D"}},"fn":"DISTINCT","path":"productId","value":{"gte":3}}}`,
	`{"and":[{"trait":{"path":"plan","eq":"plus"}},{"event":{"name":%q,"count":{"gte":2},"window":{"last":"P14D"}}}]}`,
	`{"lastEvent":{"name":%q,"where":[{"path":"price","gte":94}],"window":{"last":"P7D"}}}`,
	`{"event":{"name":%q,"count":{"gte":2},"window":{"calendar":"MONTH"}}}`,
}

// touched returns n conditions of which one in five is over the events of the
// stream, or of names that it never sends: ten for each name.
func touched(n int) []string {
	out := make([]string, 0, n)
	for i := range n / 5 {
		name := fmt.Sprintf("Never Sent %d", i/len(touching))
		if i/len(touching) < len(names) {
			name = names[i/len(touching)]
		}
		out = append(out, fmt.Sprintf(touching[i%len(touching)], name))
	}
	return append(out, untouchedTraits(n-len(out))...)
}

// untouched returns n conditions that no event of the stream touches, one in five
// of them over events.
func untouched(n int) []string {
	out := make([]string, 0, n)
	for i := range n / 5 {
		out = append(out, fmt.Sprintf(touching[i%len(touching)], fmt.Sprintf("Never Sent %d", i/len(touching))))
	}
	return append(out, untouchedTraits(n-len(out))...)
}

// untouchedTraits returns conditions over the traits of the seeded people that none
// of them meets.
func untouchedTraits(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = [...]string{
			fmt.Sprintf(`{"trait":{"path":"visits","gte":%d}}`, 1000+i),
			fmt.Sprintf(`{"trait":{"path":"address.city","eq":"Town %d"}}`, i),
			fmt.Sprintf(`{"and":[{"trait":{"path":"plan","eq":"plan %d"}},{"trait":{"path":"language","in":["ro","de"]}}]}`, i),
			fmt.Sprintf(`{"trait":{"path":"score.s%d","between":[1,5]}}`, i%100),
		}[i%4]
	}
	return out
}

// define stores live segments with the conditions, which nobody meets yet and
// whose events nobody has: each would be as it is here after its backfill. The
// services learn of them with the next that is created.
func define(ctx context.Context, b Base, conditions []string) error {
	at := time.Now().UTC().Truncate(time.Millisecond)
	var ops []store.Op
	for i, where := range conditions {
		n, err := condition.ParseJSON([]byte(where))
		if err != nil {
			return fmt.Errorf("condition %s: %w", where, err)
		}
		canonical, err := condition.MarshalJSON(n)
		if err != nil {
			return err
		}
		ops = append(ops, segment.Segments.Insert(&segment.Segment{
			Meta: store.Meta{ID: store.Key(b.Workspace, core.NewID(core.PrefixSegment, at))}, Name: fmt.Sprintf("Bench %d", i),
			Kind: segment.Dynamic, Status: segment.Live, Version: 1, Where: string(canonical), WhereVersion: condition.Version,
			CreatedAt: at, UpdatedAt: at,
		}))
	}
	for chunk := range slices.Chunk(ops, 500) {
		if _, err := b.Store.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, at), Ops: chunk}); err != nil {
			return fmt.Errorf("define segments: %w", err)
		}
	}
	return nil
}

// built is a segment whose backfill is done.
type built struct {
	ID       string
	Events   int64         // that the job read
	Entered  int64         // memberships that it made
	Took     time.Duration // from the job's start to its end
	finished time.Time
}

// createSegment makes a segment over GraphQL and waits until it is live.
func createSegment(ctx context.Context, g *graphql, name, where string) (built, error) {
	var out struct {
		CreateSegment struct {
			Segment    *struct{ ID string }
			Job        *struct{ ID string }
			UserErrors []struct{ Message string }
		}
	}
	err := g.query(ctx, &out, `mutation($name: String!, $where: ConditionInput!) {
		createSegment(input: {name: $name, where: $where}) { segment { id } job { id } userErrors { message } }
	}`, map[string]any{"name": name, "where": json.RawMessage(where)})
	made := out.CreateSegment
	if err != nil || made.Segment == nil || made.Job == nil {
		return built{}, fmt.Errorf("create a segment: %v: %w", made.UserErrors, err)
	}
	b := built{ID: made.Segment.ID}
	for {
		var state struct {
			Job struct {
				Status                string
				Error                 string
				Result                *struct{ Events, Entered int64 }
				StartedAt, FinishedAt time.Time
			}
		}
		if err := g.query(ctx, &state, `query($id: ID!) { job(id: $id) { status error result startedAt finishedAt } }`, map[string]any{"id": made.Job.ID}); err != nil {
			return b, err
		}
		switch j := state.Job; j.Status {
		case "SUCCEEDED":
			if j.Result != nil {
				b.Events, b.Entered = j.Result.Events, j.Result.Entered
			}
			b.Took, b.finished = j.FinishedAt.Sub(j.StartedAt), j.FinishedAt
			return b, nil
		case "FAILED", "CANCELLED":
			return b, fmt.Errorf("the backfill of %s: %s %s", b.ID, j.Status, j.Error)
		}
		select {
		case <-ctx.Done():
			return b, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
