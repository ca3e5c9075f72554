package journey

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core/store"
)

// NodeStats is how many people came to a node, stand at it, and left it.
type NodeStats struct {
	Node                  string
	Entered, Inside, Left int64
}

// Stats is what has become of the people of a version.
type Stats struct {
	Entered int64
	Ended   map[Status]int64
	Refused map[string]int64 // who was not let in, by why
	Nodes   []NodeStats      // in the order of the definition
}

// Stats counts, from what is kept with each step.
func (s *Service) Stats(ctx context.Context, ws string, v *Version) (*Stats, error) {
	p, err := s.compiled(v)
	if err != nil {
		return nil, err
	}
	sums, err := store.Sum(ctx, s.Store, ws, counterOf(v.Journey, v.Number))
	if err != nil {
		return nil, storeError("read the counts", err)
	}
	out := &Stats{Entered: sums["entered"], Ended: map[Status]int64{}, Refused: map[string]int64{}}
	for name, n := range sums {
		if status, ok := strings.CutPrefix(name, "ended:"); ok {
			out.Ended[Status(status)] = n
		}
		if why, ok := strings.CutPrefix(name, "refused:"); ok {
			out.Refused[why] = n
		}
	}
	for _, n := range p.Definition().Nodes {
		came, left := sums[nodeCame(n.ID)], sums[nodeLeft(n.ID)]
		out.Nodes = append(out.Nodes, NodeStats{Node: n.ID, Entered: came, Inside: came - left, Left: left})
	}
	return out, nil
}

// Forget returns the operations that delete an enrollment and leave nothing of its person but
// a number: who was inside has left, as one who was removed. Of enrollments that are
// forgotten in one commit each needs a lane of its own.
func Forget(e *Enrollment, lane int) []store.Op {
	ops := []store.Op{Enrollments.Delete(e)}
	if e.Ended() {
		return ops
	}
	return append(ops, store.AddTo(e.Workspace(), counterOf(e.Journey, e.Version), lane, map[string]int64{
		nodeLeft(e.State.Node): 1, "ended:" + string(Removed): 1,
	}))
}
