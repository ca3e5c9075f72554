package event

import (
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// MaxFuture is how far ahead of the server's clock an event may be, after the
// client's clock was corrected.
const MaxFuture = 24 * time.Hour

// The forms of a time beside RFC 3339 that clients send. Without a zone it is UTC.
var timeLayouts = []string{
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04:05.999999999Z07",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999Z0700",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"2006-01-02 15:04",
	"2006-01-02",
}

// ParseTime reads a time as clients write them: RFC 3339, ISO 8601 with or without
// a zone (then it is UTC), with a fraction or none, or a date alone.
func ParseTime(text string) (time.Time, bool) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), true
	}
	if len(text) > 40 {
		return time.Time{}, false
	}
	text = strings.ReplaceAll(strings.TrimSuffix(text, " UTC"), " +", "+")
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// parseEpoch reads a number of milliseconds since 1970. Ten digits are seconds,
// sent by mistake: taken as milliseconds they would silently be in January 1970.
func parseEpoch(lit string) (time.Time, *core.Error) {
	ms, err := strconv.ParseFloat(lit, 64)
	if err != nil || ms > 1e15 || ms < -1e15 {
		return time.Time{}, invalid(ReasonTimestamp, "a time is RFC 3339 text or a number of milliseconds since 1970")
	}
	if ms >= 1e9 && ms < 1e10 {
		return time.Time{}, invalid(ReasonTimestamp, "the number looks like seconds since 1970; send milliseconds or RFC 3339 text")
	}
	return time.UnixMilli(int64(ms)).UTC(), nil
}

// stamp is a time that may be absent.
type stamp struct {
	at time.Time
	ok bool
}

// times are the times that a message was sent with.
type times struct{ original, timestamp, sent stamp }

// asSent returns what the client wrote as the event's time.
func (t times) asSent() time.Time {
	switch {
	case t.original.ok:
		return t.original.at
	case t.timestamp.ok:
		return t.timestamp.at
	}
	return time.Time{}
}

// when returns the time of the event by the server's clock.
//
// A client's clock may be wrong by years, but it is wrong alike for the event and
// for the sending: receivedAt − (sentAt − originalTimestamp) is right. A client
// that sends no sentAt is believed; history is never corrected, its sentAt being
// that of another day.
func (t times) when(d *Defaults) (time.Time, *core.Error) {
	at := d.ReceivedAt
	switch device := t.asSent(); {
	case d.Historical && t.timestamp.ok:
		at = t.timestamp.at
	case device.IsZero():
	case t.sent.ok && !d.Historical:
		at = at.Add(device.Sub(t.sent.at))
	default:
		at = device
	}
	now := d.ReceivedAt
	if d.Now.After(now) {
		now = d.Now
	}
	if at.After(now.Add(MaxFuture)) {
		return at, invalid(ReasonFuture, "the time of an event may lie at most %d hours ahead of its receipt", int(MaxFuture.Hours())).At("timestamp")
	}
	if at.Before(time.Unix(0, 0)) {
		return at, invalid(ReasonAncient, "the time of an event may not lie before 1970").At("timestamp")
	}
	return at.UTC().Truncate(time.Millisecond), nil
}
