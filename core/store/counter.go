package store

import (
	"context"
	"fmt"
)

// Lanes is how many documents a hot counter is spread over.
const Lanes = 64

// CounterDoc is one lane of a counter: named sums.
type CounterDoc struct {
	Meta `bson:",inline"`
	N    map[string]int64 `bson:"n"`
}

// Counters holds counters that many writers add to at once: 64 documents each,
// the lane chosen by the writer, summed on read.
var Counters = Declare[CounterDoc](Spec{Name: "counters", Derived: true})

// AddTo returns the operation that adds to named sums of a counter. Writers that
// use different lanes never wait for each other.
func AddTo(workspace, counter string, lane int, add map[string]int64) Op {
	fields := make(map[string]int64, len(add))
	for name, n := range add {
		fields["n."+name] = n
	}
	return Counters.Add(Key(workspace, counter, fmt.Sprintf("%02d", lane%Lanes)), fields)
}

// Sum returns the sums of a counter.
func Sum(ctx context.Context, r Reader, workspace, counter string) (map[string]int64, error) {
	ids := make([]string, Lanes)
	for i := range ids {
		ids[i] = Key(workspace, counter, fmt.Sprintf("%02d", i))
	}
	docs, err := Counters.GetMany(ctx, r, ids)
	if err != nil {
		return nil, err
	}
	total := map[string]int64{}
	for _, d := range docs {
		if d == nil {
			continue
		}
		for name, n := range d.N {
			total[name] += n
		}
	}
	return total, nil
}
