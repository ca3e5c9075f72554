package benchmark

import (
	"bytes"
	"context"
	"fmt"
	"time"
)

// Unmerge gives two people so many events each over HTTP, merges them and reports
// how long it takes to part them again.
func Unmerge(ctx context.Context, r *Report, s *Server, events int) error {
	g := newGraphQL(s)
	send := HTTP(s.URL, s.WriteKey)
	var ids [2]string
	for i := range ids {
		user := fmt.Sprintf("unmerge-%d-%d", i, time.Now().UnixNano())
		if err := history(ctx, send, user, events); err != nil {
			return fmt.Errorf("unmerge: %w", err)
		}
		var out struct {
			Profile *struct{ ID string }
		}
		if err := g.query(ctx, &out, profileQuery, map[string]any{"value": user}); err != nil || out.Profile == nil {
			return fmt.Errorf("unmerge: no profile: %w", err)
		}
		ids[i] = out.Profile.ID
	}
	var merged struct {
		MergeProfiles struct {
			Merge      *struct{ ID string }
			UserErrors []struct{ Message string }
		}
	}
	start := time.Now()
	err := g.query(ctx, &merged, `mutation($w: ID!, $l: ID!) {
		mergeProfiles(input: {winnerId: $w, loserId: $l, reason: "benchmark"}) { merge { id } userErrors { message } }
	}`, map[string]any{"w": ids[0], "l": ids[1]})
	if err != nil || merged.MergeProfiles.Merge == nil {
		return fmt.Errorf("unmerge: merge: %v: %w", merged.MergeProfiles.UserErrors, err)
	}
	mergeTook := time.Since(start)
	var parted struct {
		UnmergeProfiles struct {
			Profiles   []struct{ ID string }
			UserErrors []struct{ Message string }
		}
	}
	start = time.Now()
	err = g.query(ctx, &parted, `mutation($m: ID!) {
		unmergeProfiles(input: {mergeId: $m}) { profiles { id } userErrors { message } }
	}`, map[string]any{"m": merged.MergeProfiles.Merge.ID})
	took := time.Since(start)
	if err != nil || len(parted.UnmergeProfiles.Profiles) != 2 {
		return fmt.Errorf("unmerge: %v: %w", parted.UnmergeProfiles.UserErrors, err)
	}
	against := fmt.Sprintf("two profiles of %d events", events)
	if err := r.Add(Line{Bench: "profile.merge", Value: millis(mergeTook), Unit: "ms", Against: against}); err != nil {
		return err
	}
	return r.Add(Line{Bench: "profile.unmerge", Value: millis(took), Unit: "ms", Against: against}.atMost("<= 2000", 2000))
}

// history sends events of one person: an identify, then page views.
func history(ctx context.Context, send Send, user string, events int) error {
	var b bytes.Buffer
	for from := 0; from < events; from += 500 {
		n := min(500, events-from)
		b.Reset()
		b.WriteString(`{"batch":[`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"type":"identify","userId":%q,"messageId":"%s-%d","traits":{"plan":"p%d","visits":%d,"address":{"city":"Cluj","street":"Strada %d"}}}`,
				user, user, from+i, i%7, from+i, i%50)
		}
		b.WriteString(`]}`)
		if err := send(ctx, b.Bytes(), n); err != nil {
			return fmt.Errorf("history of %d events: %w", events, err)
		}
	}
	return nil
}
