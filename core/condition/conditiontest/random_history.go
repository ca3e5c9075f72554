package conditiontest

import (
	"fmt"
	"sort"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
)

// History returns a person's history of up to so many events. Some are late, some
// come twice, some lie in the future, some at one instant.
func (r *Random) History(events int) *History {
	h := &History{
		ProfileID: fmt.Sprintf("prof_%026d", r.IntN(1000)),
		Traits:    r.Document(),
		Field:     r.Document(),
		Consents:  map[[2]string]string{},
	}
	if r.chance(2) {
		h.Location = r.Zone
	}
	for range r.IntN(events + 1) {
		h.Events = append(h.Events, r.event(h.Events))
	}
	sort.SliceStable(h.Events, func(i, j int) bool { return h.Events[i].Arrived.Before(h.Events[j].Arrived) })
	for _, purpose := range []string{"marketing", "analytics"} {
		for _, channel := range []string{"", "EMAIL"} {
			if r.chance(2) {
				h.Consents[[2]string{purpose, channel}] = r.one("GRANTED", "WITHDRAWN")
			}
		}
	}
	for range r.IntN(4) {
		h.Records = append(h.Records, Record{Type: r.one("subscription", "visit"), Relation: r.one("owner", "payer"), Fields: r.Document()})
	}
	for _, id := range segmentIDs {
		if r.chance(2) {
			h.Memberships = append(h.Memberships, Membership{ID: id, Since: r.instant()})
		}
	}
	return h
}

var segmentIDs = []string{"seg_00000000000000000000000001", "seg_00000000000000000000000002"}

func (r *Random) event(earlier []Event) Event {
	if len(earlier) > 0 && r.chance(10) { // delivered once more
		e := earlier[r.IntN(len(earlier))]
		e.Arrived = e.Arrived.Add(time.Duration(r.IntN(3)) * time.Hour)
		return e
	}
	e := Event{
		ID:         fmt.Sprintf("evt_%026d", r.IntN(1_000_000)),
		Part:       r.one("prof_a", "prof_b"),
		Name:       r.name(), // a client may name its events as it likes
		Properties: r.Document(),
		At:         r.instant(),
	}
	if r.chance(2) {
		e.At = r.Now()
	}
	if len(earlier) > 0 && r.chance(4) { // at the same instant, or nearly
		e.At = earlier[r.IntN(len(earlier))].At.Add(time.Duration(r.IntN(3)-1) * time.Millisecond)
	}
	switch r.IntN(6) {
	case 0: // late
		e.Arrived = e.At.Add(r.delay())
	case 1: // from the future
		e.Arrived = e.At.Add(-r.delay())
	default:
		e.Arrived = e.At.Add(time.Duration(r.IntN(1000)) * time.Millisecond)
	}
	if r.crowded && !r.chance(8) {
		e.Name, e.Part = "Order", "prof_a"
		e.decoded = document(e.Properties)
		return e
	}
	switch r.IntN(8) {
	case 0:
		e.System, e.Name = true, condition.MessageEvent(r.one("OPENED", "CLICKED"))
		e.Properties = raw(bson.D{{Key: "campaignId", Value: r.one("c1", "c2")}, {Key: "nodeId", Value: r.one("n1", "n2")}})
	case 1:
		e.System, e.Name = true, condition.PredictionComputed
		d := bson.D{{Key: "name", Value: r.one("churn", "ltv")}}
		if !r.chance(6) {
			d = append(d, bson.E{Key: "value", Value: r.json()})
		}
		e.Properties = raw(d)
	}
	e.decoded = document(e.Properties)
	return e
}

func (r *Random) delay() time.Duration {
	most := []time.Duration{time.Hour, 24 * time.Hour, 40 * 24 * time.Hour}
	return time.Duration(r.Int64N(int64(most[r.IntN(len(most))]))).Truncate(time.Millisecond)
}
