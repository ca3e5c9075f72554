package segment

import (
	"container/heap"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/profile"
)

// tally is what became of the people that a preview looked at.
type tally struct {
	people   int64
	matching int64
	entering int64 // match, and are no members
	leaving  int64 // are members, and do not match
	sample   sample
}

func (t *tally) note(p *profile.Profile, in, member bool) {
	t.people++
	switch {
	case in && !member:
		t.entering++
	case !in && member:
		t.leaving++
	}
	if in {
		t.matching++
		t.sample.offer(picked{profile.BucketOf(p.ProfileID(), "sample"), p.ProfileID()})
	}
}

func (t *tally) add(o *tally) {
	t.people += o.people
	t.matching += o.matching
	t.entering += o.entering
	t.leaving += o.leaving
	for _, p := range o.sample {
		t.sample.offer(p)
	}
}

// sample is the few people whose hash is least: evenly chosen, the same each time.
type sample []picked

type picked struct {
	hash int
	id   string
}

func (s sample) Len() int      { return len(s) }
func (s sample) Swap(i, j int) { s[i], s[j] = s[j], s[i] }

// Less makes the heap's first the greatest, which goes when a lesser one comes.
func (s sample) Less(i, j int) bool { return s[j].before(s[i]) }

func (p picked) before(o picked) bool {
	return p.hash < o.hash || p.hash == o.hash && p.id < o.id
}

// Push implements heap.Interface.
func (s *sample) Push(x any) { *s = append(*s, x.(picked)) }

// Pop implements heap.Interface.
func (s *sample) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

func (s *sample) offer(p picked) {
	switch {
	case len(*s) < PreviewSample:
		heap.Push(s, p)
	case p.before((*s)[0]):
		(*s)[0] = p
		heap.Fix(s, 0)
	}
}

// ids lists the people in the order of their ids.
func (s sample) ids() []string {
	out := make([]string, len(s))
	for i, p := range s {
		out[i] = p.id
	}
	slices.SortFunc(out, strings.Compare)
	return out
}

// everybody asks the question of all people of the workspace: their documents are
// walked by key, in parallel ranges, with their behaviours and the memberships of
// the segment (unless "") beside them.
func (q *question) everybody(ctx context.Context, segmentID string) (*tally, error) {
	ranges, err := q.s.cuts(ctx, q.ws)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	total := &tally{}
	err = parallel(ctx, ranges, func(ctx context.Context, r keyRange) error {
		t, err := q.walk(ctx, r, segmentID)
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

// walk asks the question of a range of people.
func (q *question) walk(ctx context.Context, r keyRange, segmentID string) (*tally, error) {
	t, p := &tally{}, &profile.Profile{}
	people := openProfiles(ctx, q.s.db, q.ws, r)
	var behaviours, members *keyStream
	if q.reads {
		behaviours = openBehaviours(ctx, q.s.db, q.ws, r)
	}
	if segmentID != "" {
		members = openMembers(ctx, q.s.db, q.ws, segmentID, r)
	}
	for {
		id, err := people.peek()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		b, err := behaviourAt(behaviours, id)
		if err != nil {
			return nil, err
		}
		member := false
		if members != nil {
			if member, err = members.skipTo(id); err != nil {
				return nil, err
			}
		}
		in, err := q.matches(ctx, people.doc(), b, p)
		if err != nil {
			return nil, err
		}
		if in, member, err = q.counts(ctx, people.doc(), p, in, member); err != nil {
			return nil, err
		}
		t.note(p, in, member)
		people.next()
	}
}

// behaviourAt returns a person's behaviour from a stream, nil for none.
func behaviourAt(st *keyStream, id string) (*Behaviour, error) {
	if st == nil {
		return nil, nil
	}
	found, err := st.skipTo(id)
	if !found || err != nil {
		return nil, err
	}
	return decodeBehaviour(st.doc())
}

func decodeBehaviour(raw bson.Raw) (*Behaviour, error) {
	if raw == nil {
		return nil, nil
	}
	b := &Behaviour{} // bson.Unmarshal would copy the document first
	return b, b.UnmarshalBSON(raw)
}
