package segment

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// The bounds of an estimate.
const (
	sampledPeople = 4000                   // that are asked at most, about
	sampleTime    = 300 * time.Millisecond // after which no more are begun
	sampleSlices  = 64                     // of the buckets, spread evenly over them
)

// bucketSlice is a range of buckets: [from, to).
type bucketSlice struct{ from, to int64 }

// sampleOf divides the buckets into slices that hold about as many people as an
// estimate asks. They stand at even distances, so that a condition on buckets meets
// its share of them, in a random order, so that whatever number of them is looked at
// is a fair sample.
func sampleOf(population int64) []bucketSlice {
	width := int64(bucketCount / sampleSlices)
	if population > sampledPeople {
		width = max(1, bucketCount*sampledPeople/population/sampleSlices)
	}
	out := make([]bucketSlice, sampleSlices)
	for i := range out {
		from := int64(i) * bucketCount / sampleSlices
		next := int64(i+1) * bucketCount / sampleSlices
		out[i] = bucketSlice{from, min(from+width, next)}
		if population <= sampledPeople {
			out[i].to = next // everybody
		}
	}
	rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// some asks the question of a sample of people, until the time is up; of everybody
// when they are few.
func (q *question) some(ctx context.Context, population int64, segmentID string, limit time.Duration) (*tally, error) {
	until := time.Now().Add(limit)
	var mu sync.Mutex
	total := &tally{}
	err := parallel(ctx, sampleOf(population), func(ctx context.Context, b bucketSlice) error {
		mu.Lock()
		enough := total.people > 0 && time.Now().After(until)
		mu.Unlock()
		if enough {
			return nil
		}
		t, err := q.slice(ctx, b, segmentID)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		total.add(t)
		return nil
	})
	return total, err
}

// slice asks the question of the people of some buckets.
func (q *question) slice(ctx context.Context, b bucketSlice, segmentID string) (*tally, error) {
	plan, err := store.PlanQuery(profile.Profiles.Spec, buckets(q.ws, b.from, b.to))
	if err != nil {
		return nil, err
	}
	people, err := q.s.db.Scan(ctx, plan)
	if err != nil {
		return nil, err
	}
	t := &tally{}
	for part := range slices.Chunk(people, largePage) {
		if err := q.page(ctx, part, segmentID, t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// page asks the question of some people.
func (q *question) page(ctx context.Context, people []bson.Raw, segmentID string, t *tally) error {
	keys := make([]string, len(people))
	members := make([]string, len(people))
	for i, raw := range people {
		keys[i] = rawKey(raw)
		members[i] = membershipKey(q.ws, segmentID, store.Rest(keys[i]))
	}
	behaviours := make([]bson.Raw, len(people))
	stored := make([]bson.Raw, len(people))
	var err error
	if q.reads {
		if behaviours, err = q.s.db.Get(ctx, Behaviours.Spec, keys); err != nil {
			return err
		}
	}
	if segmentID != "" {
		if stored, err = q.s.db.Get(ctx, Memberships.Spec, members); err != nil {
			return err
		}
	}
	p := &profile.Profile{}
	for i, raw := range people {
		b, err := decodeBehaviour(behaviours[i])
		if err != nil {
			return err
		}
		in, err := q.matches(ctx, raw, b, p)
		if err != nil {
			return err
		}
		member := stored[i] != nil
		if in, member, err = q.counts(ctx, raw, p, in, member); err != nil {
			return err
		}
		t.note(p, in, member)
	}
	return nil
}
