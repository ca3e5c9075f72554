package message

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// The calendar periods of caps, in the recipient's zone.
const (
	PerDay   = "DAY"
	PerWeek  = "WEEK" // from Monday
	PerMonth = "MONTH"
)

// Cap bounds how many messages somebody gets.
type Cap struct {
	Channel  string        `bson:"channel,omitempty"`  // "" counts and bounds all of them together
	Purposes []string      `bson:"purposes,omitempty"` // that it counts and bounds; none are all
	Limit    int64         `bson:"limit"`
	Rolling  time.Duration `bson:"rolling,omitempty"`  // within the last …; else
	Calendar string        `bson:"calendar,omitempty"` // DAY, WEEK or MONTH of the recipient
	Exempt   *int64        `bson:"exempt,omitempty"`   // messages of this priority or a higher one pass, and count
	Defer    bool          `bson:"defer,omitempty"`    // what is too many waits until there is room; else it is skipped
}

// Quiet is a time of day at which nobody is disturbed.
type Quiet struct {
	Channel string `bson:"channel,omitempty"` // "" is each
	From    string `bson:"from"`              // "21:00", the recipient's time
	To      string `bson:"to"`                // "08:00"; earlier than From is the next day
}

// Way is how a channel is reached.
type Way struct {
	Channel    string `bson:"channel"`
	Connection string `bson:"connection,omitempty"` // cnn_…; "" is the only one that has the channel
	Identifier string `bson:"identifier,omitempty"` // namespace of the address; "" is the channel's usual one
	Trait      string `bson:"trait,omitempty"`      // where the address stands when there is no such identifier
	From       string `bson:"from,omitempty"`
	ReplyTo    string `bson:"replyTo,omitempty"`
	PerSecond  int64  `bson:"perSecond,omitempty"` // at most so many a second; 0: as the vendor allows
	Clicks     bool   `bson:"clicks,omitempty"`    // links lead through this server
	Opens      bool   `bson:"opens,omitempty"`     // a picture of one point tells of opens
	URL        string `bson:"url,omitempty"`       // of WEBHOOK: where it is posted to
}

// Settings are how a workspace sends.
type Settings struct {
	store.Meta  `bson:",inline"`  // key: workspace/settings
	TimeZone    string            `bson:"zone,omitempty"`      // of those whose own nobody knows; "" is UTC
	ZoneTrait   string            `bson:"zoneTrait,omitempty"` // "" is "timezone"
	Locale      string            `bson:"locale,omitempty"`    // of those whose own nobody knows
	LocaleTrait string            `bson:"localeTrait,omitempty"`
	Caps        []Cap             `bson:"caps,omitempty"`
	Quiets      []Quiet           `bson:"quiets,omitempty"`
	Ways        []Way             `bson:"ways,omitempty"`
	StopWords   []string          `bson:"stopWords,omitempty"` // none are the usual ones
	StopReply   string            `bson:"stopReply,omitempty"` // template of the answer; "" answers nothing
	Sender      map[string]string `bson:"sender,omitempty"`    // what templates read as sender: name, address, …
	UpdatedAt   time.Time         `bson:"updatedAt"`
	UpdatedBy   string            `bson:"updatedBy"`
}

var settingsOf = store.Declare[Settings](store.Spec{Name: "message_settings"})

// Way returns how a channel is reached: what was set, with the usual where nothing was.
func (t *Settings) Way(channel string) Way {
	w := Way{Channel: channel}
	if i := slices.IndexFunc(t.Ways, func(w Way) bool { return w.Channel == channel }); i >= 0 {
		w = t.Ways[i]
	}
	if w.Identifier == "" && w.Trait == "" {
		switch channel {
		case Email:
			w.Identifier, w.Trait = profile.Email, "email"
		case SMS:
			w.Identifier, w.Trait = profile.Phone, "phone"
		case Push:
			w.Identifier, w.Trait = "push_token", "pushToken"
		}
	}
	return w
}

// settings returns a workspace's settings as they were read a moment ago.
func (s *Service) settings(ctx context.Context, ws string) (*Settings, error) {
	return s.sets.get(ctx, ws, func(ctx context.Context) (*Settings, error) { return s.readSettings(ctx, ws) })
}

func (s *Service) readSettings(ctx context.Context, ws string) (*Settings, error) {
	t, err := settingsOf.Get(ctx, s.Store, store.Key(ws, "settings"))
	if err != nil {
		return nil, storeError("read the settings", err)
	}
	if t == nil {
		t = &Settings{Meta: store.Meta{ID: store.Key(ws, "settings")}}
	}
	return t, nil
}

// Settings returns how a workspace sends. Version 0 is that of settings which nobody set.
func (s *Service) Settings(ctx context.Context, ws string) (*Settings, error) {
	return s.readSettings(ctx, ws)
}

// SetSettings changes how a workspace sends: change gets a copy of what is and changes it.
// expected is the version that the caller knows; nil is any.
func (s *Service) SetSettings(ctx context.Context, ws string, expected *int64, dryRun bool, change func(*Settings)) (*Settings, error) {
	if err := access.Allow(ctx, access.Govern); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		old, err := s.readSettings(ctx, ws)
		if err != nil {
			return nil, err
		}
		if expected != nil && *expected != old.V {
			return nil, core.Errorf(core.Conflict, "VERSION", "the settings are at version %d now; read them again and change those", old.V).At("expectedVersion")
		}
		next := *old
		change(&next)
		if err := s.checkSettings(ctx, ws, &next); err != nil {
			return nil, err
		}
		if dryRun {
			return &next, nil
		}
		next.UpdatedAt, next.UpdatedBy = s.now(), actor(ctx)
		ops, err := s.audited(ctx, audit.Entry{Workspace: ws, Action: "messages.settings", Resource: "messageSettings"}, settingsOf.Put(&next))
		if err != nil {
			return nil, err
		}
		err = work.Commit(ctx, s.Store, ops...)
		if errors.Is(err, store.ErrConflict) && try < 10 {
			continue
		}
		if err != nil {
			return nil, storeError("write the settings", err)
		}
		next.V++
		s.sets.drop(ws)
		s.routes.drop(ws)
		return &next, nil
	}
}

