package privacy

import "time"

// monthsAfter returns the same day and time some months later; a day that the month
// does not have is its last one, as Regulation 1182/71 counts periods of months.
func monthsAfter(t time.Time, months int) time.Time {
	t = t.UTC()
	first := time.Date(t.Year(), t.Month()+time.Month(months), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}

// Deadline returns when the request is to be answered.
func (r *Request) Deadline() time.Time { return r.DueAt }

// Open reports whether the person has no answer yet: what FAILED has none.
func (r *Request) Open() bool { return r.Status != Completed && r.Status != Refused }

// Overdue reports whether the request should have been answered.
func (r *Request) Overdue(now time.Time) bool { return r.Open() && now.After(r.DueAt) }

// lawful are the transitions between statuses.
var lawful = map[RequestStatus][]RequestStatus{
	Received:             {InProgress, Refused, Failed},
	InProgress:           {AwaitingDestinations, Completed, Refused, Failed},
	AwaitingDestinations: {Completed, Failed},
	Failed:               {Completed},
}
