package conditiontest

import (
	"math/rand/v2"
	"time"
	_ "time/tzdata" // the same zones on every machine
)

// Random makes histories and conditions that meet each other often: the names,
// paths and values are few, and the times lie around one difficult moment of the
// calendar, at the edges of the periods that the conditions use.
type Random struct {
	*rand.Rand
	Zone   *time.Location // of the difficult moment
	Centre time.Time

	often      []int       // periods that are drawn most
	shared     []time.Time // instants that are drawn again
	happenings []object    // events that are asked for again
	crowded    bool        // nearly all events are of one name, and asked for
}

// NewRandom returns a source that repeats itself for a seed.
func NewRandom(seed uint64) *Random {
	r := &Random{Rand: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
	m := moments[r.IntN(len(moments))]
	zone, err := time.LoadLocation(m.zone)
	if err != nil {
		panic(err)
	}
	r.Zone = zone
	r.Centre, err = time.Parse(time.RFC3339, m.at)
	if err != nil {
		panic(err)
	}
	r.often = []int{r.IntN(len(periods)), r.IntN(len(periods))}
	r.crowded = r.chance(4)
	if r.chance(3) {
		r.often[0] = months
	}
	for range 5 {
		r.shared = append(r.shared, r.Around(r.Now()))
	}
	r.happenings = []object{{"name": r.name(), "where": r.where()}, {"name": "Order", "where": []any{}}}
	return r
}

// The moments at which calendars are difficult.
var moments = []struct{ zone, at string }{
	{"Europe/Bucharest", "2026-03-29T01:00:00Z"},     // 03:00 becomes 04:00
	{"Europe/Bucharest", "2026-10-25T01:00:00Z"},     // 04:00 becomes 03:00
	{"America/New_York", "2026-03-08T07:00:00Z"},     // 02:00 becomes 03:00
	{"America/New_York", "2026-11-01T06:00:00Z"},     // 02:00 becomes 01:00
	{"Australia/Lord_Howe", "2026-04-04T15:00:00Z"},  // half an hour back
	{"Australia/Lord_Howe", "2026-10-03T15:30:00Z"},  // half an hour on
	{"America/Santiago", "2026-04-05T03:00:00Z"},     // midnight becomes 23:00
	{"America/Santiago", "2026-09-06T04:00:00Z"},     // there is no midnight
	{"America/Havana", "2026-11-01T05:00:00Z"},       // 01:00 becomes 00:00: two midnights
	{"America/Havana", "2026-03-08T05:00:00Z"},       // 00:00 becomes 01:00
	{"Pacific/Apia", "2011-12-30T10:00:00Z"},         // there is no 30 December
	{"UTC", "2024-02-29T00:00:00Z"},                  // a leap day
	{"Europe/Bucharest", "2024-02-29T12:00:00Z"},     //
	{"America/New_York", "2025-03-01T05:00:00Z"},     // the day after no leap day
	{"UTC", "2026-03-31T00:00:00Z"},                  // the end of a month
	{"Asia/Tokyo", "2026-12-31T15:00:00Z"},           // the turn of a year
	{"Europe/Bucharest", "2026-05-31T20:59:59.999Z"}, // the last of a month
	{"UTC", "2026-07-15T12:00:00Z"},                  // nothing at all
}

// The periods that conditions use; histories have events at their edges.
var periods = []struct {
	text   string
	months int
	days   int
	rest   time.Duration
}{
	{"PT1H", 0, 0, time.Hour},
	{"PT90M", 0, 0, 90 * time.Minute},
	{"PT3H", 0, 0, 3 * time.Hour},
	{"P1D", 0, 1, 0},
	{"P1DT1H", 0, 1, time.Hour},
	{"P2D", 0, 2, 0},
	{"P7D", 0, 7, 0},
	{"P2W", 0, 14, 0},
	{"P30D", 0, 30, 0},
	{"P1M", 1, 0, 0},
	{"P1M1D", 1, 1, 0},
	{"P2M", 2, 0, 0},
	{"P1Y", 12, 0, 0},
	{"P1Y1M", 13, 0, 0},
}

// months is where periods hold "P1M".
const months = 9

// Now returns an instant near the difficult moment.
func (r *Random) Now() time.Time {
	if r.chance(2) { // within the hours that clocks show twice or never
		return r.jitter(r.Centre.Add(time.Duration(r.IntN(17)-8) * 15 * time.Minute))
	}
	near := []time.Duration{24 * time.Hour, 7 * 24 * time.Hour, 30 * 24 * time.Hour}
	d := near[r.IntN(len(near))]
	if r.chance(2) {
		d = -d
	}
	return r.jitter(r.Centre.Add(d))
}

// instant returns one that others may have as well, nearly or exactly, or a new one.
func (r *Random) instant() time.Time {
	if r.chance(2) {
		t := r.shared[r.IntN(len(r.shared))]
		if r.chance(2) {
			t = t.Add(time.Duration(r.IntN(3)-1) * time.Millisecond)
		}
		return t
	}
	return r.Around(r.Now())
}

// Around returns an instant that has some relation with t: a period before or
// after it, exactly or nearly.
func (r *Random) Around(t time.Time) time.Time {
	if r.IntN(5) == 0 {
		return r.Beyond(t)
	}
	return r.away(t, -1)
}

// Beyond returns an instant a period after t, exactly or nearly.
func (r *Random) Beyond(t time.Time) time.Time { return r.away(t, 1) }

func (r *Random) away(t time.Time, sign int) time.Time {
	p := periods[r.draw()]
	d := t.Add(time.Duration(sign) * (time.Duration(p.days)*24*time.Hour + p.rest))
	if p.months != 0 {
		d = d.In(r.Zone).AddDate(0, sign*p.months, 0)
	}
	if r.IntN(6) == 0 {
		y, m, day := d.In(r.Zone).Date() // a midnight, or what there is instead
		d = time.Date(y, m, day, 0, 0, 0, 0, r.Zone)
	}
	return r.jitter(d)
}

func (r *Random) jitter(t time.Time) time.Time {
	switch r.IntN(9) {
	case 8:
		t = t.Add(time.Duration(r.IntN(9)-4) * 15 * time.Minute) // the other time that clocks show so
	case 0:
		t = t.Add(time.Millisecond)
	case 1:
		t = t.Add(-time.Millisecond)
	case 2:
		t = t.Add(time.Duration(r.IntN(7200)-3600) * time.Second)
	case 3:
		t = t.Add(time.Duration(r.Int64N(int64(40 * 24 * time.Hour)))).Add(-20 * 24 * time.Hour)
	}
	return t.UTC().Truncate(time.Millisecond)
}

func (r *Random) one(of ...string) string { return of[r.IntN(len(of))] }

// chance is true once in n times.
func (r *Random) chance(n int) bool { return r.IntN(n) == 0 }

func (r *Random) draw() int {
	if r.chance(2) {
		return r.IntN(len(periods))
	}
	return r.often[r.IntN(len(r.often))]
}

func (r *Random) period() string { return periods[r.draw()].text }