const (
	maxCaps  = 20
	maxQuiet = 20
)

func (s *Service) checkSettings(ctx context.Context, ws string, t *Settings) error {
	if _, err := time.LoadLocation(t.TimeZone); err != nil || t.TimeZone == "Local" {
		return core.Errorf(core.Invalid, "TIME_ZONE", "there is no time zone of that name; one is Europe/Bucharest").At("timeZone")
	}
	if len(t.Caps) > maxCaps || len(t.Quiets) > maxQuiet {
		return core.Errorf(core.Invalid, "TOO_MANY", "there are at most %d caps and %d quiet hours", maxCaps, maxQuiet)
	}
	for i := range t.Caps {
		if e := t.Caps[i].check(); e != nil {
			return e.At("caps", strconv.Itoa(i))
		}
	}
	for i, q := range t.Quiets {
		_, ok1 := clockTime(q.From)
		_, ok2 := clockTime(q.To)
		if !ok1 || !ok2 || q.From == q.To || !channelOr(q.Channel) {
			return core.Errorf(core.Invalid, "QUIET_HOURS", "quiet hours are from one time of day to another, such as 21:00 to 08:00, over a channel or all").At("quietHours", strconv.Itoa(i))
		}
	}
	seen := map[string]bool{}
	for i, w := range t.Ways {
		if w.Channel == "" || !channelOr(w.Channel) || seen[w.Channel] {
			return core.Errorf(core.Invalid, "CHANNEL", "each channel is set once").At("channels", strconv.Itoa(i), "channel")
		}
		seen[w.Channel] = true
		if err := s.checkWay(ctx, ws, w); err != nil {
			return core.AsError(err).At("channels", strconv.Itoa(i))
		}
	}
	for i, word := range t.StopWords {
		if t.StopWords[i] = strings.ToUpper(strings.TrimSpace(word)); t.StopWords[i] == "" || len(word) > 40 {
			return core.Errorf(core.Invalid, "STOP_WORDS", "a stop word is one word").At("stopWords", strconv.Itoa(i))
		}
	}
	return nil
}

func (s *Service) checkWay(ctx context.Context, ws string, w Way) error {
	switch {
	case w.PerSecond < 0:
		return core.Errorf(core.Invalid, "PER_SECOND", "a pace is a number of messages a second, or 0").At("perSecond")
	case w.URL != "" && w.Channel != Webhook:
		return core.Errorf(core.Invalid, "URL", "only WEBHOOK has a URL").At("url")
	case w.Connection != "" && own(w.Channel):
		return core.Errorf(core.Invalid, "CONNECTION", "this channel needs no connection").At("connectionId")
	}
	if w.URL != "" {
		u, err := url.Parse(w.URL)
		if err != nil || u.Hostname() == "" || u.User != nil {
			return core.Errorf(core.Invalid, "URL", "this must be a URL with a host, such as https://example.com/hooks").At("url")
		}
		if err := s.Vendors.Reachable(ctx, u); err != nil {
			return core.AsError(err).At("url")
		}
	}
	if w.Connection == "" {
		return nil
	}
	c, err := s.Vendors.Connection(ctx, ws, w.Connection)
	if err != nil {
		return err
	}
	if c == nil {
		return core.Errorf(core.NotFound, "CONNECTION", "there is no connection with this id").At("connectionId")
	}
	if spec := s.Vendors.Connector(c.Connector); spec != nil && !slices.Contains(spec.Channels, w.Channel) {
		return core.Errorf(core.Invalid, "CHANNEL", "the connector of this connection does not have the channel").At("connectionId")
	}
	return nil
}

func (c *Cap) check() *core.Error {
	switch {
	case !channelOr(c.Channel):
		return core.Errorf(core.Invalid, "CHANNEL", "there is no such channel").At("channel")
	case c.Limit < 1 || c.Limit > 1000:
		return core.Errorf(core.Invalid, "CAP", "a cap is between 1 and 1000 messages").At("limit")
	case (c.Rolling > 0) == (c.Calendar != ""), c.Rolling < 0:
		return core.Errorf(core.Invalid, "CAP", "a cap is for a duration or for a DAY, WEEK or MONTH, one of them").At("rolling")
	case c.Rolling > maxWindow:
		return core.Errorf(core.Invalid, "CAP", "a cap looks back at most %d days", maxWindow/(24*time.Hour)).At("rolling")
	case c.Calendar != "" && c.Calendar != PerDay && c.Calendar != PerWeek && c.Calendar != PerMonth:
		return core.Errorf(core.Invalid, "CAP", "a calendar cap is for a DAY, WEEK or MONTH").At("calendar")
	}
	return nil
}

func channelOr(c string) bool {
	return c == "" || slices.Contains([]string{Email, SMS, Push, WebChat, InApp, Webhook}, c)
}

// own reports whether a channel is carried by this server itself.
func own(channel string) bool { return channel == InApp || channel == WebChat || channel == Webhook }

func actor(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return "system"
}

// audited returns the operation of an entry of the audit log in front of others.
func (s *Service) audited(ctx context.Context, e audit.Entry, ops ...store.Op) ([]store.Op, error) {
	if s.Audit == nil {
		return ops, nil
	}
	op, err := s.Audit.Op(ctx, e)
	if err != nil {
		return nil, err
	}
	return append([]store.Op{op}, ops...), nil
}
