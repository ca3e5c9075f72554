package journey

// keptCompared is compared as it is stored between two slices of a job: the names of nodes
// are values, for keys may not hold all that they may.
type keptCompared struct {
	Before   keptTally      `bson:"before"`
	After    *keptTally     `bson:"after,omitempty"`
	Counts   [4]int64       `bson:"counts"` // same, more, fewer, other
	Examples []PersonChange `bson:"examples,omitempty"`
}

// keptTally is a tally as it is stored.
type keptTally struct {
	People   int64       `bson:"people"`
	Reached  int64       `bson:"reached"`
	Enrolled int64       `bson:"enrolled"`
	Stood    int64       `bson:"stood"`
	Nodes    []NodeCount `bson:"nodes"`
	Sends    []DayCount  `bson:"sends"`
	Ended    []keptEnd   `bson:"ended"`
	Arms     []keptArm   `bson:"arms"`
}

type keptEnd struct {
	Status Status `bson:"s"`
	Count  int64  `bson:"n"`
}

type keptArm struct {
	Node  string `bson:"node"`
	Arm   string `bson:"arm"`
	Count int64  `bson:"n"`
}

// kept is what is counted, to be stored.
func (c *compared) kept() keptCompared {
	out := keptCompared{Before: *c.before.kept(), Counts: [4]int64{c.same, c.more, c.fewer, c.other}, Examples: c.examples}
	if c.after != nil {
		out.After = c.after.kept()
	}
	return out
}

// take adds what was stored.
func (c *compared) take(k *keptCompared) {
	c.before.take(&k.Before)
	if c.after != nil && k.After != nil {
		c.after.take(k.After)
	}
	c.same, c.more, c.fewer, c.other = c.same+k.Counts[0], c.more+k.Counts[1], c.fewer+k.Counts[2], c.other+k.Counts[3]
	for _, x := range k.Examples {
		c.example(x)
	}
}

// long tells whether there is more than is kept.
func (c *compared) long() bool {
	return len(c.before.sends) > maxSends || c.after != nil && len(c.after.sends) > maxSends
}

func (t *tally) kept() *keptTally {
	k := &keptTally{People: t.people, Reached: t.reached, Enrolled: t.enrolled, Stood: t.stood}
	for _, n := range t.nodes {
		k.Nodes = append(k.Nodes, *n)
	}
	for day, n := range t.sends {
		day.Sent = n
		k.Sends = append(k.Sends, day)
	}
	for status, n := range t.ended {
		k.Ended = append(k.Ended, keptEnd{status, n})
	}
	for node, arms := range t.arms {
		for arm, n := range arms {
			k.Arms = append(k.Arms, keptArm{node, arm, n})
		}
	}
	return k
}

func (t *tally) take(k *keptTally) {
	o := newTally(t.pl)
	o.people, o.reached, o.enrolled, o.stood = k.People, k.Reached, k.Enrolled, k.Stood
	for i := range k.Nodes {
		*o.at(k.Nodes[i].Version, k.Nodes[i].Node) = k.Nodes[i]
	}
	for _, day := range k.Sends {
		n := day.Sent
		day.Sent = 0
		o.sends[day] = n
	}
	for _, e := range k.Ended {
		o.ended[e.Status] = e.Count
	}
	for _, a := range k.Arms {
		o.arm(a.Node, a.Arm, a.Count)
	}
	t.add(o)
}
