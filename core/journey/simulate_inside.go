package journey

import (
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
)

// Standing is an enrollment that is live when a simulation begins.
type Standing struct {
	Version int64
	Status  Status // SUSPENDED or FAILED ones make no step; else the state's
	State   State
	Entered *event.Event // by which the person entered; nil: none
	At      time.Time    // when they did
}

// stand puts a person where they are when the simulation begins.
func (l *life) stand() {
	if !l.person.Visited.IsZero() {
		l.latest[""] = &enrolled{state: State{Status: Completed}, at: l.person.Visited}
	}
	for i := range l.person.Inside {
		l.place(&l.person.Inside[i])
	}
}

// place lets somebody go on where they stand, or where publishing the version puts them.
func (l *life) place(s *Standing) {
	pl := l.pl
	p := pl.o.Versions[s.Version]
	if p == nil {
		return
	}
	en := &enrolled{p: p, version: s.Version, stood: true, key: p.KeyOf(s.Entered), entered: s.Entered, at: s.At, state: s.State}
	if en.version == pl.number {
		en.version = 0
	}
	if before := l.latest[en.key]; before == nil || !before.at.After(en.at) {
		l.latest[en.key] = en
	}
	l.enrolled = append(l.enrolled, en)
	if en.version != 0 && pl.o.Inside == InsideMigrate && pl.p.moves(s.State.Node, pl.o.NodeMap) {
		to := pl.p.placeOf(s.State.Node, pl.o.NodeMap)
		if to == "" {
			en.state.Status = Left
			return
		}
		en.p, en.version, en.state = pl.p, 0, pl.p.Migrate(s.State, to, l.now)
	}
	l.tally.at(en.version, en.state.Node).Began++
	if s.Status == Suspended || s.Status == Failing {
		en.state.Status = s.Status
		return
	}
	en.drains = en.version != 0 && (pl.o.Inside == InsideDrain || slices.Contains(pl.o.Leaves, s.Version))
	if en.state.Status == Active && en.state.Due.IsZero() {
		en.state.Due = l.now
	}
	l.suppose(en)
	l.bind(en)
	en.hears = en.p.Listens(en.state, en.entered)
}

// suppose has what an enrollment waits for be answered: as for those who come to such a node
// in the simulation.
func (l *life) suppose(en *enrolled) {
	if en.state.Status != Waiting {
		return
	}
	yes := &Answer{For: en.state.For, Visit: en.state.Visit, OK: true}
	switch en.state.For {
	case ForApproval:
		yes.OK = !l.pl.o.Refuse
		en.answer, en.answered = yes, l.now.Add(approvalTakes)
	case ForCoupon:
		yes.Code = "SIMULATED"
		en.answer, en.answered = yes, l.now
	case ForSubJourney, ForOverdue:
		en.answer, en.answered = yes, l.now
	}
}

// leave takes an enrollment out of a version that is drained, with nothing more sent.
func (l *life) leave(en *enrolled) {
	l.tally.at(en.version, en.state.Node).Left++
	en.state.Status, en.answer, en.answered = Left, nil, time.Time{}
	if l.pl.wanted[l.person.Profile] {
		en.trail = append(en.trail, Passage{Node: en.state.Node, Visit: en.state.Visit, At: l.now, Left: true, Did: DidExit, Detail: "DRAINED"})
	}
}
