package insight

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// crowd is the people of one cell on one day of the measure's time zone, as one lane has
// seen them.
type crowd struct {
	store.Meta `bson:",inline"` // key: workspace/measure/day/cell/lane
	Many       bool             `bson:"m,omitempty"` // registers of a HyperLogLog; else 8 bytes a person
	People     []byte           `bson:"p"`
}

func crowdKey(ws string, p place, day int64, lane string) string {
	return store.Key(ws, p.measure, dayKey(day), p.cell, lane)
}

// dayBase keeps the numbers of days before 1970 positive, so that keys sort.
const dayBase = 1_000_000

func dayKey(day int64) string { return fmt.Sprintf("%07d", day+dayBase) }

// where reads the key.
func (c *crowd) where() (p place, day int64, lane string) {
	keys := strings.Split(store.Rest(c.ID), "/")
	if len(keys) != 4 {
		return p, 0, ""
	}
	day, _ = strconv.ParseInt(keys[1], 10, 64)
	return place{keys[0], keys[2]}, day - dayBase, keys[3]
}

// dayOf numbers the day of an instant in a time zone, from 1970-01-01 on.
func dayOf(t time.Time, zone *time.Location) int64 {
	y, m, d := t.In(zone).Date()
	return floorDiv(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix(), 86400)
}

// dateOf is the reverse of dayOf.
func dateOf(day int64) (int, time.Month, int) { return time.Unix(day*86400, 0).UTC().Date() }
