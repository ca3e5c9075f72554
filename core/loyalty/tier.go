package loyalty

import (
	"time"
)

// Period says over which time points count towards a tier.
type Period string

// The periods. Calendar years are UTC.
const (
	Lifetime     Period = "LIFETIME"      // all points ever: a tier is never lost
	CalendarYear Period = "CALENDAR_YEAR" // a tier reached in one year holds to the end of the next
	Rolling      Period = "ROLLING"       // the last PeriodDays days, today among them
)

// Tier is a level that so many points lead to.
type Tier struct {
	Key   string `bson:"key"`
	Name  string `bson:"name"`
	From  int64  `bson:"from"` // points
	Perks []Perk `bson:"perks,omitempty"`
}

// Perk is what a tier gives: data for templates and whoever asks.
type Perk struct {
	Key         string `bson:"key"`
	Name        string `bson:"name"`
	Description string `bson:"description,omitempty"`
	Value       string `bson:"value,omitempty"` // "10%", "free shipping above 20 EUR"
}

// rank returns the place of a tier in the program, -1 for none.
func (p *Program) rank(key string) int {
	for i := range p.Tiers {
		if p.Tiers[i].Key == key {
			return i
		}
	}
	return -1
}

// Tier returns the tier with a key; nil when there is none.
func (p *Program) Tier(key string) *Tier {
	if i := p.rank(key); i >= 0 {
		return &p.Tiers[i]
	}
	return nil
}

// told returns the highest of the tiers that the parts of the account were told of; since
// is when.
func (p *Program) told(a *Account) (key string, since time.Time) {
	best := -1
	for _, t := range a.Told {
		if r := p.rank(t.Tier); r > best {
			best, key, since = r, t.Tier, t.At
		}
	}
	return key, since
}

// TierOf returns the key of the tier that the account was told of, "" for none, and since
// when.
func (p *Program) TierOf(a *Account) (key string, since time.Time) {
	if a == nil {
		return "", time.Time{}
	}
	return p.told(a)
}

// at returns the tier that so many points lead to, -1 for none.
func (p *Program) at(points int64) int {
	best := -1
	for i := range p.Tiers {
		if points >= p.Tiers[i].From {
			best = i
		}
	}
	return best
}

// due returns the place of the tier that the account has earned at an instant, and when
// that can next change by itself; zero: never.
func (p *Program) due(a *Account, now time.Time) (rank int, next time.Time) {
	switch p.Period {
	case CalendarYear:
		year := now.UTC().Year()
		this, last := p.at(a.between(yearStart(year), yearStart(year+1))), p.at(a.between(yearStart(year-1), yearStart(year)))
		if rank = max(this, last); rank >= 0 {
			next = yearStart(year + 1)
		}
	case Rolling:
		first := dayOf(now) - int64(p.PeriodDays) + 1
		rank = p.at(a.between(time.Unix(first*86400, 0), now.Add(dayLength)))
		for _, d := range a.Days {
			if d.Day >= first && rank >= 0 {
				next = time.Unix((d.Day+int64(p.PeriodDays))*86400, 0).UTC()
				break
			}
		}
	default:
		rank = p.at(a.Earned)
	}
	if told, _ := p.told(a); p.KeepTiers || p.Period == Lifetime || p.Period == "" {
		rank, next = max(rank, p.rank(told)), time.Time{}
	}
	return rank, next
}

// Points returns the points that count towards a tier at an instant, and how many are
// missing to the next one; 0 when there is none.
func (p *Program) Points(a *Account, now time.Time) (count, missing int64) {
	if a == nil {
		a = &Account{}
	}
	switch p.Period {
	case CalendarYear:
		year := now.UTC().Year()
		count = a.between(yearStart(year), yearStart(year+1))
	case Rolling:
		count = a.between(time.Unix((dayOf(now)-int64(p.PeriodDays)+1)*86400, 0), now.Add(dayLength))
	default:
		count = a.Earned
	}
	if next := p.at(count) + 1; next < len(p.Tiers) {
		missing = p.Tiers[next].From - count
	}
	return count, missing
}

func yearStart(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }

// between returns what was earned from a day on, and before another.
func (a *Account) between(from, to time.Time) int64 {
	var n int64
	for _, d := range a.Days {
		if d.Day >= dayOf(from) && d.Day < dayOf(to) {
			n += d.Points
		}
	}
	return n
}

// plan sets when the sweep must look at the account again.
func (p *Program) plan(a *Account, now time.Time) {
	rank, next := p.due(a, now)
	told, _ := p.told(a)
	if rank != p.rank(told) {
		next = now
	}
	if len(a.Lots) > 0 { // sorted: the first has the first end
		if l := a.Lots[0]; !l.ExpiresAt.IsZero() && (next.IsZero() || l.ExpiresAt.Before(next)) {
			next = l.ExpiresAt
		}
	}
	a.Due = next
}
